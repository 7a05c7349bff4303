package api

import (
	"context"
	"time"

	"github.com/godwitkv/godwit"
)

// Bounds of what a bulk write proposes at once.
const (
	maxChunkItems = 1000
	maxChunkBytes = godwit.MaxTransactionBytes
)

// BulkPut is one pair of a bulk write, its value decoded.
type BulkPut struct {
	Key           string
	Value         godwit.Value
	Metadata      []byte
	Expiration    string
	ExpirationTTL string
}

// CheckBulkPut validates one pair without writing it. Errors: as Put.
func (s *Service) CheckBulkPut(ns *godwit.Namespace, p *BulkPut) error {
	if err := godwit.ValidateKey(p.Key); err != nil {
		return err
	}
	limits := s.limits(ns)
	if _, err := limits.ParseExpiration(p.Expiration, p.ExpirationTTL, s.cfg.Now().Unix()); err != nil {
		return err
	}
	if _, err := checkMetadata(p.Metadata); err != nil {
		return err
	}
	if n := p.Value.Size(); n > limits.MaxValueBytes {
		return godwit.Errorf(godwit.CodeValueTooLarge, "Value length of %d exceeds limit of %d.", n, limits.MaxValueBytes)
	}
	return nil
}

// BulkPut writes pairs that CheckBulkPut has passed, each a transaction of its
// own, the last of a key winning. It owns their values: those that no write
// names when it fails are discarded by it, and by nobody else. Errors: those of
// Log.Propose, ErrNamespaceNotFound, CodeInvalidRequest (over MaxBulkItems, bad
// request id).
func (s *Service) BulkPut(ctx context.Context, ns *godwit.Namespace, pairs []BulkPut, requestID string) (godwit.Result, error) {
	start := time.Now()
	res, err := s.bulkPut(ctx, ns, pairs, requestID)
	var bytes int64
	if err == nil {
		for i := range pairs {
			bytes += pairs[i].Value.Size()
		}
	}
	s.done(opBulkPut, ns, start, len(pairs), bytes, err)
	return res, err
}

func (s *Service) bulkPut(ctx context.Context, ns *godwit.Namespace, pairs []BulkPut, requestID string) (godwit.Result, error) {
	now := s.cfg.Now().Unix()
	mutations := make([]godwit.Mutation, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		metadata, _ := checkMetadata(p.Metadata)
		mutations[i] = godwit.Mutation{
			Op:         godwit.OpPut,
			Namespace:  ns.ID,
			Key:        p.Key,
			Value:      p.Value,
			Metadata:   metadata,
			Expiration: passedExpiration(p, now),
		}
	}
	b := bulk{service: s, mutations: mutations, requestID: requestID, pairs: pairs}
	return b.write(ctx)
}

// passedExpiration is the absolute expiration of a pair that has passed
// CheckBulkPut. It is not judged again: while a long request came in, its
// moment came nearer.
func passedExpiration(p *BulkPut, now int64) int64 {
	if p.ExpirationTTL == "" {
		now = 0
	}
	expiration, _ := godwit.Limits{}.ParseExpiration(p.Expiration, p.ExpirationTTL, now)
	return expiration
}

// BulkDelete validates the keys and deletes them. Errors: those of ValidateKey,
// CodeInvalidRequest (over MaxBulkItems), those of Log.Propose.
func (s *Service) BulkDelete(ctx context.Context, ns *godwit.Namespace, keys []string, requestID string) (godwit.Result, error) {
	start := time.Now()
	res, err := s.bulkDelete(ctx, ns, keys, requestID)
	s.done(opBulkDelete, ns, start, len(keys), 0, err)
	return res, err
}

func (s *Service) bulkDelete(ctx context.Context, ns *godwit.Namespace, keys []string, requestID string) (godwit.Result, error) {
	if err := checkBulkItems(len(keys)); err != nil {
		return godwit.Result{}, err
	}
	mutations := make([]godwit.Mutation, len(keys))
	for i, key := range keys {
		if err := godwit.ValidateKey(key); err != nil {
			return godwit.Result{}, err
		}
		mutations[i] = godwit.Mutation{Op: godwit.OpDelete, Namespace: ns.ID, Key: key}
	}
	b := bulk{service: s, mutations: mutations, requestID: requestID}
	return b.write(ctx)
}

func checkBulkItems(n int) error {
	if n > godwit.MaxBulkItems {
		return godwit.Errorf(godwit.CodeInvalidRequest, "You can write a maximum of %d keys in one request", godwit.MaxBulkItems)
	}
	return nil
}

// bulk is a bulk write under way: many transactions of one mutation each,
// proposed in chunks, in order.
type bulk struct {
	service   *Service
	mutations []godwit.Mutation
	requestID string
	pairs     []BulkPut // of a put: where the raw expirations are; else nil
}

func (b *bulk) write(ctx context.Context) (godwit.Result, error) {
	total := godwit.Result{Outcome: godwit.Applied}
	if len(b.mutations) == 0 {
		total.Revision = b.service.Revision()
	}
	err := CheckRequestID(b.requestID)
	if err == nil {
		err = checkBulkItems(len(b.mutations))
	}
	if err != nil {
		b.discard(b.mutations)
		return godwit.Result{}, err
	}
	for from := 0; from < len(b.mutations); {
		to := b.chunkEnd(from)
		res, err := b.propose(ctx, from, to)
		if err != nil {
			b.discard(b.mutations[to:])
			return godwit.Result{}, interrupted(err, from)
		}
		total.Revision = max(total.Revision, res.Revision)
		total.Repeated = total.Repeated || res.Repeated
		from = to
	}
	return total, nil
}

// chunkEnd is where the chunk that begins at from ends.
func (b *bulk) chunkEnd(from int) int {
	bytes := 0
	for i := from; i < len(b.mutations); i++ {
		m := &b.mutations[i]
		bytes += len(m.Key) + len(m.Metadata) + len(m.Value.Inline)
		if i > from && (bytes > maxChunkBytes || i-from >= maxChunkItems) {
			return i
		}
	}
	return len(b.mutations)
}

// propose writes one chunk. When it fails, it has discarded the values of the
// chunk that no write names.
func (b *bulk) propose(ctx context.Context, from, to int) (godwit.Result, error) {
	txs := make([]godwit.Transaction, to-from)
	for i := range txs {
		txs[i] = b.transaction(from + i)
	}
	results, err := b.service.cfg.Log.Propose(ctx, txs)
	if err == nil && len(results) != len(txs) {
		err = godwit.ErrOutcomeUnknown
	}
	if err != nil {
		if godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
			b.discard(b.mutations[from:to])
		}
		return godwit.Result{}, err
	}
	var total godwit.Result
	for i, res := range results {
		total.Revision = max(total.Revision, res.Revision)
		total.Repeated = total.Repeated || res.Repeated
		if res.Repeated {
			b.service.discardUnnamed(ctx, &b.mutations[from+i])
		}
		if failed := outcomeError(res.Outcome); failed != nil {
			b.discard(b.mutations[from+i : from+i+1])
			if err == nil {
				err = failed
			}
		}
	}
	return total, err
}

func (b *bulk) transaction(i int) godwit.Transaction {
	a := asked{requestID: b.requestID, item: i, mutation: &b.mutations[i]}
	if b.pairs != nil {
		a.expiration, a.ttl = b.pairs[i].Expiration, b.pairs[i].ExpirationTTL
	}
	return godwit.Transaction{RequestKey: a.key(), Mutations: b.mutations[i : i+1 : i+1]}
}

// discard drops the values of puts that will not be.
func (b *bulk) discard(mutations []godwit.Mutation) {
	for i := range mutations {
		if mutations[i].Op == godwit.OpPut {
			b.service.Discard(mutations[i].Value)
		}
	}
}

// interrupted is err as it is to be told when earlier chunks are written: an
// error that says that nothing was done would not be true.
func interrupted(err error, written int) error {
	code := godwit.CodeOf(err)
	switch {
	case written > 0 && code == godwit.CodeQuota:
		return &godwit.Error{Code: code, Message: godwit.MessageOf(err) + "; some of the keys are written, others are not.", Err: err}
	case written == 0 || code != godwit.CodeUnavailable:
		return err
	}
	return &godwit.Error{
		Code:    godwit.CodeOutcomeUnknown,
		Message: "The bulk write was interrupted: some of its keys are written, others are not.",
		Err:     err,
	}
}
