package node

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// rootTokenName is the file, in the data directory, of a root token that was
// not given by flag.
const rootTokenName = "root-token"

// RootTokenFile is where a data directory keeps its root token.
func RootTokenFile(dir string) string { return filepath.Join(dir, rootTokenName) }

// loadRootToken reads the token of a data directory, or makes one.
func loadRootToken(dir string) (token string, created bool, err error) {
	name := RootTokenFile(dir)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		token = newRootToken()
		return token, true, writeSecret(name, token+"\n")
	}
	if err != nil {
		return "", false, fmt.Errorf("read root token: %w", err)
	}
	token = strings.TrimSpace(string(b))
	if err := checkRootToken(token); err != nil {
		return "", false, fmt.Errorf("%s: %w: write another into it, or remove it to have one made", name, err)
	}
	return token, false, nil
}

// newRootToken is 256 random bits as text that does not begin as a flag does:
// "--token -x" would be taken for two flags.
func newRootToken() string {
	for {
		var b [32]byte
		_, _ = rand.Read(b[:]) // never fails
		if token := base64.RawURLEncoding.EncodeToString(b[:]); token[0] != '-' {
			return token
		}
	}
}

// writeSecret puts a file for its owner alone in place, whole or not at all.
//
//	open .root-token.new 0600, write, fsync, close, rename, fsync directory
func writeSecret(name, text string) error {
	temp := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove half-written file: %w", err)
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("create secret: %w", err)
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write secret: %w", err), os.Remove(temp))
	}
	if err := os.Rename(temp, name); err != nil {
		return fmt.Errorf("name secret: %w", err)
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
