package apitest

import (
	"context"
	"io"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// Elsewhere makes a service look like that of a node whose log is elsewhere: it
// says how reads were served, notes whose credential came with a write, and has
// values replaced before they are opened.
type Elsewhere struct {
	godwit.Reader
	godwit.Log

	mu          sync.Mutex
	status      godwit.CacheStatus
	credentials []string
	replaced    int
	strong      int
}

// Option puts e around the service's reader and log.
func (e *Elsewhere) Option() Option {
	return WithService(func(c *api.Config) {
		e.Reader, e.Log = c.Reader, c.Log
		c.Reader, c.Log = e, e
	})
}

// Serve sets how reads are served from now on.
func (e *Elsewhere) Serve(status godwit.CacheStatus) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.status = status
}

// Replace has the next n values gone when they are opened.
func (e *Elsewhere) Replace(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.replaced, e.strong = n, 0
}

// Strong is how many strong reads there were since Replace.
func (e *Elsewhere) Strong() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.strong
}

// Credentials returns those that came with writes since it was called last.
func (e *Elsewhere) Credentials() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.credentials
	e.credentials = nil
	return got
}

func (e *Elsewhere) served(s *godwit.Served, opts godwit.ReadOptions) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Status = e.status
	if opts.Strong {
		e.strong++
	}
}

// Get implements godwit.Reader.
func (e *Elsewhere) Get(ctx context.Context, ns godwit.NamespaceID, key []byte, opts godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	entry, s, err := e.Reader.Get(ctx, ns, key, opts)
	e.served(&s, opts)
	return entry, s, err
}

// GetMany implements godwit.Reader.
func (e *Elsewhere) GetMany(ctx context.Context, ns godwit.NamespaceID, keys []string, opts godwit.ReadOptions) ([]*godwit.Entry, godwit.Served, error) {
	entries, s, err := e.Reader.GetMany(ctx, ns, keys, opts)
	e.served(&s, opts)
	return entries, s, err
}

// List implements godwit.Reader.
func (e *Elsewhere) List(ctx context.Context, ns godwit.NamespaceID, q godwit.ListQuery, opts godwit.ReadOptions) (*godwit.Page, error) {
	page, err := e.Reader.List(ctx, ns, q, opts)
	if err == nil {
		e.served(&page.Served, opts)
	}
	return page, err
}

// OpenValue implements godwit.Reader.
func (e *Elsewhere) OpenValue(ctx context.Context, ns godwit.NamespaceID, entry *godwit.Entry) (io.ReadCloser, error) {
	e.mu.Lock()
	gone := e.replaced > 0
	if gone {
		e.replaced--
	}
	e.mu.Unlock()
	if gone {
		return nil, godwit.ErrReplaced
	}
	return e.Reader.OpenValue(ctx, ns, entry)
}

// Propose implements godwit.Log.
func (e *Elsewhere) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	e.mu.Lock()
	e.credentials = append(e.credentials, godwit.CredentialOf(ctx))
	e.mu.Unlock()
	return e.Log.Propose(ctx, txs)
}
