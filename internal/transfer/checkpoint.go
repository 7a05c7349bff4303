package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/durable"
)

// noteEvery is how often a checkpoint is written, at the most.
const noteEvery = 500 * time.Millisecond

// maxCheckpoint bounds the file.
const maxCheckpoint = 1 << 20

// Checkpoint is a file that says up to where a transfer has come.
type Checkpoint struct {
	name string
	of   string

	mu      sync.Mutex
	mark    Mark
	written time.Time
	err     error
}

// checkpointJSON is the file.
type checkpointJSON struct {
	Of   string `json:"of"` // what is transferred, and to where
	Mark Mark   `json:"mark"`
}

// OpenCheckpoint reads a checkpoint, if the file is there, and returns the place to go
// on behind. of says what is transferred: a checkpoint of anything else is refused.
func OpenCheckpoint(name, of string) (*Checkpoint, Mark, error) {
	c := &Checkpoint{name: name, of: of}
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return c, Mark{}, nil
	}
	if err != nil {
		return nil, Mark{}, fmt.Errorf("open checkpoint: %w", err)
	}
	defer func() { _ = f.Close() }()
	var saved checkpointJSON
	dec := json.NewDecoder(io.LimitReader(f, maxCheckpoint))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&saved); err != nil || saved.Mark.File < 0 || saved.Mark.Line < 0 {
		return nil, Mark{}, fmt.Errorf("%s is no checkpoint", name)
	}
	if saved.Of != of {
		return nil, Mark{}, fmt.Errorf("%s is the checkpoint of something else: %s", name, saved.Of)
	}
	c.mark = saved.Mark
	return c, saved.Mark, nil
}

// Note notes a place. It is written now and then; an error shows in Close.
func (c *Checkpoint) Note(m Mark) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mark = m
	if time.Since(c.written) >= noteEvery {
		c.save()
	}
}

// Close writes the last place, or removes the file if all is done.
func (c *Checkpoint) Close(done bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !done {
		c.save()
		return c.err
	}
	if err := os.Remove(c.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove checkpoint: %w", err)
	}
	return nil
}

// save puts another file in the place of the one there is; c.mu is held.
func (c *Checkpoint) save() {
	c.written = time.Now()
	if c.mark == (Mark{}) {
		return
	}
	raw, err := json.Marshal(checkpointJSON{c.of, c.mark})
	if err == nil {
		err = durable.WriteFile(c.name, append(raw, '\n'))
	}
	if err != nil {
		c.err = fmt.Errorf("write checkpoint: %w", err)
	}
}
