package repository

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

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

// Chunk is a chunk of a backup: its name, and how long the object is.
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

// fetch reads a chunk of a backup and proves it.
func (r *Repository) fetch(ctx context.Context, b *Backup, c Chunk) ([]byte, error) {
	o, err := r.cfg.Place.Get(ctx, object(c.Name), c.Size)
	switch {
	case errors.Is(err, place.ErrNotFound):
		return nil, fmt.Errorf("chunk %s is missing", object(c.Name))
	case errors.Is(err, place.ErrTooLarge):
		return nil, fmt.Errorf("chunk %s is damaged: it is longer than %d bytes", object(c.Name), c.Size)
	case err != nil:
		return nil, err
	}
	r.cfg.Moved(int64(len(o)))
	content, err := r.unpack(b, o)
	if err != nil {
		return nil, fmt.Errorf("chunk %s is damaged: %w", object(c.Name), err)
	}
	if b.key.name(content) != c.Name {
		return nil, fmt.Errorf("chunk %s is damaged: its content has another hash", object(c.Name))
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

// Complete makes sure, without reading them, that all chunks of a backup are there and
// as long as they were.
func (r *Repository) Complete(ctx context.Context, b *Backup) error {
	there, err := r.there(ctx)
	if err != nil {
		return err
	}
	return b.completeIn(there)
}

func (b *Backup) completeIn(there map[Hash]place.Object) error {
	var wrong []error
	more := 0
	for _, c := range b.chunks() {
		o, ok := there[c.Name]
		if ok && o.Size == c.Size {
			continue
		}
		if len(wrong) == named {
			more++
			continue
		}
		if !ok {
			wrong = append(wrong, fmt.Errorf("chunk %s is missing", object(c.Name)))
			continue
		}
		wrong = append(wrong, fmt.Errorf("chunk %s is damaged: it has %d bytes, and had %d", o.Name, o.Size, c.Size))
	}
	if more > 0 {
		wrong = append(wrong, fmt.Errorf("and %d more", more))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("backup %s is damaged: %w", b.ID, errors.Join(wrong...))
	}
	return nil
}
