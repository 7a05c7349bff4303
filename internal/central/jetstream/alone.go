package jetstream

import (
	"context"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
)

const (
	// leaderless is for how long a start waits for the stream before what the store
	// holds is served as it is.
	leaderless = 10 * time.Second
	lookEvery  = time.Second
)

// standAlone lets a start go on without the cluster: a store that is a whole state of the
// log is served as stale then, and once there has been no leader for as long, the member is
// ready too, though nothing has told it that it has settled in, nor whether the log counts
// on it. One that can reach the stream waits for both, however long it takes to catch up.
func (m *Member) standAlone(ctx context.Context) error {
	var waited, alone time.Duration
	for !m.fresh.known() {
		if !pause.For(ctx, lookEvery) {
			return nil
		}
		waited, alone = waited+lookEvery, alone+lookEvery
		led := m.extent.get().Leader != ""
		if led {
			alone = 0
		}
		if waited >= leaderless && m.serveWhole() {
			m.tellStale(led)
		}
		if alone >= leaderless && m.serving.Load() {
			m.settled.Store(true)
			m.counted.Store(true)
			return nil
		}
	}
	return nil
}

func (m *Member) tellStale(led bool) {
	if led {
		m.log.Warn("this member has yet to catch up with the cluster: what it holds is served as stale")
		return
	}
	m.log.Warn("the cluster has no leader: what this member holds is served as stale")
}

// serveWhole has reads served if the store is a whole state of the log, and tells whether
// they were not before.
func (m *Member) serveWhole() bool {
	m.applying.Lock()
	defer m.applying.Unlock()
	whole := m.place.Stream != "" && !m.place.Joining && !m.store.Mixed()
	return whole && m.serving.CompareAndSwap(false, true)
}
