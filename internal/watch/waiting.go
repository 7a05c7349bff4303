package watch

// waiting is the watches that have been told all there is. A change wakes those whose
// prefix its key has, and no others: with a thousand watches of a few keys each, to
// look at every change would cost each of them more than what it is told.
//
// It is guarded by the hub's lock.
type waiting struct {
	byPrefix map[string][]*waiter
	lengths  map[int]int // of the prefixes: how many wait with one of that length
}

// waiter is a watch that waits.
type waiter struct {
	prefix string
	woken  bool
	seq    uint64        // woken: of the first change in the ring that it may want
	grown  chan struct{} // closed when it is woken
}

func (ws *waiting) add(prefix string) *waiter {
	w := &waiter{prefix: prefix, grown: make(chan struct{})}
	if ws.byPrefix == nil {
		ws.byPrefix, ws.lengths = make(map[string][]*waiter), make(map[int]int)
	}
	ws.byPrefix[prefix] = append(ws.byPrefix[prefix], w)
	ws.lengths[len(prefix)]++
	return w
}

// remove takes back one that was not woken.
func (ws *waiting) remove(w *waiter) {
	same := ws.byPrefix[w.prefix]
	for i := range same {
		if same[i] == w {
			same[i] = same[len(same)-1]
			same[len(same)-1] = nil
			ws.byPrefix[w.prefix] = same[:len(same)-1]
			break
		}
	}
	ws.forget(w.prefix, 1, len(same) == 1)
}

func (ws *waiting) forget(prefix string, n int, last bool) {
	if last {
		delete(ws.byPrefix, prefix)
	}
	if ws.lengths[len(prefix)] -= n; ws.lengths[len(prefix)] == 0 {
		delete(ws.lengths, len(prefix))
	}
}

// wake wakes those who watch a key, of which a change is at seq.
func (ws *waiting) wake(key string, seq uint64) {
	for n := range ws.lengths {
		if n <= len(key) {
			ws.wakeAt(key[:n], seq)
		}
	}
}

// wakeAll wakes everyone: they have been told what is before seq.
func (ws *waiting) wakeAll(seq uint64) {
	for prefix := range ws.byPrefix {
		ws.wakeAt(prefix, seq)
	}
}

func (ws *waiting) wakeAt(prefix string, seq uint64) {
	same := ws.byPrefix[prefix]
	for _, w := range same {
		w.woken, w.seq = true, seq
		close(w.grown)
	}
	if len(same) > 0 {
		ws.forget(prefix, len(same), true)
	}
}
