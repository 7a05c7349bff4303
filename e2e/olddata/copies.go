package olddata

import (
	"context"
	"os"
	"strings"
)

// encrypted makes an encrypted copy of the backup, if the program knows how.
func (w *writer) encrypted(ctx context.Context) error {
	if !w.knows(ctx, "--encryption-key-file", "restore") {
		return nil
	}
	const name = "encrypted"
	key := w.path(name + ".key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600); err != nil {
		return err
	}
	if _, err := w.node.run(ctx, "restore", w.path("backup"), w.path(name), "--encryption-key-file", key); err != nil {
		return err
	}
	w.content.Directories = append(w.content.Directories, Directory{Name: name, Kind: Centre, Keys: true})
	return nil
}

// stopped makes a copy of the centre's directory, and has a node stop on it in order.
func (w *writer) stopped(ctx context.Context) error {
	if err := os.CopyFS(w.path(Stopped), os.DirFS(w.path("centre"))); err != nil {
		return err
	}
	n, err := start(ctx, w.program, w.path(Stopped))
	if err != nil {
		return err
	}
	w.content.Directories = append(w.content.Directories, Directory{Name: Stopped, Kind: Centre, Kept: true})
	return n.stop()
}
