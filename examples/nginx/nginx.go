package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// commandTimeout is for a test of the configuration, or for the signal to nginx.
const commandTimeout = time.Minute

// nginx is one that runs, or will.
type nginx struct {
	command []string // nginx and what else says which one: -p, -c
	file    string   // what its configuration includes in a map

	taken []byte // what it was last told to read
}

// take has nginx read text. If nginx says that its configuration is wrong with it, the file
// stays as it was.
func (n *nginx) take(ctx context.Context, text []byte) error {
	if n.taken != nil && bytes.Equal(n.taken, text) {
		return nil
	}
	if err := n.exchange(ctx, text); err != nil {
		return err
	}
	if err := n.run(ctx, "-s", "reload"); err != nil {
		return err
	}
	n.taken = text
	return nil
}

// exchange puts text into the file, if it is not there, and tests it.
func (n *nginx) exchange(ctx context.Context, text []byte) error {
	before, err := os.ReadFile(n.file)
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read routes of nginx: %w", err)
	}
	if existed && bytes.Equal(before, text) {
		return nil
	}
	if err := replace(n.file, text); err != nil {
		return fmt.Errorf("write routes of nginx: %w", err)
	}
	err = n.run(ctx, "-t")
	switch {
	case err == nil:
		return nil
	case existed:
		return errors.Join(err, replace(n.file, before))
	default:
		return errors.Join(err, os.Remove(n.file))
	}
}

// replace exchanges a file at once: who opens it finds the old one or the new one, also
// after a crash.
func replace(file string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".routes-*") // no *.map, which nginx includes
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it is gone unless something failed
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// run runs nginx's command, which ends at once. The end of ctx does not cut it short.
func (n *nginx) run(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commandTimeout)
	defer cancel()
	args = append(n.command[1:len(n.command):len(n.command)], args...)
	if out, err := exec.CommandContext(ctx, n.command[0], args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", n.command[0], strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}
