package edge_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
)

// identify asks whom "secret" stands for, and how often the upstream was asked.
func (sc *scene) identify(want error) (asked int) {
	sc.t.Helper()
	tok, _, err := sc.n.Identify(context.Background(), []byte("secret"))
	if !errors.Is(err, want) || (err == nil) != (want == nil) {
		sc.t.Errorf("got %v, %v, want %v", tok, err, want)
	}
	if err == nil && (tok.ID != "id" || tok.Permission != godwit.PermissionWrite) {
		sc.t.Errorf("got %+v", tok)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		sc.t.Errorf("%v tells the secret", err)
	}
	synctest.Wait()
	took := sc.asked.took("/identify")
	for _, r := range took {
		if r.body != "secret" || r.header.Get("Authorization") != "Bearer token" {
			sc.t.Errorf("asked for %q with %q", r.body, r.header.Get("Authorization"))
		}
	}
	return len(took)
}

func (sc *scene) asks(want int, whose error) {
	sc.t.Helper()
	if got := sc.identify(whose); got != want {
		sc.t.Errorf("the upstream was asked %d times, want %d", got, want)
	}
}

// passes lets time pass with an upstream that is there.
func (sc *scene) passes(d time.Duration) {
	sc.t.Helper()
	sc.up.beats(sc.s, 101, d)
}

func known(expires int64) string {
	return identified(&godwit.Token{ID: "id", Permission: godwit.PermissionWrite, Expires: expires}, false)
}

// TestIdentify: an answer is kept for a minute, and for the second half of it the
// upstream is asked again, for which nobody waits; one that says nobody is kept for
// five seconds.
func TestIdentify(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = identified(nil, false)
		sc.asks(1, godwit.ErrUnauthenticated)
		sc.asks(0, godwit.ErrUnauthenticated)
		sc.asked.set(func() { sc.asked.identity = known(0) })
		sc.passes(4 * time.Second)
		sc.asks(0, godwit.ErrUnauthenticated)
		sc.passes(2 * time.Second)
		sc.asks(1, nil)
		sc.passes(29 * time.Second)
		sc.asks(0, nil)
		sc.passes(2 * time.Second)
		sc.asks(1, nil)
		sc.asked.set(func() { sc.asked.identity = identified(nil, false) }) // revoked
		sc.passes(31 * time.Second)
		sc.asks(1, nil)
		sc.asks(0, godwit.ErrUnauthenticated)
		sc.asked.set(func() { sc.asked.identity = known(0) })
		sc.passes(6 * time.Second)
		sc.asks(1, nil)
		sc.asked.set(func() { sc.asked.identity = identified(nil, false) })
		sc.passes(61 * time.Second)
		sc.asks(1, godwit.ErrUnauthenticated)
	})
}

func TestIdentifyRoot(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = identified(&godwit.Token{ID: "root", Permission: godwit.PermissionAdmin}, true)
		for range 2 {
			if tok, root, err := sc.n.Identify(context.Background(), []byte("secret")); err != nil || !root || tok.Hash == [32]byte{} {
				sc.t.Errorf("%v, %v, %v", tok, root, err)
			}
		}
	})
}

// TestIdentifyWhileAway: who was known stays known, but not for longer than the
// token is good; who was not known cannot be told.
func TestIdentifyWhileAway(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = known(time.Now().Add(time.Hour).Unix())
		sc.asks(1, nil)
		sc.cut()
		time.Sleep(50 * time.Minute)
		sc.asks(0, nil)
		time.Sleep(11 * time.Minute)
		sc.asks(0, godwit.ErrUnauthenticated)
		if _, _, err := sc.n.Identify(context.Background(), []byte("another")); godwit.CodeOf(err) != godwit.CodeUnavailable {
			sc.t.Errorf("got %v", err)
		}
	})
}

// TestIdentifyWhileItFails: an upstream that cannot tell is not asked with every
// request.
func TestIdentifyWhileItFails(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = known(0)
		sc.asks(1, nil)
		sc.asked.set(func() { sc.asked.fails["/identify"] = 503 })
		for _, d := range []time.Duration{31 * time.Second, 61 * time.Second} {
			sc.passes(d)
			sc.asks(1, nil)
			sc.asks(0, nil)
		}
		sc.passes(2 * time.Second)
		sc.asks(1, nil)
	})
}

// TestIdentifyTogether: all who ask for the same wait for one answer, which does
// not end with the request that asked first.
func TestIdentifyTogether(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = known(0)
		hold := make(chan struct{})
		sc.asked.set(func() { sc.asked.hold["/identify"] = hold })
		ctx, cancel := context.WithCancel(context.Background())
		var wait sync.WaitGroup
		ask := func(ctx context.Context, want godwit.Code) {
			wait.Go(func() {
				if _, _, err := sc.n.Identify(ctx, []byte("secret")); (want != 0 || err != nil) && godwit.CodeOf(err) != want {
					sc.t.Errorf("got %v", err)
				}
			})
			synctest.Wait()
		}
		ask(ctx, godwit.CodeUnavailable)
		for range 50 {
			ask(context.Background(), 0)
		}
		cancel()
		synctest.Wait()
		close(hold)
		wait.Wait()
		if n := len(sc.asked.took("/identify")); n != 1 {
			sc.t.Errorf("the upstream was asked %d times", n)
		}
	})
}

// TestStrangersAreBounded: guesses are forgotten, and never take the place of who
// is known.
func TestStrangersAreBounded(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		sc.asked.identity = known(0)
		sc.asks(1, nil)
		sc.asked.set(func() { sc.asked.identity = identified(nil, false) })
		for i := range edge.MaxIdentities + 10 {
			_, _, err := sc.n.Identify(context.Background(), fmt.Appendf(nil, "guess %d", i))
			if !errors.Is(err, godwit.ErrUnauthenticated) {
				sc.t.Fatalf("got %v", err)
			}
		}
		sc.asked.took("")
		sc.asks(0, nil)
		if known, strangers := sc.n.Identities(); known != 1 || strangers != 10 {
			sc.t.Errorf("%d known, %d strangers", known, strangers)
		}
		sc.asked.set(func() { sc.asked.identity = known(0) })
		for i := range edge.MaxIdentities + 10 {
			if _, _, err := sc.n.Identify(context.Background(), fmt.Appendf(nil, "one of many %d", i)); err != nil {
				sc.t.Fatalf("got %v", err)
			}
		}
		if known, _ := sc.n.Identities(); known != edge.MaxIdentities {
			sc.t.Errorf("%d known", known)
		}
	})
}
