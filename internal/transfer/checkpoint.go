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

// Ends are what a transfer is of. By its names it is known again; what had them may have
// gone since, and something else may have them.
type Ends struct {
	Names  string `json:"of"`               // what is transferred, and to where, as it was asked for
	Source string `json:"source,omitempty"` // what tells it from others of its name; "": nothing, or its marks do
	Target string `json:"target,omitempty"`
}

// Checkpoint is a file that says up to where a transfer has come.
type Checkpoint struct {
	name string
	ends Ends

	mu      sync.Mutex
	mark    Mark
	written time.Time
	err     error
}

// checkpointJSON is the file.
type checkpointJSON struct {
	Ends
	Mark Mark `json:"mark"`
}

// ErrNotTheSame is why a transfer does not go on where a checkpoint says.
var ErrNotTheSame = errors.New("remove the checkpoint to begin again")

// OpenCheckpoint reads a checkpoint, if the file is there, and returns the place to go
// on behind. One of another transfer is refused, and with ErrNotTheSame one of another
// source or target than have those names now.
func OpenCheckpoint(name string, ends Ends) (*Checkpoint, Mark, error) {
	c := &Checkpoint{name: name, ends: ends}
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
	switch {
	case saved.Names != ends.Names:
		return nil, Mark{}, fmt.Errorf("%s is the checkpoint of something else: %s", name, saved.Names)
	case saved.Target != ends.Target:
		return nil, Mark{}, fmt.Errorf("%s: what was written to is not there any more, or was made anew: %w", name, ErrNotTheSame)
	case saved.Source != ends.Source:
		return nil, Mark{}, fmt.Errorf("%s: what was read from is not there any more, or was made anew: %w", name, ErrNotTheSame)
	}
	c.mark = saved.Mark
	return c, saved.Mark, nil
}

// Made notes what tells a target from others that was made just now. It is called before
// the transfer begins.
func (c *Checkpoint) Made(target string) { c.ends.Target = target }

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
	raw, err := json.Marshal(checkpointJSON{c.ends, c.mark})
	if err == nil {
		err = durable.WriteFile(c.name, append(raw, '\n'))
	}
	if err != nil {
		c.err = fmt.Errorf("write checkpoint: %w", err)
	}
}
