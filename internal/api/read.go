package api

import (
	"context"
	"io"
	"time"

	"github.com/godwitkv/godwit"
)

// Read is what a request asks of a read, as text ("" where not given).
type Read struct {
	CacheTTL    string // cache_ttl
	MinRevision string // Godwit-Min-Revision
	Consistency string // Godwit-Consistency
}

// ReadOptions validates r for namespace ns. Errors: CodeInvalidCacheTTL,
// CodeInvalidRequest.
func (s *Service) ReadOptions(ns *godwit.Namespace, r Read) (godwit.ReadOptions, error) {
	ttl, err := s.limits(ns).ParseCacheTTL(r.CacheTTL)
	if err != nil {
		return godwit.ReadOptions{}, err
	}
	opts := godwit.ReadOptions{MaxStaleness: ttl}
	if r.MinRevision != "" {
		if opts.MinRevision, err = godwit.ParseRevision(r.MinRevision); err != nil {
			return godwit.ReadOptions{}, err
		}
	}
	if opts.Strong, err = Strong(r.Consistency, ns.Settings.Consistency); err != nil {
		return godwit.ReadOptions{}, err
	}
	return opts, nil
}

// Strong tells whether a request asks for a strong read, or else, where it says nothing,
// what holds by default does. Error: CodeInvalidRequest.
func Strong(consistency, byDefault string) (bool, error) {
	switch consistency {
	case "":
		return byDefault == "strong", nil
	case "strong":
		return true, nil
	case "eventual":
		return false, nil
	}
	return false, godwit.Errorf(godwit.CodeInvalidRequest,
		"Invalid %s %q: use \"strong\" or \"eventual\".", HeaderConsistency, printable(consistency))
}

// Get returns the entry under key after validating key. Nothing is allocated
// for a hot key. Errors: those of ValidateKey and Reader.Get.
func (s *Service) Get(ctx context.Context, ns *godwit.Namespace, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	start := time.Now()
	e, served, err := s.get(ctx, ns, key, opts)
	var bytes int64
	if err == nil {
		bytes = e.Value.Size()
	}
	s.done(opGet, ns, start, 1, bytes, err)
	return e, served, err
}

func (s *Service) get(ctx context.Context, ns *godwit.Namespace, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	if err := godwit.ValidateKey(key); err != nil {
		return nil, godwit.Served{}, err
	}
	return s.cfg.Reader.Get(ctx, ns.ID, key, opts)
}

// OpenValue opens an entry's value for streaming.
func (s *Service) OpenValue(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry) (io.ReadCloser, error) {
	return s.cfg.Reader.OpenValue(ctx, ns.ID, e)
}

// List returns a page of keys. Limit 0 means the default, MaxListKeys. Errors:
// those of ValidatePrefix, Scan.Validate and Reader.List. The caller has checked
// Limit in its protocol's words.
func (s *Service) List(ctx context.Context, ns *godwit.Namespace, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	start := time.Now()
	page, err := s.list(ctx, ns, q, opts)
	keys := 0
	if err == nil {
		keys = len(page.Entries)
	}
	s.done(opList, ns, start, keys, 0, err)
	return page, err
}

func (s *Service) list(ctx context.Context, ns *godwit.Namespace, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	if err := godwit.ValidatePrefix(q.Prefix); err != nil {
		return nil, err
	}
	if q.Scan != nil {
		if err := q.Scan.Validate(); err != nil {
			return nil, err
		}
	}
	if q.Limit == 0 {
		q.Limit = godwit.MaxListKeys
	}
	if q.Limit < 1 || q.Limit > q.MaxLimit() {
		return nil, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit of %d. Please specify 1 to %d.", q.Limit, q.MaxLimit())
	}
	return s.cfg.Reader.List(ctx, ns.ID, q, opts)
}

// printable makes input fit to be repeated in a message: short, and ASCII.
func printable(s string) string {
	const most = 64
	b := []byte(s[:min(len(s), most)])
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	if len(s) > most {
		b = append(b, "..."...)
	}
	return string(b)
}
