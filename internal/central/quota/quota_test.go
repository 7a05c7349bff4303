package quota_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/central/quota"
	"github.com/godwitkv/godwit/internal/store"
)

// world is a node with quotas, and a namespace in it.
type world struct {
	*apitest.Env
	log godwit.Log
	ns  *godwit.Namespace
}

// testMaxCleared is about what 20 short keys count.
const testMaxCleared = 20 * 600

func open(t *testing.T, s godwit.Settings) *world {
	t.Helper()
	w := new(world)
	w.Env = apitest.Open(t, apitest.WithService(func(c *api.Config) {
		st := c.Reader.(*store.Store)
		c.Log = quota.New(quota.Config{
			Log: c.Log, Namespace: c.Catalog.KnownNamespace, Size: st.NamespaceStats, Reader: st, Metrics: prometheus.NewRegistry(),
			MaxCleared: testMaxCleared,
		})
		w.log = c.Log
	}))
	w.Namespace(t, "other")
	w.ns = w.Set(t, w.Namespace(t, "site"), s)
	return w
}

// do carries out a write as text: put KEY BYTES, delete KEY, add KEY,
// bulk KEY,KEY BYTES, or those but bulk one after another, in one transaction.
func (w *world) do(t *testing.T, text string) error {
	t.Helper()
	if rest, ok := strings.CutPrefix(text, "bulk "); ok {
		keys, value, _ := strings.Cut(rest, " ")
		var pairs []api.BulkPut
		for key := range strings.SplitSeq(keys, ",") {
			pairs = append(pairs, api.BulkPut{Key: key, Value: godwit.Value{Inline: []byte(value)}})
		}
		_, err := w.Service.BulkPut(t.Context(), w.ns, pairs, "")
		return err
	}
	var tx api.Transact
	for part := range strings.SplitSeq(text, "; ") {
		f := append(strings.Fields(part), "", "")
		m := api.Mutation{Put: api.Put{Key: []byte(f[1])}}
		switch f[0] {
		case "put":
			m.Op, m.Body = godwit.OpPut, strings.NewReader(f[2])
		case "delete":
			m.Op = godwit.OpDelete
		case "add":
			m.Op, m.Delta = godwit.OpAdd, 1
		}
		tx.Mutations = append(tx.Mutations, m)
	}
	if len(tx.Mutations) > 1 || tx.Mutations[0].Op == godwit.OpAdd {
		_, err := w.Service.Transact(t.Context(), w.ns, tx)
		return err
	}
	m := &tx.Mutations[0]
	if m.Op == godwit.OpDelete {
		_, err := w.Service.Delete(t.Context(), w.ns, api.Delete{Key: m.Key})
		return err
	}
	_, err := w.Service.Put(t.Context(), w.ns, m.Put)
	return err
}

// steps holds that writes are refused where the text begins with "no: ".
func (w *world) steps(t *testing.T, steps ...string) {
	t.Helper()
	for _, step := range steps {
		text, refused := strings.CutPrefix(step, "no: ")
		keys, bytes := w.Store.NamespaceStats(w.ns.ID)
		err := w.do(t, text)
		if refused != (godwit.CodeOf(err) == godwit.CodeQuota && err != nil) || err != nil && !refused {
			t.Fatalf("%.60s, of %d keys, %d bytes: %v", step, keys, bytes, err)
		}
		if k, b := w.Store.NamespaceStats(w.ns.ID); refused && (k != keys || b != bytes) {
			t.Fatalf("%.60s: refused, and %d keys, %d bytes became %d, %d", step, keys, bytes, k, b)
		}
	}
}

func TestMaxKeys(t *testing.T) {
	most := int64(3)
	w := open(t, godwit.Settings{MaxKeys: &most})
	w.steps(t,
		"put a 1", "bulk b,b,b,b 1", "put c 1",
		"no: put d 1", "no: add d", "no: bulk d,e 1", "no: bulk a,b,d 1",
		"put a 22", "bulk a,b,c,a 333", "put n 1; delete a", "no: put o 1; put p 1; delete b",
		"delete absent", "delete n", "put d 1", "no: put e 1",
		"delete b", "delete c", "delete d", "add n", "add n", "put a 1", "put b 1", "no: put c 1", "add n",
	)
	other, err := w.Catalog.Resolve(t.Context(), []byte("other"))
	if err != nil {
		t.Fatal(err)
	}
	w.ns = other
	w.steps(t, "put a 1", "put b 1", "put c 1", "put d 1", "bulk e,f,g 1")
}

func TestMaxBytes(t *testing.T) {
	most := int64(100)
	w := open(t, godwit.Settings{MaxBytes: &most})
	v := func(n int) string { return strings.Repeat("v", n) }
	w.steps(t,
		"no: put a "+v(100), "put a "+v(99), "no: put b ", "put a "+v(99), "put a "+v(50),
		"put b "+v(48), "no: put c", "no: put b "+v(49), "put b "+v(49)+"; put a "+v(40), "put b "+v(50),
		"no: put large "+v(1<<20), "bulk a,a "+v(48), "no: bulk a,b "+v(80),
		"no: add n", "delete a", "add n", "no: put a "+v(60),
	)
}

// A namespace that holds more than it may, because it was given its quota later,
// takes what makes it smaller.
func TestOverQuota(t *testing.T) {
	w := open(t, godwit.Settings{})
	w.steps(t, "bulk a,b,c,d,e 12345")
	one := int64(1)
	w.ns = w.Set(t, w.ns, godwit.Settings{MaxKeys: &one, MaxBytes: &one})
	w.steps(t, "no: put f 1", "no: put a 123456", "put a 12345", "put a 1", "delete b", "put f 1; delete a", "no: put g 1")
}
