package api

import (
	"time"

	"github.com/godwitkv/godwit"
)

// Conditions shows what p comes to for a write.
func Conditions(p Preconditions, ns godwit.NamespaceID, key string) ([]godwit.Condition, error) {
	return p.conditions(ns, key)
}

// MaxCopiesEach is how many pages are copied at once with one credential.
const MaxCopiesEach = maxCopiesEach

// MaxLargeUploads is how many large values are taken in at once.
const MaxLargeUploads = maxLargeUploads

// MaxUploadsLimited is how many of them with tokens that are limited to namespaces.
const MaxUploadsLimited = maxUploadsLimited

// The guard's bounds.
const (
	FreeFailures = freeFailures
	MaxDelayed   = maxDelayed
	MaxDelay     = maxDelay
	MaxSuspects  = maxSuspects
)

// Suspects is how many addresses the guard remembers.
func (s *Service) Suspects() int {
	s.guard.mu.Lock()
	defer s.guard.mu.Unlock()
	return len(s.guard.suspects)
}

// MaxRateKeys is how many keys the write rate remembers at most.
const MaxRateKeys = rateShards * maxShardKeys

// RateKeys is how many keys the write rate remembers.
func (s *Service) RateKeys() (n int) {
	for i := range s.rate.shards {
		s.rate.shards[i].mu.Lock()
		n += len(s.rate.shards[i].paid)
		s.rate.shards[i].mu.Unlock()
	}
	return n
}

// UploadShares is how many credentials have or want a slot for a large value.
func (s *Service) UploadShares() int {
	s.uploads.mu.Lock()
	defer s.uploads.mu.Unlock()
	return len(s.uploads.shares)
}

// SetCopyBudget bounds what one Copy does.
func (s *Service) SetCopyBudget(bytes int64, d time.Duration) { s.copyBudget = copyBudget{bytes, d} }

// RequestKeys are that of a write of one key, and of a transaction of it alone.
func RequestKeys(requestID string, item int, m godwit.Mutation, expiration, ttl string, conditions ...godwit.Condition) (single, whole godwit.RequestKey) {
	a := &asked{requestID: requestID, item: item, mutation: &m, expiration: expiration, ttl: ttl, conditions: conditions}
	w := &transaction{requestID: requestID, writes: []*asked{a}, conditions: conditions}
	return a.key(), w.key()
}

// RequestKey is that of a write of one key in a bulk request.
func RequestKey(requestID string, item int, m *godwit.Mutation) godwit.RequestKey {
	return (&asked{requestID: requestID, item: item, mutation: m}).key()
}
