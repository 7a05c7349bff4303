package feed

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/room"
)

const (
	// maxProposalsBytes bounds what requests that propose hold in memory. Those with
	// one token that is limited to namespaces hold half of it at most.
	maxProposalsBytes = 2 * maxProposalBytes
	// maxDrainBytes bounds how much of a refused body is read, so that the
	// other side gets to read the answer.
	maxDrainBytes = 32 << 20
	// checkTimeout bounds how long an upstream is asked for namespaces that are
	// not known here.
	checkTimeout = time.Second
)

// servePropose answers Client.Propose. The request's context carries the
// credential, for a log that passes it on.
func (s *Server) servePropose(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	err := s.propose(w, r, p)
	if err != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDrainBytes))
	}
	return err
}

func (s *Server) propose(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	if err := may(p, godwit.PermissionWrite); err != nil {
		return err
	}
	ctx := r.Context()
	part := s.proposals.Enter(p.Limited())
	defer part.Leave()
	body := room.Hurried(r.Body, nil)
	txs, err := readProposal(body, func(n int64) error {
		if !part.TryTake(n) {
			return godwit.ErrBusy
		}
		return nil
	})
	if err != nil {
		return malformed(err)
	}
	if err := s.check(ctx, p, txs); err != nil {
		return err
	}
	taken := contents{uploader: s.cfg.Uploader, body: &reading{r: body}}
	if err := taken.take(ctx, txs); err != nil {
		taken.discard(nil)
		return err
	}
	results, err := s.cfg.Log.Propose(ctx, txs)
	taken.settle(ctx, s.cfg.Reader, results, err)
	if err != nil && len(results) == 0 {
		return err
	}
	answer := appendOutcome(nil, results, err)
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer) // the client is gone, and will ask again
	return nil
}

// check tells whether p may propose the transactions, and whether they may be.
// Errors: CodeForbidden, CodeInvalidRequest, those of godwit.ValidateKey,
// godwit.ValidateMetadata and of values that are too long.
func (s *Server) check(ctx context.Context, p *catalog.Principal, txs []godwit.Transaction) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := checker{s: s, ctx: ctx, principal: p, namespaces: make(map[godwit.NamespaceID]*godwit.Namespace), now: s.cfg.Now().Unix()}
	for i := range txs {
		if err := c.transaction(&txs[i]); err != nil {
			return err
		}
	}
	if c.count > 2*godwit.MaxBulkItems || len(txs) == 0 {
		return godwit.Errorf(godwit.CodeInvalidRequest, "A request proposes 1 to %d transactions, of no more mutations and conditions together than twice that.", godwit.MaxBulkItems)
	}
	if c.bytes > godwit.MaxBulkBytes {
		return godwit.Errorf(godwit.CodeBodyTooLarge, "Values of %d bytes together exceed the limit of %d.", c.bytes, godwit.MaxBulkBytes)
	}
	return nil
}

// serveBarrier answers Client.Barrier.
func (s *Server) serveBarrier(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	if err := catalog.Authorize(p, godwit.PermissionRead, nil); err != nil {
		return err
	}
	rev, err := s.cfg.Log.Barrier(r.Context())
	if err != nil {
		return err
	}
	w.Header().Set(headerRevision, rev.String())
	w.WriteHeader(http.StatusNoContent)
	return nil
}
