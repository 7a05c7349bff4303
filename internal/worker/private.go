package worker

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// private is what godwit keeps on the disk. None of it is published: whoever has a root
// token may read and write everything.
type private struct {
	own    []string // directories that hold nothing else
	shared []string // those that a user names, who may keep other things in them
}

func newPrivate(cfg *Config) private {
	return private{
		own:    append(slices.Clone(cfg.Nodes), objectsDir(cfg.State), runsDir(cfg.State)),
		shared: append([]string{cfg.State}, cfg.Data...),
	}
}

func objectsDir(state string) string { return filepath.Join(state, "objects") }
func runsDir(state string) string    { return filepath.Join(state, "runs") }

// check refuses to publish a directory that is godwit's.
func (p *private) check(dir string) error {
	for _, own := range p.own {
		if len(below(dir, own)) > 0 {
			return fmt.Errorf("%s cannot be published: godwit keeps its data in %s", dir, own)
		}
	}
	for _, shared := range p.shared {
		if slices.Contains(below(dir, shared), ".") {
			return fmt.Errorf("%s cannot be published: godwit keeps its data there", dir)
		}
	}
	return nil
}

// within are the paths of what is in a directory that is published, relative to it,
// with slashes. More are files of which the same holds.
func (p *private) within(dir string, more ...string) (paths []string) {
	for _, path := range slices.Concat(p.own, p.shared, more) {
		paths = append(paths, below(path, dir)...)
	}
	return paths
}

// below are the paths in a directory that lead to one, which need not be there: "." for
// the directory itself, none for what is not in it. There are two where a link leads
// from one to the other.
func below(path, dir string) (paths []string) {
	base, err := os.Stat(dir)
	if err != nil {
		return nil
	}
	for _, path := range []string{path, Resolved(path)} {
		if rel, ok := relative(path, base); ok && !slices.Contains(paths, rel) {
			paths = append(paths, rel)
		}
	}
	return paths
}

// relative looks for a directory above a path. It goes by what the directories are, not
// by how they are called, which on some disks is the same in capitals.
func relative(path string, base os.FileInfo) (rel string, ok bool) {
	for at := path; ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil && os.SameFile(info, base) {
			rel, err := filepath.Rel(at, path)
			return filepath.ToSlash(rel), err == nil
		}
		if at == filepath.Dir(at) {
			return "", false
		}
	}
}

// Resolved is a path without links, as far as it is there.
func Resolved(path string) string {
	for at := path; ; at = filepath.Dir(at) {
		rel, err := filepath.Rel(at, path)
		if err != nil || at == filepath.Dir(at) {
			return path
		}
		if target, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(target, rel)
		}
	}
}
