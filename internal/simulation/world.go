package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/pause"
)

// What the world is given.
const (
	rootToken = "root-token-of-the-world"
	account   = "0123456789abcdef0123456789abcdef"
	dataDir   = "/data"
	operator  = "operator" // the host from which the world is set up
)

// maxSkew is how far an edge's corrected clock may be off the centre's.
const maxSkew = time.Second

// Bounds of what may take how long in a world that is whole.
const (
	patience = time.Minute // until all copies are complete, or equal
	lookEach = 250 * time.Millisecond
)

// world is all there is, for one run of a plan.
type world struct {
	plan      *plan
	start     time.Time
	trace     *trace
	network   *network
	model     *model
	cluster   *cluster // nil: the centre is one node
	clock     *clock   // that of the centre; of a cluster: the right one
	machines  map[string]*machine
	order     []*machine // as planned
	spaces    []godwit.NamespaceID
	write     string // a token that may write to all namespaces
	replicate string // a token for followers

	ctx    context.Context //nolint:containedctx // of all that lives in the world
	cancel context.CancelFunc

	mu     sync.Mutex
	broken []error
	ops    int
}

// result is how a world ended.
type result struct {
	broken  []error
	promise promise // the first that was broken
	trace   string
	ops     int           // answers held against the model
	lived   time.Duration // the world's own time
	log     int           // records
}

// run lives through a plan. It must be called in a bubble, whose time is the
// world's.
func run(p *plan) *result {
	w := &world{
		plan: p, start: time.Now(), trace: newTrace(), network: newNetwork(p.seed), model: newModel(),
		machines: make(map[string]*machine),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	defer w.cancel()
	w.build()
	if err := w.live(); err != nil {
		w.report("world", err)
	}
	w.end()
	r := &result{
		broken: w.broken, trace: p.String() + "\n" + w.trace.String(), ops: w.ops,
		lived: time.Since(w.start), log: len(w.model.current().records),
	}
	var v *violation
	if len(w.broken) > 0 && errors.As(w.broken[0], &v) {
		r.promise = v.promise
	}
	return r
}

// report notes a promise that was broken, and ends the work.
func (w *world) report(who string, err error) {
	w.trace.note(who, "BROKEN %v", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = append(w.broken, fmt.Errorf("%s: %w", who, err))
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.broken) > 0
}

// build makes the network and the machines, none of which runs yet.
func (w *world) build() {
	w.network.addHost(operator)
	w.network.addHost(founderName)
	for _, c := range w.plan.clients {
		w.network.addHost(c.name)
	}
	for _, name := range w.plan.watchers {
		w.network.addHost(name)
	}
	for _, n := range w.plan.nodes {
		w.network.addHost(n.name)
		m := newMachine(w, n)
		w.machines[n.name] = m
		w.order = append(w.order, m)
	}
	w.clock = w.order[0].clock
	if w.plan.members > 0 {
		w.clock = &clock{start: w.start}
		w.cluster = newCluster(w)
	}
	for _, l := range w.plan.links {
		w.network.with(l.a, l.b, func(link *link) { link.delay, link.jitter = l.delay, l.jitter })
	}
}

// live starts the world, lets clients work while things go wrong, heals it, and
// waits until all nodes are equal.
func (w *world) live() error {
	if err := w.found(); err != nil {
		return err
	}
	if err := w.await("all copies are complete", w.ready); err != nil {
		return err
	}
	w.trace.note("world", "the work begins")
	w.work()
	if w.failed() {
		return nil
	}
	w.trace.note("world", "the world is healed")
	if err := w.heal(); err != nil {
		return err
	}
	if err := w.await("all nodes are at one revision", w.level); err != nil {
		return err
	}
	return w.judge()
}

// found starts the centre, makes namespaces and tokens, and starts the others.
func (w *world) found() error {
	if err := w.startCentre(); err != nil {
		return err
	}
	c, idle, err := w.client(operator, w.order[0])
	if err != nil {
		return err
	}
	defer idle()
	for _, title := range []string{"first", "second"} {
		ns, err := c.CreateNamespace(w.ctx, title, client.NamespaceOptions{})
		if err != nil {
			return fmt.Errorf("create namespace: %w", err)
		}
		id, err := godwit.ParseNamespaceID(ns.ID)
		if err != nil {
			return err
		}
		w.spaces = append(w.spaces, id)
	}
	for secret, permission := range map[*string]string{&w.write: "write", &w.replicate: "replicate"} {
		t, err := c.CreateToken(w.ctx, client.TokenSpec{Name: permission, Permission: permission})
		if err != nil {
			return fmt.Errorf("create token: %w", err)
		}
		*secret = t.Secret
	}
	for _, m := range w.order {
		if m.node == nil {
			if err := m.start(false); err != nil {
				return err
			}
		}
	}
	return nil
}

// startCentre starts the nodes that have the log, and waits for them.
func (w *world) startCentre() error {
	for _, m := range w.order {
		if m.central() {
			if err := m.start(false); err != nil {
				return err
			}
		}
	}
	return w.await("the centre serves", w.ready)
}

// client returns a client of the API, and what closes its connections.
func (w *world) client(host string, m *machine) (*client.Client, func(), error) {
	transport := &http.Transport{DialContext: w.network.start(host).dial}
	c, err := client.New(m.url(), rootToken, client.WithHTTPClient(&http.Client{Transport: transport, Timeout: 10 * time.Second}))
	return c, transport.CloseIdleConnections, err
}

// work lets clients ask and things go wrong, until the time is over or a promise
// is broken.
func (w *world) work() {
	ctx, cancel := context.WithTimeout(w.ctx, w.plan.duration)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	begun := time.Now()
	for _, p := range w.plan.clients {
		g.Go(func() error { return newCaller(w, p).work(ctx) })
	}
	for _, name := range w.plan.watchers {
		g.Go(func() error { return newWatcher(w, name).work(ctx) })
	}
	if chance(w.plan.rng("founder"), 2) {
		g.Go(func() error { return newFounder(w).work(ctx) })
	}
	g.Go(func() error { return w.look(ctx) })
	faults := w.schedule()
	g.Go(func() error { return w.suffer(ctx, begun, faults) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		w.report("world", err)
	}
}

// look inspects all nodes now and then.
func (w *world) look(ctx context.Context) error {
	rng := w.plan.rng("look")
	for !w.failed() {
		if !pause.For(ctx, between(rng, lookEach/2, lookEach)) {
			return nil
		}
		w.order[rng.IntN(len(w.order))].inspect()
	}
	return errStop
}

// errStop ends the work after a promise was broken.
var errStop = fmt.Errorf("a promise was broken: %w", context.Canceled)

// heal ends what is still wrong, and starts who is down.
func (w *world) heal() error {
	for _, m := range w.order {
		if m.node == nil {
			if err := m.start(false); err != nil {
				return err
			}
		}
	}
	return nil
}

// await waits for something that must come to be true in a whole world.
func (w *world) await(what string, fn func() (string, bool)) error {
	begun := time.Now()
	for {
		state, ok := fn()
		if ok {
			return nil
		}
		if w.failed() {
			return errStop
		}
		if time.Since(begun) > patience {
			return broken(promiseEqual, "after %v it is not so that %s: %s", patience, what, state)
		}
		time.Sleep(lookEach)
	}
}

// ready tells whether all nodes serve reads.
func (w *world) ready() (string, bool) {
	for _, m := range w.order {
		if m.node == nil {
			continue
		}
		select {
		case <-m.node.Ready():
		default:
			return m.plan.name, false
		}
	}
	return "", true
}

// level tells whether all stores are where the log ends.
func (w *world) level() (state string, ok bool) {
	ok = true
	end := w.model.end()
	for _, m := range w.order {
		r := m.store.Revision()
		_, mixed := m.state()
		if r != end || mixed {
			ok = false
		}
		state += fmt.Sprintf(" %s is at %d of %d, mixed %v;", m.plan.name, r, end, mixed)
	}
	return state, ok
}

// judge holds the healed world against the model.
func (w *world) judge() error {
	if v := w.model.finish(); v != nil {
		return v
	}
	var want [32]byte
	now := w.clock.now().Add(2*maxSkew + w.off()).Unix()
	for i, m := range w.order {
		m.inspect()
		if m.plan.partial {
			continue
		}
		sum, r, err := m.store.Digest(w.ctx, now)
		if err != nil {
			return fmt.Errorf("digest of %s: %w", m.plan.name, err)
		}
		if i == 0 {
			want = sum
		} else if sum != want && m.plan.maxValue == 0 {
			return broken(promiseEqual, "the digest of %s at %d is %x, and that of %s %x", m.plan.name, r, sum, w.order[0].plan.name, want)
		}
	}
	return nil
}

// end stops all that runs, and looks at the disks.
func (w *world) end() {
	for i := len(w.order) - 1; i >= 0; i-- {
		w.order[i].stop()
		w.order[i].zombies.Wait()
	}
	w.cancel()
	if w.cluster != nil {
		w.cluster.end()
	}
	if !w.failed() {
		m := w.order[w.plan.rng("check").IntN(len(w.order))]
		if v := m.check(context.Background()); v != nil {
			w.report(m.plan.name, v)
		}
	}
	time.Sleep(time.Minute) // for what libraries leave running
}

// end is where the log ends.
func (m *model) end() godwit.Revision {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.current().end
}

// event is the beginning or the end of a fault.
type event struct {
	at   time.Duration
	what string
	do   func() error
}

// schedule turns faults into what is to be done at which time.
func (w *world) schedule() (events []event) {
	for i := range w.plan.faults {
		f := &w.plan.faults[i]
		rng := rand.New(rand.NewPCG(w.plan.seed, uint64(i)))
		switch {
		case f.ofLog():
			events = append(events, w.logFault(f)...)
		case f.node != "":
			events = append(events, w.nodeFault(f, rng)...)
		case f.disk != "":
			events = append(events, w.diskFault(f)...)
		default:
			events = append(events, w.linkFault(f)...)
		}
	}
	return events
}
