package analytics_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/analytics"
)

func TestIsNotable(t *testing.T) {
	for status, want := range map[int]bool{
		200: false, 201: false, 304: false, 400: true, 401: false, 403: true, 404: false, 409: false, 412: false, 413: true,
		429: true, 500: true, 503: true, 507: true, 0: true,
	} {
		if got := analytics.IsNotable(status, time.Millisecond); got != want {
			t.Errorf("%d: got %v", status, got)
		}
	}
	if !analytics.IsNotable(200, analytics.SlowAfter) || analytics.IsNotable(404, analytics.SlowAfter-1) {
		t.Error("what is slow is not told by SlowAfter")
	}
}

// TestNotables adds far more of each kind than are kept, from several goroutines.
func TestNotables(t *testing.T) {
	var n analytics.Notables
	start := time.Unix(1_800_000_000, 0)
	var group sync.WaitGroup
	for _, one := range []analytics.Notable{{Status: 200, Took: time.Second}, {Status: 503}, {Status: 200, Took: time.Millisecond}} {
		group.Go(func() {
			for i := range 3 * analytics.MaxNotable {
				one.At, one.Operation, one.RequestID = start.Add(time.Duration(i)*time.Second), fmt.Sprint(i), strings.Repeat("x", 100)
				n.Add(one)
			}
		})
	}
	group.Wait()
	all := n.Latest()
	if len(all) != 2*analytics.MaxNotable {
		t.Fatalf("%d are kept", len(all))
	}
	kinds := map[int]int{}
	for i, one := range all {
		if want := 3*analytics.MaxNotable - 1 - i/2; one.Operation != fmt.Sprint(want) {
			t.Errorf("number %d is %s, want %d", i, one.Operation, want)
		}
		if len(one.RequestID) != 64 {
			t.Errorf("a request id of %d bytes is kept", len(one.RequestID))
		}
		kinds[one.Status]++
	}
	if kinds[200] != analytics.MaxNotable || kinds[503] != analytics.MaxNotable {
		t.Errorf("kept %v", kinds)
	}
}
