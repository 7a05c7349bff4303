package analytics

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// SlowAfter is from how long on a request is slow.
	SlowAfter = 250 * time.Millisecond
	// MaxNotable is how many of the slow requests are kept, and as many of the failed.
	MaxNotable = 256
	// maxNotableText bounds what a client chose, in one field.
	maxNotableText = 64
)

// Notable is a request that was slow, or failed. It says nothing of keys, values or
// tokens.
type Notable struct {
	At        time.Time // when it ended
	Took      time.Duration
	API       string
	Operation string
	Namespace godwit.NamespaceID // zero: it was about none, or none that is known
	Status    int                // HTTP status; 0: the connection was cut
	RequestID string             // "": it had none
}

// Failed tells whether it failed: the node's doing, or a refusal that is not a usual
// answer, as "absent", "not authenticated" and "a condition does not hold" are.
func (n *Notable) Failed() bool { return failed(n.Status) }

func failed(status int) bool {
	switch status {
	case 0:
		return true
	case http.StatusUnauthorized, http.StatusNotFound, http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return status >= 400
}

// IsNotable tells whether a request is worth to be kept. It is for all requests, and
// costs two comparisons.
func IsNotable(status int, took time.Duration) bool { return took >= SlowAfter || failed(status) }

// Notables keep the latest of them in memory. The zero value is ready.
type Notables struct {
	mu           sync.Mutex
	slow, failed ring
}

// ring holds the latest MaxNotable.
type ring struct {
	all  []Notable
	next int // the oldest, once it is full
}

func (r *ring) add(one Notable) {
	if len(r.all) < MaxNotable {
		r.all = append(r.all, one)
		return
	}
	r.all[r.next] = one
	r.next = (r.next + 1) % MaxNotable
}

// Add keeps a request, if it is notable.
func (n *Notables) Add(one Notable) {
	if !IsNotable(one.Status, one.Took) {
		return
	}
	for _, text := range []*string{&one.RequestID, &one.Operation} {
		*text = (*text)[:min(len(*text), maxNotableText)]
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if one.Failed() {
		n.failed.add(one)
	} else {
		n.slow.add(one)
	}
}

// Latest are those that are kept, the latest first.
func (n *Notables) Latest() []Notable {
	n.mu.Lock()
	all := append(slices.Clone(n.slow.all), n.failed.all...)
	n.mu.Unlock()
	slices.SortStableFunc(all, func(a, b Notable) int { return b.At.Compare(a.At) })
	return all
}
