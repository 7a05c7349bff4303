package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"time"
)

// nothing is a Target that takes all and keeps none: for a look at a source.
type nothing struct {
	maxValue int64
	progress *Progress // of the Run
}

// Write implements [Target].
func (n nothing) Write(_ context.Context, items []Item) error {
	for i := range items {
		it := &items[i]
		size := int64(len(it.Value))
		if it.Open != nil {
			size = it.Size
			n.progress.Bytes.Add(size) // Run counts what came along
		}
		if size > n.maxValue {
			return it.fault(fmt.Errorf("the value has %d bytes, the limit is %d", size, n.maxValue))
		}
	}
	return nil
}

// Look reads a source to its end and counts what Run would write, which it does not. A
// value of over maxValue bytes is an error, as the target would say. Error: *StoppedError.
func Look(ctx context.Context, from Source, maxValue int64, o Options) error {
	if o.Progress == nil {
		o.Progress = new(Progress)
	}
	return Run(ctx, from, nothing{maxValue, o.Progress}, o)
}

// Under is a source without the keys that do not start with a prefix.
type Under struct {
	Source
	Prefix string
}

// Batches implements [Source].
func (u Under) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		for b, err := range u.Source.Batches(ctx) {
			kept := b.Items[:0]
			for i := range b.Items {
				if strings.HasPrefix(b.Items[i].Key, u.Prefix) {
					kept = append(kept, b.Items[i])
				}
			}
			b.Items = kept
			if !yield(b, err) {
				return
			}
		}
	}
}

// Spool copies what cannot be read twice into a file that can, and that is gone when it
// is closed.
func Spool(ctx context.Context, r io.Reader) (*os.File, error) {
	f, err := os.CreateTemp("", "godwit-import-")
	if err != nil {
		return nil, fmt.Errorf("make a file for the input: %w", err)
	}
	_ = os.Remove(f.Name()) // it lives for as long as it is open
	if _, err := io.Copy(f, contextReader{ctx, r}); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("copy the input: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("return to start: %w", err)
	}
	return f, nil
}

// contextReader ends when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // lives as long as one copy
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// Again makes files ready to be read once more, from their beginning. It is an error
// if one has changed since it was looked at: Seen tells how that was.
func (s *Lines) Again(seen []FileState) error {
	s.Read.Store(0)
	for i, name := range s.Files {
		if name == "-" {
			if _, err := s.Stdin.Seek(0, io.SeekStart); err != nil {
				return fmt.Errorf("return to start: %w", err)
			}
			continue
		}
		if now, err := stateOf(name); err != nil || now != seen[i] {
			return errors.Join(err, fmt.Errorf("%s was changed while it was read", name))
		}
	}
	return nil
}

// FileState is by what a change of a file shows.
type FileState struct {
	size     int64
	modified time.Time
}

// Seen tells how the files are.
func (s *Lines) Seen() ([]FileState, error) {
	states := make([]FileState, len(s.Files))
	for i, name := range s.Files {
		if name == "-" {
			continue
		}
		var err error
		if states[i], err = stateOf(name); err != nil {
			return nil, err
		}
	}
	return states, nil
}

func stateOf(name string) (FileState, error) {
	info, err := os.Stat(name)
	if err != nil {
		return FileState{}, fmt.Errorf("look at input: %w", err)
	}
	if !info.Mode().IsRegular() {
		return FileState{}, fmt.Errorf("%s is no file that could be read twice: give it on standard input", name)
	}
	return FileState{info.Size(), info.ModTime()}, nil
}
