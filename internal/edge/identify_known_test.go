package edge_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
)

// TestKnownCredentialNeverWaits: a credential in use is asked about again while
// requests with it go on, though the upstream is silent, and what it says then
// holds.
func TestKnownCredentialNeverWaits(t *testing.T) {
	play(t, options{at: 100}, func(sc *scene) {
		sc.follow()
		root := &godwit.Token{ID: "root", Permission: godwit.PermissionAdmin}
		sc.asked.set(func() { sc.asked.identity = identified(root, true) })
		identify := func() (is bool, took time.Duration, err error) {
			start := time.Now()
			_, is, err = sc.n.Identify(sc.t.Context(), []byte("a secret"))
			return is, time.Since(start), err
		}
		if is, _, err := identify(); !is || err != nil {
			t.Fatalf("got %v, %v", is, err)
		}
		silent := make(chan struct{})
		sc.asked.set(func() {
			sc.asked.hold["/identify"] = silent
			sc.asked.identity = identified(nil, false)
		})
		for range 35 {
			time.Sleep(time.Second)
			sc.beat(101)
			if is, took, err := identify(); !is || err != nil || took != 0 {
				t.Fatalf("while the upstream is silent: %v, %v after %v", is, err, took)
			}
		}
		close(silent)
		time.Sleep(2 * time.Second)
		_, _, _ = identify()
		synctest.Wait()
		if _, _, err := identify(); err == nil {
			t.Error("a credential that is good no longer is taken still")
		}
	})
}
