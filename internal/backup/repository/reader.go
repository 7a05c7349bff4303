package repository

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
)

// Part is the content of one chunk of records.
type Part struct {
	Base  bool // entries behind all before, in order of place; else changes, in order of revision
	Items []Item
	Bytes int
}

// Read calls fn for each chunk of records of a backup, in order, once it is proved. What
// fn gets is its own. Errors: the chunk that is missing, damaged, or says
// what no backup says, by its name; fn's.
func (r *Repository) Read(ctx context.Context, b *Backup, fn func(*Part) error) error {
	chunks := make([]Chunk, 0, len(b.Base)+len(b.Increments))
	chunks = append(append(chunks, b.Base...), b.Increments...)
	c := newChecker(b)
	group, ctx := errgroup.WithContext(ctx)
	coming := make(chan chan []byte, parallel-1)
	group.Go(func() error {
		defer close(coming)
		for _, chunk := range chunks {
			content := make(chan []byte, 1)
			select {
			case coming <- content:
			case <-ctx.Done():
				return ctx.Err()
			}
			group.Go(func() error {
				defer close(content)
				got, err := r.fetch(ctx, b, chunk)
				if err == nil {
					content <- got
				}
				return err
			})
		}
		return nil
	})
	group.Go(func() error {
		n := 0
		for content := range coming {
			got, ok := <-content
			if !ok {
				return nil // the group has the error
			}
			p, err := c.part(got, n < len(b.Base))
			if err != nil {
				return fmt.Errorf("chunk %s is damaged: %w", object(chunks[n].Name), err)
			}
			if err := fn(p); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return group.Wait()
}

// checker makes sure that the chunks of a backup are what they are said to be, one
// behind the other.
type checker struct {
	b      *Backup
	values map[Hash]Chunk
	begun  bool
	place  struct {
		ns  godwit.NamespaceID
		key string
	}
	revision godwit.Revision
}

func newChecker(b *Backup) *checker {
	c := &checker{b: b, values: make(map[Hash]Chunk, len(b.Values)), revision: b.From}
	for _, v := range b.Values {
		c.values[v.Name] = v
	}
	return c
}

// part takes a chunk apart.
func (c *checker) part(content []byte, base bool) (*Part, error) {
	p := &Part{Base: base, Bytes: len(content)}
	err := decodeItems(content, func(it *Item) error {
		p.Items = append(p.Items, *it)
		return cmp.Or(c.order(&it.Record, base), c.named(it))
	})
	if err == nil && len(p.Items) == 0 {
		err = errors.New("it is empty")
	}
	return p, err
}

// order makes sure that a record comes behind the one before it.
func (c *checker) order(r *godwit.Record, base bool) error {
	if !base {
		if r.Revision <= c.revision || r.Revision > c.b.Revision {
			return fmt.Errorf("revision %d is out of order", r.Revision)
		}
		c.revision = r.Revision
		return nil
	}
	before := bytes.Compare(r.Namespace[:], c.place.ns[:])
	if before == 0 {
		before = cmp.Compare(r.Key, c.place.key)
	}
	switch {
	case c.begun && before <= 0:
		return errors.New("a key is out of order")
	case r.Op != godwit.OpPut || r.Swept:
		return errors.New("an entry is none")
	case r.Revision > c.b.From:
		return fmt.Errorf("revision %d is behind that of the base", r.Revision)
	}
	c.begun, c.place.ns, c.place.key = true, r.Namespace, r.Key
	return nil
}

// named makes sure that the manifest lists what an item names.
func (c *checker) named(it *Item) error {
	for _, name := range it.Parts {
		if _, ok := c.values[name]; !ok {
			return fmt.Errorf("it names chunk %s, which the manifest does not list", name)
		}
	}
	return nil
}

// Values opens the values of a backup.
type Values struct {
	r      *Repository
	b      *Backup
	chunks map[Hash]Chunk
}

// Values returns what opens the values of a backup.
func (r *Repository) Values(b *Backup) *Values {
	return &Values{r: r, b: b, chunks: newChecker(b).values}
}

// Open reads the content of an item whose value is a blob, a chunk at a time.
func (v *Values) Open(ctx context.Context, it *Item) io.Reader {
	if len(it.Parts) == 0 {
		return bytes.NewReader(it.Content)
	}
	return &valueReader{ctx: ctx, values: v, parts: it.Parts}
}

type valueReader struct {
	ctx    context.Context //nolint:containedctx // lives as long as one value is read
	values *Values
	parts  []Hash
	rest   []byte
}

// Read implements io.Reader.
func (r *valueReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if len(r.parts) == 0 {
			return 0, io.EOF
		}
		c, ok := r.values.chunks[r.parts[0]]
		if !ok {
			return 0, fmt.Errorf("chunk %s is not in the manifest", r.parts[0])
		}
		rest, err := r.values.r.fetch(r.ctx, r.values.b, c)
		if err != nil {
			return 0, err
		}
		r.rest, r.parts = rest, r.parts[1:]
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
