package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a real nginx, which make proxies installs, with a map such as README.md has.
type running struct {
	*nginx
	http *http.Client
}

// tells has nginx say where it would send a host.
const tells = "return 200 $route;"

// startNginx starts one whose server does as it is told, with these upstreams. Hosts without
// a route go to fallback. It answers already: before its workers run, nginx loses a signal.
func startNginx(t *testing.T, fallback, server, upstreams string) running {
	t.Helper()
	dir, err := os.MkdirTemp("", "nginx") // t.TempDir may be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket, file := filepath.Join(dir, "socket"), filepath.Join(dir, "routes.map")
	conf := "daemon off; pid pid; error_log stderr; events {} http { access_log off;\n"
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		conf += what + "_temp_path " + what + ";\n"
	}
	conf += "map_hash_bucket_size 512; map_hash_max_size 32768;\n" +
		"map $host $route { default " + fallback + "; include *.map; }\n" +
		upstreams + "server { listen unix:" + socket + "; " + server + " } }\n"
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	command := []string{"nginx", "-p", dir, "-c", "nginx.conf"}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatalf("start nginx, which make proxies installs: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, // a connection stays with the worker that took it
	}
	r := running{&nginx{command: command, file: file}, &http.Client{Transport: transport}}
	r.answers(t)
	return r
}

// answers waits until a worker answers, whatever it says.
func (r running) answers(t *testing.T) {
	t.Helper()
	var err error
	for begun := time.Now(); time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
		var res *http.Response
		if res, err = r.http.Get("http://a.example/"); err == nil {
			_ = res.Body.Close()
			return
		}
	}
	t.Fatal(err)
}

// await waits until nginx would send host to upstream: for a moment after a reload workers
// that know nothing of it answer too.
func (r running) await(t *testing.T, host, upstream string) {
	t.Helper()
	got, begun := "", time.Now()
	for ; time.Since(begun) < time.Minute; time.Sleep(10 * time.Millisecond) {
		if got = r.ask(t, host); got == upstream {
			return
		}
	}
	t.Fatalf("%s goes to %q, want %q", host, got, upstream)
}

func (r running) ask(t *testing.T, host string) string {
	t.Helper()
	return r.get(t, "http://"+host+"/")
}

// get returns the body of an answer, or what went wrong.
func (r running) get(t *testing.T, url string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	res, err := r.http.Do(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

func (r running) takes(t *testing.T, text string) {
	t.Helper()
	if err := r.take(t.Context(), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// TestNginxTakesRoutes gives it as many and as long ones as there may be, after hostile ones.
func TestNginxTakesRoutes(t *testing.T) {
	n := startNginx(t, "none", tells, "")
	r := routes{}
	for _, pair := range hostile {
		r.add(pair[0], []byte(pair[1]))
	}
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	r.add(longest, []byte(strings.Repeat("b", 63)))
	for i := len(r); i < maxRoutes; i++ {
		r.add(fmt.Sprintf("h%d.example", i), []byte("blue"))
	}
	n.takes(t, string(r.text()))
	n.await(t, "h9999.example", "blue")
	n.await(t, longest, strings.Repeat("b", 63))
	n.await(t, "other.example", "none")
}

// TestWhatNginxRefusesIsTakenBack breaks the configuration and mends it.
func TestWhatNginxRefusesIsTakenBack(t *testing.T) {
	n := startNginx(t, "none", tells, "")
	if err := n.take(t.Context(), []byte("}")); err == nil || !strings.Contains(err.Error(), "routes.map:1") {
		t.Errorf("got error %v, want what nginx says", err)
	}
	n.has(t, "")
	n.takes(t, "a.example blue;\n")
	n.await(t, "a.example", "blue")
	if err := n.take(t.Context(), []byte("a.example")); err == nil {
		t.Error("a wrong configuration is taken")
	}
	n.has(t, "a.example blue;\n")
	n.await(t, "a.example", "blue")
	n.takes(t, "a.example green;\n")
	n.await(t, "a.example", "green")
	left, err := filepath.Glob(filepath.Join(filepath.Dir(n.file), ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// has holds that the file has a text, or is not there.
func (r running) has(t *testing.T, want string) {
	t.Helper()
	got, err := os.ReadFile(r.file)
	if string(got) != want || (want == "") != os.IsNotExist(err) {
		t.Errorf("the file has %q, want %q: %v", got, want, err)
	}
}

// TestRoutesAreReadOnceNginxRuns gives routes to one that does not run yet.
func TestRoutesAreReadOnceNginxRuns(t *testing.T) {
	n := startNginx(t, "none", tells, "")
	pid := filepath.Join(filepath.Dir(n.file), "pid")
	if err := os.Rename(pid, pid+"-aside"); err != nil {
		t.Fatal(err)
	}
	if err := n.take(t.Context(), []byte("a.example blue;\n")); err == nil {
		t.Error("no nginx, and no error")
	}
	n.has(t, "a.example blue;\n")
	if err := os.Rename(pid+"-aside", pid); err != nil {
		t.Fatal(err)
	}
	n.takes(t, "a.example blue;\n")
	n.await(t, "a.example", "blue")
}
