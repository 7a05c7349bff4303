package e2e_test

import (
	"context"
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

// TestReadme does the first five minutes of the README. Addresses are the test's
// own, and what npm would fetch is here already.
func TestReadme(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	paste(t, s, firstMinutes(t), []string{
		"namespace birds is ", `"success":true`, `"success":true`, "Expiration: ", "Limosa lapponica",
		`{"name":"flight/longest","metadata":{"km":13560}}`, "Limosa lapponica\n", "412 Precondition Failed",
		`"title": "birds"`, `Writing the value "Numenius arquata" to key "curlew"`, "Numenius arquata\n", `"name": "curlew"`,
		`{"key":"godwit","value":"Limosa lapponica","metadata":null}`, "wrote knot", `{"name":"knot","metadata":{"by":"worker"}}`,
		"KV BIRDS is namespace birds", `{"key":"knot","value":"Calidris canutus","metadata":{"by":"worker"}}`, "no bird of that name\n",
		"Calidris canutus\n", "whimbrel\n", "birds\t5\t", "central\n",
		"Numenius arquata\n", "central ", "bhx ", "http://",
	})
}

// TestThreeMembersOfReadme does what the README says of the way from one machine to
// three.
func TestThreeMembersOfReadme(t *testing.T) {
	s := startServer(t)
	s.createNamespace("birds")
	const variables = "export GODWIT_URL=http://127.0.0.1:8787 GODWIT_TOKEN=$(cat godwit-data/root-token) PATH=$PWD/bin:$PATH\n"
	paste(t, s, variables+commands(t, "From one machine to three", 4), []string{
		"Calidris alpina\n", "n1 ", "n2 ", "n3 ", "Calidris alba",
	})
}

// TestFeatures does what the page of features says.
func TestFeatures(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/features.md")
	if err != nil {
		t.Fatal(err)
	}
	var script strings.Builder
	for _, block := range shell.FindAllStringSubmatch(string(text), -1) {
		script.WriteString(block[1])
	}
	paste(t, startServer(t), script.String(), []string{
		"somebody was faster: exit 5", `{"revision":"`, "10\n",
		`"name":"waders/3"`, `"value":"number 3"`, `"name":"waders/2"`, `"name":"waders/3"`, `"waders/2"`, `"keys":3`,
		"waders/4", "2026/1\n2026/2\n", "0\n", "replaced", "Calidris canutus\n", "that is one too many\n", "the same\n", "img/a.png\nindex.html\n", "hello\n", "whole\n", "equal\n",
		"Calidris alpina\n", `"last_hour":`,
	})
}

// paste pastes commands of the README into a shell, beside a node that runs, and
// looks for texts in what comes out, in order.
func paste(t *testing.T, s *server, commands string, wants []string) {
	t.Helper()
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

	changes := []string{
		"127.0.0.1:8787", s.api, "127.0.0.1:8788", s.binding,
		"npm install wrangler workerd", `ln -s "$NODE_MODULES" node_modules`,
	}
	for _, port := range []string{"8080", "8081", "9787", "9788", "7787", "7788", "6221", "6222", "6223"} {
		changes = append(changes, "127.0.0.1:"+port, porttest.Free(t))
	}
	script := strings.NewReplacer(changes...).Replace(commands)
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
	for _, want := range wants {
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
func firstMinutes(t *testing.T) string { return commands(t, "The first five minutes", 8) }

// commands are those of a part of the README, in at least so many blocks.
func commands(t *testing.T, title string, least int) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, _ := strings.Cut(string(text), "\n## "+title+"\n")
	part, _, _ = strings.Cut(part, "\n## ")
	var script strings.Builder
	blocks := shell.FindAllStringSubmatch(part, -1)
	for _, block := range blocks {
		script.WriteString(block[1])
	}
	if len(blocks) < least {
		t.Fatalf("the README has %d blocks of commands there: not all is tested", len(blocks))
	}
	return script.String()
}
