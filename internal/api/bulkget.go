package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/room"
)

// MaxValueAttempts bounds how often a read begins again because a value was
// replaced, and is gone, before it was opened.
const MaxValueAttempts = 3

const (
	// bulkMemory is how many bytes of values all bulk gets hold at once, beside
	// those that hold up to freeBulkBytes each. Its half is room for the largest.
	bulkMemory    = 64 << 20
	freeBulkBytes = 1 << 20
	maxBulkWait   = 30 * time.Second
)

// BulkGet is a read of several keys. Type is "", "text" or "json".
type BulkGet struct {
	Keys    []string
	Type    string
	Read    godwit.ReadOptions
	Limited string // see catalog.Principal.Limited
}

// BulkEntry is an entry with its value whole. A nil *BulkEntry is an absent key.
type BulkEntry struct {
	*godwit.Entry
	Text []byte // the value
}

// BulkValues are the entries that a bulk get found, their values whole: one
// element for each key asked for, in order. The caller closes it when it needs
// them no more.
type BulkValues struct {
	Entries []*BulkEntry
	Served  godwit.Served
	memory  *room.Room
	who     string     // holds
	part    *room.Part // of it; nil: nothing
}

// bytes is how long the values are.
func (v *BulkValues) bytes() (n int64) {
	for _, e := range v.Entries {
		if e != nil {
			n += int64(len(e.Text))
		}
	}
	return n
}

// Close makes room for the values of others. Closing again does nothing.
func (v *BulkValues) Close() error {
	if v.part != nil {
		v.part.Leave()
		v.part = nil
	}
	return nil
}

// BulkGet returns all of q's entries from one state of the store. With Type
// "json" every value is valid JSON. Many large values at once wait for each
// other. Errors, with Cloudflare's texts: CodeInvalidRequest (none or too many
// keys, bad type), those of ValidateKey in their bulk wording, CodeBulkJSON,
// CodeBulkTooLarge; CodeUnavailable.
func (s *Service) BulkGet(ctx context.Context, ns *godwit.Namespace, q BulkGet) (*BulkValues, error) {
	start := time.Now()
	values, err := s.bulkGet(ctx, ns, q)
	var bytes int64
	if err == nil {
		bytes = values.bytes()
	}
	s.done(opBulkGet, ns, start, len(q.Keys), bytes, err)
	return values, err
}

func (s *Service) bulkGet(ctx context.Context, ns *godwit.Namespace, q BulkGet) (*BulkValues, error) {
	if err := q.validate(); err != nil {
		return nil, err
	}
	keys, place := distinctKeys(q.Keys)
	values := &BulkValues{memory: s.bulkMemory, who: q.Limited}
	if err := s.readAll(ctx, ns, keys, q.Read, values); err != nil {
		_ = values.Close()
		return nil, err
	}
	if q.Type == "json" {
		for _, e := range values.Entries {
			if e != nil && !json.Valid(e.Text) {
				_ = values.Close()
				return nil, godwit.Errorf(godwit.CodeBulkJSON, "At least one of the requested keys corresponds to a non-json value")
			}
		}
	}
	all := make([]*BulkEntry, len(q.Keys))
	for i, at := range place {
		all[i] = values.Entries[at]
	}
	values.Entries = all
	return values, nil
}

func (q *BulkGet) validate() error {
	switch {
	case len(q.Keys) == 0:
		return godwit.Errorf(godwit.CodeInvalidRequest, "You must request a minimum of 1 key")
	case len(q.Keys) > godwit.MaxBulkGetKeys:
		return godwit.Errorf(godwit.CodeInvalidRequest, "You can request a maximum of %d keys", godwit.MaxBulkGetKeys)
	case q.Type != "" && q.Type != "text" && q.Type != "json":
		return godwit.Errorf(godwit.CodeInvalidRequest, "\"%s\" is not a valid type. Use \"json\" or \"text\"", printable(q.Type))
	}
	for _, key := range q.Keys {
		switch err := godwit.ValidateKey(key); godwit.CodeOf(err) {
		case godwit.CodeKeyTooLong:
			return godwit.Errorf(godwit.CodeKeyTooLong, "Encoded length of %d is too long", len(key))
		case godwit.CodeInvalidKey:
			return godwit.Errorf(godwit.CodeInvalidKey, "Key name %s is not legal", printable(key))
		}
	}
	return nil
}

// distinctKeys returns each key once, and where in that each given key is.
func distinctKeys(given []string) (keys []string, place []int) {
	keys, place = make([]string, 0, len(given)), make([]int, len(given))
	seen := make(map[string]int, len(given))
	for i, key := range given {
		at, ok := seen[key]
		if !ok {
			at = len(keys)
			seen[key], keys = at, append(keys, key)
		}
		place[i] = at
	}
	return keys, place
}

// readAll reads the entries and, once there is room for them, their values. It
// begins again when a value was replaced and is gone before it was opened.
func (s *Service) readAll(ctx context.Context, ns *godwit.Namespace, keys []string, opts godwit.ReadOptions, into *BulkValues) error {
	for attempt := 1; ; attempt++ {
		entries, served, err := s.cfg.Reader.GetMany(ctx, ns.ID, keys, opts)
		if err != nil {
			return err
		}
		if err := into.makeRoom(ctx, entries); err != nil {
			return err
		}
		into.Served = served
		into.Entries, err = s.readValues(ctx, ns, entries)
		if err == nil || attempt == MaxValueAttempts || godwit.CodeOf(err) != godwit.CodeUnavailable {
			return err
		}
		opts.Strong = true // what replaced it may not have come here yet
	}
}

// makeRoom waits until the values may be held in memory, in place of those that
// were before. A few small ones may always be. Errors: CodeBulkTooLarge,
// CodeUnavailable.
func (v *BulkValues) makeRoom(ctx context.Context, entries []*godwit.Entry) error {
	_ = v.Close()
	var total int64
	for _, e := range entries {
		if e != nil {
			total += e.Value.Size()
		}
	}
	switch {
	case total > godwit.MaxBulkGetBytes:
		return godwit.Errorf(godwit.CodeBulkTooLarge, "Total size of request exceeds the limit of 25MB")
	case total <= freeBulkBytes:
		return nil
	}
	var err error
	if v.part, err = v.memory.EnterWith(ctx, v.who, total, maxBulkWait); err != nil {
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "Service temporarily unavailable: too many large values are being read.", Err: err}
	}
	return nil
}

func (s *Service) readValues(ctx context.Context, ns *godwit.Namespace, entries []*godwit.Entry) ([]*BulkEntry, error) {
	all := make([]*BulkEntry, len(entries))
	for i, e := range entries {
		if e == nil {
			continue
		}
		text, err := s.readValue(ctx, ns, e)
		if err != nil {
			return nil, err
		}
		all[i] = &BulkEntry{Entry: e, Text: text}
	}
	return all, nil
}

func (s *Service) readValue(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry) (_ []byte, err error) {
	if e.Value.Blob.IsZero() {
		return e.Value.Inline, nil
	}
	r, err := s.cfg.Reader.OpenValue(ctx, ns.ID, e)
	if err != nil {
		return nil, err
	}
	defer func() {
		if cerr := r.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("close value: %w", cerr)
		}
	}()
	text := make([]byte, e.Value.Size())
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("read value: %w", err)
	}
	// Only the end tells whether the value is undamaged.
	if _, err := io.Copy(io.Discard, io.LimitReader(r, 1)); err != nil {
		return nil, fmt.Errorf("read value: %w", err)
	}
	return text, nil
}
