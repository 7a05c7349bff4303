package jetstream_test

import (
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// erasing makes the namespace one whose deleted values are erased within a time.
func erasing(within string) godwit.Transaction {
	return godwit.Transaction{Mutations: []godwit.Mutation{{
		Op: godwit.OpPut, Namespace: godwit.SystemNamespace, Key: catalog.NamespaceKey(ns),
		Value: godwit.Value{Inline: []byte(`{"settings":{"erase_within":"` + within + `"}}`)},
	}}}
}

// TestEraseLog: where a namespace has erase_within, no message of it stays for as long,
// however few there are, and behind each that goes have come as many bytes as the files
// of NATS take. Members go on, and what was written is there.
func TestEraseLog(t *testing.T) {
	playTuned(t, 3, nil, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		m.propose(put("key", "value"))
		time.Sleep(10 * time.Minute)
		if st := c.state(); st.First != 1 {
			t.Fatalf("without the setting it begins at %d", st.First)
		}
		m.propose(erasing("10m"))
		for range 2 {
			m.propose(put("key", "value"))
			last := c.state().Last
			var most int64
			for began := time.Now(); c.state().First <= last; time.Sleep(time.Second) {
				if most = max(most, c.state().Bytes); time.Since(began) > 5*time.Minute {
					t.Fatalf("after %v it begins at %d, and has not lost %d", time.Since(began), c.state().First, last)
				}
			}
			if most < jetstream.EraseBytes {
				t.Errorf("behind what went came %d bytes", most)
			}
		}
		if got := c.members[2].value("key"); got != "value" {
			t.Errorf("the key is %q", got)
		}
		c.settle()
	})
}

// TestEraseLogWaits: what a majority does not hold is not erased; it is told of, once it
// is late, and nothing is sent again and again meanwhile. When they are back it goes.
func TestEraseLogWaits(t *testing.T) {
	playTuned(t, 4, nil, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		m.propose(erasing("10m"))
		time.Sleep(10 * time.Second)
		c.members[2].stop()
		c.members[3].stop()
		m.propose(put("key", "value"))
		last := c.state().Last
		time.Sleep(12 * time.Minute)
		st := c.state()
		if st.First > last || st.Bytes > 2*jetstream.EraseBytes {
			t.Errorf("it begins at %d, with %d bytes; two lack %d", st.First, st.Bytes, last)
		}
		if p := m.Problem(); !strings.Contains(p, "were to be erased within 10m0s") {
			t.Errorf("problem %q", p)
		}
		c.members[2].start()
		time.Sleep(time.Minute)
		if st := c.state(); st.First <= last {
			t.Errorf("it begins at %d still", st.First)
		}
		if p := m.Problem(); p != "" {
			t.Errorf("problem %q", p)
		}
		c.members[3].start()
		c.settle()
	})
}
