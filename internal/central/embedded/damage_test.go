package embedded_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/central/embedded"
	"github.com/godwitkv/godwit/internal/store"
)

// TestDamageFailsItsProposalAlone: who writes what a damaged block keeps from being decided
// is told so, and all others of the same batch are carried out, once.
func TestDamageFailsItsProposalAlone(t *testing.T) {
	w := newWorld(t, store.Config{})
	damaged := w.damagedKey(namespaceID(0), 300)
	ns := namespaceID(1)
	w.propose(createNamespace(ns))
	one := godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpAdd, Namespace: ns, Key: "counter", Delta: 1}}}
	w.propose(one)

	const writers, each = 20, 3
	taken, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	defer release()
	w.atNextBatch(func() { // of the first; what comes meanwhile is one batch
		close(taken)
		<-goOn
	})
	var all sync.WaitGroup
	all.Go(func() { w.propose(put(ns, "first", nil)) })
	<-taken
	for i := range writers + 1 {
		txs, fails := []godwit.Transaction{one, one, one}, i == writers/2
		if fails {
			txs[1] = put(namespaceID(0), damaged, nil)
		}
		all.Go(func() {
			results, err := w.log.Propose(context.Background(), txs)
			if fails != store.IsDamage(err) || !fails && (err != nil || len(results) != each) {
				t.Errorf("%d results, %v, of the damaged one: %t", len(results), err, fails)
			}
		})
	}
	w.await("all others wait", func(l *embedded.Log) bool { return l.Waiting() == writers+1 })
	release()
	all.Wait()
	if got, want := w.value(ns, "counter"), fmt.Sprint(1+writers*each); got != want {
		t.Errorf("the counter is %s, want %s", got, want)
	}
}

// await returns once something is true of the log.
func (w *world) await(what string, is func(*embedded.Log) bool) {
	w.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(w.log); runtime.Gosched() {
		if time.Now().After(deadline) {
			w.t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// damagedKey fills a new namespace with keys, damages a block of them, and returns one that
// cannot be read.
func (w *world) damagedKey(ns godwit.NamespaceID, keys int) string {
	w.t.Helper()
	w.propose(createNamespace(ns))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range keys {
		value := make([]byte, 1000)
		for j := range value {
			value[j] = byte(rng.Uint32()) // nothing compresses it
		}
		w.propose(put(ns, fmt.Sprint(i), value))
	}
	w.close()
	w.open() // which makes a table of the log
	w.close()
	flipLargest(w.t, w.fs, "/data/db", ".sst")
	w.open()
	for i := range keys {
		key := fmt.Sprint(i)
		if _, _, err := w.store.Get(context.Background(), ns, []byte(key), godwit.ReadOptions{}); godwit.CodeOf(err) == godwit.CodeDamaged {
			return key
		}
	}
	w.t.Fatal("no key is damaged")
	return ""
}

// flipLargest makes one bit of the largest of a directory's files another.
func flipLargest(t testing.TB, fs store.FS, dir, suffix string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	var largest string
	var content []byte
	for _, name := range names {
		if !strings.HasSuffix(name, suffix) {
			continue
		}
		f, err := fs.Open(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if len(b) > len(content) {
			largest, content = name, b
		}
	}
	content[len(content)/3] ^= 1
	f, err := fs.Create(path.Join(dir, largest), "test")
	if err == nil {
		_, err = io.Copy(f, bytes.NewReader(content))
	}
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}
