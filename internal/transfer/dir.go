package transfer

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"sync"
	"unicode/utf8"
)

// dirMark is a file that tells that the paths beside it were made by pathOf. No key has
// its name: a name does not begin with a dot.
const dirMark = ".godwit-export"

const dirMarkText = "The paths in this directory are keys, in which % and two digits stand for a byte.\n"

// fileHeld is up to how large a file is read whole.
const fileHeld = 1 << 20

// Dir is the source of a directory's files. A key is a prefix and the file's path with
// slashes. Links are not followed.
type Dir struct {
	Name     string
	Prefix   string
	Progress *Progress
	Skip     func(what string) // told of each file that is none
}

var _ Source = (*Dir)(nil)

// Batches implements [Source].
func (d *Dir) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		root, err := os.OpenRoot(d.Name)
		if err != nil {
			yield(Batch{}, fmt.Errorf("open directory: %w", err))
			return
		}
		r := &dirReader{Dir: d, ctx: ctx, root: root, yield: yield}
		_, err = root.Lstat(dirMark)
		r.escaped = err == nil
		err = fs.WalkDir(root.FS(), ".", r.visit)
		if err == nil && len(r.batch) > 0 && !yield(Batch{Items: r.batch}, nil) {
			err = fs.SkipAll
		}
		if err = errors.Join(err, root.Close()); err != nil && !errors.Is(err, errLeft) {
			yield(Batch{}, err)
		}
	}
}

var errLeft = errors.New("nobody wants more")

// dirReader walks a directory. Large files are opened by their path when it is their
// turn: the root may be closed by then.
type dirReader struct {
	*Dir
	ctx     context.Context //nolint:containedctx // lives as long as one walk
	root    *os.Root
	yield   func(Batch, error) bool
	escaped bool
	batch   []Item
	size    int64
}

func (r *dirReader) visit(name string, d fs.DirEntry, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("read directory: %w", err)
	case r.ctx.Err() != nil:
		return context.Cause(r.ctx)
	case name == ".", r.escaped && name == dirMark:
		return nil
	case r.escaped && strings.HasPrefix(path.Base(name), "."): // no key's: such as what put was writing as it was killed
		r.skip(name, "is not of the export")
		if d.IsDir() {
			return fs.SkipDir
		}
		return nil
	case d.IsDir():
		return nil
	case !d.Type().IsRegular():
		r.skip(name, "is no file")
		return nil
	}
	it, err := r.item(name, d)
	if err != nil {
		return fmt.Errorf("%s: %w", path.Join(r.Name, name), err)
	}
	r.batch = append(r.batch, it)
	if r.size += it.size(); len(r.batch) < batchItems && r.size < batchBytes {
		return nil
	}
	going := r.yield(Batch{Items: r.batch}, nil)
	r.batch, r.size = nil, 0
	if !going {
		return errLeft
	}
	return nil
}

func (r *dirReader) skip(name, why string) {
	r.Progress.Skipped.Add(1)
	r.Skip(path.Join(r.Name, name) + " " + why)
}

func (r *dirReader) item(name string, d fs.DirEntry) (Item, error) {
	key := name
	if r.escaped {
		var err error
		if key, err = keyOf(name); err != nil {
			return Item{}, err
		}
	} else if !utf8.ValidString(name) {
		return Item{}, errors.New("the name is not UTF-8")
	}
	it := Item{Key: r.Prefix + key}
	if err := it.check(0); err != nil {
		return it, err
	}
	info, err := d.Info()
	if err != nil {
		return it, fmt.Errorf("look at file: %w", err)
	}
	if info.Size() > fileHeld {
		it.Open, it.Size = r.opener(name), info.Size()
		return it, r.readable(name)
	}
	it.Value, err = r.root.ReadFile(name)
	if err != nil {
		return it, fmt.Errorf("read file: %w", err)
	}
	return it, nil
}

// readable holds that a file can be opened, before it is its turn.
func (r *dirReader) readable(name string) error {
	f, err := r.root.Open(name)
	if err != nil {
		return fmt.Errorf("open file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("close file: %w", err)
	}
	return nil
}

func (r *dirReader) opener(name string) func(context.Context) (*Large, error) {
	dir := r.Name
	return func(context.Context) (*Large, error) {
		f, err := os.OpenInRoot(dir, name)
		if err != nil {
			return nil, fmt.Errorf("open file: %w", err)
		}
		return &Large{ReadCloser: f, Size: -1}, nil
	}
}

// DirTarget writes each value into a file below a directory. Metadata and expirations
// have no place there.
type DirTarget struct {
	Name     string
	Prefix   string // is taken off each key
	Progress *Progress
	Lossy    func(key string)  // told of each key that has metadata or an expiration
	Collide  func(a, b string) // told of keys that differ in case only

	root  *os.Root
	mark  []byte // what dirMark says
	blind bool   // the system does not tell upper case from lower

	names sync.Mutex // of who makes directories and gives files their names

	mu    sync.Mutex
	lower map[string]string // a key for each path in lower case
}

var _ Target = (*DirTarget)(nil)

// Open makes the directory, if it is not there. One that holds something must be one
// that an export has made.
func (t *DirTarget) Open() error {
	if err := os.MkdirAll(t.Name, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	root, err := os.OpenRoot(t.Name)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	t.root, t.lower = root, make(map[string]string)
	if err := t.claim(); err != nil {
		return errors.Join(err, root.Close())
	}
	return nil
}

func (t *DirTarget) claim() error {
	names, err := fs.ReadDir(t.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read directory: %w", err)
	}
	t.mark, err = t.root.ReadFile(dirMark)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("read %s: %w", dirMark, err)
	case len(names) > 0:
		return fmt.Errorf("%s holds something else than an export", t.Name)
	default:
		t.mark = []byte(dirMarkText + rand.Text() + "\n")
		if err := t.root.WriteFile(dirMark, t.mark, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", dirMark, err)
		}
	}
	_, err = t.root.Lstat(strings.ToUpper(dirMark))
	t.blind = err == nil
	return nil
}

// ID tells the directory from one that is made anew in its place.
func (t *DirTarget) ID() string { return strings.TrimPrefix(string(t.mark), dirMarkText) }

// Close ends the use of the directory.
func (t *DirTarget) Close() error { return t.root.Close() }

// Write implements [Target].
func (t *DirTarget) Write(ctx context.Context, items []Item) error {
	for i := range items {
		if err := t.write(ctx, &items[i]); err != nil {
			return items[i].fault(err)
		}
	}
	return nil
}

func (t *DirTarget) write(ctx context.Context, it *Item) error {
	name := pathOf(strings.TrimPrefix(it.Key, t.Prefix))
	if err := t.note(it.Key, name); err != nil {
		return err
	}
	if it.Open == nil {
		if it.Metadata != nil || it.Expiration != 0 {
			t.Lossy(it.Key)
		}
		return t.put(name, bytes.NewReader(it.Value))
	}
	v, err := it.Open(ctx)
	if err != nil {
		return err
	}
	if v == nil {
		t.Progress.Keys.Add(-1) // Run counts it all the same
		return nil
	}
	defer func() { _ = v.Close() }()
	if v.Metadata != nil || v.Expiration != 0 {
		t.Lossy(it.Key)
	}
	counted := &counter{r: v}
	err = t.put(name, counted)
	t.Progress.Bytes.Add(counted.n)
	return err
}

// note finds keys whose files some systems take for the same.
func (t *DirTarget) note(key, name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	lower := strings.ToLower(name)
	other, ok := t.lower[lower]
	t.lower[lower] = key
	if !ok || other == key {
		return nil
	}
	if t.blind {
		return fmt.Errorf("the key %q has the same file: they differ in case only", other)
	}
	t.Collide(other, key)
	return nil
}

// put writes a file, so that there is never half of one. Where the name of a directory
// is that of a file, the one that comes second has another.
func (t *DirTarget) put(name string, value io.Reader) error {
	t.names.Lock()
	dir, base, err := t.makeDirs(name)
	t.names.Unlock()
	if err != nil {
		return err
	}
	temporary := path.Join(dir, "."+base+".new") // no key's: it begins with a dot
	f, err := t.root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make file: %w", err)
	}
	_, err = io.Copy(f, value)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write file: %w", err), t.root.Remove(temporary))
	}
	t.names.Lock()
	defer t.names.Unlock()
	target := path.Join(dir, base)
	if info, err := t.root.Lstat(target); err == nil && info.IsDir() {
		target += nameAside
	}
	if err := t.root.Rename(temporary, target); err != nil {
		return errors.Join(fmt.Errorf("name file: %w", err), t.root.Remove(temporary))
	}
	return nil
}

// makeDirs makes the directories of a path, and returns the last of them and what comes
// below it.
func (t *DirTarget) makeDirs(name string) (dir, base string, err error) {
	parts := strings.Split(name, "/")
	dir = "."
	for _, part := range parts[:len(parts)-1] {
		next := path.Join(dir, part)
		err := t.root.Mkdir(next, 0o700)
		if errors.Is(err, fs.ErrExist) {
			if info, lerr := t.root.Lstat(next); lerr == nil && !info.IsDir() {
				next += nameAside
				err = t.root.Mkdir(next, 0o700)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return "", "", fmt.Errorf("make directory: %w", err)
		}
		dir = next
	}
	return dir, parts[len(parts)-1], nil
}
