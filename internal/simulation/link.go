package simulation

import (
	"math/rand/v2"
	"time"
)

// link is one direction between two hosts. The network's lock guards it.
type link struct {
	from, to      string
	rng           *rand.Rand
	delay, jitter time.Duration
	flows         map[*flow]struct{}
	changed       chan struct{} // closed when stalls or cuts change

	stalls int           // faults in force that hold bytes back
	cuts   int           // faults in force that let nothing through, and say so
	slow   time.Duration // more delay, of a fault in force
	frail  int           // bytes until the next connection breaks; 0: none does
	every  int           // what frail starts anew with

	troubled time.Time // when a fault began or ended last
}

// sound tells whether no fault has been in force since a time.
func (l *link) sound(since time.Time) bool {
	return l.stalls == 0 && l.cuts == 0 && l.slow == 0 && l.every == 0 && l.troubled.Before(since)
}

func (l *link) stalled() bool { return l.stalls > 0 }

// latency is how long bytes take that are sent now.
func (l *link) latency() time.Duration {
	d := l.delay + l.slow
	if l.jitter > 0 {
		d += time.Duration(l.rng.Int64N(int64(l.jitter)))
	}
	return d
}

// breaks counts n bytes and returns after how many of them the connection
// breaks, or -1.
func (l *link) breaks(n int) int {
	if l.every == 0 {
		return -1
	}
	if l.frail > n {
		l.frail -= n
		return -1
	}
	at := l.frail
	l.frail = 1 + l.rng.IntN(2*l.every)
	return at
}

// touch notes that a fault has begun or ended.
func (l *link) touch() {
	l.troubled = time.Now()
	l.tell()
}

// tell wakes who waits for the link, and the flows on it.
func (l *link) tell() {
	close(l.changed)
	l.changed = make(chan struct{})
	for f := range l.flows {
		f.tell()
	}
}

// reset breaks all that is on the link.
func (l *link) reset(err error) {
	for f := range l.flows {
		f.fail(err)
	}
}
