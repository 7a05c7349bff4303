package backup_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/logtest"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/porttest"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) {
	// Pebble leaves this one behind when it fails to open.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/cockroachdb/pebble/v2.(*ConcurrencyLimitScheduler).periodicGranter"))
}

const rootToken = "root-token-of-the-tests"

// world is a node on the machine's disk, and what it has told.
type world struct {
	t    testing.TB
	cfg  node.Config
	node *node.Node
	*client.Client
	log logtest.Buffer

	mu      sync.Mutex
	store   *store.Store
	commits []store.Committed // exact ones
	taken   []godwit.Record   // by a reconcile, or a round of catching up
}

// newWorld starts a node on dir: a centre, or an edge of upstreams.
func newWorld(t testing.TB, dir string, upstreams ...string) *world {
	t.Helper()
	w := &world{t: t, cfg: node.Config{
		Dir: dir, Listen: porttest.Free(t), BindingListen: "127.0.0.1:0", RootToken: rootToken, CacheBytes: 8 << 20,
		Upstreams: upstreams, DrainTimeout: time.Second, Limits: godwit.DefaultLimits(),
	}}
	w.cfg.Limits.MinExpirationTTL = time.Second
	if len(upstreams) > 0 {
		w.cfg.UpstreamToken = rootToken
	}
	w.cfg.Logger = slog.New(slog.NewTextHandler(&w.log, nil))
	w.cfg.Observer = &node.Observer{
		Opened:    func(s *store.Store) { w.store = s },
		Committed: w.committed, Mixed: func() {}, Exact: func(bool) {},
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

func (w *world) committed(c *store.Committed) {
	own := *c
	own.Records = slices.Clone(c.Records)
	for i := range own.Records {
		r := &own.Records[i]
		r.Key, r.Metadata, r.Value.Inline = strings.Clone(r.Key), bytes.Clone(r.Metadata), bytes.Clone(r.Value.Inline)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Exact {
		w.commits = append(w.commits, own)
	} else {
		w.taken = append(w.taken, own.Records...)
	}
}

// takenKeys are the keys, of clients, that came otherwise than by following.
func (w *world) takenKeys() (keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.taken {
		if r.Namespace != godwit.SystemNamespace {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func (w *world) start() {
	w.t.Helper()
	w.cfg.Metrics = prometheus.NewRegistry()
	n, err := node.Open(context.WithoutCancel(w.t.Context()), w.cfg)
	check(w.t, err)
	w.node = n
	w.Client, err = client.New(n.APIURL(), rootToken, client.WithAttempts(1))
	check(w.t, err)
}

func (w *world) stop() {
	if w.node == nil {
		return
	}
	w.Client.Close()
	check(w.t, w.node.Close())
	w.node = nil
}

func (w *world) namespace(title string) *client.KV {
	w.t.Helper()
	_, err := w.CreateNamespace(w.t.Context(), title, client.NamespaceOptions{})
	check(w.t, err)
	return w.KV(title)
}

func (w *world) put(kv *client.KV, key, value string) {
	w.t.Helper()
	_, err := kv.Put(w.t.Context(), key, strings.NewReader(value), client.PutOptions{})
	check(w.t, err)
}

// get is a key's value, "" if there is none.
func (w *world) get(title, key string) string {
	w.t.Helper()
	v, err := w.KV(title).Get(w.t.Context(), key)
	if errors.Is(err, client.ErrKeyNotFound) || errors.Is(err, client.ErrNamespaceNotFound) || errors.Is(err, client.ErrUnavailable) {
		return ""
	}
	check(w.t, err)
	var b bytes.Buffer
	_, err = b.ReadFrom(v)
	check(w.t, errors.Join(err, v.Close()))
	return b.String()
}

// isCopyOf tells whether an edge has all that another node has.
func (w *world) isCopyOf(of *world) bool {
	s := w.status()
	return s.Ready && s.Connected && s.Missing == 0 && !w.store.Mixed() && w.store.Revision() == of.store.Revision()
}

func (w *world) status() *client.Status {
	w.t.Helper()
	s, err := w.Status(w.t.Context())
	check(w.t, err)
	return s
}

// await returns once something is so.
func (w *world) await(what string, is func() bool) {
	w.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(45 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come to be that %s; the log:\n%s", what, w.log.String())
		}
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
