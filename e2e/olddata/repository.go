package olddata

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"
)

// repositories adds a backup to a repository, and to one that is encrypted, if the program
// knows how. The first call makes them.
func (w *writer) repositories(ctx context.Context) error {
	if !w.knows(ctx, "--age-recipient", "backup", "make") {
		return nil
	}
	if w.repos == nil {
		if err := w.beginRepositories(); err != nil {
			return err
		}
	}
	for _, d := range w.repos {
		if _, err := w.node.run(ctx, d.BackupArgs(w.path(d.Name), filepath.Join(w.scratch, d.Name))...); err != nil {
			return fmt.Errorf("%s: %w", d.Name, err)
		}
	}
	return nil
}

// beginRepositories names them, and makes an identity for the one that is encrypted.
func (w *writer) beginRepositories() error {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	const sealed = "repository-age"
	w.repos = []Directory{{Name: "repository", Kind: Repository}, {Name: sealed, Kind: Repository, Recipient: identity.Recipient().String()}}
	w.content.Directories = append(w.content.Directories, w.repos...)
	return os.WriteFile(w.path(sealed+".identity"), []byte(identity.String()+"\n"), 0o600)
}

// BackupArgs is the command that adds a backup to a repository in a directory.
func (d *Directory) BackupArgs(dir, cache string) []string {
	args := []string{"backup", "make", "file://" + dir, "--cache-dir", cache}
	if d.Recipient != "" {
		args = append(args, "--age-recipient", d.Recipient)
	}
	return args
}
