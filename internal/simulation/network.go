package simulation

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// network joins hosts by name. Faults act on the links between them.
type network struct {
	seed  uint64
	mu    sync.Mutex
	hosts map[string]*host
	links map[[2]string]*link
}

func newNetwork(seed uint64) *network {
	return &network{seed: seed, hosts: make(map[string]*host), links: make(map[[2]string]*link)}
}

// host is a machine on the network. The network's lock guards it.
type host struct {
	name      string
	boot      int // counts its starts: what an earlier one left running is cut off
	listeners map[address]*listener
	conns     map[*conn]struct{}
	dark      map[*flow]struct{} // what others still send to connections that ended without a word
	down      bool               // without power: nothing answers
	changed   chan struct{}      // closed when the power goes or comes
}

func (a address) host() string {
	name, _, _ := strings.Cut(string(a), ":")
	return name
}

// addHost makes a host. Links between it and others have a delay until it is
// set.
func (n *network) addHost(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts[name] = &host{
		name: name, listeners: make(map[address]*listener), conns: make(map[*conn]struct{}),
		dark: make(map[*flow]struct{}), changed: make(chan struct{}),
	}
}

// link returns one direction between two hosts; the caller holds the lock.
func (n *network) link(from, to string) *link {
	l := n.links[[2]string{from, to}]
	if l == nil {
		l = &link{
			from: from, to: to, rng: rand.New(rand.NewPCG(n.seed, hash(from, to))),
			flows: make(map[*flow]struct{}), changed: make(chan struct{}),
		}
		n.links[[2]string{from, to}] = l
	}
	return l
}

// sound tells whether no fault has touched what two hosts send each other since a
// time.
func (n *network) sound(a, b string, since time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.link(a, b).sound(since) && n.link(b, a).sound(since)
}

// with calls fn with each direction between two hosts, and wakes who waits.
func (n *network) with(a, b string, fn func(l *link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, l := range []*link{n.link(a, b), n.link(b, a)} {
		fn(l)
		l.touch()
	}
}

// oneWay is with for one direction.
func (n *network) oneWay(from, to string, fn func(l *link)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.link(from, to)
	fn(l)
	l.touch()
}

// kill ends a host's process: its connections break, and their other ends hear
// of it; loud false: the machine has lost its power, and nobody hears of it.
// From then on nothing leaves the host until it is started again.
func (n *network) kill(name string, loud bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	h.boot++
	clear(h.listeners)
	for c := range h.conns {
		c.once.Do(func() { close(c.closed) })
		if loud {
			c.in.fail(errReset)
			c.out.send(nil, errReset)
			continue
		}
		c.in.void = true
		h.dark[c.in] = struct{}{}
	}
	clear(h.conns)
	h.power(loud)
}

// start gives a host power, and what its process needs of the network.
func (n *network) start(name string) *port {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	for f := range h.dark { // what is sent again is answered: that is not known here
		f.stale = true
		if f.buffered > 0 {
			f.fail(errReset)
			f.twin.fail(errReset)
		}
	}
	clear(h.dark)
	h.power(true)
	return &port{network: n, host: h, boot: h.boot}
}

func (h *host) power(on bool) {
	h.down = !on
	close(h.changed)
	h.changed = make(chan struct{})
}

// hash makes a number of names, for random numbers of their own.
func hash(names ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return h
}
