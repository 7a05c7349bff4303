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

	"github.com/godwitkv/godwit/internal/doctest"
	"github.com/godwitkv/godwit/internal/porttest"
)

// TestPages types the commands of every page of the documentation, page by page, into a
// shell beside a node that runs, and compares what comes out with what the page shows.
// What is not run says why, and stands in docs/testdata/not-run.txt (TestCommandsThatNobodyRuns).
func TestPages(t *testing.T) {
	t.Parallel()
	pages, err := doctest.Pages("..")
	if err != nil {
		t.Fatal(err)
	}
	var run int
	for _, page := range pages {
		if !anyRun(page.Blocks) {
			continue
		}
		run++
		t.Run(page.Path, func(t *testing.T) {
			t.Parallel()
			runPage(t, page)
		})
	}
	if run < 10 {
		t.Errorf("%d pages have commands to run: nothing is tested", run)
	}
}

func anyRun(blocks []doctest.Block) bool {
	for _, b := range blocks {
		if b.NotRun == "" && !b.Hidden {
			return true
		}
	}
	return false
}

// begun is what the first five minutes of the README begin with.
const begun = `export GODWIT_URL=http://127.0.0.1:8787
export GODWIT_TOKEN=$(cat godwit-data/root-token)
export PATH="$PWD/bin:$PATH"
cd "$(mktemp -d)"
`

// ownNode makes the first address that a page's node listens on the test's.
const ownNode = `export GODWIT_LISTEN=127.0.0.1:8787 GODWIT_BINDING_LISTEN=127.0.0.1:8788 GODWIT_URL=http://127.0.0.1:8787
export PATH="$PWD/bin:$PATH"
cd "$(mktemp -d)"
`

// runPage types one page's commands.
func runPage(t *testing.T, page doctest.Page) {
	s := newServer(t)
	script := doctest.Script(page.Blocks)
	switch {
	case page.OwnNode():
		script = ownNode + script
	case strings.Contains(script, "export GODWIT_TOKEN="): // it begins by itself
		s.start()
	case strings.HasPrefix(page.Path, "examples/"): // at the root of the clone
		s.start()
		script = begun + "cd \"$OLDPWD\"\n" + script
	default:
		s.start()
		script = begun + script
	}
	clone := newClone(t)
	there := newStandIns(t, page, s)
	out := runCommands(t, s, clone, there.into(script))
	outputs, ended := doctest.Outputs(there.back(out))
	for i, b := range page.Blocks {
		if b.NotRun != "" {
			continue
		}
		got, begun := outputs[i]
		if !begun {
			break // the script has ended before
		}
		if err := b.Check(got); err != nil {
			t.Errorf("%s:%d: %v. All that did:\n%s", page.Path, b.Line, err, got)
		}
		if _, more := outputs[i+1]; !more && !ended && lastRun(page.Blocks, outputs) == i {
			t.Errorf("%s:%d: a command of this block failed. What came out:\n%s", page.Path, b.Line, got)
		}
	}
	if !ended && len(outputs) == 0 {
		t.Errorf("%s: nothing was run:\n%s", page.Path, out)
	}
}

// lastRun is the last block that was begun.
func lastRun(blocks []doctest.Block, outputs map[int]string) int {
	for i := len(blocks) - 1; i >= 0; i-- {
		if _, ok := outputs[i]; ok {
			return i
		}
	}
	return -1
}

// newClone is a clone of the repository as `make run` leaves it, with what pages use of it.
func newClone(t *testing.T) string {
	t.Helper()
	clone := t.TempDir()
	for _, dir := range []string{"bin", "godwit-data"} {
		if err := os.Mkdir(filepath.Join(clone, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(clients.godwit, filepath.Join(clone, "bin", "godwit")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(clone, "examples"), os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	js, err := filepath.Abs("../clients")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(js, filepath.Join(clone, "clients")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(clone, "godwit-data", "root-token"), []byte(rootToken+"\n"))
	return clone
}

// standIns are what a test has in place of what a page says: its own ports and
// directories, and packages of npm that are here already.
type standIns struct{ forth, home *strings.Replacer }

var loopback = regexp.MustCompile(`127\.0\.0\.1:[0-9]{4,5}\b`)

func newStandIns(t *testing.T, page doctest.Page, s *server) standIns {
	t.Helper()
	taken := map[string]string{"127.0.0.1:8787": s.api, "127.0.0.1:8788": s.binding}
	for _, b := range page.Blocks {
		for _, address := range loopback.FindAllString(b.Commands, -1) {
			if taken[address] == "" {
				taken[address] = porttest.Free(t)
			}
		}
	}
	system := t.TempDir()
	for _, dir := range []string{"/var/lib", "/etc/godwit", "/backup", "/mnt"} {
		if err := os.MkdirAll(filepath.Join(system, dir), 0o700); err != nil {
			t.Fatal(err)
		}
		taken[dir] = filepath.Join(system, dir)
	}
	var forth, back []string
	for page, here := range taken {
		forth, back = append(forth, page, here), append(back, here, page)
	}
	for _, m := range goBuild.FindAllStringSubmatch(page.Text, -1) {
		forth = append(forth, m[0], "ln -s "+builtExample(t, m[2])+" "+m[1])
	}
	forth = append(forth, "npm install wrangler workerd", linkModules, "npm install workerd", linkModules)
	return standIns{strings.NewReplacer(forth...), strings.NewReplacer(back...)}
}

var goBuild = regexp.MustCompile(`go build -o (\S+) (\./examples/[a-z]+)`)

// builtExample is a program of the repository: a clone without the rest of it cannot be
// built in.
func builtExample(t *testing.T, pkg string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "example")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", file, pkg)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	return file
}

const linkModules = `ln -s "$NODE_MODULES" node_modules`

func (s standIns) into(script string) string { return s.forth.Replace(script) }
func (s standIns) back(out string) string    { return s.home.Replace(out) }

// runCommands runs a page's script and returns what came out of it.
func runCommands(t *testing.T, s *server, clone, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-eu", "-o", "pipefail", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // to end what it leaves running
	log := appendFile(t)                                  // not a pipe, whose end what is left would hold open
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Dir = clone
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.Env = readerEnvironment(t, s)
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("the page's commands: %v", err)
	}
	out, err := os.ReadFile(log.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// readerEnvironment is that of a new shell.
func readerEnvironment(t *testing.T, s *server) []string {
	t.Helper()
	var env []string
	for _, v := range s.environment(t.TempDir()) {
		switch name, _, _ := strings.Cut(v, "="); {
		case strings.HasPrefix(name, "CLOUDFLARE_"): // pages set what is needed
		case name == "TMPDIR":
			env = append(env, "TMPDIR="+t.TempDir())
		default:
			env = append(env, v)
		}
	}
	return env
}

// appendFile is a file that several programs write to.
func appendFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(t.TempDir(), "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
