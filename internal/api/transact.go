package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/godwitkv/godwit"
)

// Transact is a transaction as it came in, of one namespace.
type Transact struct {
	Conditions []godwit.Condition // their Namespace is set by Service.Transact
	Mutations  []Mutation
	RequestID  string // Godwit-Request-Id as the client sent it, "" where not given
}

// Mutation is a put, a deletion of its key, or an add to its value. Preconditions
// and RequestID are the transaction's to say, and are empty; an add has no Body.
type Mutation struct {
	Op    godwit.Op
	Delta int64 // of an add
	Put
}

// Transact validates each mutation as a single write and has all of them take
// effect together, or none. It holds at most MaxTransactionKeys distinct keys,
// each in one mutation and one condition at most, and MaxTransactionBytes of
// keys, values and metadata. Errors, which say the condition or mutation that
// they are about, counted from 1: as Put and Delete; CodeInvalidRequest (no
// mutation, too many keys, a key named twice), CodeBodyTooLarge, CodeNotNumber.
// ErrPrecondition is a *ConditionsError; with it too, the result's Revision is
// valid.
func (s *Service) Transact(ctx context.Context, ns *godwit.Namespace, t Transact) (godwit.Result, error) {
	start := time.Now()
	res, err := s.transact(ctx, ns, &t)
	s.metrics.done(opTransact, start, err)
	return res, err
}

func (s *Service) transact(ctx context.Context, ns *godwit.Namespace, t *Transact) (godwit.Result, error) {
	w, err := s.checkTransact(ns, t)
	if err != nil {
		return godwit.Result{}, err
	}
	res, err := w.write(ctx, t.Mutations)
	if err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
		w.discard()
	}
	switch {
	case errors.Is(err, godwit.ErrPrecondition):
		err = &ConditionsError{Failed: w.failed(ctx, res.Revision)}
	case errors.Is(err, godwit.ErrNotNumber):
		err = w.whichIsNoNumber(ctx, res.Revision)
	}
	return res, err
}

// transaction is one that has passed its checks, under way.
type transaction struct {
	service    *Service
	ns         *godwit.Namespace
	requestID  string
	conditions []godwit.Condition
	writes     []*asked
}

// write takes the values in and proposes all. With an error but
// CodeOutcomeUnknown, the values that were taken in are not needed any more.
func (w *transaction) write(ctx context.Context, given []Mutation) (godwit.Result, error) {
	if err := w.upload(ctx, given); err != nil {
		return godwit.Result{}, err
	}
	if err := w.take(); err != nil {
		return godwit.Result{}, err
	}
	results, err := w.service.cfg.Log.Propose(ctx, []godwit.Transaction{w.transaction()})
	if err != nil {
		return godwit.Result{}, err
	}
	if len(results) != 1 {
		return godwit.Result{}, godwit.ErrOutcomeUnknown
	}
	if results[0].Repeated {
		for _, a := range w.writes {
			w.service.discardUnnamed(ctx, a.mutation)
		}
	}
	return results[0], outcomeError(results[0].Outcome)
}

// upload takes the values in, within what a transaction may hold.
func (w *transaction) upload(ctx context.Context, given []Mutation) error {
	var total int64
	for i := range w.conditions {
		total += int64(len(w.conditions[i].Key))
	}
	for i, a := range w.writes {
		m := a.mutation
		if m.Op == godwit.OpPut {
			v, err := w.service.Upload(ctx, w.ns, given[i].Body)
			if err != nil {
				return atMutation(i, err)
			}
			m.Value = v
		}
		total += int64(len(m.Key)+len(m.Metadata)) + m.Value.Size()
		if total > godwit.MaxTransactionBytes {
			return godwit.Errorf(godwit.CodeBodyTooLarge, "The keys, values and metadata of the transaction exceed the limit of %d bytes.", godwit.MaxTransactionBytes)
		}
	}
	return nil
}

// take counts a write on each key, or on none. Error: CodeTooManyWrites.
func (w *transaction) take() error {
	rate, now := w.service.limits(w.ns).WritesPerKey, w.service.cfg.Now()
	for i, a := range w.writes {
		if w.service.rate.take(w.ns.ID, a.mutation.Key, rate, now) {
			continue
		}
		for _, taken := range w.writes[:i] {
			w.service.rate.give(w.ns.ID, taken.mutation.Key, rate)
		}
		return atMutation(i, godwit.ErrTooManyWrites)
	}
	return nil
}

func (w *transaction) transaction() godwit.Transaction {
	t := godwit.Transaction{RequestKey: w.key(), Conditions: w.conditions}
	for _, a := range w.writes {
		t.Mutations = append(t.Mutations, *a.mutation)
	}
	return t
}

// key is the digest of w, or zero if the client gave no request id. What comes
// behind the id tells it apart from single writes, which have a number there
// that is never so large.
func (w *transaction) key() (k godwit.RequestKey) {
	if w.requestID == "" {
		return k
	}
	d := make(digest, 0, digestRoom*(1+len(w.writes)))
	d.text(w.requestID)
	d.number(1 << 63)
	d.number(uint64(len(w.writes)))
	for _, a := range w.writes {
		d.mutation(a)
	}
	for i := range w.conditions {
		d.text(w.conditions[i].Key)
		d.condition(&w.conditions[i])
	}
	return d.key()
}

// discard drops the values that no write will name.
func (w *transaction) discard() {
	for _, a := range w.writes {
		w.service.Discard(a.mutation.Value)
	}
}

// atMutation says which mutation an error is about, as atCondition does.
func atMutation(i int, err error) error { return numbered("mutation", i, err) }

func atCondition(i int, err error) error { return numbered("condition", i, err) }

// numbered counts from 1, as people do, though i is from 0.
func numbered(what string, i int, err error) error {
	var e *godwit.Error
	if !errors.As(err, &e) {
		return err
	}
	return &godwit.Error{Code: e.Code, Message: fmt.Sprintf("%s %d: %s", what, i+1, e.Message), Err: e.Err}
}
