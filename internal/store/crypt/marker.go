package crypt

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MarkerName is the file of an encrypted directory that says so. It names the keys
// that files may be encrypted with, each with a check by which another key of the same
// name would be noticed:
//
//	godwit encryption, format 1
//	key ID CHECK
//	unfinished            while a plain directory is being encrypted
//
// It is in plain text, synced before there is a file under a key that it does not name.
const MarkerName = "ENCRYPTION"

const (
	markerStart      = "godwit encryption, format 1\n"
	markerUnfinished = "unfinished\n"
	maxMarkerBytes   = 64 << 10
	newSuffix        = ".new"
)

// note is what a marker says.
type note struct {
	keys       []noteKey
	unfinished bool
}

type noteKey struct {
	id    KeyID
	check [16]byte
}

func (n *note) names(id KeyID) bool {
	return slices.ContainsFunc(n.keys, func(k noteKey) bool { return k.id == id })
}

// with is n, with a key that comes first.
func (n *note) with(k *key) *note {
	keys := []noteKey{{k.id, k.check}}
	for _, old := range n.keys {
		if old.id != k.id {
			keys = append(keys, old)
		}
	}
	return &note{keys: keys, unfinished: n.unfinished}
}

func (n *note) equal(o *note) bool {
	return n.unfinished == o.unfinished && slices.Equal(n.keys, o.keys)
}

func (n *note) text() string {
	var b strings.Builder
	b.WriteString(markerStart)
	for _, k := range n.keys {
		fmt.Fprintf(&b, "key %s %x\n", k.id, k.check)
	}
	if n.unfinished {
		b.WriteString(markerUnfinished)
	}
	return b.String()
}

func parseNote(text string) (*note, error) {
	lines, ok := strings.CutPrefix(text, markerStart)
	if !ok {
		return nil, errors.New("it is not the marker of an encrypted directory that this godwit knows")
	}
	n := new(note)
	lines, n.unfinished = strings.CutSuffix(lines, markerUnfinished)
	for line := range strings.Lines(lines) {
		var k noteKey
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if len(words) != 3 || words[0] != "key" || !unhex(k.id[:], words[1]) || !unhex(k.check[:], words[2]) || n.names(k.id) {
			return nil, fmt.Errorf("%q is not the name of a key: %w", line, ErrDamaged)
		}
		n.keys = append(n.keys, k)
	}
	if len(n.keys) == 0 {
		return nil, fmt.Errorf("it names no key: %w", ErrDamaged)
	}
	return n, nil
}

func unhex(to []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(to)) {
		return false
	}
	_, err := hex.Decode(to, []byte(text))
	return err == nil
}

// readNote reads the marker; nil where there is none.
func (p Place) readNote() (*note, error) {
	name := p.join(MarkerName)
	f, err := p.FS.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open encryption marker: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxMarkerBytes))
	if err != nil {
		return nil, fmt.Errorf("read encryption marker: %w", err)
	}
	n, err := parseNote(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// writeNote replaces the marker, whole or not at all.
func (p Place) writeNote(n *note) error {
	name := p.join(MarkerName)
	if err := writeFile(p.FS, name+newSuffix, n.text()); err != nil {
		return fmt.Errorf("write encryption marker: %w", err)
	}
	if err := p.FS.Rename(name+newSuffix, name); err != nil {
		return fmt.Errorf("name encryption marker: %w", err)
	}
	return syncDir(p.FS, p.Root)
}

func writeFile(fsys vfs.FS, name, text string) error {
	f, err := fsys.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.Write([]byte(text)); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
