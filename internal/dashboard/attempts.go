package dashboard

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of signing in: so many tries at once from one address, then one in each
// interval.
const (
	attemptBurst    = 20
	attemptInterval = 3 * time.Second
	maxAddresses    = 4096
)

// attempts limits how often it is tried to sign in, by address. It forgets the
// address that tried longest ago when it knows too many.
type attempts struct {
	now func() time.Time

	mu     sync.Mutex
	known  map[netip.Addr]*list.Element // of *caller
	recent *list.List                   // last tried first
}

type caller struct {
	addr    netip.Addr
	limiter *rate.Limiter
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, known: make(map[netip.Addr]*list.Element), recent: list.New()}
}

// allow counts a try and tells whether it may be made.
func (a *attempts) allow(from netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.of(network(from)).AllowN(a.now(), 1)
}

func (a *attempts) of(addr netip.Addr) *rate.Limiter {
	if e, ok := a.known[addr]; ok {
		a.recent.MoveToFront(e)
		return e.Value.(*caller).limiter
	}
	if a.recent.Len() >= maxAddresses {
		oldest := a.recent.Remove(a.recent.Back()).(*caller)
		delete(a.known, oldest.addr)
	}
	one := &caller{addr, rate.NewLimiter(rate.Every(attemptInterval), attemptBurst)}
	a.known[addr] = a.recent.PushFront(one)
	return one.limiter
}

// network is what tries are counted by: of IPv6, where anyone has many addresses,
// the network of 64 bits.
func network(a netip.Addr) netip.Addr {
	if a = a.Unmap(); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
