package client_test

import (
	"errors"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/client"
)

// absent answers nothing.
type absent struct{ tries int }

func (a *absent) RoundTrip(*http.Request) (*http.Response, error) {
	a.tries++
	return nil, errors.New("nobody is there")
}

// TestWaitBetweenAttempts: it doubles up to a second, however long it began and however
// often.
func TestWaitBetweenAttempts(t *testing.T) {
	for name, tt := range map[string]struct {
		backoff  time.Duration
		attempts int
		least    time.Duration // of all waits together
		most     time.Duration
	}{
		"by default":   {50 * time.Millisecond, 4, 175 * time.Millisecond, 351 * time.Millisecond},
		"an outage":    {50 * time.Millisecond, 200, 97 * time.Second, 200 * time.Second},
		"from nothing": {time.Nanosecond, 100, 34 * time.Second, 72 * time.Second},
		"none":         {0, 100, 0, time.Second},
		"negative":     {-time.Hour, 100, 0, time.Second},
		"for ever":     {math.MaxInt64, 100, 49 * time.Second, 100 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &absent{}
				c := connect(t, "http://nowhere", "token", client.WithAccount(id), client.WithHTTPClient(&http.Client{Transport: server}),
					client.WithAttempts(tt.attempts), client.WithBackoff(tt.backoff))
				began := time.Now()
				_, err := c.KV(id).Get(t.Context(), "k")
				wantError(t, "get", err, client.ErrUnavailable)
				if took := time.Since(began); server.tries != tt.attempts || took < tt.least || took > tt.most {
					t.Errorf("%d tries in %v", server.tries, took)
				}
			})
		})
	}
}
