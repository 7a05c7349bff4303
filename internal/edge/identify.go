package edge

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/godwitkv/godwit"
)

const (
	identityKept   = 60 * time.Second // before the upstream is asked again
	identityFresh  = 30 * time.Second // before it is, while nobody waits
	strangerKept   = 5 * time.Second
	identityAgain  = time.Second // before it is, once it could not be
	maxIdentities  = 4096
	identifyWait   = 2 * time.Second
	identifyAtOnce = 32 // more are refused
)

// identity is whom a credential stands for.
type identity struct {
	token *godwit.Token // nil: for nobody
	root  bool
	fresh time.Time // until then nobody asks the upstream again
	until time.Time // until then nobody waits for that
}

// identities remembers what the upstream said of credentials that are not known
// here, by their hashes: a credential itself is kept nowhere. Who is unknown
// everywhere never takes the place of who is known.
type identities struct {
	flight singleflight.Group
	slots  chan struct{}

	mu        sync.Mutex
	known     map[[sha256.Size]byte]identity
	strangers map[[sha256.Size]byte]identity
}

func newIdentities() *identities {
	return &identities{
		slots:     make(chan struct{}, identifyAtOnce),
		known:     make(map[[sha256.Size]byte]identity),
		strangers: make(map[[sha256.Size]byte]identity),
	}
}

// find returns what is remembered, whether that is enough, and whether the caller
// is to ask the upstream again all the same.
func (s *identities) find(hash [sha256.Size]byte) (id identity, enough, again bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ok := s.known[hash]
	if !ok {
		id = s.strangers[hash]
		return id, time.Now().Before(id.until), false
	}
	now := time.Now()
	enough, again = now.Before(id.until), now.After(id.fresh)
	if enough && again { // one asks, and then nobody for a while
		id.fresh = now.Add(identityAgain)
		s.known[hash] = id
	}
	return id, enough, again
}

// keep remembers what the upstream said.
func (s *identities) keep(hash [sha256.Size]byte, id identity) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, hash)
	delete(s.strangers, hash)
	if id.token != nil {
		s.makeRoom()
		s.known[hash] = id
		return
	}
	if len(s.strangers) >= maxIdentities {
		clear(s.strangers)
	}
	s.strangers[hash] = id
}

// makeRoom forgets whom the upstream is to be asked of first.
func (s *identities) makeRoom() {
	if len(s.known) < maxIdentities {
		return
	}
	var oldest [sha256.Size]byte
	var until time.Time
	for hash, id := range s.known {
		if until.IsZero() || id.until.Before(until) {
			oldest, until = hash, id.until
		}
	}
	delete(s.known, oldest)
}

// Identify asks upstream whom a credential stands for that is not known here.
// Answers are kept for a while, and while the upstream is away until the token
// expires. Error: ErrUnauthenticated; CodeUnavailable while the upstream is away.
func (e *Edge) Identify(ctx context.Context, secret []byte) (t *godwit.Token, root bool, err error) {
	hash := sha256.Sum256(secret)
	id, enough, again := e.identities.find(hash)
	switch {
	case !enough:
		if id, err = e.identify(ctx, hash, string(secret), id); err != nil {
			return nil, false, err
		}
	case again: // a request with a credential in use never waits for the upstream
		_ = e.inquire(hash, string(secret), id)
	}
	if id.token == nil || id.token.Expires != 0 && id.token.Expires <= e.cfg.Clock.Now().Unix() {
		return nil, false, godwit.ErrUnauthenticated
	}
	return id.token, id.root, nil
}

// inquire asks the upstream, once for all who want to know the same. If that cannot
// be, who was known stays known.
func (e *Edge) inquire(hash [sha256.Size]byte, secret string, was identity) <-chan singleflight.Result {
	return e.identities.flight.DoChan(string(hash[:]), func() (any, error) {
		id, err := e.askIdentity(secret)
		if err == nil {
			e.identities.keep(hash, id)
		} else if was.token != nil {
			now := time.Now()
			was.fresh = now.Add(identityAgain)
			if later := now.Add(identityFresh); later.After(was.until) {
				was.until = later
			}
			e.identities.keep(hash, was)
			id, err = was, nil
		}
		return id, err
	})
}

// identify waits for what the upstream says.
func (e *Edge) identify(ctx context.Context, hash [sha256.Size]byte, secret string, was identity) (identity, error) {
	select {
	case r := <-e.inquire(hash, secret, was):
		id, _ := r.Val.(identity)
		return id, r.Err
	case <-ctx.Done():
		if was.token != nil {
			return was, nil
		}
		return was, &godwit.Error{Code: godwit.CodeUnavailable, Message: "The request ended before the upstream answered.", Err: ctx.Err()}
	}
}

func (e *Edge) askIdentity(secret string) (identity, error) {
	select {
	case e.identities.slots <- struct{}{}:
		defer func() { <-e.identities.slots }()
	default:
		return identity{}, godwit.Errorf(godwit.CodeUnavailable, "Too many tokens that are not known here are asked for at once.")
	}
	c := e.follow.upstream()
	if c == nil {
		return identity{}, godwit.ErrNoUpstream
	}
	ctx, cancel := e.follow.bind(e.ctx, c)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, identifyWait)
	defer stop()
	t, root, err := c.Identify(ctx, secret)
	switch {
	case errors.Is(err, godwit.ErrUnauthenticated):
		return identity{until: time.Now().Add(strangerKept)}, nil
	case err != nil:
		e.follow.lost(c, err)
		return identity{}, err
	}
	now := time.Now()
	return identity{token: t, root: root, fresh: now.Add(identityFresh), until: now.Add(identityKept)}, nil
}
