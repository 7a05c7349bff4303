package quota_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

// TestClear: where history is kept, keys that are too many to be cleared at once stay, and
// go in parts; where none is, any number goes.
func TestClear(t *testing.T) {
	w := open(t, godwit.Settings{History: "2"})
	for i := range 40 {
		w.steps(t, fmt.Sprintf("put %d/%02d %s", i%4, i, strings.Repeat("v", 50)))
	}
	w.steps(t, "put large "+strings.Repeat("v", 100_000)) // stays where it is, and counts little
	wipe := func(prefix string) error {
		_, err := w.log.Propose(t.Context(), []godwit.Transaction{{Mutations: []godwit.Mutation{{
			Op: godwit.OpPut, Key: godwit.ClearingKey(w.ns.ID, prefix), Value: godwit.Value{Inline: []byte{}},
		}}}})
		return err
	}
	for _, prefix := range []string{"", "1/", "2", "l", "absent"} {
		keys, _ := w.Store.NamespaceStats(w.ns.ID)
		err := wipe(prefix)
		left, _ := w.Store.NamespaceStats(w.ns.ID)
		if refused := prefix == ""; refused != (godwit.CodeOf(err) == godwit.CodeInvalidRequest && strings.Contains(fmt.Sprint(err), "in parts")) || refused && left != keys {
			t.Errorf("clear %q of %d keys: %v, %d are left", prefix, keys, err, left)
		}
	}
	if keys, _ := w.Store.NamespaceStats(w.ns.ID); keys != 20 {
		t.Errorf("%d keys are left, not 20", keys)
	}
	w.steps(t, "bulk a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z 1")
	if err := wipe(""); godwit.CodeOf(err) != godwit.CodeInvalidRequest {
		t.Errorf("clear 46 keys: %v", err)
	}
	w.Set(t, w.ns, godwit.Settings{})
	if err := wipe(""); err != nil {
		t.Errorf("clear without a history: %v", err)
	}
	if keys, _ := w.Store.NamespaceStats(w.ns.ID); keys != 0 {
		t.Errorf("%d keys are left", keys)
	}
}
