package store

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
)

// FormatVersion is the version of the key table and of its rows. Those of oldestFormat
// on are read: opening a directory makes it one of this version, which an older godwit
// then refuses. In format 1 there were no rows of i and u, and up to format 2 no
// numbers in rows of t, nor sums in rows of q, nor rows of h, o and k, and up to format 3
// none of w.
const (
	FormatVersion = 4
	oldestFormat  = 1
)

// ErrVersion tells that the directory was written by another version of godwit.
var ErrVersion = errors.New("unknown format version")

// ErrUnfinished tells that the directory is what a restore left that did not come
// to its end.
var ErrUnfinished = errors.New("the restore of this directory did not come to its end: remove it and restore again")

const (
	versionName  = "FORMAT"
	versionStart = "godwit store, format "
	// unfinishedText stands in place of the version while a directory is being
	// filled: any godwit refuses what has it, older ones for an unknown format.
	unfinishedText = versionStart + "unfinished\n"
)

func versionText(version int) string { return fmt.Sprintf("%s%d\n", versionStart, version) }

// knownVersion tells whether text is what some version that is read is named by.
func knownVersion(text string, name func(version int) string) bool {
	for v := oldestFormat; v <= FormatVersion; v++ {
		if text == name(v) {
			return true
		}
	}
	return false
}

// checkVersion looks at the directory before anything in it is opened. One
// without the file is new, or its first opening did not come to its end.
func checkVersion(fsys FS, dir string) error {
	text, err := readVersion(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if text == unfinishedText {
		return fmt.Errorf("%s: %w", dir, ErrUnfinished)
	}
	if !knownVersion(text, versionText) {
		found, ok := strings.CutPrefix(strings.TrimSpace(text), versionStart)
		if !ok {
			found = fmt.Sprintf("%q", text)
		}
		return fmt.Errorf("%s: %w: the directory has format %s, this godwit reads formats %d to %d", dir, ErrVersion, found, oldestFormat, FormatVersion)
	}
	if _, err := fsys.Stat(filepath.Join(dir, "db")); err != nil {
		return fmt.Errorf("%s: database is missing: %w", dir, ErrCorrupt)
	}
	return nil
}

func readVersion(fsys FS, dir string) (string, error) {
	b, err := readSmall(fsys, filepath.Join(dir, versionName), 256)
	if err != nil {
		return "", fmt.Errorf("read format file: %w", damaged(err))
	}
	return string(b), nil
}

// hasVersion tells whether the directory has once been opened to the end.
func hasVersion(fsys FS, dir string) bool {
	_, err := fsys.Stat(filepath.Join(dir, versionName))
	return err == nil
}

// writeVersion is the last step of making a directory, or of making it one of this
// version.
func writeVersion(fsys FS, dir string) error {
	if text, err := readVersion(fsys, dir); err == nil && text == versionText(FormatVersion) {
		return nil
	}
	return replaceVersion(fsys, dir, versionText(FormatVersion))
}

// replaceVersion puts a text into the format file, whole or not at all.
func replaceVersion(fsys FS, dir, text string) error {
	return writeNamed(fsys, dir, versionName, text)
}
