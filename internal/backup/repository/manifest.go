package repository

import (
	"bytes"
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/godwitkv/godwit"
)

// Format is the version of all that this package writes. Another one is refused.
const Format = 1

// A manifest is a line and JSON:
//
//	godwit backup 1 sha256=HEX hmac=HEX
//	{...}
//
// with the hash of what follows the line and, if the backup is encrypted, its HMAC under
// the key that names the chunks. That key is in it for the recipients alone. The rest is
// to be read by everyone: who removes old backups has no identity. It tells of sizes
// and times, and of nothing that is in the chunks.
const maxManifest = 256 << 20

// maxChunks bounds the chunks of one backup: some 30 TB.
const maxChunks = 4 << 20

// Backup is what a manifest says.
type Backup struct {
	Format     int             `json:"format"`
	ID         string          `json:"id"`
	Created    time.Time       `json:"created"`
	Cluster    string          `json:"cluster_id"`
	Revision   godwit.Revision `json:"revision"` // the position of the state
	Time       int64           `json:"time"`     // the log's there, unix milliseconds
	Lineage    []epoch         `json:"lineage"`
	Keys       int64           `json:"keys"`
	Bytes      int64           `json:"bytes"`
	Digest     Hash            `json:"digest"` // of the entries that are live at Created: see store.Digest
	SealedKey  []byte          `json:"sealed_key,omitempty"`
	From       godwit.Revision `json:"from"`                 // the position of the base
	BaseBytes  int64           `json:"base_bytes"`           // what it takes, with its values
	Base       []Chunk         `json:"base"`                 // entries in order of place
	Increments []Chunk         `json:"increments,omitempty"` // changes behind From in order of revision
	Values     []Chunk         `json:"values,omitempty"`     // what the others name

	key   Key            // once it is known
	proof func(Key) bool // whether a key is that of the manifest
}

// Hash is 32 bytes, written in hexadecimal.
type Hash [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return errors.New("a hash has another length")
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// String is the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// epoch is godwit.Epoch in JSON.
type epoch struct {
	ID         string          `json:"id"`
	First      godwit.Revision `json:"first"`
	After      godwit.Revision `json:"after,omitempty"`
	Generation uint64          `json:"generation,omitempty"`
}

// setLineage keeps a lineage.
func (b *Backup) setLineage(l godwit.Lineage) {
	b.Lineage = nil
	for _, e := range l {
		b.Lineage = append(b.Lineage, epoch{e.ID.String(), e.First, e.After, e.Generation})
	}
}

// Epochs is the lineage of the log at the backup's position.
func (b *Backup) Epochs() godwit.Lineage {
	var l godwit.Lineage
	for _, e := range b.Lineage {
		own := godwit.Epoch{First: e.First, After: e.After, Generation: e.Generation}
		_, _ = hex.Decode(own.ID[:], []byte(e.ID)) // checked by valid
		l = append(l, own)
	}
	return l
}

// Position is where the state lies in the log.
func (b *Backup) Position() godwit.Position {
	return b.Epochs().Position(b.Revision)
}

// Generation is that of the log.
func (b *Backup) Generation() uint64 { return b.Epochs().Generation() }

// Encrypted tells whether it takes an identity to read the backup.
func (b *Backup) Encrypted() bool { return len(b.SealedKey) > 0 }

// Stored is how many bytes the backup's chunks are, those that it shares with others
// too.
func (b *Backup) Stored() (bytes int64) {
	for _, c := range b.chunks() {
		bytes += c.Size
	}
	return bytes
}

// chunks are all that the backup needs.
func (b *Backup) chunks() []Chunk {
	all := make([]Chunk, 0, len(b.Base)+len(b.Increments)+len(b.Values))
	return append(append(append(all, b.Base...), b.Increments...), b.Values...)
}

// idForm is what ids look like: their order is that of time.
var idForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

const idTime = "20060102T150405Z"

// madeAfter tells whether a backup's id is of later than a time.
func madeAfter(id string, at time.Time) bool {
	if len(id) < len(idTime) {
		return false
	}
	made, err := time.Parse(idTime, id[:len(idTime)])
	return err == nil && made.After(at)
}

func validID(id string) bool { return idForm.MatchString(id) }

// newID returns an id that comes behind last, whatever the clock says.
func newID(now time.Time, last string) string {
	now = now.UTC().Truncate(time.Second)
	if len(last) > len(idTime) {
		if before, err := time.Parse(idTime, last[:len(idTime)]); err == nil && !now.After(before) {
			now = before.Add(time.Second)
		}
	}
	var unique [4]byte
	_, _ = rand.Read(unique[:])
	return now.Format(idTime) + "-" + hex.EncodeToString(unique[:])
}

const manifestStart = "godwit backup "

// encode is the manifest as an object.
func (b *Backup) encode() ([]byte, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	line := fmt.Sprintf("%s%d sha256=%x", manifestStart, Format, sha256.Sum256(body))
	if b.key != nil {
		line += fmt.Sprintf(" hmac=%x", b.key.mac(body))
	}
	return append(append([]byte(line), '\n'), body...), nil
}

var errManifest = errors.New("it is damaged")

// decodeManifest reads a manifest, and proves it as far as that can be done without its
// key.
func decodeManifest(object []byte) (*Backup, error) {
	line, body, ok := bytes.Cut(object, []byte{'\n'})
	if !ok || len(line) > 256 {
		return nil, errManifest
	}
	var format int
	var sum, mac string
	if n, _ := fmt.Sscanf(string(line), manifestStart+"%d sha256=%64x hmac=%64x", &format, &sum, &mac); n < 1 {
		return nil, errManifest
	}
	if format != Format {
		return nil, fmt.Errorf("it has format %d, and this godwit knows format %d", format, Format)
	}
	if own := sha256.Sum256(body); sum != string(own[:]) {
		return nil, errManifest
	}
	b := new(Backup)
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(b); err != nil || d.More() {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if err := b.valid(); err != nil {
		return nil, fmt.Errorf("%w: %w", errManifest, err)
	}
	if b.Encrypted() {
		if len(mac) != sha256.Size {
			return nil, errManifest
		}
		b.proof = func(k Key) bool { return hmac.Equal([]byte(mac), k.mac(body)) }
	}
	return b, nil
}

// valid tells what is wrong with what a manifest says, which may be anything.
func (b *Backup) valid() error {
	switch {
	case b.Format != Format:
		return fmt.Errorf("format %d", b.Format)
	case !validID(b.ID):
		return errors.New("no id")
	case b.Revision == 0 || b.Revision > godwit.MaxRevision || b.From > b.Revision:
		return errors.New("no position")
	case b.Time < 0 || b.Keys < 0 || b.Bytes < 0 || b.BaseBytes < 0 || len(b.Cluster) != 32:
		return errors.New("no state")
	case len(b.Base)+len(b.Increments)+len(b.Values) > maxChunks:
		return errors.New("too many chunks")
	case len(b.SealedKey) > maxSealedKey:
		return errors.New("a key that is none")
	}
	if err := b.validLineage(); err != nil {
		return err
	}
	return cmp.Or(twice(slices.Concat(b.Base, b.Increments)), twice(b.Values))
}

// twice tells of a chunk that is listed twice. One of records may be one of a value too:
// who knows what is in it can put that as a value.
func twice(chunks []Chunk) error {
	seen := make(map[Hash]bool, len(chunks))
	for _, c := range chunks {
		if seen[c.Name] {
			return fmt.Errorf("chunk %s twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

const maxEpochs = 1 << 20

func (b *Backup) validLineage() error {
	if len(b.Lineage) == 0 || len(b.Lineage) > maxEpochs {
		return errors.New("no lineage")
	}
	last := godwit.Revision(0)
	for _, e := range b.Lineage {
		if id, err := hex.DecodeString(e.ID); err != nil || len(id) != len(godwit.EpochID{}) {
			return errors.New("an epoch without an id")
		}
		if e.First <= last || e.First > godwit.MaxRevision || e.Generation > godwit.MaxGeneration {
			return errors.New("epochs out of order")
		}
		last = e.First
	}
	return nil
}
