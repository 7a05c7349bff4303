package store

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The seal is a file that a store leaves behind when it is closed, and takes away
// when it is opened: the names, sizes and checksums of the database's files. To
// the database itself a damaged end of its log or of its list of files looks like
// a crash, after which it would go on without what stood there. Where there is a
// seal there was no crash. Tables are listed by size only: they have checksums of
// their own.
const (
	sealName  = "CLOSED"
	sealStart = "godwit store, closed\n"
	// maxSeal bounds the file: a line has some 30 bytes, and a store may have a file for
	// each 2 MiB.
	maxSeal = 1 << 30
)

var sealTable = crc32.MakeTable(crc32.Castagnoli)

// seal closes the directory. Where that fails, on a full disk for one, the next
// opening takes the directory for one left by a crash, which is safe.
func (s *Store) seal() {
	err := writeSeal(s.cfg.FS, s.cfg.Dir)
	if err == nil {
		return
	}
	s.cfg.Logger.Warn("data directory is left without its seal", "error", err.Error())
	_ = s.cfg.FS.Remove(filepath.Join(s.cfg.Dir, newName(sealName)))
}

// writeSeal is the last step of closing.
func writeSeal(fsys FS, dir string) error {
	text, err := sealText(fsys, filepath.Join(dir, "db"))
	if err != nil {
		return fmt.Errorf("seal store: %w", err)
	}
	return writeNamed(fsys, dir, sealName, text)
}

// checkSeal compares the directory with its seal, if there is one. Error:
// ErrCorrupt.
func checkSeal(fsys FS, dir string) error {
	b, err := readSmall(fsys, filepath.Join(dir, sealName), maxSeal)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read seal: %w", damaged(err))
	}
	want, ok := strings.CutPrefix(string(b), sealStart)
	if !ok {
		return fmt.Errorf("%s is not a seal: %w", sealName, ErrCorrupt)
	}
	for line := range strings.Lines(want) {
		var name, sum string
		var size int64
		if _, err := fmt.Sscanf(line, "%s %d %s\n", &name, &size, &sum); err != nil {
			return fmt.Errorf("%s is not a seal: %w", sealName, ErrCorrupt)
		}
		got, err := sealLine(fsys, filepath.Join(dir, "db"), name)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is missing: %w", name, ErrCorrupt)
		}
		if err != nil {
			return fmt.Errorf("compare with seal: %w", damaged(err))
		}
		if got != line {
			return fmt.Errorf("%s is not what it was when the store was closed: %w", name, ErrCorrupt)
		}
	}
	return nil
}

// removeSeal comes before the first write.
func removeSeal(fsys FS, dir string) error {
	name := filepath.Join(dir, sealName)
	if _, err := fsys.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := fsys.Remove(name); err != nil {
		return fmt.Errorf("break seal: %w", err)
	}
	return syncDir(fsys, dir)
}

func sealText(fsys FS, dir string) (string, error) {
	names, err := fsys.List(dir)
	if err != nil {
		return "", err
	}
	slices.Sort(names)
	var text strings.Builder
	text.WriteString(sealStart)
	for _, name := range names {
		if name == "LOCK" {
			continue
		}
		line, err := sealLine(fsys, dir, name)
		if err != nil {
			return "", err
		}
		text.WriteString(line)
	}
	return text.String(), nil
}

// sealLine describes one file.
func sealLine(fsys FS, dir, name string) (string, error) {
	path := filepath.Join(dir, name)
	info, err := fsys.Stat(path)
	if err != nil {
		return "", err
	}
	if strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".blob") {
		return fmt.Sprintf("%s %d -\n", name, info.Size()), nil
	}
	f, err := fsys.Open(path, vfs.SequentialReadsOption)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := crc32.New(sealTable)
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %08x\n", name, info.Size(), sum.Sum32()), nil
}
