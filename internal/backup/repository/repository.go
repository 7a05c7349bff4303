// Package repository owns how backups lie in a place: chunks of records and of large
// values, each an object named by a hash of its content, and for each backup a manifest
// that lists its chunks and is written last. So a backup is there whole or it is not,
// and one that comes later brings only chunks that are not there yet.
//
// It knows what a record is, and neither stores nor nodes.
package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/godwitkv/godwit/internal/backup/place"
)

// The names of objects:
//
//	repository.json        which cluster the backups are of: see identity
//	backups/ID             a manifest: see manifest.go
//	chunks/AB/ABCD...      a chunk by its name in hexadecimal: see chunk.go
//	pending/ID             a backup that is being made
const (
	IdentityName  = "repository.json"
	backupsPrefix = "backups/"
	chunksPrefix  = "chunks/"
	pendingPrefix = "pending/"
)

// Config is what a repository needs. Only Place is required.
type Config struct {
	Place      place.Place
	Recipients []age.Recipient   // who may read what is written; default: everyone
	Identities []age.Identity    // to read what is encrypted, and nothing else
	Plain      bool              // read what is not encrypted with identities, too, and add it to what is
	Now        func() time.Time  // default: time.Now
	Moved      func(bytes int64) // told of what was written or read; default: nobody. From many goroutines
}

// parallel is how many objects are on their way at once. With as many in the making,
// that bounds the memory.
const parallel = 4

// windowBytes is how far back the compressor looks. Each one at work keeps twice as much.
const windowBytes = 1 << 20

// Repository is a place with backups. Its methods may be called from many goroutines.
type Repository struct {
	cfg     Config
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

// New returns the repository in a place. Nothing is asked or made yet. The caller closes
// it.
func New(cfg Config) (*Repository, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Moved == nil {
		cfg.Moved = func(int64) {}
	}
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(parallel),
		zstd.WithWindowSize(windowBytes), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make compressor: %w", err)
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxPlain), zstd.WithDecoderConcurrency(parallel))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make decompressor: %w", err), e.Close())
	}
	return &Repository{cfg: cfg, encoder: e, decoder: d}, nil
}

// Close releases what the repository holds.
func (r *Repository) Close() error {
	r.decoder.Close()
	return r.encoder.Close()
}

// String is the place's address.
func (r *Repository) String() string { return r.cfg.Place.String() }

// identity is the object that a place with backups begins with.
type identity struct {
	Format  int    `json:"godwit_backups"`
	Cluster string `json:"cluster_id"`
}

// maxIdentity bounds that object.
const maxIdentity = 4 << 10

var errIdentity = errors.New(IdentityName + " is damaged")

// Cluster is the cluster that the backups are of, "" where there are none yet.
func (r *Repository) Cluster(ctx context.Context) (string, error) {
	own, err := r.identity(ctx)
	if errors.Is(err, place.ErrNotFound) {
		return "", r.refuseOther(ctx)
	}
	return own, err
}

// identity reads which cluster the backups are of.
func (r *Repository) identity(ctx context.Context) (string, error) {
	b, err := r.cfg.Place.Get(ctx, IdentityName, maxIdentity)
	if err != nil && !errors.Is(err, place.ErrTooLarge) {
		return "", err
	}
	var id identity
	if err := json.Unmarshal(b, &id); err != nil || id.Cluster == "" {
		return "", fmt.Errorf("%s: %w", r, errIdentity)
	}
	if id.Format != Format {
		return "", fmt.Errorf("%s has backups of format %d, and this godwit knows format %d", r, id.Format, Format)
	}
	return id.Cluster, nil
}

var errSomething = errors.New("there is something")

// refuseOther makes sure that a place without an identity is empty.
func (r *Repository) refuseOther(ctx context.Context) error {
	err := r.cfg.Place.List(ctx, "", func(o place.Object) error {
		if strings.HasPrefix(o.Name, IdentityName) { // cut off as it was made
			return nil
		}
		return errSomething
	})
	if errors.Is(err, errSomething) {
		return fmt.Errorf("%s is neither empty nor a repository of backups", r)
	}
	return err
}

// MayHold makes sure that a backup of a cluster may be added: the others are of the same
// one, and the last of them is not encrypted where this one would not be, unless Config
// says otherwise.
func (r *Repository) MayHold(ctx context.Context, cluster string) error {
	_, err := r.mayHold(ctx, cluster)
	return err
}

// mayHold is MayHold, and tells whether there are backups of the cluster, or may be.
func (r *Repository) mayHold(ctx context.Context, cluster string) (claimed bool, err error) {
	own, err := r.Cluster(ctx)
	if err != nil || own == "" {
		return false, err
	}
	if own != cluster {
		return true, fmt.Errorf("%s has backups of cluster %s, and the node is of cluster %s", r, own, cluster)
	}
	return true, r.stayEncrypted(ctx)
}

// stayEncrypted makes sure that no backup in plain is made unawares.
func (r *Repository) stayEncrypted(ctx context.Context) error {
	if len(r.cfg.Recipients) > 0 || r.cfg.Plain {
		return nil
	}
	ids, err := r.IDs(ctx)
	if err != nil {
		return err
	}
	for _, id := range slices.Backward(ids) {
		b, err := r.Head(ctx, id)
		switch {
		case errors.Is(err, errManifest) || errors.Is(err, ErrNoBackup):
			continue
		case err != nil:
			return err
		case b.Encrypted():
			return fmt.Errorf("backup %s in %s is encrypted, and this one would not be: name the recipients (--age-recipient), or say --plain", id, r)
		}
		return nil
	}
	return nil
}

// Claim makes sure that a backup of a cluster may be added, and that the place is one of
// such backups from then on.
func (r *Repository) Claim(ctx context.Context, cluster string) error {
	if claimed, err := r.mayHold(ctx, cluster); claimed || err != nil {
		return err
	}
	b, err := json.Marshal(identity{Format, cluster})
	if err != nil {
		return err
	}
	return r.cfg.Place.Put(ctx, IdentityName, append(b, '\n'))
}

// IDs are those of all backups, oldest first, each once: a list that a place begins again
// may tell of one twice.
func (r *Repository) IDs(ctx context.Context) (ids []string, err error) {
	err = r.cfg.Place.List(ctx, backupsPrefix, func(o place.Object) error {
		if id := strings.TrimPrefix(o.Name, backupsPrefix); validID(id) {
			ids = append(ids, id)
		}
		return nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// ErrNoBackup tells that there is no backup of an id, or none at all.
var ErrNoBackup = errors.New("there is no such backup")

// Head reads what a backup says of itself. Whether that is true, where it is encrypted,
// Load tells, which needs an identity.
func (r *Repository) Head(ctx context.Context, id string) (*Backup, error) {
	if !validID(id) {
		return nil, fmt.Errorf("%q is no backup's id: %w", id, ErrNoBackup)
	}
	b, err := r.cfg.Place.Get(ctx, backupsPrefix+id, maxManifest)
	if errors.Is(err, place.ErrNotFound) {
		return nil, fmt.Errorf("%s in %s: %w", id, r, ErrNoBackup)
	}
	if err != nil {
		return nil, err
	}
	m, err := decodeManifest(b)
	if err == nil && m.ID != id {
		err = fmt.Errorf("it is that of backup %s", m.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("the manifest of backup %s: %w", id, err)
	}
	return m, nil
}

var errPlain = errors.New("it is not encrypted, so that whoever can write there may have made it: it is taken with --plain")

// Load reads a backup's manifest and proves it. With identities one that is not encrypted
// is refused, unless Config says otherwise: anyone could have put it there.
func (r *Repository) Load(ctx context.Context, id string) (*Backup, error) {
	b, err := r.Head(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.ofCluster(ctx, b); err != nil {
		return nil, err
	}
	if !b.Encrypted() && len(r.cfg.Identities) > 0 && !r.cfg.Plain {
		return nil, fmt.Errorf("backup %s: %w", id, errPlain)
	}
	if err := b.unlock(r.cfg.Identities); err != nil {
		return nil, fmt.Errorf("backup %s: %w", id, err)
	}
	return b, nil
}

// ofCluster makes sure that a backup is of the cluster whose backups are there. Where
// nothing says which that is, the backup is all there is.
func (r *Repository) ofCluster(ctx context.Context, b *Backup) error {
	own, err := r.identity(ctx)
	switch {
	case errors.Is(err, place.ErrNotFound) || errors.Is(err, errIdentity):
		return nil
	case err != nil:
		return err
	case own != b.Cluster:
		return fmt.Errorf("backup %s is of cluster %s, and %s has backups of cluster %s", b.ID, b.Cluster, r, own)
	}
	return nil
}

// Find is the newest backup, or the newest that was made at a time or before.
func (r *Repository) Find(ctx context.Context, at time.Time) (id string, err error) {
	ids, err := r.IDs(ctx)
	if err != nil {
		return "", err
	}
	for _, id := range slices.Backward(ids) {
		if at.IsZero() {
			return id, nil
		}
		b, err := r.Head(ctx, id)
		switch {
		case errors.Is(err, errManifest) && madeAfter(id, at): // it is not the one
		case err != nil:
			return "", err
		case !b.Created.After(at):
			return id, nil
		}
	}
	if at.IsZero() {
		return "", fmt.Errorf("%s: %w", r, ErrNoBackup)
	}
	return "", fmt.Errorf("%s, of %s or before: %w", r, at.Format(time.RFC3339), ErrNoBackup)
}
