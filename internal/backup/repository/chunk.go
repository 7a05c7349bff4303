package repository

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/internal/backup/place"
)

// A chunk's content is compressed with zstd and then, if the backup is encrypted,
// encrypted with age: age -d and zstd -d make the content of the object. Its name is
// the hash of the content, so it is not written where it is, and is proved where it is
// read.
const (
	chunkBytes = 8 << 20                // where a chunk ends at the latest, but for its last item
	maxPlain   = chunkBytes + (3 << 20) // with an item: see maxItem
	maxObject  = maxPlain + (1 << 20)
)

// Chunk is a chunk of a backup: its name, and how long the object was. One that was written
// again since, by another compressor, has another length, and the same content.
type Chunk struct {
	Name Hash
	Size int64
}

// MarshalText implements encoding.TextMarshaler.
func (c Chunk) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s:%d", c.Name, c.Size), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Chunk) UnmarshalText(text []byte) error {
	name, size, _ := strings.Cut(string(text), ":")
	n, err := strconv.ParseInt(size, 10, 64)
	if err != nil || n <= 0 || n > maxObject {
		return errors.New("a chunk without a size")
	}
	c.Size = n
	return c.Name.UnmarshalText([]byte(name))
}

// object is the name of a chunk's object.
func object(h Hash) string {
	name := h.String()
	return chunksPrefix + name[:2] + "/" + name
}

// chunkOf is the chunk that an object's name is of.
func chunkOf(name string) (h Hash, ok bool) {
	base, is := strings.CutPrefix(name, chunksPrefix)
	if !is || len(base) != 3+2*len(h) || h.UnmarshalText([]byte(base[3:])) != nil {
		return h, false
	}
	return h, object(h) == name
}

// pack makes an object of content. What comes compressed is in room, if it is large
// enough, and else in what is returned as room for the next.
func (r *Repository) pack(room, content []byte) (object, next []byte, err error) {
	b := r.encoder.EncodeAll(content, room[:0])
	if len(r.cfg.Recipients) == 0 {
		return b, b, nil
	}
	object, err = encrypt(r.cfg.Recipients, b)
	return object, b, err
}

// errChunk tells of a chunk that is there and cannot be used.
var errChunk = errors.New("is damaged")

// fetch reads a chunk of a backup and proves it.
func (r *Repository) fetch(ctx context.Context, b *Backup, c Chunk) ([]byte, error) {
	o, err := r.cfg.Place.Get(ctx, object(c.Name), maxObject)
	switch {
	case errors.Is(err, place.ErrNotFound):
		return nil, fmt.Errorf("chunk %s is missing", object(c.Name))
	case errors.Is(err, place.ErrTooLarge):
		return nil, fmt.Errorf("chunk %s %w: it is longer than %d bytes", object(c.Name), errChunk, maxObject)
	case err != nil:
		return nil, err
	}
	r.cfg.Moved(int64(len(o)))
	content, err := r.unpack(b, o)
	if err != nil {
		return nil, fmt.Errorf("chunk %s %w: %w", object(c.Name), errChunk, err)
	}
	if b.key.name(content) != c.Name {
		return nil, fmt.Errorf("chunk %s %w: its content has another hash", object(c.Name), errChunk)
	}
	return content, nil
}

// unpack is the content of an object.
func (r *Repository) unpack(b *Backup, o []byte) (_ []byte, err error) {
	if b.Encrypted() {
		if o, err = decrypt(r.cfg.Identities, o, maxObject); err != nil {
			return nil, err
		}
	}
	content, err := r.decoder.DecodeAll(o, nil)
	if err != nil {
		return nil, fmt.Errorf("decompress: %w", err)
	}
	return content, nil
}

// there is which chunks a place has, as objects.
func (r *Repository) there(ctx context.Context) (map[Hash]place.Object, error) {
	all := make(map[Hash]place.Object)
	err := r.cfg.Place.List(ctx, chunksPrefix, func(o place.Object) error {
		if h, ok := chunkOf(o.Name); ok {
			all[h] = o
		}
		return nil
	})
	return all, err
}

// named bounds how many of the things that are wrong an error names.
const named = 3

// Complete makes sure that all chunks of a backup are there. It reads those alone that are
// not as long as they were.
func (r *Repository) Complete(ctx context.Context, b *Backup) error {
	there, err := r.there(ctx)
	if err != nil {
		return err
	}
	return r.completeIn(ctx, b, there)
}

func (r *Repository) completeIn(ctx context.Context, b *Backup, there map[Hash]place.Object) error {
	wrong, other := b.compare(there)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	var mu sync.Mutex
	for _, c := range other {
		group.Go(func() error {
			_, err := r.fetch(ctx, b, c)
			if !errors.Is(err, errChunk) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			wrong = append(wrong, fmt.Errorf("%w: %w", err, c.another(there)))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("backup %s: %w", b.ID, err)
	}
	return b.damaged(wrong)
}

// asWritten makes sure that all chunks are there as they were written, for who cannot read
// them.
func (b *Backup) asWritten(there map[Hash]place.Object) error {
	wrong, other := b.compare(there)
	for _, c := range other {
		wrong = append(wrong, fmt.Errorf("chunk %s %w: %w", object(c.Name), errChunk, c.another(there)))
	}
	return b.damaged(wrong)
}

// compare tells which chunks are missing, and which are not as long as they were.
func (b *Backup) compare(there map[Hash]place.Object) (missing []error, other []Chunk) {
	for _, c := range b.chunks() {
		switch o, ok := there[c.Name]; {
		case !ok:
			missing = append(missing, fmt.Errorf("chunk %s is missing", object(c.Name)))
		case o.Size != c.Size:
			other = append(other, c)
		}
	}
	return missing, other
}

func (c Chunk) another(there map[Hash]place.Object) error {
	return fmt.Errorf("it has %d bytes, and had %d", there[c.Name].Size, c.Size)
}

// damaged is the error of a backup of which something is wrong.
func (b *Backup) damaged(wrong []error) error {
	if len(wrong) == 0 {
		return nil
	}
	if more := len(wrong) - named; more > 0 {
		wrong = append(wrong[:named], fmt.Errorf("and %d more", more))
	}
	return fmt.Errorf("backup %s is damaged: %w", b.ID, errors.Join(wrong...))
}
