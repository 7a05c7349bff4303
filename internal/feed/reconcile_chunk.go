package feed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

const (
	chunksAhead  = 3       // wait between the upstream and the disk; what differs is fetched for all of them at once
	pagesAhead   = 8       // the same where nothing stands here: while some are synced the next ones come
	aheadBytes   = 8 << 20 // of entries wait, if that is less; one chunk may be of more
	entryBytes   = 256     // about what an entry takes in memory beside its bytes
	chunkFetches = 512     // places fetched by one request
	chunkSteps   = 10_000
)

// chunk is what a part of a page came to.
type chunk struct {
	state    godwit.Position // the upstream's, that the page was read from
	every    []godwit.Record // all are put in: nothing stands here
	steps    []step          // else what is to be done, in order of place
	fetching fetching        // of the steps
	upTo     *store.Place    // all up to here is done with it; nil: the page was empty
	keys     int64           // looked at for it
	bytes    int             // of every, and of the records of steps, in memory
	room     int64           // of what may wait that it takes
	last     bool            // no chunk follows
}

// step is what is to be done about one place.
type step struct {
	place  store.Place
	record *godwit.Record // put in
	fetch  bool           // else fetched and put in, else removed
}

// cutter compares pages with what is here, and cuts what is to be done into
// chunks.
type cutter struct {
	*walk
	group   *errgroup.Group
	out     chan<- *chunk
	after   *store.Place // compared up to here
	current *chunk
}

// page turns a page into chunks.
func (c *cutter) page(ctx context.Context, p *Page) error {
	if err := c.check(p); err != nil {
		return err
	}
	c.begin(c.hello.Lineage.Position(p.Revision))
	if c.note.Blank {
		c.current.every = p.Records
		for i := range p.Records {
			c.current.bytes += weightOf(&p.Records[i])
		}
	} else if err := c.compare(ctx, p); err != nil {
		return err
	}
	c.current.keys, c.current.last = int64(len(p.Records)), p.Done
	if n := len(p.Records); n > 0 {
		last := placeOf(&p.Records[n-1])
		c.current.upTo, c.after = &last, &last
	}
	return c.send(ctx)
}

func sizeOf(r *godwit.Record) int { return len(r.Key) + len(r.Metadata) + len(r.Value.Inline) }

// weightOf is about what an entry takes in memory: of many that are small, most is not
// their bytes.
func weightOf(r *godwit.Record) int { return sizeOf(r) + entryBytes }

func (c *cutter) begin(state godwit.Position) {
	c.current = &chunk{state: state}
}

// send has what differs fetched, and hands the chunk on once there is room for it.
func (c *cutter) send(ctx context.Context) error {
	k := c.current
	k.room = min(int64(k.bytes), aheadBytes)
	if err := c.room.Acquire(ctx, k.room); err != nil {
		return err
	}
	if places := k.fetching.places; len(places) > 0 {
		answers := make(chan *answer, 1)
		k.fetching.answers = answers
		c.group.Go(func() error {
			a, err := c.fetch(ctx, places)
			if err == nil {
				answers <- a
			}
			return err
		})
	}
	select {
	case c.out <- k:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errStop ends a look through the store.
var errStop = errors.New("stop")

// compare finds what the upstream's page has and the store has not or otherwise,
// and what the store has between the places of the page and the upstream has not.
func (c *cutter) compare(ctx context.Context, p *Page) (err error) {
	view, err := c.Store.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, view.Close()) }()
	upstream := p.Records
	from := c.after
	for {
		skip := false
		err := view.Walk(ctx, from, false, func(r *godwit.Record) error {
			if !p.Done && (len(p.Records) == 0 || comparePlaces(placeOf(r), placeOf(&p.Records[len(p.Records)-1])) > 0) {
				return errStop
			}
			if from, skip = c.beyond(r.Namespace); skip {
				return errStop
			}
			var err error
			upstream, err = c.meet(ctx, r, upstream)
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			return err
		}
		if !skip || from == nil {
			break
		}
	}
	for i := range upstream {
		if err := c.want(ctx, &upstream[i]); err != nil {
			return err
		}
	}
	return nil
}

// beyond tells whether a namespace is none of this walk's, and where to go on
// behind it: nil for nowhere.
func (c *cutter) beyond(ns godwit.NamespaceID) (*store.Place, bool) {
	if c.hello.Carries.Carries(ns) {
		return nil, false
	}
	if p, ok := behind(ns); ok {
		return &p, true
	}
	return nil, true
}

// meet compares one entry of the store with the upstream's, and returns those of
// them that come behind it.
func (c *cutter) meet(ctx context.Context, local *godwit.Record, upstream []godwit.Record) ([]godwit.Record, error) {
	place := placeOf(local)
	for len(upstream) > 0 {
		order := comparePlaces(placeOf(&upstream[0]), place)
		if order > 0 {
			break
		}
		first := &upstream[0]
		upstream = upstream[1:]
		if order == 0 && c.same(local, first) {
			return upstream, nil
		}
		if err := c.want(ctx, first); err != nil || order == 0 {
			return upstream, err
		}
	}
	place.Key = strings.Clone(place.Key)
	return upstream, c.step(ctx, step{place: place})
}

// same tells whether two entries under one key have the same content.
func (c *cutter) same(local, upstream *godwit.Record) bool {
	return !c.note.All && local.Revision == upstream.Revision && local.Revision < c.common
}

// want has an entry of the upstream put in.
func (c *cutter) want(ctx context.Context, r *godwit.Record) error {
	if c.note.All {
		return c.step(ctx, step{place: placeOf(r), record: r})
	}
	return c.step(ctx, step{place: placeOf(r), fetch: true})
}

// step adds a step to the chunk, and begins another one once it is full.
func (c *cutter) step(ctx context.Context, s step) error {
	c.current.steps = append(c.current.steps, s)
	if s.record != nil {
		c.current.bytes += weightOf(s.record)
	}
	if s.fetch {
		c.current.fetching.places = append(c.current.fetching.places, s.place)
	}
	if len(c.current.fetching.places) < chunkFetches && len(c.current.steps) < chunkSteps {
		return nil
	}
	c.current.upTo = &s.place
	state := c.current.state
	if err := c.send(ctx); err != nil {
		return err
	}
	c.begin(state)
	return nil
}

// checkReach tells whether a page can be of a state of the upstream's log: neither it
// nor what is in it is from the future. The store would wait for such a revision for ever.
func (w *walk) checkReach(p *Page) error {
	if !w.hello.MayReach(p.Revision, 0) {
		return broken(fmt.Errorf("%w: a page of revision %d, far beyond the upstream's log", wire.ErrMalformed, p.Revision))
	}
	for i := range p.Records {
		if r := p.Records[i].Revision; r > p.Revision {
			return broken(fmt.Errorf("%w: an entry of revision %d in a page of %d", wire.ErrMalformed, r, p.Revision))
		}
	}
	return nil
}

// check tells whether a page is one that can follow those before it.
func (c *cutter) check(p *Page) error {
	if _, ok := c.hello.Lineage.At(p.Revision); !ok {
		return broken(fmt.Errorf("%w: a page of revision %d, which is on no epoch", wire.ErrMalformed, p.Revision))
	}
	if err := c.checkReach(p); err != nil {
		return err
	}
	if p.Heads == c.note.takesAll() {
		return broken(fmt.Errorf("%w: a page with heads alone: %t", wire.ErrMalformed, p.Heads))
	}
	before := c.after
	for i := range p.Records {
		r := &p.Records[i]
		place := placeOf(r)
		if r.Op != godwit.OpPut || r.Swept || before != nil && comparePlaces(*before, place) >= 0 || !c.hello.Carries.Carries(r.Namespace) {
			return broken(fmt.Errorf("%w: an entry that is out of place in a page", wire.ErrMalformed))
		}
		before = &place
	}
	return nil
}
