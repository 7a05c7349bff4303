package native

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/room"
)

const (
	// maxTransactionBody bounds a transaction's body: MaxTransactionBytes of
	// values fit as base64, and as text with half of it escaped.
	maxTransactionBody = 2 * godwit.MaxTransactionBytes
	// transactionsMemory is how many bytes of bodies are held at once, beside
	// those of up to freeTransactionBody each.
	transactionsMemory  = 8 * maxTransactionBody
	freeTransactionBody = 64 << 10
	maxTransactionWait  = 30 * time.Second
	// maxDrainBytes bounds how much of a refused body is read, so that the
	// client gets to read the answer.
	maxDrainBytes = 4 * maxTransactionBody
)

type transacted struct {
	Revision string            `json:"revision"`
	Sums     map[string]string `json:"sums,omitempty"` // by key, of what was added to
}

// transact has mutations of a namespace take effect together, if its conditions
// hold.
func (h *Handler) transact(r *request) (any, error) {
	ns, err := h.resolve(r, godwit.PermissionWrite)
	var out any
	if err == nil {
		out, err = h.transactIn(r, ns)
	}
	if err != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, maxDrainBytes))
		return nil, err
	}
	return out, nil
}

func (h *Handler) transactIn(r *request, ns *godwit.Namespace) (any, error) {
	release, err := h.makeRoom(r)
	if err != nil {
		return nil, err
	}
	defer release()
	raw, err := readBody(r.Request, maxTransactionBody)
	if err != nil {
		return nil, err
	}
	t, err := decodeTransaction(raw)
	if err != nil {
		return nil, err
	}
	r.count = int64(len(t.Mutations))
	t.RequestID = r.Header.Get(api.HeaderRequestID)
	start := time.Now()
	res, err := h.cfg.Service.Transact(r.Context(), ns, t)
	h.cfg.Service.CountTransaction(ns, start, len(t.Mutations), err)
	r.revision = res.Revision
	return transacted{res.Revision.String(), sumsOf(t.Mutations, res.Sums)}, err
}

// sumsOf gives each sum its key. A number of 64 bits is text, as a revision is: what
// reads JSON elsewhere may hold no more than 53 of them.
func sumsOf(mutations []api.Mutation, sums []int64) map[string]string {
	out := make(map[string]string, len(sums))
	for i := range mutations {
		if mutations[i].Op == godwit.OpAdd && len(sums) > 0 {
			out[string(mutations[i].Key)], sums = strconv.FormatInt(sums[0], 10), sums[1:]
		}
	}
	return out
}

// makeRoom waits until the body may be held in memory, and has it come fast enough for
// that. Small ones always may. Those with one token that is limited to namespaces have
// half of the room at most. Error: CodeUnavailable.
func (h *Handler) makeRoom(r *request) (release func(), err error) {
	n := r.ContentLength
	switch {
	case n < 0 || n > maxTransactionBody:
		n = maxTransactionBody
	case n <= freeTransactionBody:
		return func() {}, nil
	}
	part, err := h.transactions.EnterWith(r.Context(), r.principal.Limited(), n, maxTransactionWait)
	if err != nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "Service temporarily unavailable: too many large transactions are under way.", Err: err}
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{room.Hurried(r.Body, nil), r.Body}
	return part.Leave, nil
}

// failedCondition is a key whose condition did not hold, and what stands there.
type failedCondition struct {
	Key      string  `json:"key"`
	Revision *string `json:"revision"` // null: there is no such key
}

// failedConditions are those that err tells of.
func failedConditions(err error) []failedCondition {
	var e *api.ConditionsError
	if !errors.As(err, &e) {
		return nil
	}
	var failed []failedCondition
	for _, s := range e.Failed {
		f := failedCondition{Key: s.Key}
		if s.Revision != 0 {
			text := s.Revision.String()
			f.Revision = &text
		}
		failed = append(failed, f)
	}
	return failed
}
