package cloudflare_test

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestREST runs the pages in testdata, one for each endpoint. On a page:
//
//	namespace TITLE...          makes namespaces; {TITLE} stands for the id from then on
//	token NAME PERMISSION [TITLE...]
//	advance DURATION            moves the clock
//	http [as=NAME] [crlf]       sends the request that follows and shows the response
//
// {kv} stands for the path of the namespaces, {account} for the account's, and
// <<TEXT*N>> for TEXT N times. With crlf the body's lines end as forms' do.
func TestREST(t *testing.T) {
	datadriven.Walk(t, "testdata/rest", func(t *testing.T, path string) {
		p := openPage(t)
		datadriven.RunTest(t, path, p.run)
	})
}

// server is the API over a whole node's insides.
type server struct {
	*apitest.Env
	*httptest.Server
	api *cloudflare.Handler
}

func open(t *testing.T, opts ...apitest.Option) *server {
	t.Helper()
	env := apitest.Open(t, opts...)
	h := handler(env)
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.Start()
	t.Cleanup(srv.Close)
	return &server{Env: env, Server: srv, api: h}
}

func handler(env *apitest.Env) *cloudflare.Handler {
	return cloudflare.New(cloudflare.Config{
		Service: env.Service, Logger: slog.New(slog.DiscardHandler), Metrics: env.Metrics, Now: env.Clock.Now,
	})
}

const kvPath = "/client/v4/accounts/" + apitest.Account + "/storage/kv/namespaces"

// raw sends bytes and returns the response to them, with its body. The request
// URI is on the wire as it is here: clients for Go would clean it.
func (s *server) raw(t *testing.T, request string) (*http.Response, string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatalf("write request: %v", err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("read response to %.100q: %v", request, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("read response's body: %v", err)
	}
	return resp, string(body)
}

// do sends a request with a token and a body.
func (s *server) do(t *testing.T, token, method, uri, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: kv.example\r\nContent-Length: %d\r\n", method, uri, len(body))
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	for _, h := range headers {
		head += h + "\r\n"
	}
	return s.raw(t, head+"\r\n"+body)
}

// page is a server and the names that a page in testdata has given.
type page struct {
	*server
	tokens map[string]string
	ids    map[string]string // by title
}

func openPage(t *testing.T) *page {
	return &page{server: open(t), tokens: map[string]string{"root": apitest.RootToken, "nobody": ""}, ids: map[string]string{}}
}

func (p *page) run(t *testing.T, d *datadriven.TestData) string {
	var names []string
	for _, a := range d.CmdArgs {
		names = append(names, a.Key)
	}
	switch d.Cmd {
	case "namespace":
		for _, title := range names {
			p.ids[title] = p.Namespace(t, title).ID.String()
		}
	case "token":
		var limited []*godwit.Namespace
		for _, title := range names[2:] {
			ns, err := p.Catalog.Resolve(t.Context(), []byte(title))
			if err != nil {
				d.Fatalf(t, "%v", err)
			}
			limited = append(limited, ns)
		}
		p.tokens[names[0]] = p.Token(t, godwit.Permission(names[1]), limited...)
	case "advance":
		by, err := time.ParseDuration(names[0])
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		p.Clock.Advance(by)
	case "http":
		return p.http(t, d)
	default:
		d.Fatalf(t, "unknown command %q", d.Cmd)
	}
	return ""
}

func (p *page) http(t *testing.T, d *datadriven.TestData) string {
	as := "root"
	d.MaybeScanArgs(t, "as", &as)
	head, body, _ := strings.Cut(d.Input, "\n\n")
	head, body = p.fill(head), p.fill(body)
	if d.HasArg("crlf") {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	lines := strings.Split(head, "\n")
	method, uri, _ := strings.Cut(lines[0], " ")
	resp, got := p.do(t, p.tokens[as], method, uri, body, lines[1:]...)
	p.learn(got)
	return p.hide(shownResponse(resp, got))
}

var repeat = regexp.MustCompile(`<<(.+?)\*(\d+)>>`)

// fill puts in what a page's names stand for.
func (p *page) fill(s string) string {
	s = strings.ReplaceAll(s, "{kv}", kvPath)
	s = strings.ReplaceAll(s, "{account}", "/client/v4/accounts/"+apitest.Account)
	for title, id := range p.ids {
		s = strings.ReplaceAll(s, "{"+title+"}", id)
	}
	return repeat.ReplaceAllStringFunc(s, func(m string) string {
		part := repeat.FindStringSubmatch(m)
		n, _ := strconv.Atoi(part[2])
		return strings.Repeat(part[1], n)
	})
}

var created = regexp.MustCompile(`"id":"([0-9a-f]{32})","title":"([^"]*)"`)

// learn remembers the ids of namespaces that a response tells.
func (p *page) learn(body string) {
	for _, m := range created.FindAllStringSubmatch(body, -1) {
		if m[1] == apitest.Account {
			continue
		}
		for title, id := range p.ids { // renamed
			if id == m[1] {
				delete(p.ids, title)
			}
		}
		p.ids[m[2]] = m[1]
	}
}

// hide puts names for what differs from run to run.
func (p *page) hide(s string) string {
	for title, id := range p.ids {
		s = strings.ReplaceAll(s, id, "{"+title+"}")
	}
	return strings.ReplaceAll(s, apitest.Account, "{account id}")
}

// shownResponse is a response as a page shows it: its status, the headers that
// say something, its body.
func shownResponse(resp *http.Response, body string) string {
	out := resp.Status + "\n"
	for _, name := range []string{"Allow", "Cf-Cache-Status", "Content-Length", "Content-Type", "Etag", "Expiration", "Retry-After", "Www-Authenticate"} {
		value := resp.Header.Get(name)
		isJSON := resp.Header.Get("Content-Type") == "application/json"
		if value != "" && (!isJSON || name != "Content-Type" && name != "Content-Length" && name != "Etag" && name != "Cf-Cache-Status") {
			out += strings.ToLower(name) + ": " + revision.ReplaceAllString(value, "REVISION") + "\n"
		}
	}
	if body == "" {
		return out
	}
	return out + body
}

// revision is a revision, which tells the time of the run.
var revision = regexp.MustCompile(`\d{13,}`)

// cut sends half a request, closes its side and waits for the answer's end.
func (s *server) cut(t *testing.T, request string) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(conn)
	if strings.Contains(string(answer), " 200 ") || strings.Contains(string(answer), " 50") {
		t.Errorf("half a request is answered: %.100s", answer)
	}
}
