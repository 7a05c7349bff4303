package feed_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
	"github.com/godwitkv/godwit/internal/store"
)

var copySeeds = flag.Uint64("copy.seeds", 3, "seeds of the choices in TestFollowersBecomeCopies")

// mirror follows a centre as an edge does, and checks all that it is told.
type mirror struct {
	*served
	name     string
	rng      *rand.Rand
	client   *feed.Client
	request  feed.FollowRequest
	expect   func(content) content // of what the centre holds
	hurry    time.Duration         // the longest pause between two frames
	position godwit.Revision
	ahead    godwit.Revision // parts of a state up to there may be here
	have     content
	seen     map[store.Place]godwit.Revision // deletions too
	dropped  map[godwit.NamespaceID]godwit.Revision

	rounds, frames, echoes int
}

func newMirror(s *served, name string, seed uint64) *mirror {
	return &mirror{
		served: s, name: name, rng: rand.New(rand.NewPCG(seed, 1)), client: s.client(rootToken), position: s.base.Revision,
		have: content{}, seen: make(map[store.Place]godwit.Revision), dropped: make(map[godwit.NamespaceID]godwit.Revision),
		expect: func(c content) content { return c },
	}
}

// run follows until the copy is exact at the revision that done holds, through as
// many cuts as chance wants.
func (m *mirror) run(done *atomic.Uint64) {
	for {
		upTo := godwit.Revision(done.Load())
		if upTo > 0 && m.position >= upTo && m.ahead <= m.position {
			return
		}
		m.stream(done)
		if m.t.Failed() {
			return
		}
	}
}

// stream follows once.
func (m *mirror) stream(done *atomic.Uint64) {
	q := m.request
	q.After = godwit.Position{Epoch: m.base.Epoch, Revision: m.position}
	st, err := m.client.Follow(m.t.Context(), q)
	if err != nil {
		m.t.Errorf("%s: follow: %v", m.name, err)
		return
	}
	defer st.Close()
	f, err := st.Next()
	hello, ok := f.(*feed.Hello)
	if err != nil || !ok {
		m.t.Errorf("%s: the stream begins with %T, %v", m.name, f, err)
		return
	}
	sent, cut, pings := m.position, m.rng.IntN(300), make(map[uint64]godwit.Revision)
	for n := 0; ; n++ {
		upTo := godwit.Revision(done.Load())
		if upTo == 0 && n > cut || upTo > 0 && m.position >= upTo && m.ahead <= m.position {
			return
		}
		if m.hurry > 0 {
			time.Sleep(time.Duration(m.rng.Int64N(int64(m.hurry))))
		}
		if m.rng.IntN(20) == 0 {
			m.report(hello.Session, pings)
		}
		f, err := st.Next()
		if err != nil {
			m.t.Errorf("%s: next frame: %v", m.name, err)
			return
		}
		if !m.frame(f, &sent, pings) {
			return
		}
	}
}

// report sends a ping, and remembers what the centre had acknowledged by then.
func (m *mirror) report(session uint64, pings map[uint64]godwit.Revision) {
	n := uint64(len(pings) + 1)
	pings[n] = m.store.Revision()
	if err := m.client.Report(m.t.Context(), feed.Report{Session: session, Ping: n, Follower: feed.NodeInfo{ID: m.name}}); err != nil {
		m.t.Errorf("%s: report: %v", m.name, err)
	}
}

// frame takes a frame; sent is how far the stream is.
func (m *mirror) frame(f feed.Frame, sent *godwit.Revision, pings map[uint64]godwit.Revision) bool {
	fail := func(format string, args ...any) bool {
		m.t.Errorf("%s at %d: %s", m.name, m.position, fmt.Sprintf(format, args...))
		return false
	}
	switch f := f.(type) {
	case *feed.Records:
		if f.Prev != *sent {
			return fail("a frame goes on from %d, and %d was sent", f.Prev, *sent)
		}
		m.frames++
		*sent = f.Revision
		for i := range f.Records {
			if r := f.Records[i].Revision; r <= f.Prev || r > f.Revision {
				return fail("revision %d in a frame from %d to %d", r, f.Prev, f.Revision)
			}
			m.catchUp(&f.Records[i])
		}
		if f.Round {
			m.ahead = max(m.ahead, f.Revision)
			return true
		}
		m.position = f.Revision
	case *feed.Ready:
		if f.Revision < *sent {
			return fail("ready at %d, and %d was sent", f.Revision, *sent)
		}
		if f.Revision > m.position {
			m.rounds++
		}
		m.position, *sent = f.Revision, f.Revision
	case *feed.Heartbeat:
		if f.Revision > *sent || f.Ping != 0 && m.position < pings[f.Ping] {
			return fail("a heartbeat at %d for ping %d, before which %d was acknowledged", f.Revision, f.Ping, pings[f.Ping])
		}
		if f.Ping != 0 {
			m.echoes++
		}
		return true
	default:
		return fail("%T %+v", f, f)
	}
	return m.ahead > m.position || m.compare()
}

// compare checks that the copy is what the centre was at the position.
func (m *mirror) compare() bool {
	want, ok := m.at(m.position)
	if !ok {
		m.t.Errorf("%s: is said to be exact at %d, where no commit ended", m.name, m.position)
		return false
	}
	if diff := m.have.differs(m.expect(want)); diff != "" {
		m.t.Errorf("%s: is said to be exact at %d, but %s", m.name, m.position, diff)
		return false
	}
	return true
}

// catchUp takes a record unless what is here is as new.
func (m *mirror) catchUp(r *godwit.Record) {
	p := store.Place{Namespace: r.Namespace, Key: r.Key}
	if m.seen[p] >= r.Revision || m.dropped[r.Namespace] > r.Revision {
		return
	}
	m.seen[p] = r.Revision
	if ns, ok := namespaceRow(r); ok && r.Op == godwit.OpDelete {
		m.dropped[ns] = r.Revision
	}
	m.have.apply(r)
}

// scribble writes what chance wants: single keys, several keys at once, keys that
// are deleted and come back, and now and then a namespace.
func (s *served) scribble(rng *rand.Rand, name string, ns godwit.NamespaceID, writes int, pause time.Duration) {
	var own *godwit.Namespace
	for i := range writes {
		time.Sleep(time.Duration(rng.Int64N(int64(pause))))
		key, value := fmt.Sprintf("%s-%d", name, rng.IntN(40)), strings.Repeat(fmt.Sprintf("%d ", i), rng.IntN(100))
		tx := put(ns, key, value)
		switch rng.IntN(10) {
		case 0:
			tx.Mutations[0] = godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key}
		case 1, 2, 3:
			for j := range 3 {
				tx.Mutations = append(tx.Mutations, put(ns, fmt.Sprintf("%s-together-%d", name, j), value).Mutations...)
			}
		case 4:
			s.namespaces(rng, name, &own)
			continue
		case 5:
			if own != nil {
				tx = put(own.ID, key, value)
			}
		}
		s.propose(tx)
	}
}

// namespaces makes a namespace or deletes it.
func (s *served) namespaces(rng *rand.Rand, name string, own **godwit.Namespace) {
	if *own == nil {
		*own = s.namespace(fmt.Sprintf("%s-%d", name, rng.Uint32()))
		return
	}
	if err := s.catalog.DeleteNamespace(context.Background(), (*own).ID, godwit.RequestKey{}); err != nil {
		s.t.Errorf("delete namespace: %v", err)
	}
	*own = nil
}

// TestFollowersBecomeCopies lets followers of every kind follow a busy centre with
// a short memory: fast and slow, cut off again and again, from different positions.
// Each must be an exact copy whenever it is told so, and at the end.
func TestFollowersBecomeCopies(t *testing.T) {
	for seed := range *copySeeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServed(t, store.Config{}, func(c *feed.ServerConfig) { c.RingBytes = 16 << 10 })
				ns := s.namespace("common").ID
				followers := make([]*mirror, 6)
				var done atomic.Uint64
				var following, writing sync.WaitGroup
				some, short := partial(ns, 0), partial(ns, 60)
				for i := range followers {
					c := newMirror(s, fmt.Sprintf("follower %d", i), seed<<8+uint64(i))
					c.hurry = time.Duration(i*i) * 4 * time.Millisecond
					followers[i] = c
					switch i {
					case 1:
						c.request.Namespaces, c.expect = []string{"common"}, some
					case 2:
						c.request.Namespaces, c.request.MaxValue, c.expect = []string{ns.String()}, 60, short
					}
					following.Go(func() { c.run(&done) })
				}
				for i := range 3 {
					rng := rand.New(rand.NewPCG(seed, uint64(i)))
					writing.Go(func() { s.scribble(rng, fmt.Sprintf("writer-%d", i), ns, 300, 10*time.Millisecond) })
				}
				writing.Wait()
				done.Store(uint64(s.store.Revision()))
				following.Wait()
				checkVariety(t, followers)
			})
		})
	}
}

// partial is what a follower holds that carries one namespace, and no values over a
// length.
func partial(ns godwit.NamespaceID, maxValue int) func(content) content {
	return func(all content) content {
		some := content{}
		for p, r := range all {
			if p.Namespace != ns && p.Namespace != godwit.SystemNamespace {
				continue
			}
			if n := len(r.Value.Inline); maxValue > 0 && n > maxValue && p.Namespace == ns {
				id := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("withheld"), uint64(r.Revision)))
				r.Value = godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID(id[:16]), Size: int64(n), Hash: sha256.Sum256(r.Value.Inline)}}
			}
			some[p] = r
		}
		return some
	}
}

// checkVariety holds that the test met what it is for.
func checkVariety(t *testing.T, followers []*mirror) {
	var rounds, frames, echoes int
	for _, c := range followers {
		rounds, frames, echoes = rounds+c.rounds, frames+c.frames, echoes+c.echoes
		if !t.Failed() && !c.compare() {
			t.Errorf("%s is no copy", c.name)
		}
	}
	t.Logf("%d rounds, %d frames, %d echoes", rounds, frames, echoes)
	if rounds < 5 || frames < 500 || echoes < 20 {
		t.Errorf("%d rounds, %d frames, %d echoes: too few to mean anything", rounds, frames, echoes)
	}
}
