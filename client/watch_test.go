package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
)

// pulled is a watch that is read event by event.
type pulled struct {
	t    *testing.T
	next func() (client.Event, error, bool)
	stop func()
}

func pull(t *testing.T, seq iter.Seq2[client.Event, error]) *pulled {
	t.Helper()
	next, stop := iter.Pull2(seq)
	t.Cleanup(stop)
	return &pulled{t, next, stop}
}

func (p *pulled) event(kind client.EventKind, key string) client.Event {
	p.t.Helper()
	e, err, ok := p.next()
	if err != nil || !ok || e.Kind != kind || e.Key != key {
		p.t.Fatalf("got %+v, %v, want %s of %q", e, err, kind, key)
	}
	return e
}

func (p *pulled) wantError(want error) client.Event {
	p.t.Helper()
	e, err, _ := p.next()
	wantError(p.t, "watch", err, want)
	if _, _, ok := p.next(); ok {
		p.t.Error("the watch went on after an error")
	}
	return e
}

func TestWatch(t *testing.T) {
	kv := namespace(t, serve(t))
	ctx := t.Context()
	put := func(key, value string, o client.PutOptions) string {
		t.Helper()
		r, err := kv.Put(ctx, key, strings.NewReader(value), o)
		check(t, err)
		return r
	}
	p := pull(t, kv.Watch(ctx, client.WatchOptions{Prefix: "a/", Values: true}))
	p.event(client.EventReady, "")
	put("b", "not asked for", client.PutOptions{})
	r := put("a/é", "text", client.PutOptions{Metadata: []byte(`{"n":1}`), ExpirationTTL: time.Hour})
	e := p.event(client.EventPut, "a/é")
	if e.Revision != r || string(e.Value) != "text" || e.Size != 4 || string(e.Metadata) != `{"n":1}` || time.Until(e.Expiration) < 59*time.Minute {
		t.Errorf("got %+v", e)
	}
	put("a/bytes", "\xff\x00", client.PutOptions{})
	first := p.event(client.EventPut, "a/bytes")
	if string(first.Value) != "\xff\x00" {
		t.Errorf("value %q", first.Value)
	}
	put("a/long", strings.Repeat("\x00", 64<<10), client.PutOptions{})
	if e := p.event(client.EventPut, "a/long"); len(e.Value) != 64<<10 {
		t.Errorf("%d bytes of the longest value", len(e.Value))
	}
	put("a/longer", strings.Repeat("x", 64<<10+1), client.PutOptions{})
	if e := p.event(client.EventPut, "a/longer"); e.Value != nil || e.Size != 64<<10+1 {
		t.Errorf("%d bytes of a value of %d", len(e.Value), e.Size)
	}
	p.stop()
	_, err := kv.Delete(ctx, "a/é", client.DeleteOptions{})
	check(t, err)
	p = pull(t, kv.Watch(ctx, client.WatchOptions{Prefix: "a/", After: first.ID}))
	p.event(client.EventPut, "a/long")
	p.event(client.EventPut, "a/longer")
	p.event(client.EventDelete, "a/é")
	p.event(client.EventReady, "")
}

func TestWatchErrors(t *testing.T) {
	c := serve(t)
	kv := namespace(t, c)
	ctx := t.Context()
	pull(t, c.KV("absent").Watch(ctx, client.WatchOptions{})).wantError(client.ErrNamespaceNotFound)
	pull(t, c.KV(strings.Repeat("1", 32)).Watch(ctx, client.WatchOptions{})).wantError(client.ErrNamespaceNotFound)
	pull(t, kv.Watch(ctx, client.WatchOptions{After: "x"})).wantError(client.ErrInvalid)
	e := pull(t, kv.Watch(ctx, client.WatchOptions{After: "1"})).wantError(client.ErrReset)
	if e.Kind != client.EventReset || e.ID == "" {
		t.Errorf("the reset comes with %+v", e)
	}
	ended, cancel := context.WithCancelCause(ctx)
	p := pull(t, kv.Watch(ended, client.WatchOptions{After: e.ID}))
	p.event(client.EventReady, "")
	why := errors.New("enough")
	cancel(why)
	p.wantError(why)

	p = pull(t, kv.Watch(ctx, client.WatchOptions{}))
	p.event(client.EventReady, "")
	check(t, c.DeleteNamespace(ctx, "ns"))
	p.wantError(client.ErrNamespaceNotFound)
}

func TestWatchEndsWithItsToken(t *testing.T) {
	n := open(t)
	root := connect(t, n.APIURL(), rootToken)
	namespace(t, root)
	token, err := root.CreateToken(t.Context(), client.TokenSpec{Permission: "read"})
	check(t, err)
	kv := connect(t, n.APIURL(), token.Secret).KV("ns")
	p := pull(t, kv.Watch(t.Context(), client.WatchOptions{}))
	p.event(client.EventReady, "")
	check(t, root.RevokeToken(t.Context(), token.ID))
	p.wantError(client.ErrUnauthenticated)
}

// broadcast answers watches with what it is told, one connection after another,
// and keeps what each was asked after.
type broadcast struct {
	mu      sync.Mutex
	answers []string // "": refused with 503
	after   []string
}

func (b *broadcast) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	n := len(b.after)
	b.after = append(b.after, r.Header.Get("Last-Event-ID"))
	b.mu.Unlock()
	if n >= len(b.answers) || b.answers[n] == "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Godwit-Revision", "7")
	_, _ = io.WriteString(w, b.answers[n])
}

func broadcasting(t *testing.T, answers ...string) (*broadcast, *client.KV) {
	t.Helper()
	b := &broadcast{answers: answers}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	c := connect(t, server.URL, "token", client.WithBackoff(time.Microsecond), client.WithAttempts(2))
	return b, c.KV(id)
}

// TestWatchGoesOn over connections that break, servers that stop or answer with
// errors, and events that are cut off.
func TestWatchGoesOn(t *testing.T) {
	const event = "event: %s\nid: %s\ndata: {\"key\":\"%s\"}\n\n"
	b, kv := broadcasting(t,
		fmt.Sprintf(event, "ready", "1", "")+": heartbeat\n\n"+fmt.Sprintf(event, "put", "2", "a"),
		"", "", "", "", "",
		fmt.Sprintf(event, "expire", "2.17", "b")+"event: put\nid: 3\ndata: {\"key\"",
		"event: news\nid: 9\ndata: of a kind that is not known\n\n"+fmt.Sprintf(event, "delete", "3", "c")+
			"event: error\ndata: {\"code\":\"unavailable\",\"message\":\"stopping\"}\n\n"+fmt.Sprintf(event, "put", "99", "no"),
		"event: error\ndata: {\"code\":\"forbidden\",\"message\":\"no\"}\n\n",
	)
	p := pull(t, kv.Watch(t.Context(), client.WatchOptions{}))
	p.event(client.EventReady, "")
	p.event(client.EventPut, "a")
	p.event(client.EventExpire, "b")
	p.event(client.EventDelete, "c")
	p.wantError(client.ErrForbidden)
	want := []string{"", "2", "2", "2", "2", "2", "2", "2.17", "3"}
	if diff := cmp.Diff(want, b.after); diff != "" {
		t.Error(diff)
	}
}

func TestWatchTellsThatNobodyAnswers(t *testing.T) {
	b, kv := broadcasting(t, "", "", "event: ready\nid: 1\ndata: {}\n\n")
	pull(t, kv.Watch(t.Context(), client.WatchOptions{})).wantError(client.ErrUnavailable)
	if len(b.after) != 2 {
		t.Errorf("asked %d times", len(b.after))
	}
}

func TestWatchRefusesNonsense(t *testing.T) {
	for name, answer := range map[string]string{
		"data":  "event: put\nid: 1\ndata: nonsense\n\n",
		"error": "event: error\ndata: nonsense\n\n",
	} {
		_, kv := broadcasting(t, answer)
		if _, err, _ := pull(t, kv.Watch(t.Context(), client.WatchOptions{})).next(); err == nil || errors.Is(err, client.ErrUnavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestReadEvents(t *testing.T) {
	for _, tt := range []struct {
		text string
		want [][3]string
		err  error
	}{
		{"", nil, io.EOF},
		{"event: a\nid: 1\ndata: x\n\n", [][3]string{{"a", "1", "x"}}, io.EOF},
		{"event:a\r\nid:1\r\ndata:x\r\n\r\n", [][3]string{{"a", "1", "x"}}, io.EOF},
		{"data: x\ndata:  y\n\n", [][3]string{{"", "", "x\n y"}}, io.EOF},
		{": comment\n\nretry: 10\nid: 7\n\nevent: b\ndata\n\n", [][3]string{{"b", "", ""}}, io.EOF},
		{"event: a\ndata: cut off\n", nil, io.EOF},
	} {
		got, err := client.ReadEvents(strings.NewReader(tt.text))
		if diff := cmp.Diff(tt.want, got); diff != "" || !errors.Is(err, tt.err) {
			t.Errorf("%q: %v %s", tt.text, err, diff)
		}
	}
	for name, text := range map[string]string{
		"line":  "data: " + strings.Repeat("x", 2<<20) + "\n\n",
		"lines": strings.Repeat("data: xxxxxxxxxxxxxxxxxxxxxxx\n", 1<<16) + "\n\n",
	} {
		if _, err := client.ReadEvents(strings.NewReader(text)); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("long %s: got %v", name, err)
		}
	}
}

func FuzzReadEvents(f *testing.F) {
	f.Add("event: put\nid: 1.2\ndata: {\"key\":\"k\",\"size\":1,\"value\":\"v\",\"metadata\":null}\n\n: c\n\n")
	f.Add("event: error\ndata: {\"code\":\"forbidden\"}\n\n")
	f.Add("data: {\"value_base64\":\"/wA=\"}\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := client.ReadEvents(strings.NewReader(text)); err == nil {
			t.Error("no error at the end")
		}
	})
}
