package feed_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdentifyUsesItsConnectionAgain: also where the answer does not come in one piece.
func TestIdentifyUsesItsConnectionAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := client(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(w, `{"token":{},"root":true}`)
			_ = http.NewResponseController(w).Flush()
			fmt.Fprintln(w)
		}))
		var again []bool
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			GotConn: func(i httptrace.GotConnInfo) { again = append(again, i.Reused) },
		})
		for range 3 {
			if _, root, err := c.Identify(ctx, "secret"); err != nil || !root {
				t.Errorf("root %t, %v", root, err)
			}
		}
		if want := []bool{false, true, true}; !slices.Equal(again, want) {
			t.Errorf("used again: %v, want %v", again, want)
		}
		time.Sleep(time.Second) // in the bubble: net/http holds the connection for a while
	})
}
