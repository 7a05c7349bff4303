package wrangler

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// names are those of a configuration, in the order in which wrangler looks.
var names = []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"}

// Found is where a Worker's configuration is.
type Found struct {
	File   string // the one that people write; "": there is none
	Deploy string // where a build tool names another, which is in its place; "": nobody looks
}

// Find looks for the configuration in a project's directory. If path is a file, it is
// that, whatever a build tool says.
func Find(path string) (Found, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Found{}, fmt.Errorf("find the Worker: %w", err)
	}
	if !info.IsDir() {
		return Found{File: path}, nil
	}
	deploy := filepath.Join(path, deployFile)
	for _, name := range names {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); err == nil {
			return Found{file, deploy}, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return Found{}, fmt.Errorf("find the Worker: %w", err)
		}
	}
	if isFile(deploy) {
		return Found{Deploy: deploy}, nil
	}
	return Found{}, fmt.Errorf("no %s in %s", strings.Join(names, ", "), path)
}

// Project returns the directory of the project that dir lies in: dir itself, or one above
// it. As wrangler has it, it looks for one name everywhere before the next, so that a
// wrangler.json above wins over a wrangler.toml that is nearer.
func Project(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs) // what is above is above where it really lies
	}
	if err != nil {
		return "", fmt.Errorf("find the Worker: %w", err)
	}
	project, built := "", upTo(abs, deployFile)
	for _, name := range names {
		if project == "" {
			project = upTo(abs, name)
		}
	}
	switch {
	case project == "" && built == "":
		return "", fmt.Errorf("no %s in %s or above it", strings.Join(names, ", "), abs)
	case project == "":
		project = built
	case built != "" && built != project:
		return "", fmt.Errorf("%s does not lie beside the configuration in %s: remove it if it is left of another build, or name the project's directory", filepath.Join(built, deployFile), project)
	}
	if project == abs {
		return dir, nil
	}
	return project, nil
}

// upTo returns the nearest directory that has a file, dir or one above it, "" if none
// has.
func upTo(dir, name string) string {
	for !isFile(filepath.Join(dir, name)) {
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
	return dir
}
