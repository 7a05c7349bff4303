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

	"github.com/godwitkv/godwit/internal/durable"
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

func writeSecret(name, text string) error {
	if err := durable.WriteFile(name, []byte(text)); err != nil {
		return fmt.Errorf("write secret: %w", err)
	}
	return nil
}
