package jetstream_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/store/storetest"
)

// largeContent is that of a value in two chunks, as tests cut it.
var largeContent = bytes.Repeat([]byte("chunk"), 50_000)

// upload takes a value in at a member, and returns a transaction that names it.
func (m *member) upload(key string, content []byte) godwit.Transaction {
	m.c.t.Helper()
	v, err := m.Upload(context.Background(), bytes.NewReader(content), 25<<20)
	if err != nil {
		m.c.t.Fatalf("%s: upload: %v", m.name, err)
	}
	tx := put(key, "")
	tx.Mutations[0].Value = v
	return tx
}

// chunks sends a value in two, as its member would.
func (c *cluster) chunks(v godwit.Value, content []byte, between func()) {
	const cut = 100_000
	c.log.Append(jetstream.ChunkMessage(v.Blob, 0, content[:cut]))
	between()
	c.log.Append(jetstream.ChunkMessage(v.Blob, cut, content[cut:]))
}

// batch sends one without its values, as a member does that is none of the cluster's.
func (c *cluster) batch(number uint64, tx godwit.Transaction) {
	batch := godwit.Batch{Time: time.Now().UnixMilli(), Transactions: []godwit.Transaction{tx}}
	c.log.Append(jetstream.BatchMessage(store.ProposerID{9}, number, &batch))
	time.Sleep(2 * time.Second)
}

// allHold checks that all members have a value.
func (c *cluster) allHold(key string, content []byte) {
	c.t.Helper()
	c.settle()
	for _, m := range c.members {
		m.holds(key, content)
	}
}

// noRoom starts a member anew on a disk that has no room for values until room is called.
func (m *member) noRoom() (room func()) {
	m.c.t.Helper()
	m.stop()
	faults := storetest.NewFaults(m.fs)
	m.disk = faults
	m.start()
	faults.Inject(func(op storetest.Op, path string) error {
		if op == storetest.Write && strings.Contains(path, "blobs") {
			return storetest.ErrNoSpace
		}
		return nil
	})
	return func() { faults.Inject(nil) }
}

// TestFullAmongChunks: a member that has no room for a value's chunks waits, and has the
// value from the log once there is.
func TestFullAmongChunks(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		c.settle()
		room := b.noRoom()
		var told []string
		b.store.SetOnDamaged(func(d store.Damage) { told = append(told, d.Key) })
		a.propose(a.upload("one", largeContent))
		time.Sleep(time.Minute)
		if p := b.Problem(); !strings.Contains(p, "full") {
			t.Errorf("without room its problem is %q", p)
		}
		if _, err := b.Propose(context.Background(), []godwit.Transaction{put("key", "")}); !isCode(err, godwit.CodeDiskFull) {
			t.Errorf("without room it answers a write %v", err)
		}
		room()
		c.allHold("one", largeContent)
		a.propose(a.upload("two", largeContent))
		c.allHold("two", largeContent)
		if told != nil {
			t.Errorf("told of the absence of %q", told)
		}
	})
}

// TestFullAtTwo: the log keeps a value that only its writer has had room for, also from one
// member that has none and is started again, and is trimmed once the others have it.
func TestFullAtTwo(t *testing.T) {
	playTuned(t, 3, smallLog, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		c.settle()
		var rooms []func()
		for _, m := range c.members[1:] {
			rooms = append(rooms, m.noRoom())
		}
		c.settle()
		before := c.state().Last
		a.propose(a.upload("one", largeContent))
		a.fill(2 * testWindow)
		time.Sleep(30 * time.Second)
		if first := c.state().First; first > before+1 {
			t.Errorf("the log begins at message %d; the value that one member has came behind %d", first, before)
		}
		b.stop()
		b.start()
		rooms[1]()
		c.allHold("one", largeContent)
		a.fill(2 * testWindow)
		time.Sleep(30 * time.Second)
		if first := c.state().First; first <= before {
			t.Errorf("the log still begins at message %d", first)
		}
	})
}

// TestStopAmongChunks stops a member while a value comes, and before it is named.
func TestStopAmongChunks(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		a.propose(put("before", "the chunks"))
		tx := a.upload("large", largeContent)
		again := func() {
			time.Sleep(200 * time.Millisecond) // it has come, and its place is not kept yet
			b.stop()
			b.start()
		}
		c.chunks(tx.Mutations[0].Value, largeContent, again)
		again()
		c.batch(1, tx)
		c.allHold("large", largeContent)
	})
}

// TestRollingRestart stops one member after the other, while large values are written at
// another.
func TestRollingRestart(t *testing.T) {
	content := bytes.Repeat([]byte("chunk"), 140_000)
	play(t, 3, func(c *cluster) {
		c.members[0].propose(createNamespace())
		c.settle()
		c.log.SetLatency(5 * time.Millisecond)
		for round := range 3 {
			m, writer := c.members[round%3], c.members[(round+1)%3]
			var stop context.Context
			stop, cancel := context.WithCancel(context.Background())
			var writers sync.WaitGroup
			var mu sync.Mutex
			var written []string
			for n := range 2 {
				writers.Go(func() {
					for i := 0; stop.Err() == nil; i++ {
						key := fmt.Sprint(round, n, i)
						if _, err := writer.Propose(context.Background(), []godwit.Transaction{writer.upload(key, content)}); err == nil {
							mu.Lock()
							written = append(written, key)
							mu.Unlock()
						}
						time.Sleep(20 * time.Millisecond)
					}
				})
			}
			time.Sleep(time.Duration(100+20*round) * time.Millisecond)
			m.stop()
			time.Sleep(100 * time.Millisecond)
			m.start()
			time.Sleep(50 * time.Millisecond)
			cancel()
			writers.Wait()
			if len(written) == 0 {
				t.Error("nothing was written")
			}
			c.settle()
			for _, key := range written {
				for _, m := range c.members {
					m.holds(key, content)
				}
			}
		}
	})
}

// TestAbsent tells of a value whose chunks have not come once a batch names it, and of
// none that is there.
func TestAbsent(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		tx := a.upload("here", largeContent)
		a.propose(tx)
		absent := put("absent", "")
		absent.Mutations[0].Value = godwit.Value{Blob: tx.Mutations[0].Value.Blob}
		absent.Mutations[0].Value.Blob.ID[0] ^= 1
		told := make([][]store.Damage, len(c.members))
		for i, m := range c.members {
			m.store.SetOnDamaged(func(d store.Damage) { d.Err = nil; told[i] = append(told[i], d) })
		}
		a.propose(a.upload("here too", largeContent))
		c.batch(1, absent)
		c.settle()
		want := []store.Damage{{Namespace: ns, Key: "absent", Revision: a.store.Revision(), Blob: absent.Mutations[0].Value.Blob}}
		for i, all := range told {
			if diff := cmp.Diff(want, all); diff != "" {
				t.Errorf("%s was told of (-want +got):\n%s", c.members[i].name, diff)
			}
		}
	})
}

// TestSenderStops stops the member that sends a value behind its chunks, before it is
// named, as it should and as a power cut does. Nothing but the log has it then.
func TestSenderStops(t *testing.T) {
	for name, end := range map[string]func(*member){"stop": (*member).stop, "crash": func(m *member) { m.crash(0) }} {
		t.Run(name, func(t *testing.T) {
			play(t, 3, func(c *cluster) {
				a, b := c.members[0], c.members[1]
				a.propose(createNamespace())
				tx := a.upload("large", largeContent)
				c.chunks(tx.Mutations[0].Value, largeContent, func() {})
				b.propose(put("behind", "the chunks")) // moves every member's place
				c.settle()
				time.Sleep(2 * time.Second) // flushes
				end(a)
				a.start()
				c.settle()
				c.batch(1, tx)
				c.allHold("large", largeContent)
			})
		})
	}
}

// TestEarlierVersionsStay: a start reads the chunks of large values again, as far back as
// an upload that was cut off, and removes none that only an earlier version names.
func TestEarlierVersionsStay(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(keeping("7d"))
		c.log.Append(jetstream.ChunkMessage(godwit.Blob{ID: godwit.BlobID{1}, Size: 2000}, 0, []byte("begun")))
		a.propose(a.upload("doc", largeContent))
		a.propose(put("doc", "new"))
		c.settle()
		time.Sleep(2 * time.Second) // flushes
		for _, m := range c.members {
			m.stop()
			m.start()
			c.settle()
		}
		time.Sleep(5 * time.Minute) // whatever is to be swept is
		for _, m := range c.members {
			m.holdsVersion("doc", 1, largeContent)
		}
	})
}

// keeping makes the namespace one that keeps earlier versions for a time.
func keeping(history string) godwit.Transaction {
	tx := createNamespace()
	tx.Mutations[0].Value.Inline = []byte(`{"settings":{"history":"` + history + `"}}`)
	return tx
}

// holdsVersion checks what a key held so many versions ago.
func (m *member) holdsVersion(key string, ago int, content []byte) {
	m.c.t.Helper()
	ctx := context.Background()
	all, err := m.store.Versions(ctx, ns, key, 0, ago+1)
	if err != nil || len(all.Versions) != ago+1 {
		m.c.t.Fatalf("%s: %d versions of %s, %v", m.name, len(all.Versions), key, err)
	}
	v, err := m.store.Version(ctx, ns, key, all.Versions[ago].Revision)
	if err != nil {
		m.c.t.Fatalf("%s: version of %s: %v", m.name, key, err)
	}
	r, err := m.store.OpenValue(ctx, ns, &v.Entry)
	if err != nil {
		m.c.t.Errorf("%s: the value of a version of %s: %v", m.name, key, err)
		return
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, content) {
		m.c.t.Errorf("%s: the version of %s is %d bytes, %v", m.name, key, len(got), err)
	}
}

// TestJoinFromSender: who becomes a copy of the member that sends a value, before it is
// named, has it too.
func TestJoinFromSender(t *testing.T) {
	play(t, 1, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		tx := a.upload("large", largeContent)
		a.propose(put("before", "the chunks"))
		c.trim()
		c.chunks(tx.Mutations[0].Value, largeContent, func() {})
		a.propose(put("behind", "the chunks"))
		time.Sleep(2 * time.Second)
		joined := c.add("joined")
		joined.start()
		c.settle()
		if joined.logs.Count("becoming a copy") != 1 {
			t.Error("it did not become a copy")
		}
		c.batch(1, tx)
		c.allHold("large", largeContent)
	})
}

// TestNamedBehindAGap: a batch that comes before the one that it has to stand behind is
// not taken, and what it names is waited for on, also by who reads the log again.
func TestNamedBehindAGap(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a, b := c.members[0], c.members[1]
		a.propose(createNamespace())
		tx := a.upload("large", largeContent)
		c.chunks(tx.Mutations[0].Value, largeContent, func() {})
		c.batch(2, tx) // its first was lost
		a.propose(put("behind", "the chunks"))
		time.Sleep(1500 * time.Millisecond)
		b.crash(0)
		b.start()
		c.settle()
		c.batch(1, put("first", "value"))
		c.batch(2, tx)
		c.allHold("large", largeContent)
	})
}

// TestManyUnfinishedValues: those whose senders are gone are in nobody's way.
func TestManyUnfinishedValues(t *testing.T) {
	play(t, 3, func(c *cluster) {
		a := c.members[0]
		a.propose(createNamespace())
		for i := range jetstream.MaxAssemblies {
			c.log.Append(jetstream.ChunkMessage(godwit.Blob{ID: godwit.BlobID{1, byte(i), byte(i >> 8)}, Size: 2000}, 0, []byte("begun")))
		}
		time.Sleep(time.Second)
		a.propose(a.upload("large", largeContent))
		c.allHold("large", largeContent)
	})
}

// narrow is a stream of short messages.
type narrow struct {
	jetstream.Stream
	most int
}

func (s narrow) MaxMessage() int { return s.most }

// TestShortMessages: values go through a stream of messages that are shorter than any NATS
// is to have, in a few of them.
func TestShortMessages(t *testing.T) {
	for _, most := range []int{64 << 10, 32 << 10} {
		playTuned(t, 1, func(cfg *jetstream.Config) { cfg.Stream = narrow{cfg.Stream, most} }, func(c *cluster) {
			m, content := c.members[0], bytes.Repeat([]byte("x"), 20_000)
			m.propose(createNamespace())
			m.propose(m.upload("large", content))
			m.holds("large", content)
			if n := c.count('c'); n != 5 {
				t.Errorf("messages of %d bytes: %d chunks", most, n)
			}
		})
	}
}

// TestManyConditionsTogether: transactions each of which a message holds wait for each
// other, and are not refused because they are too much for one.
func TestManyConditionsTogether(t *testing.T) {
	var tx godwit.Transaction
	for i := range 1000 {
		key := fmt.Sprintf("%03d", i)
		tx.Conditions = append(tx.Conditions, godwit.Condition{Kind: godwit.MustBeAbsent, Namespace: ns, Key: key})
		tx.Mutations = append(tx.Mutations, godwit.Mutation{Op: godwit.OpDelete, Namespace: ns, Key: key})
	}
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.log.SetLatency(50 * time.Millisecond)
		var writers sync.WaitGroup
		for range 250 {
			writers.Go(func() {
				if _, err := m.Propose(context.Background(), []godwit.Transaction{tx}); err != nil {
					t.Error(err)
				}
			})
		}
		writers.Wait()
	})
}

// TestTooLateAndTaken: of a batch that came too late by the clock of one leader, another
// copy may be taken under the next one. Its writer is not told that nothing was done.
func TestTooLateAndTaken(t *testing.T) {
	play(t, 1, func(c *cluster) {
		m := c.members[0]
		m.propose(createNamespace())
		c.settle()
		c.log.SetClock(func() time.Time { return time.Now().Add(2 * time.Minute) })
		c.log.SetFaults(streamtest.Faults{Twice: 1})
		_, err := m.Propose(context.Background(), []godwit.Transaction{put("key", "value")})
		c.log.SetClock(time.Now)
		c.log.SetFaults(streamtest.Faults{})
		time.Sleep(10 * time.Second)
		if !isCode(err, godwit.CodeOutcomeUnknown) || m.value("key") != "value" {
			t.Errorf("%q is there, and the writer was told %v", m.value("key"), err)
		}
	})
}
