package client_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/client"
)

// trickle is a value of which a byte comes each second, without an end.
type trickle struct{ reads int }

func (s *trickle) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	s.reads++
	p[0] = 'x'
	return 1, nil
}

// TestPutThatEndedReadsNoMore than what is under way, however little of the value has come.
func TestPutThatEndedReadsNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kv := connect(t, "http://127.0.0.1:1", "token", client.WithAccount(id)).KV(id)
		ctx, cancel := context.WithTimeout(t.Context(), 9500*time.Millisecond)
		defer cancel()
		value := new(trickle)
		if _, err := kv.Put(ctx, "k", value, client.PutOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("put: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if value.reads != 10 {
			t.Errorf("%d reads; nine had ended, and one was under way", value.reads)
		}
	})
}
