package jetstream_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// version is one of godwit that reads messages of formats up to one.
func version(formats int) func(*jetstream.Config) {
	return func(cfg *jetstream.Config) { cfg.Formats = formats }
}

// Two formats of messages: from the second on batches may be packed.
const oldFormat, newFormat = 1, 2

// formats are those of the messages behind a sequence.
func (c *cluster) formats(after uint64) (found []byte) {
	for _, m := range c.log.Messages() {
		if f := m.Data[0]; m.Sequence > after && !slices.Contains(found, f) {
			found = append(found, f)
		}
	}
	return found
}

// TestNewFormat: a new format is used once all members read it, and not before;
// who reads it no more cannot come back.
func TestNewFormat(t *testing.T) {
	playTuned(t, 3, version(oldFormat), func(c *cluster) {
		old := c.members[0]
		old.propose(createNamespace())
		for _, m := range c.members[1:] {
			m.stop()
			m.tune = version(newFormat)
			m.start()
		}
		time.Sleep(time.Minute)
		for _, m := range c.members {
			m.propose(put("key", m.name))
		}
		if got := c.formats(0); !slices.Equal(got, []byte{oldFormat}) {
			t.Fatalf("one reads no more than %d, and messages have formats %v", oldFormat, got)
		}
		old.stop()
		old.tune = version(newFormat)
		old.start()
		time.Sleep(time.Minute)
		from := c.state().Last
		for _, m := range c.members {
			m.propose(put("key", m.name))
			if s := m.Status(); s.Format != newFormat || s.Problem != "" {
				t.Errorf("%s: %+v", m.name, s)
			}
		}
		if got := c.formats(from); !slices.Equal(got, []byte{newFormat}) {
			t.Errorf("all read %d, and messages have formats %v", newFormat, got)
		}
		if n := c.switches(); n != 1 {
			t.Errorf("it was switched on %d times", n)
		}
		old.stop()
		old.tune = version(oldFormat)
		old.refusesFormat()
		old.tune = version(newFormat)
		old.start()
		c.settle()
	})
}

// TestAddsWaitForTheirFormat: an add is refused, and nothing done, until all members
// know what one is; and so is what clears keys.
func TestAddsWaitForTheirFormat(t *testing.T) {
	playTuned(t, 2, version(newFormat), func(c *cluster) {
		c.members[0].propose(createNamespace())
		time.Sleep(time.Minute)
		add := put("n", "")
		add.Mutations[0] = godwit.Mutation{Op: godwit.OpAdd, Namespace: add.Mutations[0].Namespace, Key: "n", Delta: 7}
		if _, err := c.members[0].Propose(t.Context(), []godwit.Transaction{add}); godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), "upgrade") {
			t.Errorf("an add before its format: %v", err)
		}
		clearing := put("", "")
		clearing.Mutations[0].Key = "cleared/" + clearing.Mutations[0].Namespace.String() + "/k"
		clearing.Mutations[0].Namespace = godwit.SystemNamespace
		c.members[0].propose(put("key", "value"))
		if _, err := c.members[0].Propose(t.Context(), []godwit.Transaction{clearing}); godwit.CodeOf(err) != godwit.CodeUnavailable || !strings.Contains(err.Error(), "upgrade") {
			t.Errorf("keys are cleared before their format: %v", err)
		}
		for _, m := range c.members {
			m.stop()
			m.tune = version(jetstream.LastFormat)
			m.start()
		}
		time.Sleep(time.Minute)
		for i, m := range c.members {
			results, err := m.Propose(t.Context(), []godwit.Transaction{add})
			if err != nil || !slices.Equal(results[0].Sums, []int64{7 * int64(i+1)}) {
				t.Errorf("%s: %+v, %v", m.name, results, err)
			}
		}
		c.members[0].propose(clearing)
		c.settle()
		for _, m := range c.members {
			if got := m.value("key"); got != "" {
				t.Errorf("%s: then the key is %q", m.name, got)
			}
		}
	})
}

// TestRequestKeysWaitForTheirFormat: request keys are of their namespaces once all members
// take them so, and a write that was done before is not done again.
func TestRequestKeysWaitForTheirFormat(t *testing.T) {
	playTuned(t, 2, version(jetstream.LastFormat-1), func(c *cluster) {
		c.members[0].propose(createNamespace())
		time.Sleep(time.Minute)
		early, claim := put("early", "1"), onlyIf(put("late", "1"), godwit.MustBeAbsent)
		early.RequestKey, claim.RequestKey = godwit.RequestKey{1}, godwit.RequestKey{2}
		claim.Mutations, claim.Conditions[0].Namespace = nil, godwit.NamespaceID{9}
		c.members[0].propose(early)
		c.members[0].stop()
		c.members[0].tune = version(jetstream.LastFormat)
		c.members[0].start()
		time.Sleep(time.Minute)
		c.members[0].propose(claim)
		c.settle()
		late := put("late", "1")
		late.RequestKey = claim.RequestKey
		for _, m := range c.members {
			if got := m.propose(late)[0]; !got.Repeated {
				t.Errorf("%s decides otherwise than an older member: %+v", m.name, got)
			}
		}
		c.members[1].stop()
		c.members[1].tune = version(jetstream.LastFormat)
		c.members[1].start()
		time.Sleep(time.Minute)
		claim.RequestKey, late.RequestKey = godwit.RequestKey{3}, godwit.RequestKey{3}
		c.members[0].propose(claim)
		if got := c.members[0].propose(late)[0]; got.Repeated {
			t.Errorf("what was written to another namespace counts: %+v", got)
		}
		for _, m := range c.members {
			for _, tx := range []godwit.Transaction{early, late} {
				if got := m.propose(tx)[0]; !got.Repeated {
					t.Errorf("%s: %s is written twice: %+v", m.name, tx.Mutations[0].Key, got)
				}
			}
		}
		c.settle()
	})
}

// switches is how many messages of the log switch a format on.
func (c *cluster) switches() (n int) {
	for _, m := range c.log.Messages() {
		if m.Data[1] == 'f' {
			n++
		}
	}
	return n
}

// refusesFormat holds that a member is told at its start that the log is too new
// for it.
func (m *member) refusesFormat() {
	m.c.t.Helper()
	m.open()
	_, err := jetstream.Open(m.c.t.Context(), m.config())
	if !errors.Is(err, jetstream.ErrFormat) || !strings.Contains(err.Error(), "Start this member with the version that the others run") {
		m.c.t.Errorf("opened: %v", err)
	}
	if err := m.store.Close(); err != nil {
		m.c.t.Error(err)
	}
	m.store = nil
}

// TestOldMemberComes: who reads too little and is new stops at what it cannot read,
// and nothing is lost by its having been registered.
func TestOldMemberComes(t *testing.T) {
	playTuned(t, 2, version(newFormat), func(c *cluster) {
		c.members[0].propose(createNamespace())
		time.Sleep(time.Minute)
		late := c.add("a") // the first by name
		late.tune = version(oldFormat)
		late.start()
		why := late.failure()
		if !strings.Contains(why, "cannot read") || late.Ready() {
			t.Errorf("stopped by %q", why)
		}
		late.stop()
		time.Sleep(time.Minute)
		from := c.state().Last
		c.members[1].propose(put("key", "value"))
		time.Sleep(5 * time.Second)
		if got := c.formats(from); !slices.Equal(got, []byte{newFormat}) {
			t.Errorf("messages have formats %v", got)
		}
	})
}

// TestPackedBatches: what is packed is shorter, and comes out as it was; what would
// not be shorter is not, nor anything before all members read it.
func TestPackedBatches(t *testing.T) {
	playTuned(t, 3, version(oldFormat), func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		time.Sleep(time.Minute)
		text, noise := strings.Repeat("all that is said twice ", 200), c.noise(4000)
		sizes := func() (n [2]int64) {
			for i, value := range []string{text, noise} {
				before := c.log.Bytes()
				a.propose(put("key", value))
				n[i] = c.log.Bytes() - before
				c.settle()
				if b.value("key") != value {
					t.Error("another value came out")
				}
			}
			return n
		}
		if n := sizes(); n[0] < int64(len(text)) || n[1] < int64(len(noise)) {
			t.Errorf("one does not read it, and messages have %v bytes", n)
		}
		for _, m := range c.members {
			m.stop()
			m.tune = version(newFormat)
			m.start()
		}
		time.Sleep(time.Minute)
		if n := sizes(); n[0] > 400 || n[1] < int64(len(noise)) || n[1] > int64(len(noise))+200 {
			t.Errorf("messages have %v bytes", n)
		}
		c.log.Append([]byte{newFormat, 'z', 15: 0, 17: 0, 18: 1, 40: 'x'})
		if why := a.failure(); !strings.Contains(why, "unpack") {
			t.Errorf("what cannot be unpacked: %q", why)
		}
	})
}

// TestFormatAndLoss: that a message which switches a format on is lost, or comes
// again later, makes no difference.
func TestFormatAndLoss(t *testing.T) {
	playTuned(t, 3, version(newFormat), func(c *cluster) {
		c.log.SetLeader(false)
		time.Sleep(30 * time.Second)
		c.log.SetLeader(true)
		time.Sleep(2 * time.Second)
		c.members[0].propose(createNamespace())
		time.Sleep(30 * time.Second)
		c.log.Append([]byte{oldFormat, 'f', oldFormat}) // one of before
		c.settle()
		for _, m := range c.members {
			m.stop()
			m.start()
			if s := m.Status(); s.Format != newFormat {
				t.Errorf("%s: %+v", m.name, s)
			}
			if r := m.store.Stats().Revision; r == godwit.Revision(0) {
				t.Errorf("%s has nothing", m.name)
			}
		}
		time.Sleep(10 * time.Second)
		c.settle()
	})
}
