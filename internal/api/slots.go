package api

import (
	"context"
	"sync"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// slots bounds how many do something at once: in all, of one credential, and of all tokens
// that are limited to namespaces. Who stalls, with however many of these, cannot keep
// everyone else out.
type slots struct {
	free    chan struct{}
	limited chan struct{}
	each    int

	mu     sync.Mutex
	shares map[string]*share // by credential
}

// share is what one credential may take.
type share struct {
	free  chan struct{}
	users int // who have or want a slot of it
}

func newSlots(n, limited, each int) *slots {
	return &slots{free: make(chan struct{}, n), limited: make(chan struct{}, limited), each: each, shares: make(map[string]*share)}
}

type limitedKey struct{}

// WithLimited returns a context that says whether who asks has a token that is limited to
// namespaces.
func WithLimited(ctx context.Context, p *catalog.Principal) context.Context {
	if p.Limited() == "" {
		return ctx
	}
	return context.WithValue(ctx, limitedKey{}, true)
}

// take waits for a slot and returns how it is given back. Error: CodeUnavailable.
func (s *slots) take(ctx context.Context) (release func(), err error) {
	limited := ctx.Value(limitedKey{}) != nil
	ctx, cancel := context.WithTimeout(ctx, maxUploadWait)
	defer cancel()
	own, leave := s.share(godwit.CredentialOf(ctx))
	// First of what fewest wait for: who waits for that stands in nobody else's way.
	gates := []chan struct{}{own.free, s.free}
	if limited {
		gates = []chan struct{}{own.free, s.limited, s.free}
	}
	for i, g := range gates {
		if !enter(ctx, g) {
			giveBack(gates[:i])
			leave()
			return nil, errUploads()
		}
	}
	return func() { giveBack(gates); leave() }, nil
}

func giveBack(gates []chan struct{}) {
	for _, g := range gates {
		<-g
	}
}

func (s *slots) share(who string) (own *share, leave func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	own = s.shares[who]
	if own == nil {
		own = &share{free: make(chan struct{}, s.each)}
		s.shares[who] = own
	}
	own.users++
	return own, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if own.users--; own.users == 0 {
			delete(s.shares, who)
		}
	}
}

func enter(ctx context.Context, free chan struct{}) bool {
	select {
	case free <- struct{}{}:
		return true
	default:
	}
	select {
	case free <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}
