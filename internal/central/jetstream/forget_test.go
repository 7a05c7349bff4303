package jetstream_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/store"
)

// begun is a part of a value whose sender is gone.
func begun(n byte) []byte {
	return jetstream.ChunkMessage(godwit.Blob{ID: godwit.BlobID{n}, Size: 2000}, 0, []byte("begun"))
}

// TestCutOffUpload: an upload that was cut off holds nothing up for more than a moment:
// up to the log's end all that comes behind it is safe at every member.
func TestCutOffUpload(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		c.log.SetLatency(200 * time.Millisecond)
		tx := a.upload("large", bytes.Repeat([]byte("x"), 8<<20))
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		if _, err := a.Propose(ctx, []godwit.Transaction{tx}); !isCode(err, godwit.CodeUnavailable) {
			t.Fatalf("cut off: %v", err)
		}
		a.Discard(tx.Mutations[0].Value)
		c.log.SetLatency(time.Millisecond)
		time.Sleep(time.Minute)
		a.propose(put("behind", "the chunks"))
		last := c.state().Last
		time.Sleep(5 * time.Second)
		for _, m := range a.Status().Members {
			if m.Flushed < last {
				t.Errorf("%s: flushed up to message %d of %d", m.Name, m.Flushed, last)
			}
		}
	})
}

// stalling is a stream that takes long for one chunk of a value.
type stalling struct {
	jetstream.Stream
	stall     time.Duration
	at, chunk int
}

func (s *stalling) Send(msg []byte, done func(error)) {
	if msg[1] == 'c' {
		if s.chunk++; s.chunk == s.at {
			time.Sleep(s.stall)
		}
	}
	s.Stream.Send(msg, done)
}

// TestStalledUpload: who takes so long from one chunk to the next that members may have
// given the value up does not have it named.
func TestStalledUpload(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		for _, test := range []struct {
			stall time.Duration
			chunk int // of four
			taken bool
		}{{8 * time.Second, 2, true}, {40 * time.Second, 2, false}, {40 * time.Second, 4, false}} {
			a.stop()
			a.tune = func(cfg *jetstream.Config) {
				cfg.Stream = &stalling{Stream: cfg.Stream, stall: test.stall, at: test.chunk}
			}
			a.start()
			c.settle()
			content := bytes.Repeat([]byte("x"), 2<<20)
			_, err := a.Propose(context.Background(), []godwit.Transaction{a.upload("large", content)})
			if taken := err == nil; taken != test.taken || err != nil && !isCode(err, godwit.CodeUnavailable) {
				t.Errorf("%v at chunk %d: %v", test.stall, test.chunk, err)
			}
			c.allHold("large", content)
		}
	})
}

// TestLogHeldUp: a log that is full because of an upload that was cut off says so, and
// takes writes again once that is given up.
func TestLogHeldUp(t *testing.T) {
	playTuned(t, 3, smallLog, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.log.Append(begun(1))
		err := m.fillUp()
		for _, text := range []string{godwit.MessageOf(err), m.Problem()} {
			if !isCode(err, godwit.CodeUnavailable) || !strings.Contains(text, "log is full") || !strings.Contains(text, "the rest of large values") {
				t.Errorf("a write: %v; %q", err, text)
			}
		}
		time.Sleep(time.Minute)
		m.propose(put("key", "value"))
		if st := c.state(); st.Bytes > testCap/2 {
			t.Errorf("the stream has %d bytes", st.Bytes)
		}
	})
}

// fillUp writes until a write is refused, or twice as much as the log may hold has been
// taken, and returns why.
func (m *member) fillUp() (err error) {
	for n := 0; n < 2*testCap/4000 && err == nil; n++ {
		_, err = m.Propose(context.Background(), []godwit.Transaction{put("key", m.c.noise(4000))})
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// TestForgottenAndNamed: a value that nobody counted on any more is there all the same
// when its batch comes, and stays when all members lose their power right then.
func TestForgottenAndNamed(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		tx := a.upload("large", largeContent)
		c.chunks(tx.Mutations[0].Value, largeContent, func() {})
		time.Sleep(3 * time.Minute)
		c.trim()
		c.log.Append(jetstream.BatchMessage(store.ProposerID{9}, 1, &godwit.Batch{Time: time.Now().UnixMilli(), Transactions: []godwit.Transaction{tx}}))
		time.Sleep(100 * time.Millisecond) // it is applied, and nothing has been flushed since
		for _, m := range c.members {
			m.crash(100)
		}
		for _, m := range c.members {
			m.start()
		}
		c.allHold("large", largeContent)
	})
}

// TestForgetsByTwoClocks: a leader whose clock is wrong has nobody forget what has just come.
func TestForgetsByTwoClocks(t *testing.T) {
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		play(t, 3, func(c *cluster) {
			a := c.members[0]
			a.propose(createNamespace())
			tx := a.upload("large", largeContent)
			c.chunks(tx.Mutations[0].Value, largeContent, func() {
				c.log.SetClock(func() time.Time { return time.Now().Add(wrong) })
			})
			time.Sleep(2 * time.Second)
			c.log.SetClock(time.Now)
			c.batch(1, tx)
			c.allHold("large", largeContent)
		})
	}
}

// TestLongProposal: who sends a value for so long that the one before it is forgotten still
// has that, and so others may have it, when the batch comes that names both.
func TestLongProposal(t *testing.T) {
	tune := func(cfg *jetstream.Config) { cfg.Stream = narrow{cfg.Stream, 65 << 10} }
	playTuned(t, 3, tune, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		short, long := bytes.Repeat([]byte("x"), 2000), bytes.Repeat([]byte("y"), 5<<20)
		first, second := a.upload("first", short), a.upload("second", long)
		c.log.SetLatency(1700 * time.Millisecond)
		began := time.Now()
		a.propose(first, second)
		c.log.SetLatency(time.Millisecond)
		if d := time.Since(began); d < 8*time.Minute {
			t.Fatalf("it took %v, in which nothing is forgotten", d)
		}
		c.settle()
		a.holds("first", short)
		a.holds("second", long)
	})
}

// TestUnnamedFilesGo: the files of values that nothing has come to name go, also where
// their chunks came once more; those of named ones stay, whichever version names them.
func TestUnnamedFilesGo(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(keeping("7d"))
		kept, left := a.upload("doc", largeContent), a.upload("left", largeContent)
		a.propose(kept)
		a.propose(put("doc", "new"))
		for _, tx := range []godwit.Transaction{kept, left} {
			c.chunks(tx.Mutations[0].Value, largeContent, func() {})
		}
		time.Sleep(time.Second)
		if got := c.having(left); len(got) != 3 {
			t.Fatalf("%v have the value that has come", got)
		}
		time.Sleep(8 * time.Minute)
		if got := c.having(left); len(got) != 0 {
			t.Errorf("%v have a value that nothing names", got)
		}
		for _, m := range c.members {
			m.holdsVersion("doc", 1, largeContent)
		}
	})
}

// having names the members that have the value of a transaction on their disks.
func (c *cluster) having(tx godwit.Transaction) (names []string) {
	for _, m := range c.members {
		if m.store.HasBlob(tx.Mutations[0].Value.Blob.ID) {
			names = append(names, m.name)
		}
	}
	return names
}

// TestRefusedValuesGo: the value of a write that was refused goes from all members, and so
// does that of one which was done before, unless it is that one's own.
func TestRefusedValuesGo(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace(), put("there", "already"))
		done := keyed(a.upload("doc", largeContent), 1)
		a.propose(done)
		refused := onlyIf(a.upload("there", largeContent), godwit.MustBeAbsent)
		missing := a.upload("nowhere", largeContent)
		missing.Mutations[0].Namespace[0]++
		repeated := keyed(a.upload("doc", largeContent), 1)
		for _, tx := range []godwit.Transaction{refused, missing, repeated, done} {
			if r := a.propose(tx)[0]; r.Outcome == godwit.Applied && !r.Repeated {
				t.Fatalf("applied: %+v", tx)
			}
		}
		a.Discard(refused.Mutations[0].Value)
		c.settle()
		if got := c.having(refused); !slices.Equal(got, []string{"n2", "n3"}) {
			t.Fatalf("%v have the value that was refused", got)
		}
		time.Sleep(2 * time.Minute) // more than the grace
		for _, tx := range []godwit.Transaction{refused, missing, repeated} {
			if got := c.having(tx); len(got) != 0 {
				t.Errorf("%v have a value that nothing names", got)
			}
		}
		c.allHold("doc", largeContent)
	})
}
