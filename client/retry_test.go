package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// script answers requests by what it is told, one after another; the last
// answer stands for all after it.
type script struct {
	mu       sync.Mutex
	answers  []answer
	requests []seen
}

// answer is a status; 0 breaks the connection before an answer.
type answer struct {
	status     int
	body       string
	retryAfter string
}

type seen struct{ requestID, body string }

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	a := s.answers[min(len(s.requests), len(s.answers)-1)]
	s.requests = append(s.requests, seen{r.Header.Get("Godwit-Request-Id"), string(body)})
	s.mu.Unlock()
	if a.status == 0 {
		panic(http.ErrAbortHandler)
	}
	if a.retryAfter != "" {
		w.Header().Set("Retry-After", a.retryAfter)
	}
	w.Header().Set("Godwit-Revision", "7")
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *script) seen() []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

const id = "0123456789abcdef0123456789abcdef"

func scripted(t *testing.T, answers ...answer) (*script, *client.KV) {
	t.Helper()
	s := &script{answers: answers}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := connect(t, server.URL, "token", client.WithAccount(id), client.WithBackoff(time.Microsecond))
	return s, c.KV(id)
}

func TestReadsAreRepeated(t *testing.T) {
	for name, tt := range map[string]struct {
		answers []answer
		err     error
		tries   int
	}{
		"unavailable, then there":    {[]answer{{status: 503}, {status: 502}, {status: 504}, {status: 200}}, nil, 4},
		"connections break":          {[]answer{{}, {}, {status: 200}}, nil, 3},
		"slow down":                  {[]answer{{status: 429}, {status: 200}}, nil, 2},
		"unavailable for good":       {[]answer{{status: 503}}, client.ErrUnavailable, 4},
		"connections break for good": {[]answer{{}}, client.ErrUnavailable, 4},
		"slow down for good":         {[]answer{{status: 429}}, client.ErrTooManyRequests, 4},
		"absent":                     {[]answer{{status: 404, body: `{"errors":[{"code":10009,"message":"m"}]}`}}, client.ErrKeyNotFound, 1},
		"no envelope":                {[]answer{{status: 403, body: "<html>"}}, client.ErrForbidden, 1},
		"a redirect is no answer":    {[]answer{{status: 302}}, nil, 1},
		"a fault is not repeated":    {[]answer{{status: 500}}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, kv := scripted(t, tt.answers...)
			v, err := kv.Get(t.Context(), "k")
			if err == nil {
				_ = v.Close()
			}
			good := tt.answers[len(tt.answers)-1].status == 200
			if good != (err == nil) {
				t.Errorf("got error %v", err)
			}
			if tt.err != nil {
				wantError(t, name, err, tt.err)
			}
			if len(s.seen()) != tt.tries {
				t.Errorf("%d tries, want %d", len(s.seen()), tt.tries)
			}
		})
	}
}

// TestWritesAreRepeatedWhole sends a write until it is answered: each time with
// the same request id and the same bytes.
func TestWritesAreRepeatedWhole(t *testing.T) {
	values := map[string]func() io.Reader{
		"seeker":       func() io.Reader { return strings.NewReader(strings.Repeat("v", 200_000)) },
		"small stream": func() io.Reader { return stream{strings.NewReader("small")} },
	}
	for name, value := range values {
		for _, metadata := range []string{"", `{"m":1}`} {
			t.Run(name+metadata, func(t *testing.T) {
				s, kv := scripted(t, answer{}, answer{status: 503}, answer{status: 504}, answer{status: 200})
				opts := client.PutOptions{}
				if metadata != "" {
					opts.Metadata = []byte(metadata)
				}
				revision, err := kv.Put(t.Context(), "k", value(), opts)
				check(t, err)
				if revision != "7" || len(s.seen()) != 4 || s.seen()[0].requestID == "" {
					t.Errorf("revision %s after %d tries, request id %q", revision, len(s.seen()), s.seen()[0].requestID)
				}
				for i, r := range s.seen() {
					if r != s.seen()[0] {
						t.Errorf("try %d was another request", i+1)
					}
				}
			})
		}
	}
}

func TestLongStreamIsSentOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		answer answer
		err    error
	}{
		"broken":      {answer{}, client.ErrOutcomeUnknown},
		"unavailable": {answer{status: 503}, client.ErrUnavailable},
		"unknown":     {answer{status: 504, body: `{"errors":[{"code":10504,"message":"m"}]}`}, client.ErrOutcomeUnknown},
	} {
		s, kv := scripted(t, tt.answer)
		_, err := kv.Put(t.Context(), "k", stream{strings.NewReader(strings.Repeat("v", 200_000))}, client.PutOptions{})
		wantError(t, name, err, tt.err)
		if len(s.seen()) != 1 {
			t.Errorf("%s: %d tries", name, len(s.seen()))
		}
	}
}

// TestOutcomeOfAllAttempts: a write of which one attempt was left open, and that did
// not succeed by another, may be done, whatever the last one was told.
func TestOutcomeOfAllAttempts(t *testing.T) {
	unknown := answer{status: 504, body: `{"errors":[{"code":10504,"message":"m"}]}`}
	for name, tt := range map[string]struct {
		answers []answer
		last    error
		open    bool
	}{
		"broken, then refused":        {[]answer{{}, {status: 412}}, client.ErrPrecondition, true},
		"unknown, then unavailable":   {[]answer{unknown, {status: 503}}, client.ErrUnavailable, true},
		"a gateway, then slow down":   {[]answer{{status: 502}, {status: 429}}, client.ErrTooManyRequests, true},
		"a gateway, then forbidden":   {[]answer{{status: 504}, {status: 403}}, client.ErrForbidden, true},
		"broken between two refusals": {[]answer{{status: 503}, {}, {status: 503}}, client.ErrUnavailable, true},
		"a gateway for good":          {[]answer{{status: 502}}, client.ErrUnavailable, true},
		"no namespace":                {[]answer{{}, {status: 404, body: `{"errors":[{"code":10013,"message":"m"}]}`}}, client.ErrNamespaceNotFound, true},
		"unavailable, then refused":   {[]answer{{status: 503}, {status: 412}}, client.ErrPrecondition, false},
		"slow down, then refused":     {[]answer{{status: 429}, {status: 403}}, client.ErrForbidden, false},
	} {
		_, kv := scripted(t, tt.answers...)
		_, err := kv.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{IfNoneMatch: "*"})
		wantError(t, name, err, tt.last)
		if got := errors.Is(err, client.ErrOutcomeUnknown); got != tt.open {
			t.Errorf("%s: told as unknown %t: %v", name, got, err)
		}
	}
}

// TestOutcomeOfServerThatStops: what was sent to a server that is then gone may be done.
func TestOutcomeOfServerThatStops(t *testing.T) {
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = server.Listener.Close()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	c := connect(t, server.URL, "token", client.WithAccount(id), client.WithBackoff(time.Microsecond))
	_, err := c.KV(id).Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
	wantError(t, "put", err, client.ErrOutcomeUnknown)
	wantError(t, "put", err, client.ErrUnavailable)
}

// TestOutcomeOfValueThatCannotBeReadAgain: the first attempt is open all the same.
func TestOutcomeOfValueThatCannotBeReadAgain(t *testing.T) {
	_, kv := scripted(t, answer{})
	_, err := kv.Put(t.Context(), "k", &readOnce{Reader: strings.NewReader("v")}, client.PutOptions{})
	wantError(t, "put", err, client.ErrOutcomeUnknown)
	wantError(t, "put", err, errBroken)
}

// readOnce fails when it is rewound to be sent again: the fourth seek, behind the
// three that tell how long it is.
type readOnce struct {
	*strings.Reader
	seeks int
}

func (r *readOnce) Seek(offset int64, whence int) (int64, error) {
	if r.seeks++; r.seeks > 3 {
		return 0, errBroken
	}
	return r.Reader.Seek(offset, whence)
}

// TestOutcomeThatIsOfNoMatter: what changes no data is not told as unknown, nor is a
// change of which nothing is left to ask about.
func TestOutcomeThatIsOfNoMatter(t *testing.T) {
	noNamespace := answer{status: 404, body: `{"errors":[{"code":10013,"message":"m"}]}`}
	exists := answer{status: 409, body: `{"error":{"code":"namespace_exists","message":"m"}}`}
	for name, tt := range map[string]struct {
		last answer
		call func(c *client.Client) error
		err  error
	}{
		"get": {answer{status: 403}, func(c *client.Client) error {
			_, err := c.KV(id).Get(t.Context(), "k")
			return err
		}, client.ErrForbidden},
		"bulk get": {answer{status: 403}, func(c *client.Client) error {
			_, err := c.KV(id).BulkGet(t.Context(), []string{"k"})
			return err
		}, client.ErrForbidden},
		"scrub": {answer{}, func(c *client.Client) error {
			_, err := c.StartScrub(t.Context())
			return err
		}, client.ErrUnavailable},
		"dry run": {answer{}, func(c *client.Client) error {
			_, err := c.KV(id).RestorePage(t.Context(), client.RestoreOptions{All: true, DryRun: true})
			return err
		}, client.ErrUnavailable},
		"ensure": {exists, func(c *client.Client) error {
			_, _, err := c.EnsureNamespace(t.Context(), "title", client.NamespaceOptions{Jurisdiction: "eu"})
			return err
		}, client.ErrNamespaceExists},
		"rename": {noNamespace, func(c *client.Client) error {
			_, err := c.RenameNamespace(t.Context(), id, "title")
			return err
		}, client.ErrNamespaceNotFound},
		"delete": {noNamespace, func(c *client.Client) error {
			return c.DeleteNamespace(t.Context(), id)
		}, client.ErrNamespaceNotFound},
		"set": {noNamespace, func(c *client.Client) error {
			_, err := c.SetSettings(t.Context(), id, map[string]any{"max_keys": 1})
			return err
		}, client.ErrNamespaceNotFound},
	} {
		server := httptest.NewServer(&script{answers: []answer{{}, tt.last}})
		t.Cleanup(server.Close)
		c := connect(t, server.URL, "token", client.WithAccount(id), client.WithBackoff(time.Microsecond))
		err := tt.call(c)
		wantError(t, name, err, tt.err)
		if errors.Is(err, client.ErrOutcomeUnknown) {
			t.Errorf("%s: told as unknown: %v", name, err)
		}
	}
}

// TestFailingValue must not write half a value.
func TestFailingValue(t *testing.T) {
	kv := namespace(t, serve(t))
	for _, n := range []int64{0, 100, 200_000} {
		broken := io.MultiReader(io.LimitReader(zeros{}, n), failing{})
		_, err := kv.Put(t.Context(), "k", broken, client.PutOptions{})
		wantError(t, "put", err, errBroken)
		_, err = kv.Get(t.Context(), "k")
		wantError(t, "get", err, client.ErrKeyNotFound)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

type brokenError struct{}

func (brokenError) Error() string { return "the source broke" }

var errBroken = brokenError{}

// TestTokensAreMadeOnce: what has no request id is not sent twice.
func TestTokensAreMadeOnce(t *testing.T) {
	s := &script{answers: []answer{{}}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	c := connect(t, server.URL, "token", client.WithBackoff(time.Microsecond))
	_, err := c.CreateToken(t.Context(), client.TokenSpec{Permission: "read"})
	wantError(t, "create token", err, client.ErrOutcomeUnknown)
	if len(s.seen()) != 1 {
		t.Errorf("%d tries", len(s.seen()))
	}
}

func TestNobodyListens(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	addr := ln.Addr().String()
	check(t, ln.Close())
	c := connect(t, "http://"+addr, "token", client.WithAccount(id), client.WithBackoff(time.Microsecond))
	_, err = c.KV(id).Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
	wantError(t, "put", err, client.ErrUnavailable) // and not unknown: nothing was sent
}

func TestContextEndsTheWait(t *testing.T) {
	s, kv := scripted(t, answer{status: 503, retryAfter: "5"})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := kv.Get(ctx, "k")
		done <- err
	}()
	for len(s.seen()) == 0 {
		runtime.Gosched()
	}
	cancel()
	wantError(t, "get", <-done, context.Canceled)
}

// TestBulkGetOfTooMuch is told that the values are too large together, and asks
// for them in halves.
func TestBulkGetOfTooMuch(t *testing.T) {
	tooMuch := answer{status: 413, body: `{"errors":[{"code":10024,"message":"m"}]}`}
	one := func(key string) answer {
		return answer{status: 200, body: `{"result":{"values":{"` + key + `":{"value":"v","metadata":null}}}}`}
	}
	s, kv := scripted(t, tooMuch, one("a"), tooMuch, one("b"), one("c"))
	got, err := kv.BulkGet(t.Context(), []string{"a", "b", "c"})
	check(t, err)
	if len(got) != 3 || len(s.seen()) != 5 {
		t.Errorf("got %d keys in %d requests", len(got), len(s.seen()))
	}
	s, kv = scripted(t, tooMuch)
	_, err = kv.BulkGet(t.Context(), []string{"a"})
	wantError(t, "one key", err, client.ErrTooLarge)
	if len(s.seen()) != 2 {
		t.Errorf("%d requests", len(s.seen()))
	}
}

// TestBulkGetOfLongValue gets by itself what no answer of many values may hold.
func TestBulkGetOfLongValue(t *testing.T) {
	const most = 26 << 20
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = most
	n, err := node.Open(t.Context(), node.Config{
		Dir: "data", FS: store.NewMemFS(), RootToken: rootToken, Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Limits: limits,
	})
	check(t, err)
	t.Cleanup(func() { check(t, n.Close()) })
	kv := namespace(t, connect(t, n.APIURL(), rootToken))
	long := bytes.Repeat([]byte("v"), most)
	_, err = kv.Put(t.Context(), "long", bytes.NewReader(long), client.PutOptions{Metadata: []byte(`"m"`), ExpirationTTL: time.Hour})
	check(t, err)
	_, err = kv.Put(t.Context(), "short", strings.NewReader("v"), client.PutOptions{})
	check(t, err)
	got, err := kv.BulkGet(t.Context(), []string{"long", "absent", "short"})
	check(t, err)
	if long := got["long"]; len(got) != 2 || len(long.Value) != most || string(long.Metadata) != `"m"` || long.Expiration.IsZero() || string(got["short"].Value) != "v" {
		t.Errorf("got %d values, the long one of %d bytes", len(got), len(long.Value))
	}
}

// TestBulkPutIsSplitByBytes keeps requests well below what a server takes.
func TestBulkPutIsSplitByBytes(t *testing.T) {
	s, kv := scripted(t, answer{status: 200})
	large := bytes.Repeat([]byte("v"), 6<<20)
	n, err := kv.BulkPut(t.Context(), []client.Pair{{Key: "a", Value: large}, {Key: "b", Value: large}, {Key: "c", Value: large}})
	check(t, err)
	var sizes []int
	for _, r := range s.seen() {
		sizes = append(sizes, len(r.body)>>20)
	}
	if n != 3 || !slices.Equal(sizes, []int{12, 6}) {
		t.Errorf("wrote %d keys in requests of %v MiB", n, sizes)
	}
}

func TestBulkPutTellsWhatIsWritten(t *testing.T) {
	_, kv := scripted(t, answer{status: 200}, answer{status: 507})
	n, err := kv.BulkPut(t.Context(), make([]client.Pair, 10_001))
	wantError(t, "bulk put", err, client.ErrDiskFull)
	if n != 10_000 {
		t.Errorf("told that %d are written", n)
	}
}
