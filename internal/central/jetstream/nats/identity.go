package nats

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/godwitkv/godwit/internal/durable"
)

// Names in a node's data directory.
const (
	stateDir     = "nats"          // what the server keeps
	identityFile = "nats-identity" // whose that is
	markFile     = "identity"      // in stateDir: the same, so that neither can be exchanged alone
)

const identityBytes = 8

// serverIdentity returns the random part of the server's name, and makes one for a
// directory that holds no state.
//
// A Raft peer promises never to forget what it voted and stored, and NATS knows a
// peer by its server's name alone. If a member came back with an empty directory
// under its old name, it would count as the old voter: together with one other
// member, which may be behind, it could elect a leader that lacks acknowledged
// messages, and the third would drop them. So the name has a part that is as old
// as the disk. An emptied directory is another peer, which starts with no vote and
// takes the place of the old one only once that is removed.
//
// It is written before the server starts. State without its identity, or under
// another one, is refused: it belongs to a peer that this process must not be.
func serverIdentity(dir string) (string, error) {
	state := filepath.Join(dir, stateDir)
	kept, err := readIdentity(filepath.Join(dir, identityFile))
	if err != nil {
		return "", err
	}
	marked, err := readIdentity(filepath.Join(state, markFile))
	if err != nil {
		return "", err
	}
	if kept != "" && kept == marked {
		return kept, nil
	}
	if has, err := HasState(dir); err != nil {
		return "", err
	} else if has {
		return "", fmt.Errorf("%s holds the state of another server than %s names: put back the one that belongs to it, or move the directory away",
			state, filepath.Join(dir, identityFile))
	}
	return makeIdentity(dir, state)
}

// HasState tells whether a node's data directory holds what a server has kept.
func HasState(dir string) (bool, error) {
	entries, err := os.ReadDir(filepath.Join(dir, stateDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("read directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() != markFile && e.Name() != durable.HalfWritten(markFile) {
			return true, nil
		}
	}
	return false, nil
}

// makeIdentity replaces the identity of an empty state directory.
func makeIdentity(dir, state string) (string, error) {
	var b [identityBytes]byte
	_, _ = rand.Read(b[:]) // never fails
	id := hex.EncodeToString(b[:])
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	if err := writeIdentity(state, markFile, id); err != nil {
		return "", err
	}
	return id, writeIdentity(dir, identityFile, id)
}

// readIdentity returns "" where there is none.
func readIdentity(path string) (string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read identity: %w", err)
	}
	id := strings.TrimSpace(string(b))
	if !isIdentity(id) {
		return "", fmt.Errorf("%s holds no identity", path)
	}
	return id, nil
}

func isIdentity(id string) bool {
	return len(id) == 2*identityBytes && strings.Trim(id, "0123456789abcdef") == ""
}

// writeIdentity is durable once it returns.
func writeIdentity(dir, name, id string) error {
	if err := durable.WriteFile(filepath.Join(dir, name), []byte(id+"\n")); err != nil {
		return fmt.Errorf("write identity: %w", err)
	}
	return nil
}

// serverName is that of a node's server; nodeOf is the way back.
func serverName(node, identity string) string { return node + "-" + identity }

func nodeOf(server string) string {
	if isServerName(server) {
		return server[:strings.LastIndexByte(server, '-')]
	}
	return server
}

func isServerName(server string) bool {
	i := strings.LastIndexByte(server, '-')
	return i > 0 && isIdentity(server[i+1:])
}
