package repository

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/backup/place"
)

// State is what a backup is made of.
type State struct {
	Cluster  string
	Revision godwit.Revision
	Time     int64 // the log's at Revision, unix milliseconds
	Lineage  godwit.Lineage
	Purged   godwit.Revision // deletions up to there are not known any more
	Keys     int64
	Bytes    int64
	Created  time.Time
	Digest   Hash // at Created
	Key      Key  // if it is to be encrypted: the one of the backups before, or a new one
}

// Writer makes a backup. It is for one goroutine; End ends it in any case.
type Writer struct {
	r       *Repository
	b       *Backup
	state   State
	from    *Backup        // it goes on from there; nil: it is of all entries
	known   map[Hash]int64 // chunks that are there to stay, with their sizes
	fresh   map[Hash]int64 // objects that are there to stay, and that nothing says to be whole
	group   *errgroup.Group
	ctx     context.Context //nolint:containedctx // of the group
	free    chan []byte     // room for content
	packed  chan []byte     // room for objects
	content []byte          // of the chunk that grows
	record  []byte          // scratch
	written []*written      // chunks of records, in order
	values  map[Hash]*written
	added   atomic.Int64 // bytes that were written
}

// written is a chunk whose size is known once the group has ended.
type written struct{ Chunk }

// Begin begins a backup. If there is one of which what has happened since can be told,
// it goes on from there: see From. Errors: the place has backups of another cluster, or
// of a later centre.
func (r *Repository) Begin(ctx context.Context, s State) (_ *Writer, err error) {
	if (s.Key == nil) != (len(r.cfg.Recipients) == 0) {
		return nil, errors.New("a key goes with recipients")
	}
	if err := r.Claim(ctx, s.Cluster); err != nil {
		return nil, err
	}
	ids, err := r.IDs(ctx)
	if err != nil {
		return nil, err
	}
	last := ""
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	w := &Writer{r: r, state: s, values: make(map[Hash]*written), free: make(chan []byte, parallel+1), packed: make(chan []byte, parallel)}
	w.b = &Backup{
		Format: Format, ID: newID(r.cfg.Now(), last), Created: s.Created, Cluster: s.Cluster, Revision: s.Revision, Time: s.Time,
		Keys: s.Keys, Bytes: s.Bytes, Digest: s.Digest, From: s.Revision, key: s.Key,
	}
	w.b.setLineage(s.Lineage)
	// From now on nobody removes chunks: see Prune.
	if err := r.cfg.Place.Put(ctx, pendingPrefix+w.b.ID, []byte{'\n'}); err != nil {
		return nil, err
	}
	if err := w.plan(ctx, ids); err != nil {
		return nil, errors.Join(err, w.drop(context.WithoutCancel(ctx)))
	}
	w.group, w.ctx = errgroup.WithContext(ctx)
	w.group.SetLimit(parallel)
	return w, nil
}

// looksBack bounds the manifests that are read for one that this machine has made.
const looksBack = 16

// plan finds out what is there, and which backup this one may go on from: the last one,
// or, where several machines make encrypted ones, each under a key of its own, the last
// under this one's.
func (w *Writer) plan(ctx context.Context, ids []string) error {
	there, err := w.r.there(ctx)
	if err != nil {
		return err
	}
	w.known, w.fresh = make(map[Hash]int64), w.r.fresh(there)
	for _, id := range slices.Backward(ids[max(0, len(ids)-looksBack):]) {
		b, err := w.r.Head(ctx, id)
		if errors.Is(err, errManifest) || errors.Is(err, ErrNoBackup) { // this one is good again
			continue
		}
		if err != nil {
			return err
		}
		if own, g := b.Generation(), w.state.Lineage.Generation(); g < own {
			return fmt.Errorf("backup %s is of generation %d of the cluster, and the node is of generation %d: it was replaced", b.ID, own, g)
		}
		if b.Encrypted() == (w.state.Key != nil) && (!b.Encrypted() || b.prove(w.state.Key) == nil) {
			w.count(b, there)
			return nil
		}
	}
	return nil
}

// count counts on the chunks of a backup, and goes on from it if that can be.
func (w *Writer) count(b *Backup, there map[Hash]place.Object) {
	for _, c := range b.chunks() {
		if o, ok := there[c.Name]; ok && o.Size == c.Size {
			w.known[c.Name] = c.Size
		}
	}
	if w.goesOn(b) && b.asWritten(there) == nil {
		w.from, w.b.From, w.b.BaseBytes = b, b.From, b.BaseBytes
	}
}

// maxIncrements bounds the chunks of changes behind a base.
const maxIncrements = 512

// goesOn tells whether a backup can, and should, be told as what has changed since
// another. One that is mostly changes is better told anew: what has not changed is there.
func (w *Writer) goesOn(b *Backup) bool {
	if !w.state.Lineage.Holds(b.Position()) || b.Revision < w.state.Purged || b.Revision > w.state.Revision {
		return false
	}
	return b.Stored()-b.BaseBytes <= b.BaseBytes/2 && len(b.Increments) < maxIncrements
}

// fresh are chunks that no manifest may name, of a backup that did not come to its end.
// They stay for longer than a backup may take. A place may have cut one off, so it is
// taken only where it is as long as what would be written.
func (r *Repository) fresh(there map[Hash]place.Object) map[Hash]int64 {
	fresh := make(map[Hash]int64)
	for name, o := range there {
		if r.cfg.Now().Sub(o.Modified) < keepFresh {
			fresh[name] = o.Size
		}
	}
	return fresh
}

// From is the position behind which all changes are to be added, in order of revision,
// and true; or false: all entries are, in order of place.
func (w *Writer) From() (godwit.Revision, bool) {
	if w.from == nil {
		return 0, false
	}
	return w.from.Revision, true
}

// Add adds a record. If its value is a blob, open opens its content. The record is not
// kept.
func (w *Writer) Add(r *godwit.Record, open func(godwit.Blob) (io.ReadCloser, error)) error {
	if w.content == nil {
		w.content = w.room()
	}
	before := len(w.content)
	w.content, w.record = appendItem(w.content, w.record, r)
	if b := r.Value.Blob; !b.IsZero() {
		if err := w.addContent(b, open); err != nil {
			return fmt.Errorf("value of a key in namespace %s: %w", r.Namespace, err)
		}
	}
	if len(w.content) >= chunkBytes || w.from == nil && endsAt(r.Namespace, r.Key, len(w.content)-before) {
		return w.cut()
	}
	return nil
}

// room returns an empty buffer for content, one that is free again if there is one.
func (w *Writer) room() []byte {
	select {
	case b := <-w.free:
		return b[:0]
	default:
		return make([]byte, 0, maxPlain)
	}
}

// addContent adds a blob: its bytes to the chunk, or their chunks' names.
func (w *Writer) addContent(b godwit.Blob, open func(godwit.Blob) (io.ReadCloser, error)) (err error) {
	content, err := open(b)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, content.Close()) }()
	if partsOf(b.Size) == 0 {
		from := len(w.content)
		w.content = slices.Grow(w.content, int(b.Size))[:from+int(b.Size)]
		_, err = io.ReadFull(content, w.content[from:])
		return errors.Join(err, ended(content))
	}
	for left := b.Size; left > 0; left -= min(left, partBytes) {
		part := w.room()[:min(left, partBytes)]
		if _, err := io.ReadFull(content, part); err != nil {
			return err
		}
		name, err := w.part(part)
		if err != nil {
			return err
		}
		w.content = append(w.content, name[:]...)
	}
	return ended(content)
}

// ended makes sure that a reader has come to its end, where damage shows.
func ended(r io.Reader) error {
	n, err := r.Read(make([]byte, 1))
	if n == 0 && errors.Is(err, io.EOF) {
		return nil
	}
	return cmp.Or(err, errors.New("it is longer than it says"))
}

// part writes a part of a blob, unless it is there.
func (w *Writer) part(content []byte) (Hash, error) {
	name := w.state.Key.name(content)
	if w.values[name] != nil {
		w.release(content)
		return name, nil
	}
	c := &written{Chunk{Name: name}}
	w.values[name] = c
	return name, w.write(c, content)
}

// cut ends the chunk that grows.
func (w *Writer) cut() error {
	if len(w.content) == 0 {
		return nil
	}
	content := w.content
	w.content = nil
	c := &written{Chunk{Name: w.state.Key.name(content)}}
	w.written = append(w.written, c)
	return w.write(c, content)
}

// write writes a chunk, unless it is there, and waits while as many as may be are on
// their way. content is the writer's from now on.
func (w *Writer) write(c *written, content []byte) error {
	if size, ok := w.known[c.Name]; ok {
		c.Size = size
		w.release(content)
		return w.ctx.Err()
	}
	w.group.Go(func() error {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		var room []byte
		select {
		case room = <-w.packed:
		default:
		}
		o, room, err := w.r.pack(room, content)
		w.release(content) // before the place takes its time
		if err != nil {
			return err
		}
		err = w.put(c, o)
		w.packed <- room // as many fit as are at work
		return err
	})
	return context.Cause(w.ctx)
}

// put puts a chunk's object, unless one that is as long is there.
func (w *Writer) put(c *written, o []byte) error {
	c.Size = int64(len(o))
	if w.fresh[c.Name] == c.Size {
		return nil
	}
	if err := w.r.cfg.Place.Put(w.ctx, object(c.Name), o); err != nil {
		return err
	}
	w.added.Add(c.Size)
	w.r.cfg.Moved(c.Size)
	return nil
}

func (w *Writer) release(content []byte) {
	select {
	case w.free <- content:
	default:
	}
}

// SetDigest says the digest of the entries, before End: it may be made while they are
// added.
func (w *Writer) SetDigest(h Hash) { w.b.Digest = h }

// End writes what is left and the manifest, upon which the backup is there; unless
// failed is an error, which it returns. With a backup an error tells of what failed once
// that was made.
func (w *Writer) End(ctx context.Context, failed error) (*Backup, error) {
	if failed == nil {
		failed = w.cut()
	}
	if err := w.group.Wait(); err != nil || failed != nil {
		if errors.Is(failed, context.Canceled) && ctx.Err() == nil {
			failed = nil // it was told to stop because of the group's error
		}
		return nil, errors.Join(cmp.Or(failed, err), w.drop(context.WithoutCancel(ctx)))
	}
	w.list()
	if err := w.finish(ctx); err != nil {
		return nil, errors.Join(err, w.drop(context.WithoutCancel(ctx)))
	}
	if err := w.drop(ctx); err != nil {
		return w.b, fmt.Errorf("backup %s is made; %w", w.b.ID, err)
	}
	return w.b, nil
}

// list has the manifest list the chunks.
func (w *Writer) list() {
	if w.from != nil {
		w.b.Base = w.from.Base
		w.b.Increments = slices.Clone(w.from.Increments)
		for _, c := range w.from.Values {
			w.values[c.Name] = &written{c}
		}
	}
	for _, c := range w.written {
		if w.from != nil {
			w.b.Increments = append(w.b.Increments, c.Chunk)
		} else {
			w.b.Base = append(w.b.Base, c.Chunk)
		}
	}
	for _, c := range w.values {
		w.b.Values = append(w.b.Values, c.Chunk)
	}
	if w.from == nil {
		w.b.BaseBytes = w.b.Stored()
	}
	slices.SortFunc(w.b.Values, func(x, y Chunk) int { return slices.Compare(x.Name[:], y.Name[:]) })
}

// finish writes the manifest.
func (w *Writer) finish(ctx context.Context) (err error) {
	if w.state.Key != nil {
		if w.b.SealedKey, err = encrypt(w.r.cfg.Recipients, w.state.Key); err != nil {
			return err
		}
	}
	if err := w.b.valid(); err != nil {
		return fmt.Errorf("the backup cannot be described: %w", err)
	}
	m, err := w.b.encode()
	if err != nil {
		return err
	}
	if len(m) > maxManifest {
		return fmt.Errorf("the backup has %d chunks, too many for a manifest", len(w.b.chunks()))
	}
	// What somebody has removed meanwhile is missed here and not at a restore.
	there, err := w.r.there(ctx)
	if err != nil {
		return err
	}
	if err := w.b.asWritten(there); err != nil {
		return fmt.Errorf("something has changed meanwhile, run it again: %w", err)
	}
	return w.r.cfg.Place.Put(ctx, backupsPrefix+w.b.ID, m)
}

// Added is how many bytes of chunks were written, and not there before.
func (w *Writer) Added() int64 { return w.added.Load() }

// drop forgets that a backup is being made.
func (w *Writer) drop(ctx context.Context) error {
	return w.r.cfg.Place.Delete(ctx, pendingPrefix+w.b.ID)
}
