package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// A tools value names the programs that the suite runs.
type tools struct {
	godwit  string // built from this tree
	node    string // as npm installed it
	workerd string
	esbuild string
	modules string // the absolute path of node_modules
	scratch string // a directory that goes when the tests have run
}

// clients is set once by TestMain, before any test runs.
var clients tools

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "godwit-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if clients, err = findTools(dir); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return m.Run()
}

func findTools(dir string) (tools, error) {
	modules, err := filepath.Abs("node_modules")
	if err != nil {
		return tools{}, err
	}
	t := tools{
		godwit:  filepath.Join(dir, "godwit"),
		node:    filepath.Join(modules, ".bin", "node"),
		workerd: filepath.Join(modules, "@cloudflare", native("workerd-", "64"), "bin", "workerd"),
		esbuild: filepath.Join(modules, "@esbuild", native("", "x64"), "bin", "esbuild"),
		modules: modules,
		scratch: dir,
	}
	if _, err := os.Stat(t.workerd); errors.Is(err, fs.ErrNotExist) {
		return tools{}, fmt.Errorf("the clients are not installed (no %s): run `make test`, or `npm ci` in e2e", t.workerd)
	}
	if _, err := os.Stat(t.node); err != nil {
		if t.node, err = exec.LookPath("node"); err != nil {
			return tools{}, fmt.Errorf("find node: %w", err)
		}
	}
	if binary := os.Getenv("GODWIT_E2E_BINARY"); binary != "" { // one built in another way
		t.godwit = binary
		return t, nil
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", t.godwit, "github.com/godwitkv/godwit/cmd/godwit")
	if out, err := build.CombinedOutput(); err != nil {
		return tools{}, fmt.Errorf("build godwit: %w\n%s", err, out)
	}
	return t, nil
}

// native names the npm package that holds a program for this machine.
func native(prefix, amd64 string) string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = amd64
	}
	return prefix + runtime.GOOS + "-" + arch
}
