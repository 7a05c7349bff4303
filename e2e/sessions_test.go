package e2e_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/porttest"
)

// edges are two that users are spread over: what one writes reaches the other late.
type edges struct {
	near, far *server
	namespace string
}

func startEdges(t *testing.T) edges {
	t.Helper()
	centre := startServer(t)
	id := centre.createNamespace("birds")
	link := startLink(t, centre.api, 400*time.Millisecond)
	far := newServer(t, "--upstream", "http://"+link, "--upstream-token", rootToken)
	far.start()
	far.awaitConnected(true)
	return edges{startEdge(t, centre), far, id}
}

// user is a browser that keeps a cookie, or does not.
type user struct {
	t      *testing.T
	url    func(key string) string
	keeps  bool
	cookie string
}

func (u *user) ask(method, key, body string) reply {
	u.t.Helper()
	req, err := http.NewRequestWithContext(u.t.Context(), method, u.url(key), strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	if u.cookie != "" {
		req.Header.Set("Cookie", "theme=dark; "+u.cookie)
	}
	s := &server{t: u.t}
	res, got, err := s.send(req)
	if err != nil {
		u.t.Fatal(err)
	}
	if set := res.Header.Get("Set-Cookie"); set != "" && u.keeps {
		u.cookie, _, _ = strings.Cut(set, ";")
	}
	return reply{status: res.StatusCode, header: res.Header, body: string(got)}
}

// TestSessionsThroughProxies starts nginx and Caddy as docs/sessions.md has them in
// front of two edges, and the server of that page. Writes go to one edge and reads to
// the other.
func TestSessionsThroughProxies(t *testing.T) {
	t.Parallel()
	w := startEdges(t)
	for name, start := range map[string]func(*testing.T, edges) string{"nginx": startNginx, "caddy": startCaddy} {
		t.Run(name, func(t *testing.T) {
			base := start(t, w)
			url := func(key string) string {
				return base + "/client/v4/accounts/" + account + "/storage/kv/namespaces/" + w.namespace + "/values/" + key
			}
			w.check(t, url, url)
			w.checkMadeUp(t, url)
		})
	}
	t.Run("server", func(t *testing.T) {
		near, far := startHandler(t, w.near), startHandler(t, w.far)
		w.check(t, func(key string) string { return near + "/" + key }, func(key string) string { return far + "/" + key })
	})
}

// check writes and reads at once, with the cookie and without.
func (w edges) check(t *testing.T, writes, reads func(string) string) {
	t.Helper()
	const rounds, most = 6, 50 // more where the link is no slower than the machine
	stale := 0
	for _, keeps := range []bool{true, false} {
		for i := range most {
			if i >= rounds && (keeps || stale > 0) {
				break
			}
			u := &user{t: t, keeps: keeps}
			key, value := fmt.Sprintf("%s%%2F%d-%v", t.Name()[len("TestSessionsThroughProxies/"):], i, keeps), fmt.Sprintf("value %d", i)
			u.url = writes
			if got := u.ask(http.MethodPut, key, value); got.status != http.StatusOK {
				t.Fatalf("put: %d %s", got.status, got.body)
			}
			u.url = reads
			got := u.ask(http.MethodGet, key, "")
			u.ask(http.MethodGet, key, "") // so that the next write goes to the other edge
			switch seen := got.status == http.StatusOK && got.body == value; {
			case seen:
			case keeps:
				t.Errorf("with cookie %q: %d %s", u.cookie, got.status, got.body)
			default:
				stale++
			}
		}
	}
	if stale == 0 {
		t.Errorf("of %d reads without the cookie none was stale: nothing is tested", most)
	}
}

// checkMadeUp holds that nonsense in a cookie is let go, and that reads set none.
func (w edges) checkMadeUp(t *testing.T, url func(string) string) {
	t.Helper()
	u := &user{t: t, url: url}
	u.ask(http.MethodPut, "k", "x")
	for _, p := range append(w.near.ports(w.namespace)[:1], w.far.ports(w.namespace)[0]) {
		eventually(t, "the key is everywhere", func() bool { return p.ask(http.MethodGet, "k", "").body == "x" })
	}
	for _, cookie := range []string{"", "godwit_revision=", "godwit_revision=nonsense", "godwit_revision=12345678901234567890",
		"godwit_revision=1 2", "godwit_revision=0", "godwit_revision=012", "godwit_revision=9007199254740992"} {
		u.cookie = cookie
		if got := u.ask(http.MethodGet, "k", ""); got.status != http.StatusOK || got.header.Get("Set-Cookie") != "" {
			t.Errorf("cookie %q: %d, Set-Cookie %q", cookie, got.status, got.header.Get("Set-Cookie"))
		}
	}
	u.cookie = "godwit_revision=8999999999999999"
	if got := u.ask(http.MethodGet, "k", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("a revision that nobody has: %d %s", got.status, got.body)
	}
	u.cookie = ""
	for range 4 {
		if got := u.ask(http.MethodGet, "k", ""); got.status != http.StatusOK {
			t.Errorf("after a revision that nobody has: %d %s", got.status, got.body)
		}
	}
	got := u.ask(http.MethodDelete, "k", "")
	want := regexp.MustCompile(`^godwit_revision=\d+; Path=/; Max-Age=300; HttpOnly; Secure; SameSite=Lax$`)
	if set := got.header.Get("Set-Cookie"); !want.MatchString(set) {
		t.Errorf("a delete sets the cookie %q", set)
	}
	if got := u.ask(http.MethodPut, "k?expiration_ttl=1", "x"); got.status != http.StatusBadRequest {
		t.Errorf("a put that is refused: %d %s", got.status, got.body)
	}
}

// proxy is the configuration of a proxy on docs/sessions.md, with the addresses of the
// two edges and the one that it listens on.
func (w edges) proxy(t *testing.T, language, listen, instead string) string {
	t.Helper()
	return sessionsPage(t, language, "10.0.1.1:8787", w.near.api, "10.0.2.1:8787", w.far.api, listen, instead)
}

// sessionsPage is a block of docs/sessions.md with changes, which are pairs.
func sessionsPage(t *testing.T, language string, changes ...string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/sessions.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)\n```" + language + "\n(.*?)\n```\n").FindSubmatch(page)
	if block == nil {
		t.Fatalf("docs/sessions.md has no block of %s", language)
	}
	text := string(block[1])
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(text, changes[i]) {
			t.Fatalf("docs/sessions.md does not say %q", changes[i])
		}
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

func startNginx(t *testing.T, w edges) string {
	t.Helper()
	dir, address := t.TempDir(), porttest.Free(t)
	// One process, so that requests take turns; what it needs of the system is its own.
	conf := "daemon off; master_process off; pid " + dir + "/pid; error_log stderr; events {} http { access_log off;\n"
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += what + "_temp_path " + filepath.Join(dir, what) + ";\n"
	}
	write(t, filepath.Join(dir, "nginx.conf"), []byte(conf+w.proxy(t, "nginx", "listen 80;", "listen "+address+";")+"\n}\n"))
	startProxy(t, address, "nginx", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	return "http://" + address
}

func startCaddy(t *testing.T, w edges) string {
	t.Helper()
	dir, address := t.TempDir(), porttest.Free(t)
	conf := "{\n\tadmin off\n}\n" + w.proxy(t, "caddyfile", ":80 {", "http://"+address+" {")
	write(t, filepath.Join(dir, "Caddyfile"), []byte(conf))
	startProxy(t, address, "caddy", "run", "--adapter", "caddyfile", "--config", filepath.Join(dir, "Caddyfile"))
	return "http://" + address
}

// startProxy runs a program until the test ends, and waits until it answers.
func startProxy(t *testing.T, address, name string, args ...string) {
	t.Helper()
	log := appendFile(t)
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s, which make debian installs: %v", name, err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if out, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s said:\n%s", name, out)
		}
	})
	eventually(t, name+" answers", func() bool {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

// startHandler runs the server of docs/sessions.md at an edge.
func startHandler(t *testing.T, s *server) string {
	t.Helper()
	project := newWorkerProject(t)
	handler := filepath.Join(project.dir, "handler.mjs")
	write(t, handler, []byte(sessionsPage(t, "js")))
	serve, err := filepath.Abs("testdata/dev/serve.mjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(clients.node, serve, handler)
	cmd.Env = append(os.Environ(), "GODWIT_URL=http://"+s.api, "GODWIT_TOKEN="+rootToken)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the server of docs/sessions.md: %v", err)
	}
	return strings.TrimSpace(line)
}
