package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// ErrBackup tells that the directory is a backup: to run on it would make it
// something else.
var ErrBackup = errors.New("the directory is a backup: restore makes a data directory of it")

// A backup has a file that says so, and of which cluster it is, from before there
// is anything else in the directory.
const (
	markName  = "BACKUP"
	markStart = "godwit backup of cluster "
)

// MarkBackup makes a directory, which it makes if it is not there, that of a
// backup.
func MarkBackup(cfg Config, cluster string) error {
	cfg.setDefaults()
	if err := cfg.mount(); err != nil {
		return err
	}
	fsys, dir := cfg.FS, cfg.Dir
	if err := (blobFS{fsys}).MkdirAll(dir); err != nil {
		return fmt.Errorf("make backup directory: %w", err)
	}
	return writeNamed(fsys, dir, markName, markStart+cluster+"\n")
}

// BackupOf tells whether a directory is a backup, and of which cluster.
func BackupOf(cfg Config) (cluster string, is bool, err error) {
	cfg.setDefaults()
	if err := cfg.mount(); err != nil {
		return "", false, err
	}
	name := filepath.Join(cfg.Dir, markName)
	b, err := readSmall(cfg.FS, name, 256)
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("read the backup's mark: %w", err)
	}
	cluster, is = strings.CutPrefix(strings.TrimSuffix(string(b), "\n"), markStart)
	if !is {
		return "", false, fmt.Errorf("%s is not the mark of a backup", name)
	}
	return cluster, true, nil
}

func removeMark(fsys FS, dir string) error {
	if err := fsys.Remove(filepath.Join(dir, markName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the backup's mark: %w", err)
	}
	return syncDir(fsys, dir)
}

// firstNames are those of files in a directory into which nothing was put yet.
func firstNames() []string {
	return []string{newName(markName), newName(versionName), crypt.MarkerName, newName(crypt.MarkerName)}
}

// Empty tells whether there is nothing at dir, or a directory without anything in
// it but what the first step of a backup or of a store leaves when it is cut off.
func Empty(fsys FS, dir string) (bool, error) {
	names, err := fsys.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(firstNames(), name) })
	return err == nil && len(names) == 0, err
}

// Begun tells whether a store was once opened in a directory.
func Begun(fsys FS, dir string) (bool, error) {
	_, err := fsys.Stat(filepath.Join(dir, versionName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// checkDirectory looks at the directory before anything in it is opened.
func (c *Config) checkDirectory() error {
	err := checkVersion(c.FS, c.Dir)
	if (c.promoting || c.Filling) && errors.Is(err, ErrUnfinished) {
		return nil
	}
	if c.promoting || err != nil {
		return err
	}
	_, is, err := BackupOf(*c)
	switch {
	case err != nil:
		return err
	case is && !c.Backup:
		return fmt.Errorf("%s: %w", c.Dir, ErrBackup)
	case !is && c.Backup:
		return fmt.Errorf("%s is not a backup", c.Dir)
	}
	return nil
}
