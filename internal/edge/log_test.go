package edge_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

var (
	clientKey = godwit.RequestKey{0xc1}
	applied   = godwit.Result{Outcome: godwit.Applied, Revision: 101}
	failed    = godwit.Result{Outcome: godwit.ConditionFailed, Revision: 101}
	missing   = godwit.Result{Outcome: godwit.NamespaceMissing, Revision: 101}
	notNumber = godwit.Result{Outcome: godwit.NotNumber, Revision: 101}
	repeats   = godwit.Result{Outcome: godwit.Applied, Revision: 101, Repeated: true}
)

// propose proposes a transaction with the client's request key and one without.
func (sc *scene) propose() ([]godwit.Result, error) {
	ctx := godwit.WithCredential(context.Background(), "the client's own")
	return sc.n.Propose(ctx, []godwit.Transaction{
		{RequestKey: clientKey, Mutations: []godwit.Mutation{put(ns1, "a", "1", 0).Mutation}},
		{Mutations: []godwit.Mutation{put(ns1, "b", "2", 0).Mutation}},
	})
}

func refuses(status int, code string) func(http.ResponseWriter, *proposed) {
	return func(w http.ResponseWriter, _ *proposed) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"code":%q,"message":"as the upstream says"}}`, code)
	}
}

// decidesPart answers with the results of the first transactions, and an error for
// the rest.
func decidesPart(code string, results ...godwit.Result) func(http.ResponseWriter, *proposed) {
	return func(w http.ResponseWriter, _ *proposed) {
		b := wire.AppendResults(nil, results)
		_, _ = w.Write(wire.AppendCounted(wire.AppendCounted(b, code), "as the upstream says"))
	}
}

// TestWritesArePassedOn: with the client's own credential, and with a request key
// each; the client's own stays.
func TestWritesArePassedOn(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.answer = decides(applied, failed)
		got, err := sc.propose()
		if diff := cmp.Diff([]godwit.Result{applied, failed}, got); err != nil || diff != "" {
			sc.t.Errorf("%v (-want +got):\n%s", err, diff)
		}
		took := sc.asked.took("/propose")
		if len(took) != 1 || took[0].p.secret != "the client's own" {
			sc.t.Fatalf("proposed %+v", took)
		}
		txs := took[0].p.txs
		if txs[0].RequestKey != clientKey || txs[1].RequestKey == (godwit.RequestKey{}) || txs[1].Mutations[0].Key != "b" {
			sc.t.Errorf("proposed %+v", txs)
		}
	})
}

// TestWritesShow: a write returns once this node shows it, also one that changed
// nothing, and after a second at the latest: then reads go upstream until it does.
func TestWritesShow(t *testing.T) {
	for name, result := range map[string]godwit.Result{
		"applied":              {Outcome: godwit.Applied, Revision: 105},
		"a condition's failed": {Outcome: godwit.ConditionFailed, Revision: 105},
	} {
		for _, delay := range []time.Duration{0, 200 * time.Millisecond, 3 * time.Second} {
			t.Run(fmt.Sprintf("%s after %v", name, delay), func(t *testing.T) {
				play(t, options{at: 100}, func(sc *scene) {
					sc.follow()
					sc.asked.answer = decides(result, applied)
					start := time.Now()
					var wait sync.WaitGroup
					wait.Go(func() {
						if _, err := sc.propose(); err != nil {
							sc.t.Errorf("propose: %v", err)
						}
						if took, want := time.Since(start), min(delay, time.Second); took != want {
							sc.t.Errorf("it took %v, want %v", took, want)
						}
						sc.asked.took("")
						opts := godwit.ReadOptions{MaxStaleness: time.Hour}
						got, served, err := kinds["get"](sc.n.Edge, ns1, opts)
						if delay <= time.Second {
							sc.checkAnswer("HIT mine", got, served, err)
							return
						}
						sc.checkAnswer("MISS upstream", got, served, err)
						sc.checkAsked(opts, 105)
						got, served, err = kinds["get"](sc.n.Edge, ns2, opts)
						sc.checkAnswer("HIT absent", got, served, err)
					})
					for time.Since(start) < delay {
						sc.beat(101)
						time.Sleep(100 * time.Millisecond)
					}
					if delay > time.Second {
						wait.Wait()
						sc.asked.set(func() { sc.asked.revision = 105 })
					}
					sc.s.send(batch(101, put(ns1, "k", "mine", 105)))
					wait.Wait()
					got, served, err := kinds["get"](sc.n.Edge, ns1, godwit.ReadOptions{})
					if delay <= time.Second {
						sc.checkAnswer("HIT mine", got, served, err)
					}
				})
			})
		}
	}
}

// TestWritesAreRetried: once, and so that nothing is done twice.
func TestWritesAreRetried(t *testing.T) {
	type answer = func(http.ResponseWriter, *proposed)
	const unknown, unavailable, forbidden = godwit.CodeOutcomeUnknown, godwit.CodeUnavailable, godwit.CodeForbidden
	for name, tt := range map[string]struct {
		answers []answer
		want    []godwit.Result
		err     godwit.Code
		asked   int
	}{
		"not at all":                   {[]answer{decides(applied, applied)}, []godwit.Result{applied, applied}, 0, 1},
		"broken off, and it was done":  {[]answer{breaks, decides(repeats, repeats)}, []godwit.Result{repeats, applied}, 0, 2},
		"broken off, and it was not":   {[]answer{breaks, decides(applied, applied)}, []godwit.Result{applied, applied}, 0, 2},
		"and a condition fails":        {[]answer{breaks, decides(repeats, failed)}, nil, unknown, 2},
		"and a value is no number":     {[]answer{breaks, decides(repeats, notNumber)}, nil, unknown, 2},
		"and it is full half way":      {[]answer{breaks, decidesPart("disk_full", applied)}, nil, unknown, 2},
		"and busy, a condition failed": {[]answer{breaks, decidesPart("unavailable", failed)}, nil, unknown, 2},
		"and the namespace is gone":    {[]answer{breaks, decides(missing, missing)}, []godwit.Result{missing, missing}, 0, 2},
		"no number, answered":          {[]answer{decides(notNumber, applied)}, []godwit.Result{notNumber, applied}, 0, 1},
		"and the token is not good":    {[]answer{breaks, refuses(403, "forbidden")}, nil, unknown, 2},
		"and it is busy":               {[]answer{breaks, refuses(503, "unavailable")}, nil, unknown, 2},
		"and broken off again":         {[]answer{breaks, breaks}, nil, unknown, 2},
		"a gateway's error":            {[]answer{refuses(502, ""), decides(repeats, repeats)}, []godwit.Result{repeats, applied}, 0, 2},
		"refused: not at all":          {[]answer{refuses(403, "forbidden")}, nil, forbidden, 1},
		"busy: not at all":             {[]answer{refuses(503, "unavailable")}, nil, unavailable, 1},
		"the upstream does not know":   {[]answer{refuses(504, "outcome_unknown"), decides(repeats, repeats)}, []godwit.Result{repeats, applied}, 0, 2},
		"failed conditions, answered":  {[]answer{decides(failed, applied)}, []godwit.Result{failed, applied}, 0, 1},
		"the client's own was applied": {[]answer{decides(repeats, applied)}, []godwit.Result{repeats, applied}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, options{at: 100}, func(sc *scene) {
				sc.follow()
				sc.asked.answer = inTurn(tt.answers...)
				start := time.Now()
				got, err := sc.propose()
				if diff := cmp.Diff(tt.want, got); diff != "" {
					sc.t.Errorf("%v (-want +got):\n%s", err, diff)
				}
				if tt.want == nil && (err == nil || godwit.CodeOf(err) != tt.err) || tt.want != nil && err != nil {
					sc.t.Errorf("got error %v", err)
				}
				if d := time.Since(start); d != 0 {
					sc.t.Errorf("it took %v", d)
				}
				took := sc.asked.took("/propose")
				if len(took) != tt.asked {
					sc.t.Errorf("proposed %d times", len(took))
				}
				if len(took) == 2 && cmp.Diff(took[0].p, took[1].p, cmp.AllowUnexported(proposed{})) != "" {
					sc.t.Errorf("the second time it proposed something else")
				}
			})
		})
	}
}

// TestWritesWhileAway: a clear error, soon, and at once when the upstream is
// known to be away.
func TestWritesWhileAway(t *testing.T) {
	for name, tt := range map[string]struct {
		state  func(sc *scene)
		want   godwit.Code
		within time.Duration
	}{
		"known":    {func(sc *scene) { sc.cut() }, godwit.CodeUnavailable, 0},
		"just now": {func(sc *scene) { sc.net.cut("centre", true) }, godwit.CodeUnavailable, 2 * time.Second},
		"in between": {func(sc *scene) {
			sc.asked.answer = func(http.ResponseWriter, *proposed) {
				sc.net.cut("centre", true)
				panic(http.ErrAbortHandler)
			}
		}, godwit.CodeOutcomeUnknown, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, options{at: 100}, func(sc *scene) {
				sc.follow()
				tt.state(sc)
				start := time.Now()
				_, err := sc.propose()
				if err == nil || godwit.CodeOf(err) != tt.want {
					sc.t.Errorf("got %v", err)
				}
				if tt.want == godwit.CodeUnavailable && !strings.Contains(godwit.MessageOf(err), "upstream cannot be reached") {
					sc.t.Errorf("it says %q", godwit.MessageOf(err))
				}
				if d := time.Since(start); d > tt.within {
					sc.t.Errorf("it took %v", d)
				}
				start = time.Now()
				if _, err = sc.propose(); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) != 0 {
					sc.t.Errorf("again: %v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestWriteOfOneWhoLeft: a request that has ended is not passed on.
func TestWriteOfOneWhoLeft(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := sc.n.Propose(ctx, []godwit.Transaction{{}})
		if godwit.CodeOf(err) != godwit.CodeUnavailable || len(sc.asked.took("/propose")) != 0 {
			sc.t.Errorf("got %v", err)
		}
	})
}

// TestWriteFailsOver: a write that one upstream did not get goes to the next.
func TestWriteFailsOver(t *testing.T) {
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
		sc.asked.answer = func(http.ResponseWriter, *proposed) {
			sc.net.cut("centre", true)
			panic(http.ErrAbortHandler)
		}
		answers.answer = decides(repeats, repeats)
		var wait sync.WaitGroup
		wait.Go(func() {
			got, err := sc.propose()
			if diff := cmp.Diff([]godwit.Result{repeats, applied}, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
		other.next().send(hello(101), ready(101))
		wait.Wait()
		first, second := sc.asked.took("/propose"), answers.took("/propose")
		if len(first) != 1 || len(second) != 1 || cmp.Diff(first[0].p, second[0].p, cmp.AllowUnexported(proposed{})) != "" {
			t.Errorf("proposed %+v and %+v", first, second)
		}
	})
}

// TestSilentUpstream: a write does not wait for an upstream whose heartbeats have
// stopped.
func TestSilentUpstream(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.set(func() { sc.asked.hold["/propose"] = make(chan struct{}) })
		start := time.Now()
		_, err := sc.propose()
		if !isCode(err, godwit.CodeOutcomeUnknown) || time.Since(start) > 2*time.Second {
			sc.t.Errorf("got %v after %v", err, time.Since(start))
		}
	})
}

func isCode(err error, c godwit.Code) bool { return err != nil && godwit.CodeOf(err) == c }

// TestUploadsArePassedOn: the content follows the transaction, is sent again with
// it, and stays here until the record that names it has come.
func TestUploadsArePassedOn(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		content := bytes.Repeat([]byte("large"), 10_000)
		v, err := sc.n.Upload(context.Background(), bytes.NewReader(content), 1<<20)
		if err != nil || v.Blob.IsZero() {
			sc.t.Fatalf("upload: %v, %v", v.Size(), err)
		}
		sc.asked.answer = inTurn(breaks, decides(godwit.Result{Outcome: godwit.Applied, Revision: 102}))
		m := put(ns1, "large", "", 0).Mutation
		m.Value = v
		var wait sync.WaitGroup
		wait.Go(func() {
			if _, err := sc.n.Propose(context.Background(), []godwit.Transaction{{Mutations: []godwit.Mutation{m}}}); err != nil {
				sc.t.Errorf("propose: %v", err)
			}
		})
		synctest.Wait()
		for _, r := range sc.asked.took("/propose") {
			if !bytes.Equal(r.p.blobs, content) || r.p.txs[0].Mutations[0].Value.Blob != v.Blob {
				sc.t.Errorf("%d bytes were sent", len(r.p.blobs))
			}
		}
		record := put(ns1, "large", "", 102)
		record.Value = godwit.Value{Blob: v.Blob}
		record.Value.Blob.ID = godwit.BlobID{0xce}
		sc.s.send(batch(101, record))
		wait.Wait()
		e, _, err := sc.n.Get(context.Background(), ns1, []byte("large"), godwit.ReadOptions{MaxStaleness: time.Hour})
		if err != nil {
			sc.t.Fatalf("get: %v", err)
		}
		r, err := sc.n.OpenValue(context.Background(), ns1, e)
		if err != nil {
			sc.t.Fatalf("open: %v", err)
		}
		defer r.Close()
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
			sc.t.Errorf("%d bytes, %v", len(got), err)
		}
		if len(sc.up.fetched) != 0 {
			sc.t.Errorf("fetched %v", sc.up.fetched)
		}
		time.Sleep(2 * time.Minute)
		if sc.n.store.HasBlob(v.Blob.ID) || !sc.n.store.HasBlob(godwit.BlobID{0xce}) {
			sc.t.Error("the upload stayed, or its adopted content did not")
		}
	})
}

// TestUploadsOfAPart: where only the first of several transactions was decided, its
// upload stays for its record, and no longer.
func TestUploadsOfAPart(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		v, err := sc.n.Upload(context.Background(), bytes.NewReader(make([]byte, 10_000)), 1<<20)
		if err != nil {
			sc.t.Fatal(err)
		}
		sc.asked.answer = decidesPart("disk_full", applied)
		first, second := put(ns1, "a", "", 0).Mutation, put(ns1, "b", "2", 0).Mutation
		first.Value = v
		results, err := sc.n.Propose(context.Background(), []godwit.Transaction{
			{Mutations: []godwit.Mutation{first}}, {Mutations: []godwit.Mutation{second}},
		})
		if len(results) != 1 || err == nil || isCode(err, godwit.CodeOutcomeUnknown) {
			sc.t.Fatalf("propose: %+v, %v", results, err)
		}
		if !sc.n.store.HasBlob(v.Blob.ID) {
			sc.t.Error("it went before its record can have come")
		}
		time.Sleep(2 * time.Minute)
		if sc.n.store.HasBlob(v.Blob.ID) {
			sc.t.Error("it stayed")
		}
	})
}

// TestDiscard: an upload that is not proposed goes at once.
func TestDiscard(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		v, err := sc.n.Upload(context.Background(), bytes.NewReader(make([]byte, 10_000)), 1<<20)
		if err != nil {
			sc.t.Fatal(err)
		}
		sc.n.Discard(v)
		if sc.n.store.HasBlob(v.Blob.ID) {
			sc.t.Error("it stayed")
		}
		sc.n.Discard(godwit.Value{Inline: []byte("small")})
	})
}
