package e2e_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestReadme pastes the first five minutes of the README into a shell, in
// order, and looks at what comes out. Addresses are the test's own, and what
// npm would fetch is here already.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	clone := t.TempDir() // as `make run` leaves it
	for _, dir := range []string{"bin", "godwit-data"} {
		if err := os.Mkdir(filepath.Join(clone, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(clients.godwit, filepath.Join(clone, "bin", "godwit")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(clone, "godwit-data", "root-token"), []byte(rootToken+"\n"))

	script := strings.NewReplacer(
		"127.0.0.1:8787", s.api, "127.0.0.1:8788", s.binding, "127.0.0.1:8080", freeAddr(t),
		"127.0.0.1:9787", freeAddr(t), "127.0.0.1:9788", freeAddr(t),
		"npm install wrangler workerd", `ln -s "$NODE_MODULES" node_modules`,
	).Replace(firstMinutes(t))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to end what it leaves running
	log := createFile(t)                                  // not a pipe, whose end what is left would hold open
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = clone
	for _, v := range s.environment(t.TempDir()) {
		if !strings.HasPrefix(v, "CLOUDFLARE_") { // the README sets what is needed
			cmd.Env = append(cmd.Env, v)
		}
	}
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("the README's commands: %v", err)
	}
	out, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	rest := string(out)
	for _, want := range []string{
		"namespace birds is ", `"success":true`, `"success":true`, "Expiration: ", "Limosa lapponica",
		`{"name":"flight/longest","metadata":{"km":13560}}`, "Limosa lapponica\n", "412 Precondition Failed",
		`"title": "birds"`, `Writing the value "Numenius arquata" to key "curlew"`, "Numenius arquata\n", `"name": "curlew"`,
		`{"key":"godwit","value":"Limosa lapponica","metadata":null}`, "wrote knot", `{"name":"knot","metadata":{"by":"worker"}}`,
		"Calidris canutus\n", "whimbrel\n", "birds\t5\t", "central\n",
		"Numenius arquata\n", "central ", "bhx ", "http://",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("%q did not come out, where it should. All that did:\n%s", want, out)
		}
		rest = after
	}
}

func createFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

var shell = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")

// firstMinutes are the commands of the README's first five minutes.
func firstMinutes(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## The first five minutes\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var script strings.Builder
	blocks := shell.FindAllStringSubmatch(part, -1)
	for _, block := range blocks {
		script.WriteString(block[1])
	}
	if len(blocks) < 8 {
		t.Fatalf("the README has %d blocks of commands there: nothing is tested", len(blocks))
	}
	return script.String()
}

// freeAddr returns an address that nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
