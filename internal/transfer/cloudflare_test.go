package transfer_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// maxBody is less than Cloudflare's limit, so that less has to be written to reach it.
const maxBody = 10_000_000

// strict is Cloudflare's API as a node speaks it, with the limits that a node does not
// have, and the moods of a service.
type strict struct {
	next  http.Handler
	moods map[int]func(http.ResponseWriter) // what becomes of the nth request instead

	mu       sync.Mutex
	requests int
	problems []string
}

func (s *strict) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests++
	mood := s.moods[s.requests]
	s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.problem("read body: %v", err)
	}
	if strings.HasSuffix(r.URL.Path, "/bulk") {
		var items []json.RawMessage
		if json.Unmarshal(body, &items) != nil || len(items) > 10_000 || len(body) > maxBody {
			s.problem("a bulk write of %d items and %d bytes", len(items), len(body))
		}
	}
	if strings.HasPrefix(r.URL.Path, "/godwit/") || r.Header.Get("Authorization") != "Bearer "+rootToken {
		s.problem("%s with %q", r.URL.Path, r.Header.Get("Authorization"))
	}
	if mood != nil {
		mood(w)
		return
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.next.ServeHTTP(w, r)
}

func (s *strict) problem(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

func (s *strict) check(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.problems) > 0 || s.requests == 0 {
		t.Errorf("%d requests, problems: %q", s.requests, s.problems)
	}
}

func answer(status int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// moods are what a client of a service must bear.
func moods() map[int]func(http.ResponseWriter) {
	return map[int]func(http.ResponseWriter){
		2: answer(429, `{"success":false,"errors":[{"code":971,"message":"Please wait"}]}`, "Retry-After", "1"),
		4: answer(503, "<html>"),
		6: answer(200, `{"success":false,"result":null,"errors":[{"code":971,"message":"Please wait"}],"messages":[]}`, "Content-Type", "application/json"),
		8: func(w http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
}

// cloudflare is a namespace of a node as if it were at Cloudflare.
func cloudflare(t *testing.T, c *client.Client, nodeURL, title string, moods map[int]func(http.ResponseWriter)) (*transfer.Cloudflare, *strict) {
	t.Helper()
	target, err := url.Parse(nodeURL)
	check(t, err)
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	proxy.Transport = transport
	s := &strict{next: proxy, moods: moods}
	server := httptest.NewServer(s)
	account, err := c.Account(t.Context())
	check(t, err)
	id, err := c.NamespaceID(t.Context(), title)
	check(t, err)
	httpClient := &http.Client{Transport: &http.Transport{}}
	cf := &transfer.Cloudflare{
		BaseURL: server.URL + "/client/v4", Token: rootToken, Account: account, Namespace: id, Rate: 1_000_000, HTTP: httpClient,
	}
	t.Cleanup(func() {
		httpClient.CloseIdleConnections()
		server.Close()
		transport.CloseIdleConnections()
	})
	check(t, cf.Open())
	return cf, s
}

// TestCloudflareRoundTrip takes all that a namespace may hold out of Cloudflare's API
// and back into it, with the limits and the moods that a service has.
func TestCloudflareRoundTrip(t *testing.T) {
	n := open(t)
	c := connect(t, n)
	for _, title := range []string{"at cloudflare", "here", "back"} {
		_, err := c.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		check(t, err)
	}
	fillOdd(t, c.KV("at cloudflare"))
	dense := strings.Repeat("\x01", 2<<20) // as text it is longer than a request may be here
	_, err := c.KV("at cloudflare").Put(t.Context(), "largest", strings.NewReader(dense), client.PutOptions{ExpirationTTL: time.Hour})
	check(t, err)
	cf, s := cloudflare(t, c, n.APIURL(), "at cloudflare", moods())
	_, err = runTo(t.Context(), &transfer.CloudflareSource{Cloudflare: cf}, c.KV("here"), transfer.Options{})
	check(t, err)
	s.check(t)
	sameContents(t, c.KV("at cloudflare"), c.KV("here"))

	cf, s = cloudflare(t, c, n.APIURL(), "back", map[int]func(http.ResponseWriter){2: moods()[2]})
	counts := new(transfer.Progress)
	target := &transfer.CloudflareTarget{Cloudflare: cf, Progress: counts, Now: now}
	check(t, transfer.Run(t.Context(), &transfer.Server{KV: c.KV("here")}, target, transfer.Options{Progress: counts, Now: now}))
	s.check(t)
	sameContents(t, c.KV("here"), c.KV("back"))
	if want := int64(len(oddKeys) + many + 1); counts.Keys.Load() != want {
		t.Errorf("%d keys are said to be written, want %d", counts.Keys.Load(), want)
	}
}

// TestCloudflareGoesOn stops a source after each of its batches and goes on behind it.
func TestCloudflareGoesOn(t *testing.T) {
	n := open(t)
	c := connect(t, n)
	_, err := c.CreateNamespace(t.Context(), "from", client.NamespaceOptions{})
	check(t, err)
	var pairs []client.Pair
	for i := range 1250 {
		pairs = append(pairs, client.Pair{Key: fmt.Sprintf("k/%04d", i), Value: []byte("v")})
	}
	_, err = c.KV("from").BulkPut(t.Context(), append(pairs, client.Pair{Key: "other"}))
	check(t, err)
	cf, _ := cloudflare(t, c, n.APIURL(), "from", nil)
	source := &transfer.CloudflareSource{Cloudflare: cf, Prefix: "k/"}
	seen := 0
	for round := 0; ; round++ {
		got := false
		if round%4 == 3 {
			source.From.Cursor = "no good any more"
		}
		for b, err := range source.Batches(t.Context()) {
			check(t, err)
			for _, it := range b.Items {
				if it.Key != pairs[seen].Key {
					t.Fatalf("got %s, want %s", it.Key, pairs[seen].Key)
				}
				seen++
			}
			source.From, got = b.Mark, true
			break
		}
		if !got {
			break
		}
	}
	if seen != len(pairs) {
		t.Errorf("%d keys, want %d", seen, len(pairs))
	}
}

func TestCloudflareSays(t *testing.T) {
	n := open(t)
	c := connect(t, n)
	_, err := c.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{})
	check(t, err)
	for name, tt := range map[string]struct {
		mood func(http.ResponseWriter)
		want string
	}{
		"no token":   {answer(401, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`), "list keys: Cloudflare answered: Authentication error (HTTP 401, code 10000)"},
		"a page":     {answer(200, "<html>"), "list keys: Cloudflare's answer is not what it should be"},
		"no success": {answer(200, `{"success":false,"errors":[{"code":10013,"message":"namespace not found"}]}`), "list keys: Cloudflare answered: namespace not found (HTTP 200, code 10013)"},
		"elsewhere":  {answer(302, "", "Location", "http://127.0.0.1:1/"), "list keys: Cloudflare answered 302 Found"},
	} {
		cf, _ := cloudflare(t, c, n.APIURL(), "ns", map[int]func(http.ResponseWriter){1: tt.mood})
		cf.HTTP.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		_, err := runTo(t.Context(), &transfer.CloudflareSource{Cloudflare: cf}, c.KV("ns"), transfer.Options{})
		if err == nil || err.Error() != tt.want || strings.Contains(err.Error(), rootToken) {
			t.Errorf("%s: got %v, want %s", name, err, tt.want)
		}
	}
	cf, _ := cloudflare(t, c, n.APIURL(), "ns", map[int]func(http.ResponseWriter){})
	target := &transfer.CloudflareTarget{Cloudflare: cf, Progress: new(transfer.Progress), Now: now}
	large := make([]byte, 25<<20+1)
	err = target.Write(t.Context(), []transfer.Item{{Key: "k", Open: opens(large)}})
	var item *transfer.ItemError
	if !errors.As(err, &item) || item.Key != "k" || !strings.Contains(err.Error(), "over 26214400 bytes") {
		t.Errorf("got %v", err)
	}
	check(t, target.Write(t.Context(), []transfer.Item{{Key: "twice", Value: []byte("1")}, {Key: "soon", Expiration: now() + 30}, {Key: "twice", Value: []byte("2")}, {Key: "gone", Open: gone}}))
	if got := contents(t, c.KV("ns")); len(got) != 1 || got["twice"].Value != "2" {
		t.Errorf("got %v", got)
	}
}

func TestCloudflareRefusesToOpen(t *testing.T) {
	good := transfer.Cloudflare{BaseURL: "https://api.cloudflare.com/client/v4", Token: "t", Account: strings.Repeat("a", 32), Namespace: strings.Repeat("b", 32)}
	check(t, good.Open())
	for want, change := range map[string]func(*transfer.Cloudflare){
		"base URL":    func(c *transfer.Cloudflare) { c.BaseURL = "ftp://x" },
		"base URL is": func(c *transfer.Cloudflare) { c.BaseURL = "https://user:secret@x/" },
		"no token":    func(c *transfer.Cloudflare) { c.Token = "" },
		"line break":  func(c *transfer.Cloudflare) { c.Token = "t\r\nX: y" },
		"account":     func(c *transfer.Cloudflare) { c.Account = "../x" },
		"namespace":   func(c *transfer.Cloudflare) { c.Namespace = "birds" },
		"requests":    func(c *transfer.Cloudflare) { c.Rate = -1 },
	} {
		c := good
		change(&c)
		if err := c.Open(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v", want, err)
		}
	}
}

// emptyLists answers every list with one key and another cursor, and every bulk get with
// nothing, and notes when.
type emptyLists struct{ at []time.Time }

// RoundTrip implements [http.RoundTripper].
func (e *emptyLists) RoundTrip(r *http.Request) (*http.Response, error) {
	e.at = append(e.at, time.Now())
	body := fmt.Sprintf(`{"success":true,"result":[{"name":"k"}],"result_info":{"cursor":"%d"}}`, len(e.at))
	if r.Method == http.MethodPost {
		body = `{"success":true,"result":{"values":{"k":null}}}`
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// TestCloudflareRate holds that no five minutes see more requests than Cloudflare takes,
// and that nearly as many are made.
func TestCloudflareRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := new(emptyLists)
		cf := &transfer.Cloudflare{
			BaseURL: "http://cloudflare.test", Token: "t", Account: strings.Repeat("a", 32), Namespace: strings.Repeat("b", 32),
			HTTP: &http.Client{Transport: server},
		}
		check(t, cf.Open())
		for _, err := range (&transfer.CloudflareSource{Cloudflare: cf}).Batches(t.Context()) {
			check(t, err)
			if len(server.at) > 4000 {
				break
			}
		}
		for i := range server.at {
			n := 0
			for j := i; j < len(server.at) && server.at[j].Sub(server.at[i]) < 5*time.Minute; j++ {
				n++
			}
			if n > transfer.CloudflareRate {
				t.Fatalf("%d requests in five minutes", n)
			}
		}
		if took := server.at[len(server.at)-1].Sub(server.at[0]); took > 18*time.Minute {
			t.Errorf("4000 requests took %v", took)
		}
	})
}

// TestCloudflareGoesInCircles holds that a list which leads back to where it was is not
// read for ever.
func TestCloudflareGoesInCircles(t *testing.T) {
	for pages := range 6 {
		lists := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := `{"success":true,"result":{"values":{"a":{"value":"v"}}}}`
			if r.Method == http.MethodGet {
				lists++
				answer = fmt.Sprintf(`{"success":true,"result":[{"name":"a"}],"result_info":{"cursor":"c%d"}}`, lists%(pages+1))
			}
			_, _ = io.WriteString(w, answer)
		}))
		id := strings.Repeat("a", 32)
		c := &transfer.Cloudflare{BaseURL: srv.URL, Token: "token", Account: id, Namespace: id, Rate: 1_000_000}
		check(t, c.Open())
		var ended error
		for _, err := range (&transfer.CloudflareSource{Cloudflare: c}).Batches(t.Context()) {
			if ended = err; lists > 30 {
				break
			}
		}
		srv.Close()
		if ended == nil || !strings.Contains(ended.Error(), "lead in a circle") {
			t.Errorf("%d pages: %d lists, %v", pages+1, lists, ended)
		}
	}
}

// TestCloudflareIndents: white space between the parts of an answer is none of the
// metadata's, which may be as long as it may without.
func TestCloudflareIndents(t *testing.T) {
	n := open(t)
	c := connect(t, n)
	for _, title := range []string{"at cloudflare", "here"} {
		_, err := c.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		check(t, err)
	}
	fillOdd(t, c.KV("at cloudflare"))
	fields := make(map[string]int)
	for i := range 100 {
		fields[fmt.Sprintf("f%03d", i)] = 1
	}
	metadata, err := json.Marshal(fields)
	check(t, err)
	_, err = c.KV("at cloudflare").Put(t.Context(), "key", strings.NewReader("value"), client.PutOptions{Metadata: json.RawMessage(metadata)})
	check(t, err)
	cf, s := cloudflare(t, c, n.APIURL(), "at cloudflare", nil)
	s.next.(*httputil.ReverseProxy).ModifyResponse = func(r *http.Response) error {
		b, err := io.ReadAll(r.Body)
		var indented bytes.Buffer
		if err == nil && json.Indent(&indented, b, "", "  ") == nil {
			b = indented.Bytes()
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		r.Header.Set("Content-Length", fmt.Sprint(len(b)))
		return err
	}
	_, err = runTo(t.Context(), &transfer.CloudflareSource{Cloudflare: cf}, c.KV("here"), transfer.Options{})
	check(t, err)
	sameContents(t, c.KV("at cloudflare"), c.KV("here"))
}
