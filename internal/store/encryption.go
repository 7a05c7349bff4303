package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

// Keys are what a directory is encrypted with.
type Keys = crypt.Keys

// KeyUse is how much of a directory is encrypted with a key.
type KeyUse = crypt.Use

// ErrEncrypted tells that the directory is encrypted, and Config.Keys is not set.
var ErrEncrypted = crypt.ErrEncrypted

// ErrPlain tells that the directory is not encrypted, and Config.Keys is set.
var ErrPlain = crypt.ErrPlain

// ErrKey tells that the directory is encrypted with a key that is not among
// Config.Keys.
var ErrKey = crypt.ErrKey

// ErrUnfinishedKeys tells that a directory is neither plain nor encrypted: Rekey goes
// on with it.
var ErrUnfinishedKeys = crypt.ErrUnfinished

// ReadKeys reads a key file; nil if it has no name. Its errors repeat nothing of it.
func ReadKeys(file string) (*Keys, error) {
	if file == "" {
		return nil, nil
	}
	return crypt.ReadKeys(file)
}

// natsSecretName is the file of NATSSecret.
const natsSecretName = "nats-key"

// place is the directory as what may be encrypted.
func (c *Config) place() crypt.Place {
	return crypt.Place{
		FS: c.FS, Root: c.Dir,
		Files: []string{versionName, markName, sealName, againName, natsSecretName},
		Dirs:  []string{"db", "blobs", "runs"},
	}
}

// mount has FS encrypt, if there are keys. It changes nothing in the directory.
// Errors: ErrEncrypted, ErrPlain, ErrKey, ErrUnfinishedKeys, ErrCorrupt.
func (c *Config) mount() error {
	if c.mounted {
		return nil
	}
	fsys, err := c.place().Mount(c.Keys)
	if err != nil {
		return damaged(err)
	}
	c.FS, c.mounted = fsys, true
	return nil
}

// damaged marks what encryption finds damaged as ErrCorrupt.
func damaged(err error) error {
	if errors.Is(err, crypt.ErrDamaged) && !errors.Is(err, ErrCorrupt) {
		return fmt.Errorf("%w (%w)", ErrCorrupt, err)
	}
	return err
}

// mountIfEncrypted is mount without the keys of a directory that is not encrypted: it
// is for reading.
func (c *Config) mountIfEncrypted() (err error) {
	if *c, err = ToRead(*c); err != nil {
		return damaged(err)
	}
	return c.mount()
}

// ToRead is cfg for who does not change the directory: if that is not encrypted, the
// keys are left out, not refused.
func ToRead(cfg Config) (Config, error) {
	is, err := Encrypted(cfg)
	if !is {
		cfg.Keys = nil
	}
	return cfg, err
}

// Encrypted tells whether a directory is encrypted, or is becoming so.
func Encrypted(cfg Config) (bool, error) {
	cfg.setDefaults()
	return cfg.place().Encrypted()
}

// KeyUses tells what of a directory is encrypted with which key, the most used first.
// A node may be running on it.
func KeyUses(cfg Config) ([]KeyUse, error) {
	cfg.setDefaults()
	return cfg.place().Uses()
}

// Rekey encrypts all of a closed store with the first of cfg.Keys, whether it was
// plain or encrypted with others of them. A call after a crash goes on. rewritten is
// told of the bytes of each file, if it is not nil. Errors: ErrInUse, ErrVersion,
// ErrKey, ErrCorrupt, the context's, the disk's.
func Rekey(ctx context.Context, cfg Config, rewritten func(bytes int64)) error {
	cfg.setDefaults()
	if cfg.Keys == nil {
		return errors.New("there are no keys to encrypt with")
	}
	if begun, err := Begun(cfg.FS, cfg.Dir); err != nil || !begun {
		return errors.Join(err, fmt.Errorf("%s is not a data directory", cfg.Dir))
	}
	if is, err := Encrypted(cfg); err != nil {
		return err
	} else if !is {
		if err := checkVersion(cfg.FS, cfg.Dir); err != nil {
			return err
		}
	}
	lock, err := lockDirectory(cfg.FS, cfg.Dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	return damaged(cfg.place().Rekey(ctx, cfg.Keys, rewritten))
}

// NATSSecret returns the 32 random bytes that a directory keeps for what is encrypted
// beside the store; nil if the directory is not encrypted. They are made if need be,
// and if they may be: not where something is encrypted with those that are missing.
func (s *Store) NATSSecret(mayMake bool) ([]byte, error) {
	if s.cfg.Keys == nil {
		return nil, nil
	}
	name := filepath.Join(s.cfg.Dir, natsSecretName)
	b, err := readSmall(s.cfg.FS, name, secretBytes)
	if errors.Is(err, fs.ErrNotExist) && mayMake {
		return s.makeSecret()
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, damaged(err))
	}
	if len(b) != secretBytes {
		return nil, fmt.Errorf("%s: %w", name, ErrCorrupt)
	}
	return b, nil
}

const secretBytes = 32

func (s *Store) makeSecret() ([]byte, error) {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return b, writeNamed(s.cfg.FS, s.cfg.Dir, natsSecretName, string(b))
}
