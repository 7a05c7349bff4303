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

// Options are what a reading depends on besides the file.
type Options struct {
	Env string // the environment; "": the top of the file
	// Getenv is the process's environment. Default: os.Getenv.
	Getenv func(name string) string
	// Environ is all of it. Default: os.Environ.
	Environ func() []string
}

func (o *Options) setDefaults() {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if o.Environ == nil {
		o.Environ = os.Environ
	}
}

// Find returns the configuration in a project's directory, or path itself if it is a
// file.
func Find(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("find the Worker: %w", err)
	}
	if !info.IsDir() {
		return path, nil
	}
	for _, name := range names {
		file := filepath.Join(path, name)
		if _, err := os.Stat(file); err == nil {
			return file, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("find the Worker: %w", err)
		}
	}
	return "", fmt.Errorf("no %s in %s", strings.Join(names, ", "), path)
}

// Load reads a configuration and the secrets beside it. The error joins all that is
// wrong, each a Problem where it has a place. Files of what it returns is set even
// then.
func Load(file string, o Options) (*Worker, error) {
	o.setDefaults()
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", file, err)
	}
	w := &Worker{File: file, Dir: filepath.Dir(abs), Env: o.Env, Files: []string{abs}}
	text, err := readFile(abs)
	if err != nil {
		return w, fmt.Errorf("read configuration: %w", err)
	}
	p := &problems{file: file}
	if top := parse(p, file, text); top != nil && p.err() == nil {
		d := decoder{problems: p, w: w, top: top, env: o.Env}
		d.decode()
	}
	if err := p.err(); err != nil {
		return w, err
	}
	return w, w.loadSecrets(o)
}

// readFile reads a file of a bounded size.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a file", path)
	case info.Size() > maxFileBytes:
		return nil, fmt.Errorf("%s has %d bytes; %d are the most", path, info.Size(), maxFileBytes)
	}
	return os.ReadFile(path)
}
