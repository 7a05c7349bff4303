package feed_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

// library is a centre with a namespace of entries of every shape.
func library(t *testing.T) (*served, *godwit.Namespace) {
	t.Helper()
	s := newServed(t, store.Config{}, nil)
	ns := s.namespace("library")
	blob, err := s.store.Upload(t.Context(), strings.NewReader(strings.Repeat("b", 100<<10)), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for key, m := range map[string]godwit.Mutation{
		"small":   {Value: godwit.Value{Inline: []byte("small")}, Metadata: []byte(`{"a":1}`), Expiration: time.Now().Unix() + 3600},
		"empty":   {Value: godwit.Value{Inline: []byte{}}},
		"row":     {Value: godwit.Value{Inline: bytes.Repeat([]byte("r"), 5000)}},
		"blob":    {Value: blob},
		"expired": {Value: godwit.Value{Inline: []byte("x")}, Expiration: 1},
		"odd /?%": {Value: godwit.Value{Inline: []byte("odd")}},
	} {
		m.Op, m.Namespace, m.Key = godwit.OpPut, ns.ID, key
		s.propose(godwit.Transaction{Mutations: []godwit.Mutation{m}})
	}
	return s, ns
}

func TestEntries(t *testing.T) {
	s, ns := library(t)
	keys := []string{"row", "absent", "small", "small", "blob", "expired", "empty", "odd /?%"}
	want, _, err := s.store.GetMany(t.Context(), ns.ID, keys, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c := s.client(rootToken)
	got, by, err := c.Entries(t.Context(), ns.ID, keys, feed.Filter{}, godwit.ReadOptions{})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
	if by.Status != godwit.StatusMiss || by.Revision != s.store.Revision() {
		t.Errorf("served by %+v", by)
	}
	got, _, err = c.Entries(t.Context(), ns.ID, keys, feed.Filter{MaxValue: 10}, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rec := godwit.Record{Mutation: godwit.Mutation{Value: want[0].Value}, Revision: want[0].Revision}
	if diff := cmp.Diff(feed.Withhold(&rec), got[0].Value); diff != "" {
		t.Errorf("a value that is withheld: %s", diff)
	}
	if string(got[2].Value.Inline) != "small" || got[4].Value.Blob != want[4].Value.Blob {
		t.Errorf("got %+v, %+v", got[2], got[4])
	}
	if got, _, err = c.Entries(t.Context(), ns.ID, nil, feed.Filter{}, godwit.ReadOptions{}); err != nil || len(got) != 0 {
		t.Errorf("no keys: %v, %v", got, err)
	}
}

// TestEntriesOfBoundedLength: values beyond what one answer holds are withheld.
func TestEntriesOfBoundedLength(t *testing.T) {
	s := newServed(t, store.Config{InlineBytes: 1 << 20}, nil)
	ns := s.namespace("long")
	var keys []string
	for i := range 20 {
		keys = append(keys, fmt.Sprint("key-", i))
		s.propose(writes(ns.ID, keys[i], make([]byte, 1<<20)))
	}
	got, _, err := s.client(rootToken).Entries(t.Context(), ns.ID, keys, feed.Filter{}, godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	withheld := 0
	for i, e := range got {
		if e == nil || e.Key != keys[i] || e.Value.Size() != 1<<20 {
			t.Fatalf("entry %d: %+v", i, e)
		}
		if !e.Value.Blob.IsZero() {
			withheld++
		}
	}
	if withheld != 4 {
		t.Errorf("%d are withheld", withheld)
	}
}

func TestListPassedOn(t *testing.T) {
	s, ns := library(t)
	for i := range 25 {
		s.propose(put(ns.ID, fmt.Sprintf("p/%02d", i), "x"))
	}
	c := s.client(rootToken)
	for _, prefix := range []string{"", "p/", "p/1", "odd /?", "none", "\xff"} {
		var got, want []string
		q := godwit.ListQuery{Prefix: prefix, Limit: 7}
		for more := true; more; {
			page, err := c.List(t.Context(), ns.ID, q, godwit.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			own, err := s.store.List(t.Context(), ns.ID, q, godwit.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			own.Served.Status = godwit.StatusMiss
			if diff := cmp.Diff(own, page); diff != "" {
				t.Errorf("%q after %q: %s", prefix, q.Cursor, diff)
			}
			for _, e := range page.Entries {
				got = append(got, e.Key)
			}
			for _, e := range own.Entries {
				want = append(want, e.Key)
			}
			q.Cursor, more = page.Cursor, page.More
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q, want %q", prefix, got, want)
		}
	}
	for code, q := range map[godwit.Code]godwit.ListQuery{
		godwit.CodeInvalidCursor: {Cursor: "nonsense", Limit: 5},
		godwit.CodeInvalidLimit:  {Limit: 1001},
		godwit.CodeKeyTooLong:    {Prefix: strings.Repeat("p", 513), Limit: 5},
	} {
		if _, err := c.List(t.Context(), ns.ID, q, godwit.ReadOptions{}); godwit.CodeOf(err) != code {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

func TestValue(t *testing.T) {
	s, ns := library(t)
	c := s.client(rootToken)
	for _, key := range []string{"small", "empty", "row", "blob", "odd /?%"} {
		e, _, err := s.store.Get(t.Context(), ns.ID, []byte(key), godwit.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		v, err := c.Value(t.Context(), ns.ID, key, e.Revision, godwit.Blob{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(v)
		own, _ := s.store.OpenValue(t.Context(), ns.ID, e)
		want, _ := io.ReadAll(own)
		if err = errors.Join(err, v.Close(), own.Close()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
		if _, err := c.Value(t.Context(), ns.ID, key, e.Revision-1, godwit.Blob{}); err != error(godwit.ErrReplaced) {
			t.Errorf("%s at an earlier revision: %v", key, err)
		}
	}
	for key, revision := range map[string]godwit.Revision{"absent": 5, "expired": 5} {
		if _, err := c.Value(t.Context(), ns.ID, key, revision, godwit.Blob{}); err != error(godwit.ErrReplaced) {
			t.Errorf("%s: %v", key, err)
		}
	}
	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Value(soon, ns.ID, "small", s.store.Revision()+1000, godwit.Blob{}); godwit.CodeOf(err) != godwit.CodeUnavailable || err == error(godwit.ErrReplaced) {
		t.Errorf("a revision that is not there yet: %v", err)
	}
}

// TestReadsNeedAToken holds which tokens may have reads passed on.
func TestReadsNeedAToken(t *testing.T) {
	s, ns := library(t)
	other := s.namespace("other")
	for name, tt := range map[string]struct {
		permission godwit.Permission
		namespaces []godwit.NamespaceID
		code       godwit.Code
	}{
		"replicate":              {godwit.PermissionReplicate, nil, 0},
		"replicate, this one":    {godwit.PermissionReplicate, []godwit.NamespaceID{ns.ID}, 0},
		"admin":                  {godwit.PermissionAdmin, nil, 0},
		"replicate, another one": {godwit.PermissionReplicate, []godwit.NamespaceID{other.ID}, godwit.CodeForbidden},
		"write":                  {godwit.PermissionWrite, nil, godwit.CodeForbidden},
		"read":                   {godwit.PermissionRead, nil, godwit.CodeForbidden},
	} {
		secret, _ := s.token(tt.permission, tt.namespaces...)
		for what, err := range readAll(t, s.client(secret), ns.ID) {
			if tt.code == 0 && err != nil || tt.code != 0 && godwit.CodeOf(err) != tt.code {
				t.Errorf("%s: %s: %v", name, what, err)
			}
		}
	}
	for what, err := range readAll(t, s.client(rootToken), godwit.SystemNamespace) {
		if !errors.Is(err, godwit.ErrNamespaceNotFound) {
			t.Errorf("the catalog: %s: %v", what, err)
		}
	}
	for what, err := range readAll(t, s.client(rootToken), godwit.NamespaceID{9}) {
		if !errors.Is(err, godwit.ErrNamespaceNotFound) {
			t.Errorf("no namespace: %s: %v", what, err)
		}
	}
}

// readAll tries each read of a namespace that holds "small".
func readAll(t *testing.T, c *feed.Client, ns godwit.NamespaceID) map[string]error {
	t.Helper()
	_, _, entries := c.Entries(t.Context(), ns, []string{"small"}, feed.Filter{}, godwit.ReadOptions{})
	_, list := c.List(t.Context(), ns, godwit.ListQuery{Limit: 10}, godwit.ReadOptions{})
	v, value := c.Value(t.Context(), ns, "small", 1, godwit.Blob{})
	if value == nil {
		v.Close()
	}
	if value == error(godwit.ErrReplaced) {
		value = nil
	}
	return map[string]error{"entries": entries, "list": list, "value": value}
}

// reader answers as a relay might.
type reader struct {
	godwit.Reader
	asked godwit.ReadOptions
	err   error
	value io.Reader
}

func (r *reader) GetMany(_ context.Context, _ godwit.NamespaceID, keys []string, o godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	r.asked = o
	return make([]*godwit.Entry, len(keys)), godwit.Served{Status: godwit.StatusStale, Revision: 7}, r.err
}

func (r *reader) List(_ context.Context, _ godwit.NamespaceID, _ godwit.ListQuery, o godwit.ReadOptions) (*godwit.Page, error) {
	r.asked = o
	return &godwit.Page{Served: godwit.Served{Status: godwit.StatusHit, Revision: 8}}, r.err
}

func (r *reader) Get(context.Context, godwit.NamespaceID, []byte, godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	return &godwit.Entry{Key: "k", Revision: 5, Value: godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 10}}}, godwit.Served{}, r.err
}

func (r *reader) OpenValue(context.Context, godwit.NamespaceID, *godwit.Entry) (io.ReadCloser, error) {
	return io.NopCloser(r.value), r.err
}

// TestReadsThroughARelay: what is asked for, how it was served and what went wrong
// all travel.
func TestReadsThroughARelay(t *testing.T) {
	r := &reader{}
	s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { r.Reader = c.Reader; c.Reader = r })
	ns := s.namespace("one")
	c := s.client(rootToken)
	for _, o := range []godwit.ReadOptions{
		{},
		{MinRevision: 12, Strong: true, MaxStaleness: 1500 * time.Millisecond},
		{MaxStaleness: time.Microsecond},
		{MaxStaleness: 1 << 62},
	} {
		want := o
		want.MaxStaleness = min(max(o.MaxStaleness, time.Millisecond), 1<<40*time.Millisecond).Truncate(time.Millisecond)
		if o.MaxStaleness == 0 {
			want.MaxStaleness = 0
		}
		_, by, err := c.Entries(t.Context(), ns.ID, []string{"a"}, feed.Filter{}, o)
		if err != nil || by != (godwit.Served{Status: godwit.StatusStale, Revision: 7}) || r.asked != want {
			t.Errorf("entries %+v: asked %+v, served %+v, %v", o, r.asked, by, err)
		}
		page, err := c.List(t.Context(), ns.ID, godwit.ListQuery{Limit: 1}, o)
		if err != nil || page.Served != (godwit.Served{Status: godwit.StatusMiss, Revision: 8}) || r.asked != want {
			t.Errorf("list %+v: asked %+v, %+v, %v", o, r.asked, page, err)
		}
	}
	r.err = godwit.Errorf(godwit.CodeUnavailable, "The relay knows nothing.")
	for what, err := range readAll(t, c, ns.ID) {
		if godwit.CodeOf(err) != godwit.CodeUnavailable || godwit.MessageOf(err) != "The relay knows nothing." {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.err = godwit.ErrReplaced
	if _, err := c.Value(t.Context(), ns.ID, "k", 5, godwit.Blob{}); err != error(godwit.ErrReplaced) {
		t.Errorf("got %v", err)
	}
}

// TestValueThatBreaksOff: the end of what came is no end of the value.
func TestValueThatBreaksOff(t *testing.T) {
	r := &reader{}
	s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { r.Reader = c.Reader; c.Reader = r })
	ns := s.namespace("one")
	for name, from := range map[string]io.Reader{
		"too short": strings.NewReader("1234567"),
		"fails":     io.MultiReader(strings.NewReader("123"), failing{}),
	} {
		r.value = from
		v, err := s.client(rootToken).Value(t.Context(), ns.ID, "k", 5, godwit.Blob{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(v)
		if !errors.Is(err, io.ErrUnexpectedEOF) || godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		v.Close()
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the disk failed") }

// TestValueThatStalls: a value that stops coming is given up.
func TestValueThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "10")
			_, _ = w.Write([]byte("12345"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		start := time.Now()
		v, err := c.Value(t.Context(), godwit.NamespaceID{1}, "k", 5, godwit.Blob{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(v)
		if took := time.Since(start); took != 10*time.Second || string(got) != "12345" || godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("after %v: %q, %v", took, got, err)
		}
		v.Close()
	})
}

// TestMalformedReads: each gets a clear error.
func TestMalformedReads(t *testing.T) {
	s, ns := library(t)
	header := func(name, value string) http.Header { return http.Header{name: {value}} }
	id := "namespace=" + ns.ID.String()
	for name, tt := range map[string]struct {
		method, path string
		body         []byte
		header       http.Header
		status       int
	}{
		"no namespace":      {"GET", "/list?limit=1", nil, nil, 400},
		"no limit":          {"GET", "/list?" + id, nil, nil, 400},
		"limit 0":           {"GET", "/list?limit=0&" + id, nil, nil, 400},
		"prefix":            {"GET", "/list?limit=1&prefix=%21&" + id, nil, nil, 400},
		"endless prefix":    {"GET", "/list?limit=1&prefix=" + strings.Repeat("a", 900) + "&" + id, nil, nil, 414},
		"no key":            {"GET", "/value?revision=5&" + id, nil, nil, 400},
		"key":               {"GET", "/value?revision=5&key=%21&" + id, nil, nil, 400},
		"key of a dot":      {"GET", "/value?revision=5&key=Lg&" + id, nil, nil, 400},
		"endless key":       {"GET", "/value?revision=5&key=" + strings.Repeat("a", 900) + "&" + id, nil, nil, 414},
		"no revision":       {"GET", "/value?key=YQ&" + id, nil, nil, 400},
		"no body":           {"POST", "/entries?" + id, nil, nil, 400},
		"body":              {"POST", "/entries?" + id, []byte("\x02\x01a"), nil, 400},
		"too many keys":     {"POST", "/entries?" + id, feed.AppendKeys(nil, slices.Repeat([]string{"a"}, 101)), nil, 400},
		"an empty key":      {"POST", "/entries?" + id, feed.AppendKeys(nil, []string{""}), nil, 400},
		"endless body":      {"POST", "/entries?" + id, make([]byte, 1<<20), nil, 413},
		"max_value":         {"POST", "/entries?max_value=-1&" + id, feed.AppendKeys(nil, nil), nil, 400},
		"min revision":      {"POST", "/entries?" + id, feed.AppendKeys(nil, nil), header("Godwit-Min-Revision", "-1"), 400},
		"consistency":       {"POST", "/entries?" + id, feed.AppendKeys(nil, nil), header("Godwit-Consistency", "linear"), 400},
		"max staleness":     {"GET", "/list?limit=1&" + id, nil, header("Godwit-Max-Staleness", "0"), 400},
		"endless staleness": {"GET", "/list?limit=1&" + id, nil, header("Godwit-Max-Staleness", "99999999999999999"), 400},
		"another method":    {"POST", "/list?limit=1&" + id, nil, nil, 405},
		"fine":              {"GET", "/list?limit=1&" + id, nil, nil, 200},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tt.method, "http://centre"+feed.Prefix+tt.path, bytes.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		if tt.header != nil {
			req.Header = tt.header
		}
		req.Header.Set("Authorization", "Bearer "+rootToken)
		transport := &http.Transport{DialContext: s.net.Dial}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		transport.CloseIdleConnections()
		if resp.StatusCode != tt.status || resp.StatusCode != 200 && !bytes.Contains(body, []byte(`{"error":{"code":"`)) {
			t.Errorf("%s: %d %s", name, resp.StatusCode, body)
		}
	}
}

// TestAnswersToReadsThatMakeNoSense: what was not asked for is not taken.
func TestAnswersToReadsThatMakeNoSense(t *testing.T) {
	rec := func(key string) godwit.Record {
		return godwit.Record{Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: key}, Revision: 1}
	}
	for name, f := range map[string]feed.Frame{
		"another key":     &feed.Page{Records: []godwit.Record{rec("b")}, Done: true},
		"too many":        &feed.Page{Records: []godwit.Record{rec("a"), rec("a")}, Done: true},
		"another frame":   &feed.Ready{Revision: 1},
		"an end":          &feed.End{Reason: feed.EndClosing},
		"neither of both": &feed.Page{Records: []godwit.Record{rec("a"), rec("b")}, Heads: true, Done: false},
	} {
		c := client(t, answers(200, feed.ContentType, frames(t, f)))
		if got, _, err := c.Entries(t.Context(), godwit.NamespaceID{1}, []string{"a"}, feed.Filter{}, godwit.ReadOptions{}); err == nil {
			t.Errorf("%s: entries %v", name, got)
		}
		if got, err := c.List(t.Context(), godwit.NamespaceID{1}, godwit.ListQuery{Limit: 1}, godwit.ReadOptions{}); err == nil {
			t.Errorf("%s: list %v", name, got)
		}
	}
}

func FuzzKeys(f *testing.F) {
	f.Add(feed.AppendKeys(nil, []string{"a", "b", "a"}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, err := feed.DecodeKeys(body)
		if err != nil {
			return
		}
		again, err := feed.DecodeKeys(feed.AppendKeys(nil, keys))
		if err != nil || !slices.Equal(again, keys) || len(keys) > godwit.MaxBulkGetKeys {
			t.Errorf("%x became %q, then %q, %v", body, keys, again, err)
		}
	})
}
