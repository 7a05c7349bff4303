package api

import (
	"context"
	"io"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/room"
)

const (
	// maxLargeUploads is how many values over DefaultInlineBytes are taken in
	// at once.
	maxLargeUploads = 64
	// maxUploadsEach is how many of them with one credential.
	maxUploadsEach = maxLargeUploads / 2
	// maxUploadsLimited is how many of them with all tokens that are limited to
	// namespaces.
	maxUploadsLimited = maxLargeUploads * 3 / 4
	// maxUploadWait is how long one waits for its turn.
	maxUploadWait = 30 * time.Second
	// maxDrainBytes bounds how much of a refused body is read, so that the
	// client gets to see the answer.
	maxDrainBytes = 256 << 20
)

// Upload takes a value in within the namespace's limit, slowed down when many
// large ones are under way, and given up if it then comes too slowly. See
// godwit.Uploader. An error of body that is not an *godwit.Error becomes
// CodeInvalidRequest.
func (s *Service) Upload(ctx context.Context, ns *godwit.Namespace, body io.Reader) (godwit.Value, error) {
	return s.upload(ctx, ns, body, true)
}

// upload is Upload. hurry: the body is a client's, who may be slow.
func (s *Service) upload(ctx context.Context, ns *godwit.Namespace, body io.Reader, hurry bool) (godwit.Value, error) {
	limit := s.limits(ns).MaxValueBytes
	ctx = godwit.WithDestination(ctx, ns.ID)
	if m, ok := body.(interface{ Len() int }); ok && m.Len() <= godwit.DefaultInlineBytes {
		return s.cfg.Uploader.Upload(ctx, body, limit) // in memory already, and small
	}
	r := &bodyReader{ctx: ctx, body: body, slots: s.uploads}
	if hurry {
		r.body = room.Hurried(body, func() bool { return r.held != nil })
	}
	defer r.release()
	v, err := s.cfg.Uploader.Upload(ctx, r, limit)
	if err != nil && r.err != nil && godwit.CodeOf(err) == godwit.CodeInternal {
		err = &godwit.Error{Code: godwit.CodeInvalidRequest, Message: "The request's body could not be read to its end.", Err: err}
	}
	return v, err
}

// MaxValueBytes is how long a value of the namespace may be.
func (s *Service) MaxValueBytes(ns *godwit.Namespace) int64 { return s.limits(ns).MaxValueBytes }

// Discard drops values that no write will name.
func (s *Service) Discard(v godwit.Value) { s.cfg.Uploader.Discard(v) }

// drain reads on to the body's end, so that who sends it gets to read the answer.
func drain(body io.Reader) {
	if body != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(body, maxDrainBytes))
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
