package watch_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/watch"
)

// sweepDelay is by how much an expiry may be told after its second.
const sweepDelay = 2 * time.Second

// life is what a namespace has been through: every write, by revision.
type life struct {
	mu     sync.Mutex
	writes []write
}

type write struct {
	revision   godwit.Revision
	key        string
	value      string // "": it is a deletion
	expiration int64
	cleared    bool // all keys that begin with key
}

// state is what stood under a prefix at a revision: what may have been told as
// expired, and what must.
func (l *life) state(r godwit.Revision, prefix string) map[string]write {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := make(map[string]write)
	for _, w := range l.writes {
		switch {
		case w.cleared && w.revision <= r:
			maps.DeleteFunc(s, func(key string, _ write) bool { return strings.HasPrefix(key, w.key) })
		case w.revision > r || !strings.HasPrefix(w.key, prefix):
		case w.value == "":
			delete(s, w.key)
		default:
			s[w.key] = w
		}
	}
	return s
}

// clearedAfter tells whether keys with a prefix were cleared after an ID.
func (l *life) clearedAfter(t *testing.T, id, prefix string) bool {
	after := revisionOf(t, id)
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.writes, func(w write) bool {
		return w.cleared && w.revision > after && (strings.HasPrefix(w.key, prefix) || strings.HasPrefix(prefix, w.key))
	})
}

// TestEventsMakeTheStoreAgain has writers write, delete, clear and let expire under
// watchers that come, go, and come again at any ID that they were ever told, over
// restarts of the node. Whenever a watcher is told that it is ready, what it made
// of the events is what the store holds.
func TestEventsMakeTheStoreAgain(t *testing.T) {
	seeds := uint64(8)
	if raceEnabled {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { property(t, seed) })
		})
	}
}

func property(t *testing.T, seed uint64) {
	ring := []int{0, 4 << 10}[seed%2]
	w := newWorld(t, store.Config{}, watch.Config{RingSize: ring})
	l := new(life)
	var watchers []*model
	for i := range 6 {
		prefix := []string{"", "a", "b", "none"}[i%4]
		watchers = append(watchers, &model{
			t: t, w: w, life: l, prefix: prefix, values: i%2 == 0, patient: i < 2,
			rnd: rand.New(rand.NewPCG(seed, uint64(i))), keys: map[string]string{},
		})
	}
	rnd := rand.New(rand.NewPCG(seed, 99))
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, m := range watchers {
			all.Go(func() { m.run(ctx) })
		}
		writeAtRandom(w, l, rnd)
		cancel()
		all.Wait()
		time.Sleep(time.Duration(rnd.IntN(int(2 * time.Minute))))
		w.reopen()
	}
	time.Sleep(time.Minute)
	for _, m := range watchers {
		m.catchUp()
	}
}

// writeAtRandom writes for a few minutes.
func writeAtRandom(w *world, l *life, rnd *rand.Rand) {
	for range 400 {
		var mutations []godwit.Mutation
		used := map[string]bool{}
		for range 1 + rnd.IntN(4) {
			key := fmt.Sprintf("%c%d", 'a'+rnd.IntN(3), rnd.IntN(8))
			if used[key] {
				continue
			}
			used[key] = true
			switch rnd.IntN(5) {
			case 0:
				if _, stands := l.state(godwit.MaxRevision, key)[key]; stands {
					mutations = append(mutations, del(ns1, key))
				}
			case 1, 2:
				ttl := time.Second + time.Duration(rnd.IntN(int(30*time.Second)))
				mutations = append(mutations, putFor(ns1, key, fmt.Sprint(rnd.Uint32()), ttl))
			default:
				mutations = append(mutations, put(ns1, key, fmt.Sprint(rnd.Uint32())))
			}
		}
		if rnd.IntN(40) == 0 {
			prefix := fmt.Sprintf("%c%d", 'a'+rnd.IntN(3), rnd.IntN(8))[:1+rnd.IntN(2)]
			mutations = append(mutations, put(godwit.SystemNamespace, "cleared/"+ns1.String()+"/"+prefix, ""))
		}
		mutations = append(mutations, put(ns2, "a0", "not watched"))
		w.write(l, mutations)
		if rnd.IntN(3) > 0 {
			time.Sleep(time.Duration(rnd.IntN(int(2 * time.Second))))
		}
	}
}

// write makes a transaction, and notes what it wrote before anyone who was told of
// it can look. That is read from the store: deleting what has expired gives no
// record.
func (w *world) write(l *life, mutations []godwit.Mutation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := w.store.Revision()
	w.propose(mutations...)
	v, err := w.store.View(context.Background())
	w.check(err)
	defer v.Close()
	w.check(v.Changes(context.Background(), before, v.Revision(), func(r *godwit.Record) error {
		if ns, prefix, ok := godwit.ClearedKeys(r.Key); ok && ns == ns1 && r.Namespace == godwit.SystemNamespace {
			l.writes = append(l.writes, write{revision: r.Revision, key: strings.Clone(prefix), cleared: true})
		}
		if r.Namespace == ns1 {
			l.writes = append(l.writes, write{revision: r.Revision, key: strings.Clone(r.Key), value: string(r.Value.Inline), expiration: r.Expiration})
		}
		return nil
	}))
}

// model is a watcher and the map that it makes of the events.
type model struct {
	t       *testing.T
	w       *world
	life    *life
	prefix  string
	values  bool
	patient bool // reads all, without pauses, and goes on from the last ID
	dawdles bool // pauses between events
	rnd     *rand.Rand
	ids     []string
	keys    map[string]string // value, or revision where values are not watched
}

func (m *model) request() watch.Request {
	q := watch.Request{Namespace: ns1, Prefix: m.prefix, Values: m.values}
	switch {
	case len(m.ids) == 0:
	case m.patient || m.rnd.IntN(2) == 0:
		q.After = m.ids[len(m.ids)-1]
	default:
		q.After = m.ids[m.rnd.IntN(len(m.ids))]
	}
	return q
}

func (m *model) run(ctx context.Context) {
	m.dawdles = !m.patient
	for ctx.Err() == nil {
		m.watch(ctx, 1+m.rnd.IntN(40))
		if !m.patient {
			time.Sleep(time.Duration(m.rnd.IntN(int(20 * time.Second))))
		}
	}
}

// watch reads up to a number of events.
func (m *model) watch(ctx context.Context, most int) {
	q := m.request()
	if q.After == "" {
		m.keys = map[string]string{}
	}
	last := godwit.Revision(0)
	for e, err := range m.w.hub.Watch(ctx, q) {
		if err != nil {
			m.t.Errorf("watch after %q: %v", q.After, err)
			return
		}
		if e.Kind == watch.Heartbeat {
			continue
		}
		m.checkOrder(e, last)
		last = revisionOf(m.t, e.ID)
		m.apply(e, q)
		if most--; most <= 0 && !m.patient {
			return
		}
		if m.dawdles && m.rnd.IntN(4) == 0 {
			time.Sleep(time.Duration(m.rnd.IntN(int(time.Second))))
		}
	}
}

// checkOrder holds that the revisions of IDs do not go back, and those of puts
// and deletions grow.
func (m *model) checkOrder(e watch.Event, last godwit.Revision) {
	r := revisionOf(m.t, e.ID)
	if r < last || (e.Kind == watch.Put || e.Kind == watch.Deleted) && (r == last || r != e.Revision) {
		m.t.Errorf("%+v came after ID %d", e, last)
	}
}

func revisionOf(t *testing.T, id string) godwit.Revision {
	text, _, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Error(err)
	}
	return godwit.Revision(n)
}

func (m *model) apply(e watch.Event, q watch.Request) {
	switch e.Kind {
	case watch.Put:
		m.keys[e.Key] = e.Revision.String()
		if m.values {
			m.keys[e.Key] = string(e.Value)
		}
	case watch.Deleted, watch.Expired:
		delete(m.keys, e.Key)
	case watch.Reset:
		if !m.life.clearedAfter(m.t, m.ids[0], m.prefix) {
			m.t.Errorf("reset after %q", q.After)
		}
		clear(m.keys)
		m.list(e.Revision)
	case watch.Ready:
		if q.After == "" && len(m.ids) == 0 { // it has read nothing yet
			m.list(e.Revision)
		}
		m.compare(e)
	}
	m.ids = append(m.ids, e.ID)
}

// list is how a watcher begins: it lists what there is.
func (m *model) list(r godwit.Revision) {
	for key, w := range m.life.state(r, m.prefix) {
		if w.expiration == 0 || w.expiration > time.Now().Unix() {
			m.keys[key] = m.shown(w)
		}
	}
}

func (m *model) shown(w write) string {
	if m.values {
		return w.value
	}
	return w.revision.String()
}

// compare holds the map against what stood at a revision. What expires about now
// may or may not be there, and what has expired since a watcher began to dawdle.
func (m *model) compare(e watch.Event) {
	m.t.Helper()
	now := time.Now()
	got, want := maps.Clone(m.keys), map[string]string{}
	for key, w := range m.life.state(e.Revision, m.prefix) {
		switch at := time.Unix(w.expiration, 0); {
		case w.expiration == 0 || at.After(now):
			want[key] = m.shown(w)
		case now.Sub(at) <= sweepDelay || m.dawdles:
			delete(got, key)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		m.t.Errorf("prefix %q, ready at %s: %s", m.prefix, e.ID, diff)
	}
}

// catchUp reads until all has been told.
func (m *model) catchUp() {
	m.dawdles = false
	for e, err := range m.w.hub.Watch(m.t.Context(), m.request()) {
		if err != nil {
			m.t.Error(err)
			return
		}
		if e.Kind == watch.Heartbeat {
			continue
		}
		m.apply(e, watch.Request{After: "x"})
		if e.Kind == watch.Ready {
			return
		}
	}
}
