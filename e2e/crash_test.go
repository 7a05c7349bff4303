package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	crashWriters = 12
	crashKeys    = 20 // of each writer
	crashRounds  = 6
)

// TestKill ends the process with SIGKILL in the midst of writes, again and
// again: every acknowledged write must be there, whole, and every other one
// must be there whole or not at all.
func TestKill(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("crash")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	writers := make([]*writer, crashWriters)
	for i := range writers {
		writers[i] = &writer{server: s, namespace: id, number: i, rng: rand.New(rand.NewPCG(seed, uint64(i))), states: make([]state, crashKeys)}
	}
	pause := rand.New(rand.NewPCG(seed, 1<<32))
	for round := range crashRounds {
		before := acknowledged(writers)
		var running sync.WaitGroup
		for _, w := range writers {
			running.Go(w.run)
		}
		until(t, 2*time.Minute, "writes of this round", func() bool { return acknowledged(writers) >= before+crashWriters })
		<-time.After(time.Duration(pause.IntN(400)) * time.Millisecond)
		s.kill()
		running.Wait()
		s.fsck()
		s.start()
		for _, w := range writers {
			w.check(t)
		}
		t.Logf("round %d: %d writes acknowledged so far", round, acknowledged(writers))
	}
	s.stop()
	s.fsck()
}

// acknowledged is how many writes were, of all writers.
func acknowledged(writers []*writer) (n int64) {
	for _, w := range writers {
		n += w.acknowledged.Load()
	}
	return n
}

// A state is what may be under a key: the last acknowledged write, or the one
// whose outcome nobody knows. A write is named by its number; 0 is no key.
type state struct {
	sure   int
	unsure int
	open   bool // unsure is one
}

// A writer owns keys, so that it knows what must be under them.
type writer struct {
	server       *server
	namespace    string
	number       int
	rng          *rand.Rand
	states       []state
	next         int
	acknowledged atomic.Int64
	refused      error // an answer other than yes
}

// run writes until the server is gone.
func (w *writer) run() {
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		i := w.rng.IntN(len(w.states))
		st := &w.states[i]
		write := 0
		if w.rng.IntN(5) > 0 {
			w.next++
			write = w.next
		}
		st.unsure, st.open = write, true
		status, err := w.write(client, i, write)
		if err != nil {
			return
		}
		if status/100 != 2 {
			w.refused = fmt.Errorf("write %d of %s: status %d", write, w.key(i), status)
			return
		}
		*st = state{sure: write}
		w.acknowledged.Add(1)
	}
}

func (w *writer) key(i int) string { return fmt.Sprintf("writer %d/key %d", w.number, i) }

// write puts a value, alone or in bulk, or with number 0 deletes the key. It
// returns the status; an error means that the server is gone.
func (w *writer) write(client *http.Client, i, number int) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	at := "http://" + w.server.binding + "/" + url.PathEscape(w.key(i)) + "?urlencoded=true"
	method, body := http.MethodPut, w.value(i, number)
	switch {
	case number == 0:
		method, body = http.MethodDelete, nil
	case number%4 == 0:
		at = w.server.kv("/namespaces/" + w.namespace + "/bulk")
		body = fmt.Appendf(nil, `[{"key":%q,"value":%q,"metadata":%d}]`, w.key(i), body, number)
	}
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", w.namespace)
	req.Header.Set("CF-KV-Metadata", strconv.Itoa(number))
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// value is unique to the write, of a length that depends on its number alone:
// beside the key, in a row of its own, or a blob; and it proves itself.
func (w *writer) value(i, number int) []byte {
	head := fmt.Sprintf("%s write %d ", w.key(i), number)
	sizes := []int{0, 200, 900, 3000, 40_000, 70_000, 300_000}
	sum := sha256.Sum256([]byte(head))
	return []byte(head + strings.Repeat(hex.EncodeToString(sum[:]), 1+sizes[number%len(sizes)]/64))
}

// check reads every key and settles what was unsure.
func (w *writer) check(t *testing.T) {
	t.Helper()
	if w.refused != nil {
		t.Error(w.refused)
	}
	for i := range w.states {
		st := &w.states[i]
		got, err := w.read(i)
		if err != nil {
			t.Errorf("%s: %v", w.key(i), err)
			continue
		}
		if got != st.sure && (!st.open || got != st.unsure) {
			t.Errorf("%s: has write %d; acknowledged was %d, unsure (%t) %d", w.key(i), got, st.sure, st.open, st.unsure)
		}
		*st = state{sure: got}
	}
}

// read returns the number of the write that is under a key. Value and metadata
// must be of the same one.
func (w *writer) read(i int) (int, error) {
	req, err := http.NewRequestWithContext(w.server.t.Context(), http.MethodGet, "http://"+w.server.binding+"/"+url.PathEscape(w.key(i))+"?urlencoded=true", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", w.namespace)
	res, body, err := w.server.send(req)
	switch {
	case err != nil:
		return 0, err
	case res.StatusCode == http.StatusNotFound:
		return 0, nil
	case res.StatusCode != http.StatusOK:
		return 0, errors.New(res.Status)
	}
	number, err := strconv.Atoi(res.Header.Get("CF-KV-Metadata"))
	if err != nil {
		return 0, fmt.Errorf("metadata %q: %w", res.Header.Get("CF-KV-Metadata"), err)
	}
	if !bytes.Equal(body, w.value(i, number)) {
		return 0, fmt.Errorf("write %d is half applied: %d bytes, %.60q", number, len(body), body)
	}
	return number, nil
}

// TestOldCopy puts an old copy of the data directory back: what is written
// then must not be given a revision that was given before.
func TestOldCopy(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	id := s.createNamespace("copy")
	given := map[int]string{}
	put := func(n int) []int {
		var revisions []int
		for i := range n {
			key := fmt.Sprintf("key %d", i)
			revision := s.revisionOf(id, key)
			if before, ok := given[revision]; ok {
				t.Errorf("revision %d was given to %s and again to %s", revision, before, key)
			}
			given[revision] = key
			revisions = append(revisions, revision)
		}
		return revisions
	}
	put(5)
	s.stop()
	old := s.dir + ".old"
	if err := os.CopyFS(old, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	s.start()
	last := put(50)[49]
	s.kill()
	if err := errors.Join(os.RemoveAll(s.dir), os.Rename(old, s.dir)); err != nil {
		t.Fatal(err)
	}
	s.start()
	if first := put(50)[0]; first <= last {
		t.Errorf("the first revision after the old copy is %d, not after %d", first, last)
	}
	s.stop()
	s.fsck()
}

// revisionOf writes a key and returns the revision in its entity tag.
func (s *server) revisionOf(namespace, key string) int {
	s.t.Helper()
	at := s.kv("/namespaces/" + namespace + "/values/" + url.PathEscape(key))
	if res, body, err := s.do(http.MethodPut, at, strings.NewReader("v")); err != nil || res.StatusCode != http.StatusOK {
		s.t.Fatalf("put: %v: %s", err, body)
	}
	res, _, err := s.do(http.MethodGet, at, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	revision, err := strconv.Atoi(strings.Trim(res.Header.Get("ETag"), `"`))
	if err != nil {
		s.t.Fatalf("entity tag %q: %v", res.Header.Get("ETag"), err)
	}
	return revision
}
