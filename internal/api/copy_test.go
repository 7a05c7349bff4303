package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

// held is what a namespace holds, by key: metadata, expiration and value, as text.
func held(t *testing.T, env *apitest.Env, ns *godwit.Namespace) map[string]string {
	t.Helper()
	page, err := env.Service.List(t.Context(), ns, godwit.ListQuery{Scan: &godwit.Scan{}}, godwit.ReadOptions{})
	if err != nil || page.More {
		t.Fatalf("list: more %v, %v", page, err)
	}
	all := make(map[string]string)
	for _, e := range page.Entries {
		all[e.Key] = fmt.Sprintf("%s %d %s", e.Metadata, e.Expiration, get(t, env, ns, e.Key))
	}
	return all
}

// copyAll carries q out page by page, and returns the sum and how many there were.
func copyAll(t *testing.T, env *apitest.Env, q api.Copy) (sum api.Copied, pages int) {
	t.Helper()
	for {
		out, err := env.Service.Copy(t.Context(), q)
		if err != nil {
			t.Fatalf("copy: %v", err)
		}
		pages++
		sum.Keys, sum.Bytes, sum.Present = sum.Keys+out.Keys, sum.Bytes+out.Bytes, sum.Present+out.Present
		sum.Failed = append(sum.Failed, out.Failed...)
		if out.Revision == 0 || out.Revision > env.Service.Revision() {
			t.Errorf("revision %d, the store has %d", out.Revision, env.Service.Revision())
		}
		if q.Cursor = out.Cursor; q.Cursor == "" {
			return sum, pages
		}
	}
}

// TestCopyKeepsAll copies all kinds of entries in pages of every size, and under
// every budget.
func TestCopyKeepsAll(t *testing.T) {
	large := strings.Repeat("0123456789abcdef", 50_000)
	longest := "a/" + strings.Repeat("x", godwit.MaxKeyBytes-2)
	for name, tc := range map[string]struct {
		limit int
		bytes int64
		time  time.Duration
	}{
		"all at once": {0, 1 << 40, time.Hour}, "one at a time": {1, 1 << 40, time.Hour}, "two at a time": {2, 1 << 40, time.Hour},
		"large ones alone": {0, 1, time.Hour}, "no time": {0, 1 << 40, -1},
	} {
		t.Run(name, func(t *testing.T) {
			env := apitest.Open(t)
			env.Service.SetCopyBudget(tc.bytes, tc.time)
			from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
			for key, value := range map[string]string{
				"a/": "at the prefix itself", "a/1": "", "a/2": "\xff\x00", "a/3": large, "a/4": large + "!", longest: "long", "b": "another", "Z": "before",
			} {
				put(t, env, from, key, value)
			}
			if _, err := env.Service.Put(t.Context(), from, api.Put{
				Key: []byte("a/5"), Body: strings.NewReader(large), Metadata: []byte(`{"n":1.0}`), ExpirationTTL: "60",
			}); err != nil {
				t.Fatal(err)
			}
			put(t, env, to, "a/1", "was there")
			put(t, env, to, "else", "is left alone")
			want := held(t, env, from)
			delete(want, "b")
			delete(want, "Z")
			want["else"] = " 0 is left alone"
			env.Clock.Advance(50 * time.Second) // the life that is left is shorter than one may be given

			sum, pages := copyAll(t, env, api.Copy{From: from, To: to, Prefix: "a/", ToPrefix: "a/", Limit: tc.limit})
			if diff := cmp.Diff(want, held(t, env, to)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if sum.Keys != 7 || sum.Bytes != int64(20+2+3*len(large)+1+4) || sum.Present != 0 || len(sum.Failed) != 0 {
				t.Errorf("copied %+v", sum)
			}
			wantPages := map[string]int{"all at once": 1, "one at a time": 7, "two at a time": 4, "large ones alone": 4, "no time": 7}
			if pages != wantPages[name] {
				t.Errorf("%d pages, want %d", pages, wantPages[name])
			}
		})
	}
}

// TestCopyGoesOn deletes and adds keys while a copy is between two pages.
func TestCopyGoesOn(t *testing.T) {
	for _, time := range []time.Duration{-1, time.Hour} { // with either kind of cursor
		env := apitest.Open(t)
		env.Service.SetCopyBudget(1<<40, time)
		ns, to := env.Namespace(t, "from"), env.Namespace(t, "to")
		for i := range 10 {
			put(t, env, ns, fmt.Sprintf("k%d", i), "v")
		}
		q := api.Copy{From: ns, To: to, Prefix: "k", ToPrefix: "copy/", Limit: 1}
		for i := 0; ; i++ {
			out, err := env.Service.Copy(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if i == 3 {
				if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k3")}); err != nil {
					t.Fatal(err)
				}
				put(t, env, ns, "k3.5", "new")
				put(t, env, ns, "k0.5", "too late")
			}
			if q.Cursor = out.Cursor; q.Cursor == "" {
				break
			}
		}
		got := held(t, env, to)
		if len(got) != 11 || got["copy/3"] == "" || got["copy/3.5"] == "" || got["copy/0.5"] != "" {
			t.Errorf("with %v: got %v", time, got)
		}
	}
}

// TestCopyPassesExpired: a page may look at nothing but keys that have expired, and
// yet be followed by more.
func TestCopyPassesExpired(t *testing.T) {
	env := apitest.Open(t)
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	pairs := make([]api.BulkPut, 0, godwit.MaxBulkItems)
	for i := range godwit.MaxScannedKeys + 10 {
		if pairs = append(pairs, api.BulkPut{Key: fmt.Sprintf("a%06d", i), ExpirationTTL: "60"}); len(pairs) == cap(pairs) || i == godwit.MaxScannedKeys+9 {
			if _, err := env.Service.BulkPut(t.Context(), from, pairs, ""); err != nil {
				t.Fatal(err)
			}
			pairs = pairs[:0]
		}
	}
	put(t, env, from, "b", "lives")
	env.Clock.Advance(time.Minute)
	if sum, pages := copyAll(t, env, api.Copy{From: from, To: to}); sum.Keys != 1 || get(t, env, to, "b") != "lives" || pages < 2 {
		t.Errorf("copied %+v in %d pages", sum, pages)
	}
}

// TestCopyOneKey copies single keys.
func TestCopyOneKey(t *testing.T) {
	env := apitest.Open(t)
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	put(t, env, from, "k", "v")
	put(t, env, from, "large", strings.Repeat("v", 100_000))
	for _, tc := range []struct {
		q    api.Copy
		code godwit.Code // 0: none
		keys int64
	}{
		{api.Copy{From: from, To: to, Key: "k", ToKey: "k2"}, 0, 1},
		{api.Copy{From: from, To: to, Key: "k", ToKey: "k2", IfAbsent: true}, 0, 0},
		{api.Copy{From: from, To: from, Key: "k", ToKey: "k2"}, 0, 1},
		{api.Copy{From: from, To: to, Key: "large", ToKey: "large"}, 0, 1},
		{api.Copy{From: from, To: to, Key: "large", ToKey: "large", IfAbsent: true}, 0, 0},
		{api.Copy{From: from, To: from, Key: "k", ToKey: "k"}, godwit.CodeInvalidRequest, 0},
		{api.Copy{From: from, To: to, Key: "none", ToKey: "k"}, godwit.CodeKeyNotFound, 0},
		{api.Copy{From: from, To: to, Key: "k", ToKey: ".."}, godwit.CodeInvalidKey, 0},
		{api.Copy{From: from, To: to, Key: "k", ToKey: strings.Repeat("k", 513)}, godwit.CodeKeyTooLong, 0},
		{api.Copy{From: from, To: to, Key: "k", ToKey: "x", Limit: 1}, godwit.CodeInvalidRequest, 0},
		{api.Copy{From: from, To: to, Key: "k", ToKey: "x", RequestID: "a b"}, godwit.CodeInvalidRequest, 0},
		{api.Copy{From: from, To: &godwit.Namespace{ID: godwit.NamespaceID{1}}, Key: "k", ToKey: "x"}, godwit.CodeNamespaceNotFound, 0},
		{api.Copy{From: &godwit.Namespace{ID: godwit.NamespaceID{1}}, To: to, Key: "k", ToKey: "x"}, godwit.CodeKeyNotFound, 0},
	} {
		out, err := env.Service.Copy(t.Context(), tc.q)
		if (err != nil) != (tc.code != 0) || err != nil && godwit.CodeOf(err) != tc.code || out.Keys != tc.keys || err == nil && out.Keys+out.Present != 1 {
			t.Errorf("%q to %.20q: got %+v, %v, want code %d", tc.q.Key, tc.q.ToKey, out, err, tc.code)
		}
	}
	if got := get(t, env, to, "k2"); got != "v" {
		t.Errorf("k2 is %q", got)
	}
}

// TestCopyRefuses holds what a copy of a prefix refuses.
func TestCopyRefuses(t *testing.T) {
	env := apitest.Open(t)
	a, b := env.Namespace(t, "a"), env.Namespace(t, "b")
	for i := range 3 {
		put(t, env, a, fmt.Sprint(i), "v")
	}
	first, err := env.Service.Copy(t.Context(), api.Copy{From: a, To: b, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		q    api.Copy
		code godwit.Code
	}{
		"no limit":             {api.Copy{From: a, To: b, Limit: -1}, godwit.CodeInvalidLimit},
		"a high limit":         {api.Copy{From: a, To: b, Limit: api.MaxCopyKeys + 1}, godwit.CodeInvalidLimit},
		"into itself":          {api.Copy{From: a, To: a}, godwit.CodeInvalidRequest},
		"into a part":          {api.Copy{From: a, To: a, ToPrefix: "copy/"}, godwit.CodeInvalidRequest},
		"out of a part":        {api.Copy{From: a, To: a, Prefix: "copy/"}, godwit.CodeInvalidRequest},
		"no cursor":            {api.Copy{From: a, To: b, Cursor: "x"}, godwit.CodeInvalidCursor},
		"no cursor either":     {api.Copy{From: a, To: b, Cursor: "bGFiYw"}, godwit.CodeInvalidCursor},
		"another's cursor":     {api.Copy{From: a, To: b, Cursor: strings.Repeat("a", 1<<20)}, godwit.CodeInvalidCursor},
		"another prefix's":     {api.Copy{From: a, To: b, Prefix: "x", Cursor: "a2FiYw"}, godwit.CodeInvalidCursor}, // "kabc"
		"a long prefix":        {api.Copy{From: a, To: b, Prefix: strings.Repeat("p", 513)}, godwit.CodeKeyTooLong},
		"a long target prefix": {api.Copy{From: a, To: b, ToPrefix: strings.Repeat("p", 513)}, godwit.CodeKeyTooLong},
		"a part beside":        {api.Copy{From: a, To: a, Prefix: "0", ToPrefix: "x/"}, 0},
		"a good cursor":        {api.Copy{From: a, To: b, Cursor: first.Cursor}, 0},
	} {
		_, err := env.Service.Copy(t.Context(), tc.q)
		if (err != nil) != (tc.code != 0) || err != nil && godwit.CodeOf(err) != tc.code {
			t.Errorf("%s: got %v, want code %d", name, err, tc.code)
		}
	}
}

// TestCopyTellsWhatCannotBe: keys that cannot be under their new names, and values
// that are too long by now, are told of, and hold up nothing.
func TestCopyTellsWhatCannotBe(t *testing.T) {
	limits := godwit.DefaultLimits()
	var short *api.Service
	env := apitest.Open(t, apitest.WithLimits(limits), apitest.WithService(func(c *api.Config) {
		lower := *c
		lower.Limits.MaxValueBytes = 10
		lower.Metrics = prometheus.NewRegistry()
		short = api.New(lower)
	}))
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	long := strings.Repeat("k", 511)
	for key, value := range map[string]string{"p..": "v", long: "v", "x": "too long a value", "y": strings.Repeat("v", 100_000), "z": "v"} {
		put(t, env, from, key, value)
	}
	failures := func(service *api.Service, q api.Copy) (keys int64, failed map[string]godwit.Code) {
		out, err := service.Copy(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		failed = make(map[string]godwit.Code)
		for _, f := range out.Failed {
			failed[f.Key] = godwit.CodeOf(f.Err)
		}
		return out.Keys, failed
	}
	keys, failed := failures(env.Service, api.Copy{From: from, To: to, ToPrefix: "pp"})
	if diff := cmp.Diff(map[string]godwit.Code{long: godwit.CodeKeyTooLong}, failed); diff != "" || keys != 4 {
		t.Errorf("with a long prefix: %d keys, failed %s", keys, diff)
	}
	keys, failed = failures(env.Service, api.Copy{From: from, To: to, Prefix: "p", ToPrefix: ""})
	if diff := cmp.Diff(map[string]godwit.Code{"p..": godwit.CodeInvalidKey}, failed); diff != "" || keys != 0 {
		t.Errorf("without a prefix: %d keys, failed %s", keys, diff)
	}
	keys, failed = failures(short, api.Copy{From: from, To: to})
	if diff := cmp.Diff(map[string]godwit.Code{"x": godwit.CodeValueTooLarge, "y": godwit.CodeValueTooLarge}, failed); diff != "" || keys != 3 {
		t.Errorf("with a low limit: %d keys, failed %s", keys, diff)
	}
	if _, err := short.Copy(t.Context(), api.Copy{From: from, To: to, Key: "x", ToKey: "x"}); godwit.CodeOf(err) != godwit.CodeValueTooLarge {
		t.Errorf("one key: %v", err)
	}
}

// TestCopyIfAbsent leaves what is there, and drops what it took in for it.
func TestCopyIfAbsent(t *testing.T) {
	var k *keeping
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
		k = &keeping{Uploader: c.Uploader}
		c.Uploader = k
	}))
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	large := strings.Repeat("v", 100_000)
	for key, value := range map[string]string{"a": "new", "b": large, "c": "new", "d": large} {
		put(t, env, from, key, value)
	}
	put(t, env, to, "a", "old")
	put(t, env, to, "b", "old")
	sum, _ := copyAll(t, env, api.Copy{From: from, To: to, IfAbsent: true})
	if sum.Keys != 2 || sum.Present != 2 || sum.Bytes != 3+100_000 {
		t.Errorf("copied %+v", sum)
	}
	want := map[string]string{"a": " 0 old", "b": " 0 old", "c": " 0 new", "d": " 0 " + large}
	if diff := cmp.Diff(want, held(t, env, to)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// before is a log that does something once, ahead of what it is asked next.
type before struct {
	godwit.Log
	do func()
}

func (b *before) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if do := b.do; do != nil {
		b.do = nil
		do()
	}
	return b.Log.Propose(ctx, txs)
}

// TestCopyIfAbsentAtTheLastMoment has the target's key written after the copy has
// looked at it: the log decides, and what was taken in is dropped.
func TestCopyIfAbsentAtTheLastMoment(t *testing.T) {
	var k *keeping
	var b *before
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
		k, b = &keeping{Uploader: c.Uploader}, &before{Log: c.Log}
		c.Uploader, c.Log = k, b
	}))
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	put(t, env, from, "k", strings.Repeat("v", 100_000))
	b.do = func() { put(t, env, to, "k", "first") }
	sum, _ := copyAll(t, env, api.Copy{From: from, To: to, IfAbsent: true})
	if sum.Keys != 0 || sum.Present != 1 || get(t, env, to, "k") != "first" {
		t.Errorf("copied %+v", sum)
	}
	if diff := cmp.Diff([]int64{100_000}, k.discarded); diff != "" {
		t.Errorf("discarded (-want +got):\n%s", diff)
	}
}

// TestCopyAgain carries a page out twice, with another write in between: under the
// same request id it is left alone, else it is replaced.
func TestCopyAgain(t *testing.T) {
	env := apitest.Open(t)
	large := strings.Repeat("v", 100_000)
	for id, want := range map[string]string{"a-request": "other", "": "copied"} {
		from, to := env.Namespace(t, "from"+id), env.Namespace(t, "to"+id)
		put(t, env, from, "k", "copied")
		put(t, env, from, "large", large)
		put(t, env, from, "changes", "1")
		q := api.Copy{From: from, To: to, RequestID: id}
		copyAll(t, env, q)
		put(t, env, to, "k", "other")
		put(t, env, from, "changes", "2")
		if sum, _ := copyAll(t, env, q); sum.Keys != 3 {
			t.Errorf("again: %+v", sum)
		}
		if got := get(t, env, to, "k"); got != want {
			t.Errorf("with request id %q: k is %q, want %q", id, got, want)
		}
		if get(t, env, to, "large") != large || get(t, env, to, "changes") != "2" {
			t.Errorf("with request id %q: the others are not as in the source", id)
		}
	}
}

// TestCopyDiscards checks that values are dropped when no write will name them, and
// only then.
func TestCopyDiscards(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want []int64
	}{
		"busy":    {godwit.ErrBusy, []int64{100_000, 200_000}},
		"full":    {godwit.ErrDiskFull, []int64{100_000, 200_000}},
		"unknown": {godwit.ErrOutcomeUnknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var k *keeping
			var failing *api.Service
			env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
				k = &keeping{Uploader: c.Uploader}
				lower := *c
				lower.Uploader, lower.Log, lower.Metrics = k, refusing{c.Log, tc.err}, prometheus.NewRegistry()
				failing = api.New(lower)
			}))
			from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
			put(t, env, from, "a", strings.Repeat("v", 100_000))
			put(t, env, from, "b", strings.Repeat("v", 200_000))
			if _, err := failing.Copy(t.Context(), api.Copy{From: from, To: to}); !errors.Is(err, tc.err) {
				t.Errorf("copy: %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, k.discarded); diff != "" {
				t.Errorf("discarded (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCopyOfReplaced has large values replaced before they are opened.
func TestCopyOfReplaced(t *testing.T) {
	e := new(apitest.Elsewhere)
	env := apitest.Open(t, e.Option())
	from, to := env.Namespace(t, "from"), env.Namespace(t, "to")
	put(t, env, from, "k", strings.Repeat("v", 100_000))
	e.Replace(api.MaxValueAttempts - 1)
	sum, _ := copyAll(t, env, api.Copy{From: from, To: to})
	if sum.Keys != 1 || len(get(t, env, to, "k")) != 100_000 || e.Strong() == 0 {
		t.Errorf("copied %+v, with %d strong reads", sum, e.Strong())
	}
	e.Replace(api.MaxValueAttempts)
	if _, err := env.Service.Copy(t.Context(), api.Copy{From: from, To: to}); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("replaced again and again: %v", err)
	}
}

// holding is a reader whose lists wait, for one client.
type holding struct {
	godwit.Reader
	client string
	gate   chan struct{}
}

func (h *holding) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	if godwit.CredentialOf(ctx) == h.client {
		<-h.gate
	}
	return h.Reader.List(ctx, ns, q, opts)
}

// TestOneClientCannotTakeAllCopies: whoever has as many copies under way as may be
// waits, is told so before long, and holds up nobody else.
func TestOneClientCannotTakeAllCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
			c.Reader = &holding{c.Reader, godwit.CredentialOf(as(t, 0)), gate}
		}))
		q := api.Copy{From: env.Namespace(t, "from"), To: env.Namespace(t, "to")}
		put(t, env, q.From, "k", "v")
		var slow sync.WaitGroup
		for range api.MaxCopiesEach {
			slow.Go(func() {
				if _, err := env.Service.Copy(as(t, 0), q); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		start := time.Now()
		if _, err := env.Service.Copy(as(t, 0), q); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) > 5*time.Second {
			t.Errorf("one too many: %v after %v", err, time.Since(start))
		}
		start = time.Now()
		if out, err := env.Service.Copy(as(t, 1), q); err != nil || out.Keys != 1 || time.Since(start) > 0 {
			t.Errorf("another client's: %+v, %v after %v", out, err, time.Since(start))
		}
		close(gate)
		slow.Wait()
	})
}

// FuzzCopyCursor feeds cursors to a copy: it refuses them, or goes on.
func FuzzCopyCursor(f *testing.F) {
	env := apitest.Open(f)
	from, to := env.Namespace(f, "from"), env.Namespace(f, "to")
	put(f, env, from, "k1", "v")
	put(f, env, from, "k2", "v")
	out, err := env.Service.Copy(f.Context(), api.Copy{From: from, To: to, Limit: 1})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", out.Cursor, "a2sx", "bA", "a2s\n", strings.Repeat("a", 3000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		out, err := env.Service.Copy(t.Context(), api.Copy{From: from, To: to, Prefix: "k", ToPrefix: "k", Cursor: cursor})
		if err != nil && godwit.CodeOf(err) != godwit.CodeInvalidCursor {
			t.Errorf("%q: %v", cursor, err)
		}
		if out.Keys > 2 {
			t.Errorf("%q: copied %d", cursor, out.Keys)
		}
	})
}
