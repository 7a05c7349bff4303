package api

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// maxLargeUploads is how many values over DefaultInlineBytes are taken in
	// at once.
	maxLargeUploads = 64
	// maxUploadsEach is how many of them with one credential.
	maxUploadsEach = maxLargeUploads / 2
	// maxUploadWait is how long one waits for its turn.
	maxUploadWait = 30 * time.Second
	// maxDrainBytes bounds how much of a refused body is read, so that the
	// client gets to see the answer.
	maxDrainBytes = 256 << 20
)

// Upload takes a value in within the namespace's limit, slowed down when many
// large ones are under way. See godwit.Uploader. An error of body that is not
// an *godwit.Error becomes CodeInvalidRequest.
func (s *Service) Upload(ctx context.Context, ns *godwit.Namespace, body io.Reader) (godwit.Value, error) {
	limit := s.limits(ns).MaxValueBytes
	ctx = godwit.WithDestination(ctx, ns.ID)
	if m, ok := body.(interface{ Len() int }); ok && m.Len() <= godwit.DefaultInlineBytes {
		return s.cfg.Uploader.Upload(ctx, body, limit) // in memory already, and small
	}
	r := &bodyReader{ctx: ctx, body: body, slots: s.uploads}
	defer r.release()
	v, err := s.cfg.Uploader.Upload(ctx, r, limit)
	if err != nil && r.err != nil && godwit.CodeOf(err) == godwit.CodeInternal {
		err = &godwit.Error{Code: godwit.CodeInvalidRequest, Message: "The request's body could not be read to its end.", Err: err}
	}
	return v, err
}

// Discard drops values that no write will name.
func (s *Service) Discard(v godwit.Value) { s.cfg.Uploader.Discard(v) }

// drain reads on to the body's end, so that who sends it gets to read the answer.
func drain(body io.Reader) {
	if body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrainBytes))
	}
}

// slots bounds how many do something at once, in all and of one credential: who
// stalls cannot keep everyone else out.
type slots struct {
	free chan struct{}
	each int

	mu     sync.Mutex
	shares map[string]*share // by credential
}

// share is what one credential may take.
type share struct {
	free  chan struct{}
	users int // who have or want a slot of it
}

func newSlots(n, each int) *slots {
	return &slots{free: make(chan struct{}, n), each: each, shares: make(map[string]*share)}
}

// take waits for a slot and returns how it is given back. Error: CodeUnavailable.
func (s *slots) take(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxUploadWait)
	defer cancel()
	own, leave := s.share(godwit.CredentialOf(ctx))
	if !enter(ctx, own.free) {
		leave()
		return nil, errUploads()
	}
	if !enter(ctx, s.free) {
		<-own.free
		leave()
		return nil, errUploads()
	}
	return func() { <-s.free; <-own.free; leave() }, nil
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

func errUploads() error {
	return godwit.Errorf(godwit.CodeUnavailable, "Service temporarily unavailable: too many large values are being written.")
}

// bodyReader takes a slot before it reads past DefaultInlineBytes, and
// remembers the body's error.
type bodyReader struct {
	ctx   context.Context
	body  io.Reader
	slots *slots
	read  int64
	held  func() // gives the slot back; nil: there is none
	err   error
}

// Read implements io.Reader.
func (r *bodyReader) Read(p []byte) (int, error) {
	if r.held == nil && r.read >= godwit.DefaultInlineBytes {
		release, err := r.slots.take(r.ctx)
		if err != nil {
			return 0, err
		}
		r.held = release
	}
	if r.held == nil && len(p) > godwit.DefaultInlineBytes {
		p = p[:godwit.DefaultInlineBytes]
	}
	n, err := r.body.Read(p)
	r.read += int64(n)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

func (r *bodyReader) release() {
	if r.held != nil {
		r.held()
		r.held = nil
	}
}
