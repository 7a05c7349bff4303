package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/godwitkv/godwit/client"
)

// run is the file that says what one run of godwit worker leaves if it is killed:
// tokens at the node, a directory. It is locked while the run lives, so the next run
// knows what nobody needs any more.
type run struct {
	file *os.File
	kept kept
}

// kept is what stands in the file.
type kept struct {
	Node   string   `json:"node"` // the cluster's id
	Dir    string   `json:"dir"`
	Tokens []string `json:"tokens"`
}

// tempPattern names the directories of runs.
const tempPattern = "godwit-worker-"

// openRun begins a run, and makes the directory for its sockets and configurations, for
// its owner alone.
func openRun(state, node string) (*run, error) {
	runs := runsDir(state)
	if err := os.MkdirAll(runs, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	dir, err := makeTemp()
	if err != nil {
		return nil, fmt.Errorf("make a directory for workerd: %w", err)
	}
	f, err := os.CreateTemp(runs, "run-*.json") // 0600
	if err != nil {
		return nil, fmt.Errorf("make a file in the state directory: %w", err)
	}
	r := &run{file: f, kept: kept{Node: node, Dir: dir}}
	if err := lock(f); err != nil {
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return r, r.save()
}

// maxTemp is how long the path of such a directory may be: sockets in it have longer ones, of
// which systems take 103 bytes.
const maxTemp = 103 - len("/g0123456789/00/s")

// makeTemp makes a run's directory in that for temporary files, or in /tmp where its path
// would be too long for sockets.
func makeTemp() (string, error) {
	dir, err := os.MkdirTemp("", tempPattern)
	if err != nil || len(dir) <= maxTemp {
		return dir, err
	}
	if err := os.Remove(dir); err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp("/tmp", tempPattern); err != nil {
		return "", fmt.Errorf("TMPDIR is too long for sockets: %w", err)
	}
	return dir, nil
}

func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

func (r *run) save() error {
	text, err := json.Marshal(r.kept)
	if err == nil {
		_, err = r.file.WriteAt(text, 0)
	}
	if err == nil {
		err = r.file.Truncate(int64(len(text)))
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", r.file.Name(), err)
	}
	return nil
}

func (r *run) addToken(id string) error {
	r.kept.Tokens = append(r.kept.Tokens, id)
	return r.save()
}

// end revokes the run's tokens and removes what it has left.
func (r *run) end(ctx context.Context, c *client.Client) error {
	err := r.kept.undo(ctx, c)
	if err == nil {
		err = os.Remove(r.file.Name())
	}
	_ = r.file.Close()
	return err
}

// undo revokes tokens, and removes the directory.
func (k *kept) undo(ctx context.Context, c *client.Client) error {
	if strings.HasPrefix(filepath.Base(k.Dir), tempPattern) {
		_ = os.RemoveAll(k.Dir) // what is left is for its owner alone
	}
	for _, id := range k.Tokens {
		if err := c.RevokeToken(ctx, id); err != nil && !errors.Is(err, client.ErrTokenNotFound) {
			return fmt.Errorf("revoke token %s: %w", id, err)
		}
	}
	return nil
}

// sweep ends the runs of before that were killed, as far as they were at this node.
func sweep(ctx context.Context, state, node string, c *client.Client) error {
	files, err := filepath.Glob(filepath.Join(runsDir(state), "run-*.json"))
	if err != nil {
		return err
	}
	for _, path := range files {
		if err := sweepOne(ctx, path, node, c); err != nil {
			return err
		}
	}
	return nil
}

// maxRunBytes bounds such a file.
const maxRunBytes = 1 << 20

func sweepOne(ctx context.Context, path, node string, c *client.Client) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil // another has ended it just now
	}
	defer f.Close()
	if lock(f) != nil {
		return nil // it lives
	}
	info, err := f.Stat()
	if err != nil || info.Size() > maxRunBytes {
		return err
	}
	text := make([]byte, info.Size())
	if _, err := f.ReadAt(text, 0); err != nil && info.Size() > 0 {
		return err
	}
	var k kept
	if json.Unmarshal(text, &k) == nil {
		if k.Node != node {
			return nil
		}
		if err := k.undo(ctx, c); err != nil {
			return err
		}
	}
	return os.Remove(path)
}
