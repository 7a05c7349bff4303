package edge_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/feed"
)

// The states that an edge may be in.
var states = map[string]func(sc *scene){
	"fresh": func(sc *scene) { sc.follow() },
	"fresh, fails": func(sc *scene) {
		sc.follow()
		sc.fail()
	},
	"stale": func(sc *scene) { // for 700 ms, of which the reads of the table allow 600
		sc.follow()
		time.Sleep(700 * time.Millisecond)
	},
	"stale, fails": func(sc *scene) {
		sc.follow()
		sc.fail()
		time.Sleep(700 * time.Millisecond)
	},
	"stale, upstream too": func(sc *scene) {
		sc.follow()
		sc.asked.set(func() { sc.asked.status = godwit.StatusStale })
		time.Sleep(700 * time.Millisecond)
	},
	"stale, away": func(sc *scene) {
		sc.follow()
		sc.cut()
	},
	"fresh, away": func(sc *scene) {
		sc.follow()
		sc.net.cut("centre", true)
		synctest.Wait()
	},
	"restarted": func(sc *scene) { sc.s.send(hello(100)) },
	"restarted, away": func(sc *scene) {
		sc.cut()
	},
	"mixed": func(sc *scene) {
		sc.follow()
		sc.s.send(round(101, put(ns1, "x", "later", 110)))
	},
	"mixed, away": func(sc *scene) {
		sc.follow()
		sc.s.send(round(101, put(ns1, "x", "later", 110)))
		sc.cut()
	},
	"behind": func(sc *scene) {
		sc.follow()
		sc.write(godwit.Result{Outcome: godwit.Applied, Revision: 105})
	},
	"behind, away": func(sc *scene) {
		sc.follow()
		sc.write(godwit.Result{Outcome: godwit.Applied, Revision: 105})
		sc.cut()
	},
}

// fail makes the upstream answer no read.
func (sc *scene) fail() {
	sc.asked.set(func() {
		for _, path := range []string{"/entries", "/list", "/barrier"} {
			sc.asked.fails[path] = http.StatusServiceUnavailable
		}
	})
}

// write proposes something, and waits for it as long as that takes; a heartbeat
// comes then.
func (sc *scene) write(results ...godwit.Result) {
	sc.t.Helper()
	sc.asked.set(func() { sc.asked.answer = decides(results...) })
	ctx := godwit.WithCredential(context.Background(), "the client's own")
	tx := godwit.Transaction{Mutations: []godwit.Mutation{put(ns1, "k", "mine", 0).Mutation}}
	if _, err := sc.n.Propose(ctx, []godwit.Transaction{tx}); err != nil {
		sc.t.Errorf("propose: %v", err)
	}
	synctest.Wait()
	sc.beat(101)
	sc.asked.took("")
}

// The kinds of read.
var kinds = map[string]func(e *edge.Edge, ns godwit.NamespaceID, opts godwit.ReadOptions) (string, godwit.Served, error){
	"get": func(e *edge.Edge, ns godwit.NamespaceID, opts godwit.ReadOptions) (string, godwit.Served, error) {
		entry, served, err := e.Get(context.Background(), ns, []byte("k"), opts)
		if errors.Is(err, godwit.ErrKeyNotFound) {
			return "absent", served, nil
		}
		if err != nil {
			return "", served, err
		}
		return string(entry.Value.Inline), served, nil
	},
	"get many": func(e *edge.Edge, ns godwit.NamespaceID, opts godwit.ReadOptions) (string, godwit.Served, error) {
		found, served, err := e.GetMany(context.Background(), ns, []string{"k"}, opts)
		switch {
		case err != nil:
			return "", served, err
		case found[0] == nil:
			return "absent", served, nil
		}
		return string(found[0].Value.Inline), served, nil
	},
	"list": func(e *edge.Edge, ns godwit.NamespaceID, opts godwit.ReadOptions) (string, godwit.Served, error) {
		page, err := e.List(context.Background(), ns, godwit.ListQuery{Limit: 1}, opts)
		switch {
		case err != nil:
			return "", godwit.Served{}, err
		case len(page.Entries) == 0:
			return "absent", page.Served, nil
		case page.Entries[0].Key == "k":
			return "local", page.Served, nil
		}
		return page.Entries[0].Key, page.Served, nil
	},
}

// TestReads holds how each read is answered in each state: from where, as what,
// and how long it takes.
func TestReads(t *testing.T) {
	plain := godwit.ReadOptions{MaxStaleness: 600 * time.Millisecond}
	const ms = time.Millisecond
	for _, tt := range []struct {
		state string
		opts  godwit.ReadOptions
		want  string // "HIT local", or words of the error
		takes time.Duration
		at    godwit.Revision // that the upstream was asked for
	}{
		{state: "fresh", want: "HIT local"},
		{state: "fresh, fails", want: "HIT local"},
		{state: "fresh, away", want: "STALE local"},
		{state: "stale", want: "MISS upstream", at: 101},
		{state: "stale, fails", want: "STALE local", at: 101},
		{state: "stale, upstream too", want: "STALE upstream", at: 101},
		{state: "stale, away", want: "STALE local"},
		{state: "restarted", want: "MISS upstream"},
		{state: "restarted, away", want: "STALE absent"},
		{state: "mixed", want: "MISS upstream"},
		{state: "mixed, away", want: "STALE local"},
		{state: "behind", want: "MISS upstream", at: 105},
		{state: "behind, away", want: "STALE local"},

		{state: "fresh", opts: godwit.ReadOptions{MinRevision: 101}, want: "HIT local"},
		{state: "fresh", opts: godwit.ReadOptions{MinRevision: 150}, want: "MISS upstream", takes: 500 * ms, at: 150},
		{state: "fresh, fails", opts: godwit.ReadOptions{MinRevision: 150}, want: "Revision 150 has not reached", takes: 500 * ms, at: 150},
		{state: "stale", opts: godwit.ReadOptions{MinRevision: 101}, want: "MISS upstream", at: 101},
		{state: "stale, fails", opts: godwit.ReadOptions{MinRevision: 101}, want: "STALE local", at: 101},
		{state: "stale, away", opts: godwit.ReadOptions{MinRevision: 101}, want: "STALE local"},
		{state: "stale, away", opts: godwit.ReadOptions{MinRevision: 102}, want: "Revision 102 has not reached", takes: 500 * ms},
		{state: "restarted", opts: godwit.ReadOptions{MinRevision: 150}, want: "MISS upstream", at: 150},
		{state: "restarted, away", opts: godwit.ReadOptions{MinRevision: 100}, want: "STALE absent"},
		{state: "mixed", opts: godwit.ReadOptions{MinRevision: 101}, want: "MISS upstream", at: 101},
		{state: "mixed, away", opts: godwit.ReadOptions{MinRevision: 101}, want: "Revision 101 has not reached"},
		{state: "behind", opts: godwit.ReadOptions{MinRevision: 104}, want: "MISS upstream", takes: 500 * ms, at: 105},

		{state: "fresh", opts: godwit.ReadOptions{Strong: true}, want: "HIT local"},
		{state: "fresh, fails", opts: godwit.ReadOptions{Strong: true}, want: "A strong read needs the upstream"},
		{state: "stale", opts: godwit.ReadOptions{Strong: true}, want: "MISS upstream", at: 101},
		{state: "stale, away", opts: godwit.ReadOptions{Strong: true}, want: "A strong read needs the upstream", takes: 500 * ms},
		{state: "restarted", opts: godwit.ReadOptions{Strong: true}, want: "MISS upstream"},
		{state: "restarted, away", opts: godwit.ReadOptions{Strong: true}, want: "A strong read needs the upstream", takes: 500 * ms},
		{state: "mixed", opts: godwit.ReadOptions{Strong: true}, want: "MISS upstream"},
	} {
		for kind, read := range kinds {
			name := fmt.Sprintf("%s/min %d strong %t/%s", tt.state, tt.opts.MinRevision, tt.opts.Strong, kind)
			t.Run(name, func(t *testing.T) {
				play(t, options{at: 100}, func(sc *scene) {
					sc.asked.barrier = 101
					states[tt.state](sc)
					opts := tt.opts
					opts.MaxStaleness = plain.MaxStaleness
					start := time.Now()
					got, served, err := read(sc.n.Edge, ns1, opts)
					if takes := time.Since(start); takes != tt.takes {
						t.Errorf("it took %v, want %v", takes, tt.takes)
					}
					sc.checkAnswer(tt.want, got, served, err)
					sc.checkAsked(tt.opts, tt.at)
				})
			})
		}
	}
}

func (sc *scene) checkAnswer(want, got string, served godwit.Served, err error) {
	sc.t.Helper()
	if err != nil {
		if godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(godwit.MessageOf(err), want) {
			sc.t.Errorf("got error %v, want %s", err, want)
		}
		return
	}
	if got := served.Status.String() + " " + got; got != want {
		sc.t.Errorf("got %s, want %s", got, want)
	}
}

// checkAsked checks what an upstream was asked for that was read in the copy's
// place.
func (sc *scene) checkAsked(opts godwit.ReadOptions, at godwit.Revision) {
	sc.t.Helper()
	for _, r := range sc.asked.took("") {
		if r.path != "/entries" && r.path != "/list" {
			continue
		}
		got, want := r.header.Get("Godwit-Min-Revision"), ""
		if at != 0 {
			want = at.String()
		}
		if got != want {
			sc.t.Errorf("the upstream was asked for revision %q, want %q", got, want)
		}
		if at == 0 && opts.Strong != (r.header.Get("Godwit-Consistency") == "strong") {
			sc.t.Errorf("the upstream was asked for consistency %q", r.header.Get("Godwit-Consistency"))
		}
	}
}

// TestReadsOfFirstCopy: an edge that holds nothing yet never answers as if keys
// were absent.
func TestReadsOfFirstCopy(t *testing.T) {
	for kind, read := range kinds {
		t.Run(kind, func(t *testing.T) {
			play(t, options{}, func(sc *scene) {
				sc.s.send(hello(100))
				got, served, err := read(sc.n.Edge, ns1, godwit.ReadOptions{})
				sc.checkAnswer("MISS upstream", got, served, err)
				sc.cut()
				got, served, err = read(sc.n.Edge, ns1, godwit.ReadOptions{})
				sc.checkAnswer("first copy is not complete", got, served, err)
				if err == nil {
					t.Errorf("answered %s", got)
				}
			})
		})
	}
}

// TestReadsOfOtherNamespaces: what is not carried is asked upstream, and never
// answered as absent.
func TestReadsOfOtherNamespaces(t *testing.T) {
	carries := feed.Filter{Namespaces: []godwit.NamespaceID{ns1}}
	for kind, read := range kinds {
		t.Run(kind, func(t *testing.T) {
			play(t, options{at: 100, carries: carries, cfg: edge.Config{Namespaces: []string{ns1.String()}}}, func(sc *scene) {
				h := hello(100)
				h.Carries = carries
				sc.s.send(h, ready(100), batch(100, put(ns1, "k", "local", 101)))
				sc.beat(101)
				got, served, err := read(sc.n.Edge, ns1, godwit.ReadOptions{})
				sc.checkAnswer("HIT local", got, served, err)
				if kind != "list" { // of an entry that is another namespace's
					got, served, err = read(sc.n.Edge, ns2, godwit.ReadOptions{Strong: true})
					sc.checkAnswer("MISS upstream", got, served, err)
				}
				sc.cut()
				got, served, err = read(sc.n.Edge, ns2, godwit.ReadOptions{})
				sc.checkAnswer("does not carry the namespace", got, served, err)
				if err == nil {
					t.Errorf("answered %s", got)
				}
			})
		})
	}
}

// TestRevisionComes: a read waits for a revision that is on its way, and is
// answered once it is here.
func TestRevisionComes(t *testing.T) {
	for name, opts := range map[string]godwit.ReadOptions{
		"asked for": {MinRevision: 102},
		"strong":    {Strong: true},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, options{at: 100}, func(sc *scene) {
				sc.follow()
				sc.asked.barrier = 102
				var wait sync.WaitGroup
				start := time.Now()
				wait.Go(func() {
					got, served, err := kinds["get"](sc.n.Edge, ns1, opts)
					sc.checkAnswer("HIT later", got, served, err)
					if served.Revision != 102 || time.Since(start) != 300*time.Millisecond {
						t.Errorf("revision %d after %v", served.Revision, time.Since(start))
					}
				})
				time.Sleep(300 * time.Millisecond)
				sc.s.send(batch(101, put(ns1, "k", "later", 102)))
				wait.Wait()
			})
		})
	}
}

// TestAnswersThatStand: what an upstream says of the request itself is told to
// the client, and absence is an answer.
func TestAnswersThatStand(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.s.send(hello(100))
		_, err := sc.n.List(context.Background(), ns1, godwit.ListQuery{Limit: 1, Cursor: "bad"}, godwit.ReadOptions{})
		if !errors.Is(err, godwit.ErrInvalidCursor) {
			t.Errorf("cursor: %v", err)
		}
		_, served, err := sc.n.Get(context.Background(), ns1, []byte("absent"), godwit.ReadOptions{})
		if !errors.Is(err, godwit.ErrKeyNotFound) || served.Status != godwit.StatusMiss || served.Revision != 200 {
			t.Errorf("absent: %v, %+v", err, served)
		}
		found, served, err := sc.n.GetMany(context.Background(), ns1, []string{"absent"}, godwit.ReadOptions{})
		if err != nil || found[0] != nil || served.Status != godwit.StatusMiss {
			t.Errorf("absent: %v, %v, %+v", found, err, served)
		}
	})
}

// TestUpstreamHangs: a read that waits for an upstream is answered from the copy
// when that is known to be away, and at the latest after a while.
func TestUpstreamHangs(t *testing.T) {
	for name, tt := range map[string]struct {
		cut   time.Duration
		takes time.Duration
	}{
		"cut off":  {300 * time.Millisecond, 300 * time.Millisecond},
		"for long": {time.Hour, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, options{at: 100}, func(sc *scene) {
				sc.follow()
				time.Sleep(700 * time.Millisecond)
				sc.asked.set(func() { sc.asked.hold["/entries"] = make(chan struct{}) })
				var wait sync.WaitGroup
				start := time.Now()
				wait.Go(func() {
					got, served, err := kinds["get"](sc.n.Edge, ns1, godwit.ReadOptions{MaxStaleness: time.Millisecond})
					sc.checkAnswer("STALE local", got, served, err)
					if takes := time.Since(start); takes != tt.takes {
						t.Errorf("it took %v", takes)
					}
				})
				for time.Since(start) < min(tt.cut, 3*time.Second) {
					sc.beat(101)
					time.Sleep(300 * time.Millisecond)
				}
				sc.net.cut("centre", true)
				wait.Wait()
			})
		})
	}
}

// TestReadDuringARound: what was read while parts of later states came in is not
// told, though the copy is exact again when the read is done.
func TestReadDuringARound(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		got, served, err := sc.n.Answer(ns1, godwit.ReadOptions{}, func() string {
			sc.s.send(round(101, put(ns1, "x", "later", 110)), ready(110))
			if !sc.n.Exact() {
				sc.t.Error("not exact after the round")
			}
			return "of two states"
		}, func() string { return "upstream" })
		sc.checkAnswer("MISS upstream", got, served, err)
	})
}

// TestNextUpstream: a read whose upstream goes away under it is answered by the
// next one.
func TestNextUpstream(t *testing.T) {
	world(t, func(t *testing.T) {
		sc := &scene{t: t, net: newNetwork()}
		sc.up = startUpstream(t, sc.net, "centre")
		other := startUpstream(t, sc.net, "other")
		sc.asked = newAsked(t, sc.up)
		answers := newAsked(t, other)
		sc.n = start(t, options{net: sc.net, at: 100, upstream: []*upstream{sc.up, other}})
		defer sc.n.stop()
		sc.s = sc.up.next()
		sc.follow()
		sc.cut()
		s := other.next()
		s.send(hello(101), ready(101))
		time.Sleep(700 * time.Millisecond)
		got, served, err := kinds["get"](sc.n.Edge, ns1, godwit.ReadOptions{MaxStaleness: time.Millisecond})
		sc.checkAnswer("MISS upstream", got, served, err)
		if n := len(answers.took("/entries")); n != 1 {
			t.Errorf("the other one was asked %d times", n)
		}
	})
}

// TestBarriersAreShared: those who wait while others are on their way are served
// by one.
func TestBarriersAreShared(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		hold := make(chan struct{})
		sc.asked.barrier = 101
		sc.asked.set(func() { sc.asked.hold["/barrier"] = hold })
		var wait sync.WaitGroup
		strong := func(ctx context.Context) {
			wait.Go(func() {
				if r, err := sc.n.Barrier(ctx); err != nil && ctx.Err() == nil || err == nil && r != 101 {
					t.Errorf("barrier: %d, %v", r, err)
				}
			})
			synctest.Wait()
		}
		gone, leave := context.WithCancel(context.Background())
		for range 4 {
			strong(context.Background())
		}
		strong(gone) // and sends for those that come after
		for range 100 {
			strong(context.Background())
		}
		leave()
		synctest.Wait()
		if n := len(sc.asked.took("/barrier")); n != 4 {
			t.Errorf("%d barriers were asked for before one was answered", n)
		}
		close(hold)
		wait.Wait()
		if n := len(sc.asked.took("/barrier")); n != 1 {
			t.Errorf("%d barriers were asked for by those who waited", n)
		}
	})
}

// TestGetCostsWhatTheStoreCosts: a read that the copy answers allocates no more
// than the store does.
func TestGetCostsWhatTheStoreCosts(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		ctx, key := context.Background(), []byte("k")
		var reader godwit.Reader = sc.n.store
		get := func() {
			if _, served, err := reader.Get(ctx, ns1, key, godwit.ReadOptions{MaxStaleness: time.Hour}); err != nil || served.Status != godwit.StatusHit {
				t.Errorf("%v, %v", served, err)
			}
		}
		want := testing.AllocsPerRun(100, get)
		reader = sc.n
		if got := testing.AllocsPerRun(100, get); got != want {
			t.Errorf("%v allocations, the store has %v", got, want)
		}
	})
}
