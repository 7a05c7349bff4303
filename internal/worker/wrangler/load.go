package wrangler

import (
	"fmt"
	"os"
	"path/filepath"
)

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

// Load reads a configuration and the secrets beside it. The error joins all that is
// wrong, each a Problem where it has a place. Files of what it returns is set even
// then.
func Load(f Found, o Options) (*Worker, error) {
	o.setDefaults()
	w := &Worker{Env: o.Env}
	made, err := w.locate(f)
	if err != nil {
		return w, err
	}
	text, err := readFile(w.Files[len(w.Files)-1])
	if err != nil {
		return w, fmt.Errorf("read configuration: %w", err)
	}
	p := &problems{file: w.File}
	if top := parse(p, w.File, text); top != nil && p.err() == nil {
		d := decoder{problems: p, w: w, top: top, env: o.Env, made: made}
		d.decode()
	}
	if err := p.err(); err != nil {
		return w, err
	}
	files := w.readDotenv()
	if err := w.loadBuild(o, files.values); err != nil {
		return w, err
	}
	return w, w.loadSecrets(o, files)
}

// locate sets which file is read, the last of Files, and tells whether a build has made
// it. Secrets lie beside the one that people write.
func (w *Worker) locate(f Found) (made bool, err error) {
	w.File, w.beside = f.File, filepath.Dir(f.File)
	if f.Deploy != "" {
		w.beside = filepath.Join(f.Deploy, "..", "..", "..")
		file, err := w.built(f.Deploy)
		if err != nil {
			return false, err
		}
		if made = file != "" && file != f.File; made {
			w.File = file
			w.noteBuilt(f)
		}
	}
	abs, err := filepath.Abs(w.File)
	if err != nil {
		return false, fmt.Errorf("find %s: %w", w.File, err)
	}
	w.Dir, w.Files = filepath.Dir(abs), append(w.Files, abs)
	return made, nil
}

// noteBuilt tells which configuration is not read.
func (w *Worker) noteBuilt(f Found) {
	text := w.File + " is read, which a build has made"
	if f.File != "" {
		text += ", in place of " + f.File
	}
	w.Notes = append(w.Notes, Problem{File: f.Deploy, Text: text})
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
