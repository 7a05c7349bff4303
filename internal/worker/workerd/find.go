package workerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// ErrMissing says how to get workerd.
var ErrMissing = errors.New("workerd is not here, which runs Workers: get it with \"npm install workerd\" in the project, or name one with --workerd")

// Find returns the program: of the npm packages in the project's directory or above
// it, or else of PATH.
func Find(project string) (string, error) {
	for dir := project; ; {
		if found := inModules(filepath.Join(dir, "node_modules")); found != "" {
			return found, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			break
		}
		dir = up
	}
	if path, err := exec.LookPath("workerd"); err == nil {
		return Program(path)
	}
	return "", ErrMissing
}

// Program returns the program itself of what a path names: what npm links is a script
// that starts it, and who ended the script would not end the program.
func Program(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("find workerd: %w", err)
	}
	if !isScript(target) {
		return filepath.Abs(target)
	}
	// node_modules/workerd/bin/workerd, or node_modules/.bin/workerd where it is a copy.
	for _, modules := range []string{filepath.Join(target, "..", "..", ".."), filepath.Join(target, "..", "..")} {
		if found := inModules(modules); found != "" {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s is a script, and there is no program of workerd for %s beside it: %w", path, platform(), ErrMissing)
}

// inModules looks into one node_modules. A package manager that links packages puts
// what one needs beside where it really lies.
func inModules(modules string) string {
	beside := []string{modules}
	for _, pkg := range []string{"workerd", "wrangler"} {
		for _, m := range beside {
			if target, err := filepath.EvalSymlinks(filepath.Join(m, pkg)); err == nil {
				beside = append(beside, filepath.Dir(target), filepath.Join(target, "node_modules"))
			}
		}
	}
	for _, m := range append(beside, besideWorkerd(beside)...) {
		path := filepath.Join(m, "@cloudflare", "workerd-"+platform(), "bin", "workerd"+executable())
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// besideWorkerd is where the package workerd lies of those beside wrangler.
func besideWorkerd(modules []string) (more []string) {
	for _, m := range modules {
		if target, err := filepath.EvalSymlinks(filepath.Join(m, "workerd")); err == nil {
			more = append(more, filepath.Dir(target))
		}
	}
	return more
}

func platform() string {
	arch := runtime.GOARCH
	if arch == "amd64" {
		arch = "64"
	}
	return runtime.GOOS + "-" + arch
}

func executable() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

func isScript(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	start := make([]byte, 2)
	_, err = io.ReadFull(f, start)
	return err == nil && bytes.Equal(start, []byte("#!"))
}

var versionDate = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// Date asks the program for its version: the newest compatibility date that it knows.
func Date(ctx context.Context, program string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, "--version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w: %s", program, err, strings.TrimSpace(string(out[:min(len(out), 300)])))
	}
	date := versionDate.FindString(string(out))
	if date == "" {
		return "", fmt.Errorf("%s does not tell its version as workerd does", program)
	}
	return date, nil
}
