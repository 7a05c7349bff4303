package api_test

import (
	"errors"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/catalog"
)

// admitted is how many of n requests at once are.
func admitted(t *testing.T, n int, admit func() error, refusal error) (ok int) {
	t.Helper()
	for range n {
		switch err := admit(); {
		case err == nil:
			ok++
		case !errors.Is(err, refusal) || err.Error() != refusal.Error():
			t.Fatalf("refused with %v", err)
		}
	}
	return ok
}

func TestTokenRate(t *testing.T) {
	env := apitest.Open(t)
	principal := func(rate float64) *catalog.Principal {
		secret, _, err := env.Catalog.CreateToken(t.Context(), godwit.Token{Permission: godwit.PermissionRead, RequestsPerSecond: rate})
		if err != nil {
			t.Fatal(err)
		}
		p, err := env.Catalog.Authenticate(t.Context(), []byte(secret))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	five, other, free := principal(5), principal(2.5), principal(0)
	try := func(p *catalog.Principal, want int) {
		t.Helper()
		got := admitted(t, 20, func() error { return env.Service.AdmitToken(p) }, godwit.ErrTokenRate)
		if got != want {
			t.Errorf("%v a second: %d of 20 requests at once pass, want %d", p.Token.RequestsPerSecond, got, want)
		}
	}
	try(five, 5)
	try(other, 2)
	try(free, 20)
	env.Clock.Advance(400 * time.Millisecond)
	try(five, 2)
	env.Clock.Advance(time.Second)
	try(five, 5)
	try(&catalog.Principal{Token: &godwit.Token{}, Root: true}, 20)
}

func TestNamespaceRate(t *testing.T) {
	env := apitest.Open(t)
	rate := 3.0
	ns := env.Set(t, env.Namespace(t, "site"), godwit.Settings{RequestsPerSecond: &rate})
	for _, tt := range []struct {
		ns   *godwit.Namespace
		want int
	}{{ns, 3}, {env.Namespace(t, "other"), 20}, {ns, 0}} {
		got := admitted(t, 20, func() error { return env.Service.AdmitNamespace(tt.ns) }, godwit.ErrNamespaceRate)
		if got != tt.want {
			t.Errorf("%s: %d of 20 requests pass, want %d", tt.ns.Title, got, tt.want)
		}
	}
	env.Clock.Advance(time.Second)
	if allocs := testing.AllocsPerRun(100, func() { _ = env.Service.AdmitNamespace(ns) }); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// TestRateAfterClockPutBack: whoever had as much as it may has to wait as long as if the
// clock had gone on, and not until it is where it was.
func TestRateAfterClockPutBack(t *testing.T) {
	for _, back := range []time.Duration{500 * time.Millisecond, time.Minute, 100 * 365 * 24 * time.Hour} {
		t.Run(back.String(), func(t *testing.T) {
			env := apitest.Open(t)
			rate := 3.0
			ns := env.Set(t, env.Namespace(t, "site"), godwit.Settings{RequestsPerSecond: &rate})
			try := func(when string, want int) {
				t.Helper()
				got := admitted(t, 20, func() error { return env.Service.AdmitNamespace(ns) }, godwit.ErrNamespaceRate)
				if got != want {
					t.Errorf("%s: %d of 20 requests pass, want %d", when, got, want)
				}
			}
			try("before", 3)
			env.Clock.Advance(-back)
			try("put back", 0)
			env.Clock.Advance(1500 * time.Millisecond)
			try("later", 3)
			try("at once", 0)
		})
	}
}
