package feed_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

const proposeRoot = "the-root-token-of-these-tests"

// writable is a centre that takes what followers propose.
type writable struct {
	t       *testing.T
	store   *store.Store
	log     godwit.Log // in front of the centre's; a test may put another one there
	catalog *catalog.Catalog
	client  *feed.Client
	ns, ns2 godwit.NamespaceID

	streaming bool // uploads are read, and not kept

	mu   sync.Mutex
	kept map[godwit.BlobID]bool // uploads that were not discarded
}

// The server's ends, as the test may change them.

func (w *writable) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	return w.log.Propose(ctx, txs)
}
func (w *writable) Barrier(ctx context.Context) (godwit.Revision, error) { return w.log.Barrier(ctx) }

func (w *writable) Upload(ctx context.Context, r io.Reader, limit int64) (godwit.Value, error) {
	if w.streaming {
		h := sha256.New()
		n, err := io.Copy(h, r)
		return godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{7}, Size: n, Hash: [32]byte(h.Sum(nil))}}, err
	}
	v, err := w.store.Upload(ctx, r, limit)
	if err == nil && !v.Blob.IsZero() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.kept[v.Blob.ID] = true
	}
	return v, err
}

func (w *writable) Discard(v godwit.Value) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.kept, v.Blob.ID)
	w.store.Discard(v)
}

func newWritable(t *testing.T) *writable {
	t.Helper()
	w := &writable{t: t, kept: make(map[godwit.BlobID]bool)}
	var err error
	w.store, err = store.Open(t.Context(), store.Config{Dir: "/data", FS: store.NewMemFS(), InlineBytes: 4096, CacheBytes: 8 << 20, HotBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	w.store.SetOnSystem(func(r []godwit.Record) {
		if w.catalog != nil {
			w.catalog.Apply(r)
		}
	})
	l, err := embedded.Open(t.Context(), embedded.Config{Store: w.store})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(l.Close(), w.store.Close()); err != nil {
			t.Error(err)
		}
	})
	w.log = l
	if w.catalog, err = catalog.Open(t.Context(), catalog.Config{Source: w.store, Log: l, RootToken: proposeRoot, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	w.ns, w.ns2 = w.namespace("one"), w.namespace("two")
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = 30 << 20
	srv := feed.NewServer(feed.ServerConfig{
		Store: w.store, Reader: w.store, Log: w, Uploader: w, Catalog: func() *catalog.Catalog { return w.catalog }, Limits: limits,
		Owner: true, Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	w.client = client(t, w.front(srv))
	return w
}

// front is what the API in front of a feed does.
func (w *writable) front(next *feed.Server) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		secret, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if secret == "secret" { // the follower's own
			secret = proposeRoot
		}
		p, err := w.catalog.Authenticate(r.Context(), []byte(secret))
		if err != nil {
			rw.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(rw, `{"error":{"code":"unauthenticated","message":"Authentication error"}}`)
			return
		}
		next.ServeHTTP(rw, r.WithContext(godwit.WithCredential(r.Context(), secret)), p)
	})
}

func (w *writable) namespace(title string) godwit.NamespaceID {
	w.t.Helper()
	ns, err := w.catalog.CreateNamespace(context.Background(), title, "", godwit.RequestKey{})
	if err != nil {
		w.t.Fatal(err)
	}
	return ns.ID
}

func (w *writable) token(p godwit.Permission, namespaces ...godwit.NamespaceID) string {
	w.t.Helper()
	secret, _, err := w.catalog.CreateToken(context.Background(), godwit.Token{Permission: p, Namespaces: namespaces})
	if err != nil {
		w.t.Fatal(err)
	}
	return secret
}

func (w *writable) put(key, value string) godwit.Mutation {
	return godwit.Mutation{Op: godwit.OpPut, Namespace: w.ns, Key: key, Value: godwit.Value{Inline: []byte(value)}}
}

func one(mutations ...godwit.Mutation) godwit.Transaction {
	return godwit.Transaction{Mutations: mutations}
}

// propose proposes as root, with blobs whose content is as given.
func (w *writable) propose(secret string, contents map[godwit.BlobID]string, txs ...godwit.Transaction) ([]godwit.Result, error) {
	return w.client.Propose(context.Background(), secret, txs, func(b godwit.Blob) (io.ReadCloser, error) {
		text, ok := contents[b.ID]
		if !ok {
			return nil, errors.New("no such value")
		}
		return io.NopCloser(strings.NewReader(text)), nil
	})
}

func (w *writable) get(key string) string {
	w.t.Helper()
	e, _, err := w.store.Get(context.Background(), w.ns, []byte(key), godwit.ReadOptions{})
	if err != nil {
		return godwit.MessageOf(err)
	}
	r, err := w.store.OpenValue(context.Background(), w.ns, e)
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *writable) keeps(want int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.kept) != want {
		w.t.Errorf("%d uploads are kept, want %d", len(w.kept), want)
	}
}

func blobOf(id byte, content string) godwit.Blob {
	return godwit.Blob{ID: godwit.BlobID{id}, Size: int64(len(content)), Hash: sha256.Sum256([]byte(content))}
}

func TestProposeOutcomes(t *testing.T) {
	w := newWritable(t)
	key := godwit.RequestKey{1}
	first := one(w.put("a", "1"))
	first.RequestKey = key
	absent := one(w.put("a", "2"))
	absent.Conditions = []godwit.Condition{{Kind: godwit.MustBeAbsent, Namespace: w.ns, Key: "a"}}
	nowhere := one(godwit.Mutation{Op: godwit.OpDelete, Namespace: godwit.NamespaceID{9}, Key: "a"})
	missing := one(godwit.Mutation{Op: godwit.OpDelete, Namespace: w.ns, Key: "missing"})

	got, err := w.propose(w.token(godwit.PermissionWrite), nil, first, absent, nowhere, missing, first)
	r := w.store.Revision()
	want := []godwit.Result{
		{Outcome: godwit.Applied, Revision: r}, {Outcome: godwit.ConditionFailed, Revision: r},
		{Outcome: godwit.NamespaceMissing, Revision: r}, {Outcome: godwit.Applied, Revision: r},
		{Outcome: godwit.Applied, Revision: r, Repeated: true},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got := w.get("a"); got != "1" {
		t.Errorf("a is %q", got)
	}
}

// TestProposePermissions: writing needs a token that may write, to each namespace
// that a mutation or a condition names; the catalog is closed to all.
func TestProposePermissions(t *testing.T) {
	w := newWritable(t)
	other := w.put("k", "v")
	other.Namespace = w.ns2
	system := w.put("k", "v")
	system.Namespace = godwit.SystemNamespace
	reads := one(w.put("k", "v"))
	reads.Conditions = []godwit.Condition{{Kind: godwit.MustExist, Namespace: w.ns2, Key: "k"}}
	readsCatalog := one(w.put("k", "v"))
	readsCatalog.Conditions = []godwit.Condition{{Kind: godwit.MustExist, Namespace: godwit.SystemNamespace, Key: "account"}}
	const ok = godwit.Code(255)
	for name, tt := range map[string]struct {
		secret string
		tx     godwit.Transaction
		want   godwit.Code
	}{
		"root":                       {proposeRoot, one(w.put("k", "v")), ok},
		"admin":                      {w.token(godwit.PermissionAdmin), one(w.put("k", "v")), ok},
		"write":                      {w.token(godwit.PermissionWrite), one(w.put("k", "v"), other), ok},
		"write of the namespace":     {w.token(godwit.PermissionWrite, w.ns), one(w.put("k", "v")), ok},
		"write of another":           {w.token(godwit.PermissionWrite, w.ns), one(w.put("k", "v"), other), godwit.CodeForbidden},
		"write with another's entry": {w.token(godwit.PermissionWrite, w.ns), reads, godwit.CodeForbidden},
		"read":                       {w.token(godwit.PermissionRead), one(w.put("k", "v")), godwit.CodeForbidden},
		"replicate":                  {w.token(godwit.PermissionReplicate), one(w.put("k", "v")), godwit.CodeForbidden},
		"read, of nothing":           {w.token(godwit.PermissionRead), one(), godwit.CodeForbidden},
		"write, of nothing":          {w.token(godwit.PermissionWrite), one(), godwit.CodeInvalidRequest},
		"unknown":                    {"nobody", one(w.put("k", "v")), godwit.CodeUnauthenticated},
		"none":                       {"", one(w.put("k", "v")), godwit.CodeUnauthenticated},
		"the catalog":                {proposeRoot, one(system), godwit.CodeForbidden},
		"a row of the catalog":       {proposeRoot, readsCatalog, godwit.CodeForbidden},
		"write of none there is": {w.token(godwit.PermissionWrite, w.ns), one(godwit.Mutation{
			Op: godwit.OpDelete, Namespace: godwit.NamespaceID{9}, Key: "k",
		}), godwit.CodeForbidden},
	} {
		before := w.store.Revision()
		_, err := w.propose(tt.secret, nil, tt.tx)
		switch {
		case tt.want == ok && err != nil:
			t.Errorf("%s: %v", name, err)
		case tt.want != ok && (err == nil || godwit.CodeOf(err) != tt.want):
			t.Errorf("%s: got %v, want code %d", name, err, tt.want)
		case tt.want != ok && w.store.Revision() != before:
			t.Errorf("%s: something was written", name)
		}
	}
}

// TestProposeClaims: who may write to one namespace cannot have what another writes to
// another answered as if it were done, by using its request key first.
func TestProposeClaims(t *testing.T) {
	w := newWritable(t)
	wanted := one(w.put("a", "1"))
	wanted.RequestKey = godwit.RequestKey{1}
	claim := godwit.Transaction{RequestKey: wanted.RequestKey, Conditions: []godwit.Condition{{Kind: godwit.MustBeAbsent, Namespace: w.ns2, Key: "none"}}}
	if got, err := w.propose(w.token(godwit.PermissionWrite, w.ns2), nil, claim); err != nil || got[0].Outcome != godwit.Applied {
		t.Fatalf("%+v, %v", got, err)
	}
	if got, err := w.propose(w.token(godwit.PermissionWrite, w.ns), nil, wanted); err != nil || got[0].Repeated || w.get("a") != "1" {
		t.Errorf("%+v, %v: a is %q", got, err, w.get("a"))
	}
}

func TestProposeRefuses(t *testing.T) {
	w := newWritable(t)
	hour := int64(3600)
	if _, err := w.catalog.SetNamespace(t.Context(), w.ns2, func(s godwit.Settings) (godwit.Settings, error) {
		s.MinExpirationTTL = &hour
		return s, nil
	}); err != nil {
		t.Fatal(err)
	}
	changed := func(fn func(*godwit.Mutation)) []godwit.Transaction {
		m := w.put("k", "v")
		fn(&m)
		return []godwit.Transaction{one(w.put("before", "v")), one(m)}
	}
	soon := time.Now().Unix() + 60
	for name, tt := range map[string]struct {
		txs  []godwit.Transaction
		want godwit.Code
	}{
		"nothing":         {nil, godwit.CodeInvalidRequest},
		"a dot":           {changed(func(m *godwit.Mutation) { m.Key = "." }), godwit.CodeInvalidKey},
		"not UTF-8":       {changed(func(m *godwit.Mutation) { m.Key = "\xff" }), godwit.CodeInvalidKey},
		"no key":          {changed(func(m *godwit.Mutation) { m.Key = "" }), godwit.CodeInvalidRequest},
		"not JSON":        {changed(func(m *godwit.Mutation) { m.Metadata = []byte("{") }), godwit.CodeInvalidMetadata},
		"too far":         {changed(func(m *godwit.Mutation) { m.Expiration = godwit.MaxExpiration + 1 }), godwit.CodeInvalidExpiration},
		"too soon":        {changed(func(m *godwit.Mutation) { m.Namespace, m.Expiration = w.ns2, soon }), godwit.CodeInvalidExpiration},
		"condition's key": {[]godwit.Transaction{{Conditions: []godwit.Condition{{Kind: godwit.MustExist, Namespace: w.ns, Key: ".."}}}}, godwit.CodeInvalidKey},
		"too many":        {slices.Repeat([]godwit.Transaction{one(w.put("k", "v"))}, godwit.MaxBulkItems+1), godwit.CodeInvalidRequest},
		"too many in one": {[]godwit.Transaction{one(slices.Repeat([]godwit.Mutation{w.put("k", "v")}, 2*godwit.MaxBulkItems+1)...)}, godwit.CodeInvalidRequest},
		"too much in one": {[]godwit.Transaction{one(slices.Repeat([]godwit.Mutation{w.put("k", strings.Repeat("v", 1<<20))}, 5)...)}, godwit.CodeBodyTooLarge},
		"too long a value": {changed(func(m *godwit.Mutation) {
			m.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 31 << 20}}
		}), godwit.CodeValueTooLarge},
	} {
		before := w.store.Revision()
		_, err := w.client.Propose(t.Context(), proposeRoot, tt.txs, func(godwit.Blob) (io.ReadCloser, error) {
			return io.NopCloser(io.LimitReader(zeros{}, 31<<20)), nil
		})
		if err == nil || godwit.CodeOf(err) != tt.want {
			t.Errorf("%s: got %v, want code %d", name, err, tt.want)
		}
		if w.store.Revision() != before {
			t.Errorf("%s: something was written", name)
		}
	}
	// A life that was long enough when it was judged may have shortened on the way.
	if _, err := w.propose(proposeRoot, nil, changed(func(m *godwit.Mutation) { m.Namespace, m.Expiration = w.ns2, soon+3600-120 })...); err != nil {
		t.Errorf("a minute on the way: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestProposeBlobs: contents come in order, whatever this node and the one before
// it keep beside a key.
func TestProposeBlobs(t *testing.T) {
	w := newWritable(t)
	large, small := strings.Repeat("large", 1<<20), "small"
	value := func(key string, b godwit.Blob) godwit.Transaction {
		m := w.put(key, "")
		m.Value = godwit.Value{Blob: b}
		return one(m)
	}
	contents := map[godwit.BlobID]string{{1}: large, {2}: small}
	inline := strings.Repeat("i", godwit.DefaultInlineBytes+1)
	got, err := w.propose(proposeRoot, contents,
		value("large", blobOf(1, large)), value("small", blobOf(2, small)), one(w.put("inline", inline)), one(w.put("plain", "plain")))
	if err != nil || len(got) != 4 {
		t.Fatalf("%v, %v", got, err)
	}
	for key, want := range map[string]string{"large": large, "small": small, "inline": inline, "plain": "plain"} {
		if got := w.get(key); got != want {
			t.Errorf("%s is %.20q…, of %d bytes", key, got, len(got))
		}
	}
	w.keeps(2)
}

// TestProposeStreams: neither end holds a value in memory.
func TestProposeStreams(t *testing.T) {
	w := newWritable(t)
	const size = 25 << 20
	w.streaming = true
	h := sha256.New()
	_, _ = io.CopyN(h, zeros{}, size)
	m := w.put("k", "")
	m.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: size, Hash: [32]byte(h.Sum(nil))}}
	open := func(godwit.Blob) (io.ReadCloser, error) { return io.NopCloser(io.LimitReader(zeros{}, size)), nil }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := w.client.Propose(t.Context(), proposeRoot, []godwit.Transaction{one(m)}, open); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// TestProposeDropsContents that no entry names.
func TestProposeDropsContents(t *testing.T) {
	w := newWritable(t)
	content := strings.Repeat("content", 1000)
	other := strings.Repeat("CONTENT", 1000)
	m := w.put("k", "")
	m.Value = godwit.Value{Blob: blobOf(1, content)}
	good := godwit.Transaction{RequestKey: godwit.RequestKey{1}, Mutations: []godwit.Mutation{m}}
	failing := good
	failing.RequestKey = godwit.RequestKey{}
	failing.Conditions = []godwit.Condition{{Kind: godwit.MustExist, Namespace: w.ns, Key: "missing"}}
	nowhere := failing
	nowhere.Conditions = nil
	nowhere.Mutations = []godwit.Mutation{m}
	nowhere.Mutations[0].Namespace = godwit.NamespaceID{9}

	for _, tt := range []struct {
		name    string
		tx      godwit.Transaction
		content string
		log     godwit.Log
		want    godwit.Code
		kept    int
	}{
		{name: "a condition that fails", tx: failing, content: content},
		{name: "no namespace", tx: nowhere, content: content},
		{name: "another content", tx: good, content: other, want: godwit.CodeInvalidRequest},
		{name: "the log is busy", tx: good, content: content, log: failingLog{godwit.ErrBusy}, want: godwit.CodeUnavailable},
		{name: "nobody knows", tx: good, content: content, log: failingLog{godwit.ErrOutcomeUnknown}, want: godwit.CodeOutcomeUnknown, kept: 1},
		{name: "applied", tx: good, content: content, kept: 2},
		{name: "once more", tx: good, content: content, kept: 2},
	} {
		log := w.log
		if tt.log != nil {
			w.log = tt.log
		}
		_, err := w.propose(proposeRoot, map[godwit.BlobID]string{{1}: tt.content}, tt.tx)
		w.log = log
		if code := godwit.CodeOf(err); err != nil && code != tt.want || err == nil && tt.want != 0 {
			t.Errorf("%s: %v", tt.name, err)
		}
		t.Log(tt.name)
		w.keeps(tt.kept)
	}
	if got := w.get("k"); got != content {
		t.Errorf("the value is %.20q", got)
	}
}

// failingLog answers every proposal with an error.
type failingLog struct{ err error }

func (l failingLog) Propose(context.Context, []godwit.Transaction) ([]godwit.Result, error) {
	return nil, l.err
}
func (l failingLog) Barrier(context.Context) (godwit.Revision, error) { return 0, l.err }

// partLog decides some and fails the rest, which a log may.
type partLog struct{ err error }

func (l partLog) Propose(context.Context, []godwit.Transaction) ([]godwit.Result, error) {
	return []godwit.Result{{Outcome: godwit.Applied, Revision: 5}}, l.err
}
func (l partLog) Barrier(context.Context) (godwit.Revision, error) { return 0, l.err }

func TestProposePartly(t *testing.T) {
	w := newWritable(t)
	for _, tt := range []struct {
		err  error
		want godwit.Code
	}{
		{godwit.ErrBusy, godwit.CodeUnavailable},
		{errors.New("internal"), godwit.CodeOutcomeUnknown},
	} {
		w.log = partLog{tt.err}
		got, err := w.propose(proposeRoot, nil, one(w.put("a", "")), one(w.put("b", "")))
		if len(got) != 1 || got[0].Revision != 5 || godwit.CodeOf(err) != tt.want {
			t.Errorf("%v: got %v, %v", tt.err, got, err)
		}
	}
}

// TestProposeDamagedBodies: what is not whole changes nothing.
func TestProposeDamagedBodies(t *testing.T) {
	w := newWritable(t)
	content := strings.Repeat("content", 1000)
	m := w.put("k", "")
	m.Value = godwit.Value{Blob: blobOf(1, content)}
	whole := append(feed.AppendProposal(nil, []godwit.Transaction{one(m)}), content...)
	bodies := map[string][]byte{"empty": nil, "goes on": append(slices.Clone(whole), 0), "a length of everything": bytes.Repeat([]byte{0xff}, 100)}
	for _, cut := range []int{1, 7, 8, 20, len(whole) - len(content), len(whole) - len(content) + 1, len(whole) - 1} {
		bodies[fmt.Sprintf("cut at %d", cut)] = whole[:cut]
	}
	before := w.store.Revision()
	for name, body := range bodies {
		err := feed.ProposeBody(t.Context(), w.client, proposeRoot, body)
		if code := godwit.CodeOf(err); code != godwit.CodeInvalidRequest && code != godwit.CodeBodyTooLarge {
			t.Errorf("%s: %v", name, err)
		}
	}
	if w.store.Revision() != before {
		t.Error("something was written")
	}
	w.keeps(0)
	if err := feed.ProposeBody(t.Context(), w.client, proposeRoot, whole); err != nil {
		t.Errorf("whole: %v", err)
	}
}

// TestProposeUnanswered: nothing was done unless the upstream got all there was;
// then nobody knows.
func TestProposeUnanswered(t *testing.T) {
	large := strings.Repeat("large", 1<<20)
	m := godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "k", Value: godwit.Value{Blob: blobOf(1, large)}}
	hang := func(w http.ResponseWriter) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	}
	for name, tt := range map[string]struct {
		serve func(w http.ResponseWriter, r *http.Request)
		want  godwit.Code
	}{
		"broken off at the start": {func(w http.ResponseWriter, _ *http.Request) { hang(w) }, godwit.CodeUnavailable},
		"broken off within": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.CopyN(io.Discard, r.Body, 1<<20)
			hang(w)
		}, godwit.CodeUnavailable},
		"broken off at the end": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			hang(w)
		}, godwit.CodeOutcomeUnknown},
		"a gateway's answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			http.Error(w, "Bad Gateway", http.StatusBadGateway)
		}, godwit.CodeOutcomeUnknown},
		"its own failure": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusInternalServerError)
			fmt.Fprint(w, `{"error":{"code":"internal","message":"Internal Server Error"}}`)
		}, godwit.CodeOutcomeUnknown},
		"busy": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"error":{"code":"unavailable","message":"busy"}}`)
		}, godwit.CodeUnavailable},
		"an empty answer": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
		}, godwit.CodeOutcomeUnknown},
		"half an answer": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte{1, 1})
		}, godwit.CodeOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			c := client(t, http.HandlerFunc(tt.serve))
			_, err := c.Propose(t.Context(), "secret", []godwit.Transaction{one(m)}, func(godwit.Blob) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader(large)), nil
			})
			if err == nil || godwit.CodeOf(err) != tt.want {
				t.Errorf("got %v, want code %d", err, tt.want)
			}
		})
	}
}

// TestProposeContentsThatAreNot: a value that is not here, or not what it was, is
// told as that.
func TestProposeContentsThatAreNot(t *testing.T) {
	w := newWritable(t)
	m := w.put("k", "")
	m.Value = godwit.Value{Blob: blobOf(1, "content")}
	for name, contents := range map[string]map[godwit.BlobID]string{
		"missing":  {},
		"shorter":  {{1}: "conten"},
		"longer":   {{1}: "content and more"},
		"damaged":  {{1}: "CONTENT"},
		"of later": {{2}: "content"},
	} {
		_, err := w.propose(proposeRoot, contents, one(m))
		if code := godwit.CodeOf(err); code != godwit.CodeUnavailable && code != godwit.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
		if got := w.get("k"); got != "key not found" {
			t.Errorf("%s: written as %q", name, got)
		}
	}
	w.keeps(0)
}

// begun sends the head of a proposal of the longest length, and no more of it until the
// test ends or stop is called.
func (w *writable) begun(secret string) (stop func()) {
	r, send := io.Pipe()
	go func() { _ = feed.ProposeFrom(w.t.Context(), w.client, secret, r) }()
	_, _ = send.Write(binary.BigEndian.AppendUint64(nil, feed.MaxProposalBytes))
	synctest.Wait()
	return func() { _ = send.CloseWithError(errors.New("stopped")) }
}

// TestProposeMemory: what all hold in memory is bounded, and given back. Who may write
// nothing holds none, and who may write to a few namespaces half of it, which others
// need not wait for.
func TestProposeMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWritable(t)
		limited := w.token(godwit.PermissionWrite, w.ns)
		reader, follower := w.token(godwit.PermissionRead, w.ns), w.token(godwit.PermissionReplicate)
		busy := func(what, secret string, want bool) {
			t.Helper()
			_, err := w.propose(secret, nil, one(w.put("k", "v")))
			if got := errors.Is(err, godwit.ErrBusy); got != want || !want && err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
		var stops []func()
		for _, secret := range []string{reader, follower, reader, follower} {
			stops = append(stops, w.begun(secret))
		}
		busy("beside some who may write nothing", limited, false)
		stops = append(stops, w.begun(limited))
		busy("a token that has its half", limited, true)
		busy("another", w.token(godwit.PermissionWrite, w.ns), false)
		busy("the root token", proposeRoot, false)
		stops = append(stops, w.begun(proposeRoot))
		busy("with none left", proposeRoot, true)
		for _, stop := range stops {
			stop()
		}
		time.Sleep(time.Minute) // for connections that are to be closed
		busy("once all have gone", limited, false)
		busy("the root token once all have gone", proposeRoot, false)
	})
}

// TestProposeTooSlowly: a proposal that has room is not waited for much longer than half
// a minute, however it began.
func TestProposeTooSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWritable(t)
		began := time.Now()
		r, send := io.Pipe()
		go func() {
			defer send.Close()
			_, _ = send.Write(append(binary.BigEndian.AppendUint64(nil, feed.MaxProposalBytes), make([]byte, 10<<20)...))
			for {
				time.Sleep(10 * time.Second)
				if _, err := send.Write([]byte{0}); err != nil || time.Since(began) > 10*time.Minute {
					return
				}
				if _, err := w.propose(w.token(godwit.PermissionWrite), nil, one(w.put("k", "v"))); err != nil {
					t.Error(err)
				}
			}
		}()
		err := feed.ProposeFrom(t.Context(), w.client, proposeRoot, r)
		if godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), "too slowly") {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestBarrierAndIdentify(t *testing.T) { synctest.Test(t, barrierAndIdentify) }

func barrierAndIdentify(t *testing.T) {
	w := newWritable(t)
	if r, err := w.client.Barrier(t.Context()); err != nil || r != w.store.Revision() {
		t.Errorf("barrier: %v, %v", r, err)
	}
	w.log = failingLog{godwit.ErrNoUpstream}
	if _, err := w.client.Barrier(t.Context()); godwit.CodeOf(err) != godwit.CodeUnavailable {
		t.Errorf("barrier: %v", err)
	}
	w.log = nil

	if tok, root, err := w.client.Identify(t.Context(), proposeRoot); err != nil || !root || tok.Permission != godwit.PermissionAdmin {
		t.Errorf("root: %v, %v, %v", tok, root, err)
	}
	if _, _, err := w.client.Identify(t.Context(), "nobody"); !errors.Is(err, godwit.ErrUnauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if _, _, err := w.client.Identify(t.Context(), strings.Repeat("x", 5000)); godwit.CodeOf(err) != godwit.CodeBodyTooLarge {
		t.Errorf("too long: %v", err)
	}
	time.Sleep(time.Second) // in the bubble: net/http holds the connection for a while
}

func TestIdentifyTellsAllOfAToken(t *testing.T) {
	w := newWritable(t)
	spec := godwit.Token{Name: "nämed", Permission: godwit.PermissionWrite, Namespaces: []godwit.NamespaceID{w.ns, w.ns2}, Expires: time.Now().Unix() + 1000}
	secret, want, err := w.catalog.CreateToken(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	got, root, err := w.client.Identify(t.Context(), secret)
	if diff := cmp.Diff(want, got); err != nil || root || diff != "" {
		t.Errorf("%v, %v (-want +got):\n%s", root, err, diff)
	}
}

// TestIdentifyNeedsReplicate: who asks must be a node, and a token of its own that
// is refused is not the one that it asks about.
func TestIdentifyNeedsReplicate(t *testing.T) {
	w := newWritable(t)
	for own, want := range map[string]godwit.Code{
		w.token(godwit.PermissionReplicate):       godwit.CodeUnauthenticated,
		w.token(godwit.PermissionReplicate, w.ns): godwit.CodeUnauthenticated,
		w.token(godwit.PermissionAdmin):           godwit.CodeUnauthenticated,
		w.token(godwit.PermissionWrite):           godwit.CodeUnavailable,
		"nobody":                                  godwit.CodeUnavailable,
	} {
		_, _, err := feed.IdentifyAs(t.Context(), w.client, own, "a stranger")
		if godwit.CodeOf(err) != want {
			t.Errorf("got %v, want code %d", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "a stranger") {
			t.Errorf("%v tells the secret", err)
		}
	}
}
