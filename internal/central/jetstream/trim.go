package jetstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	defaultTrimWindow = 64 << 20
	defaultTrimCap    = 4 << 30
	// trimEvery is the least time between two trims, so that each is worth its
	// message.
	trimEvery = 5 * time.Second
	// windowSamples is about how many messages of the window have their bytes known.
	windowSamples = 32
)

// limits returns how many bytes of messages the stream keeps at the least, and how many
// it holds before members that are absent are not waited for. What it may hold may be
// little; then both are parts of that.
func (c *Config) limits(st State) (window, most int64) {
	if st.Most <= 0 {
		return c.TrimWindow, c.TrimCap
	}
	return min(c.TrimWindow, st.Most/8), min(c.TrimCap, st.Most/2)
}

// Why writes are refused where the stream is full: nobody would be left to hold them, or
// those who do need the messages again if they crash.
var (
	errLogFull = &godwit.Error{
		Code:    godwit.CodeUnavailable,
		Message: "The cluster's log is full, and fewer than two members hold what is in it: writes must wait for another member.",
	}
	errLogHeldUp = &godwit.Error{
		Code:    godwit.CodeUnavailable,
		Message: "The cluster's log is full, and members wait for the rest of large values in it, for some minutes at the most, or for their disks: writes must wait too.",
	}
)

// taken and safe are up to which message a member has applied, and up to which a crash
// leaves that so.
func (p *Pulse) taken() uint64 { return p.Applied }
func (p *Pulse) safe() uint64  { return min(p.Flushed, p.Applied) }

// held returns up to which message enough members hold what was applied, flushed
// and with its values, if through is safe: a majority of all, and at least two. Past the
// cap those that are absent are not waited for. A cluster of one needs one. epoch is that
// of the stream: what a member tells of another is of no use.
func held(members []peer, epoch string, pastCap bool, through func(*Pulse) uint64) uint64 {
	now := time.Now()
	var all, present []uint64
	for i := range members {
		p, to := &members[i], uint64(0)
		if p.pulse.Epoch == epoch {
			to = through(&p.pulse)
		}
		all = append(all, to)
		if p.present(now) {
			present = append(present, to)
		}
	}
	most := reached(all, len(members) == 1)
	if pastCap {
		most = max(most, reached(present, len(members) == 1))
	}
	return most
}

// reached returns what a majority has reached, and at least two, unless one is all
// there are.
func reached(sequences []uint64, alone bool) uint64 {
	need := max(len(sequences)/2+1, 2)
	if alone {
		need = 1
	}
	if len(sequences) < need {
		return 0
	}
	slices.Sort(sequences)
	return sequences[len(sequences)-need]
}

// window knows of the messages that came last from which on they are so many
// bytes. It keeps a few samples.
type window struct {
	size int64

	mu      sync.Mutex
	last    uint64
	bytes   int64 // of all that came
	samples []sample
}

// sample is a message, and the bytes of all up to it.
type sample struct {
	sequence uint64
	bytes    int64
}

// resize makes it a window of so many bytes.
func (w *window) resize(size int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.size = size
}

// add counts a message. Those that are read again count once.
func (w *window) add(sequence uint64, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case sequence <= w.last:
		return
	case w.last == 0:
		w.samples = append(w.samples, sample{sequence - 1, 0})
	}
	w.last = sequence
	w.bytes += int64(n)
	if w.bytes-w.samples[len(w.samples)-1].bytes >= w.size/windowSamples {
		w.samples = append(w.samples, sample{sequence, w.bytes})
	}
	for len(w.samples) > 1 && w.bytes-w.samples[1].bytes >= w.size {
		w.samples = w.samples[1:]
	}
}

// reset forgets all messages: another stream has other numbers.
func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last, w.bytes, w.samples = 0, 0, nil
}

// first is the first message that the window holds, false while too few came to
// know.
func (w *window) first() (uint64, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.samples) == 0 || w.bytes-w.samples[0].bytes < w.size {
		return 0, false
	}
	return w.samples[0].sequence + 1, true
}

// estimate is about the first message that a window of the stream holds, if all
// messages are as long.
func (w *window) estimate(st State) uint64 {
	if st.Bytes <= w.size {
		return st.First
	}
	messages := float64(st.Last - st.First + 1)
	return st.Last - min(uint64(messages*float64(w.size)/float64(st.Bytes)), st.Last-st.First)
}

// trimTo returns the first message that the stream need hold; that it need hold
// all is its first.
func (m *Member) trimTo(st State, members []peer) uint64 {
	epoch := epochOf(m.store)
	if epoch == "" {
		return st.First
	}
	window, most := m.cfg.limits(st)
	m.window.resize(window)
	full := st.Bytes >= most
	first := min(held(members, epoch, full, (*Pulse).safe)+1, st.Last)
	from, known := m.window.first()
	switch {
	case m.padding.through != 0 && first >= m.padding.through: // all of it or nothing: else it would begin anew
		first = max(m.padding.through, min(first, from))
	case known:
		first = min(first, from)
	case full: // no more may come by which it would get to know
		first = min(first, m.window.estimate(st))
	default:
		return st.First
	}
	return max(first, st.First)
}

// whyFull is why writes are refused if the stream is full and must stay so; nil if it is
// not.
func (m *Member) whyFull(is bool, st State, members []peer) *godwit.Error {
	switch {
	case !is:
		return nil
	case held(members, epochOf(m.store), true, (*Pulse).taken) > st.First:
		return errLogHeldUp
	}
	return errLogFull
}

// trim removes from the stream what enough members hold, if that falls to this
// one, and takes no more writes where the stream is full and must stay so.
func (m *Member) trim(ctx context.Context, st State, members []peer) error {
	if st.Last == 0 {
		return nil
	}
	first := m.trimTo(st, members)
	_, most := m.cfg.limits(st)
	full := st.Bytes >= most
	m.board.logFull(m.whyFull(full && first <= st.First, st, members))
	if first <= st.First || !full && (!duty(members, m.cfg.Self.Name) || time.Since(m.trimmedAt) < trimEvery) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askWait)
	defer cancel()
	if err := m.cfg.Stream.Trim(ctx, first); err != nil {
		return fmt.Errorf("trim the stream: %w", err)
	}
	m.trimmedAt = time.Now()
	m.met.trimmed.Add(float64(first - st.First))
	m.log.Debug("trimmed the stream", logFirst, first, "messages", first-st.First)
	return nil
}
