package api_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

var (
	local  = netip.MustParseAddr("127.0.0.1")
	remote = netip.MustParseAddr("192.0.2.1")
)

// guess tries a wrong secret and returns the error's code and how long it took.
func guess(ctx context.Context, env *apitest.Env, addr netip.Addr) (godwit.Code, time.Duration) {
	start := time.Now()
	_, err := env.Service.Authenticate(ctx, addr, []byte("wrong"))
	return godwit.CodeOf(err), time.Since(start)
}

func TestAuthenticate(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	secret := env.Token(t, godwit.PermissionRead, ns)
	if p, err := env.Service.Authenticate(t.Context(), local, []byte(secret)); err != nil || p.Root || !p.Token.Covers(ns.ID) {
		t.Errorf("a token: %+v, %v", p, err)
	}
	if p, err := env.Service.Authenticate(t.Context(), local, []byte(env.RootToken)); err != nil || !p.Root {
		t.Errorf("the root token: %+v, %v", p, err)
	}
	for _, wrong := range []string{"", "wrong", secret + "x", secret[1:]} {
		if _, err := env.Service.Authenticate(t.Context(), local, []byte(wrong)); !errors.Is(err, godwit.ErrUnauthenticated) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if got := counter(t, env, "godwit_auth_failures_total"); got != 4 {
		t.Errorf("%v failures counted, want 4", got)
	}
}

// counter returns a counter's value, summed over its labels.
func counter(t *testing.T, env *apitest.Env, name string) (sum float64) {
	t.Helper()
	families, err := env.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func TestGuessingIsSlowedDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		for i := range api.FreeFailures {
			if code, took := guess(t.Context(), env, remote); code != godwit.CodeUnauthenticated || took != 0 {
				t.Fatalf("guess %d: code %d after %v", i, code, took)
			}
		}
		for i := range 20 {
			code, took := guess(t.Context(), env, remote)
			if code != godwit.CodeUnauthenticated || took == 0 || took > api.MaxDelay {
				t.Fatalf("guess %d past the burst: code %d after %v", i, code, took)
			}
		}
		if _, took := guess(t.Context(), env, local); took != 0 {
			t.Errorf("a guess from elsewhere took %v", took)
		}
		start := time.Now()
		if _, err := env.Service.Authenticate(t.Context(), remote, []byte(env.RootToken)); err != nil || time.Since(start) != 0 {
			t.Errorf("a good credential: %v after %v", err, time.Since(start))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, took := guess(ctx, env, remote); took != 0 {
			t.Errorf("with nobody waiting, a guess took %v", took)
		}
		env.Clock.Advance(time.Hour)
		if _, took := guess(t.Context(), env, remote); took != 0 {
			t.Errorf("an hour later, a guess took %v", took)
		}
	})
}

// TestGuessingIsRefused checks that an address with many failures held back is
// refused, but for a credential that succeeded from there.
func TestGuessingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		known, unknown := []byte(env.Token(t, godwit.PermissionRead)), []byte(env.RootToken)
		if _, err := env.Service.Authenticate(t.Context(), remote, known); err != nil {
			t.Fatal(err)
		}
		for range api.FreeFailures {
			guess(t.Context(), env, remote)
		}
		var waiting sync.WaitGroup
		for range api.MaxDelayed {
			waiting.Go(func() {
				if code, _ := guess(t.Context(), env, remote); code != godwit.CodeUnauthenticated {
					t.Errorf("a guess held back: code %d", code)
				}
			})
		}
		synctest.Wait()
		if code, took := guess(t.Context(), env, remote); code != godwit.CodeTooManyRequests || took != 0 {
			t.Errorf("a guess past the bound: code %d after %v", code, took)
		}
		if _, err := env.Service.Authenticate(t.Context(), remote, unknown); godwit.CodeOf(err) != godwit.CodeTooManyRequests {
			t.Errorf("a good credential not seen there before: %v", err)
		}
		if _, err := env.Service.Authenticate(t.Context(), remote, known); err != nil {
			t.Errorf("a good credential seen there before: %v", err)
		}
		if _, err := env.Service.Authenticate(t.Context(), local, unknown); err != nil {
			t.Errorf("from elsewhere: %v", err)
		}
		waiting.Wait()
		if _, err := env.Service.Authenticate(t.Context(), remote, unknown); err != nil {
			t.Errorf("a good credential once nothing is held back: %v", err)
		}
		if got := counter(t, env, "godwit_auth_refused_total"); got != 2 {
			t.Errorf("%v refusals counted, want 2", got)
		}
	})
}

func TestGuessersAreBounded(t *testing.T) {
	env := apitest.Open(t)
	for i := range api.MaxSuspects + 100 {
		guess(t.Context(), env, netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if n := env.Service.Suspects(); n != api.MaxSuspects {
		t.Errorf("%d addresses remembered, want %d", n, api.MaxSuspects)
	}
}

func TestGuessersOfOneNetwork(t *testing.T) {
	env := apitest.Open(t)
	for i := range 50 {
		addr := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(i), 15: 1})
		guess(t.Context(), env, addr)
	}
	guess(t.Context(), env, netip.MustParseAddr("::ffff:192.0.2.1"))
	guess(t.Context(), env, remote)
	if n := env.Service.Suspects(); n != 2 {
		t.Errorf("%d suspects, want 2", n)
	}
}
