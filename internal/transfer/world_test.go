package transfer_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "root-token-of-the-tests"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open runs a node on a disk in memory; an edge, if it is given upstreams.
func open(t *testing.T, upstreams ...string) *node.Node {
	t.Helper()
	cfg := node.Config{
		Dir: "data", FS: store.NewMemFS(), RootToken: rootToken,
		Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Upstreams: upstreams,
	}
	if upstreams != nil {
		cfg.UpstreamToken = rootToken
	}
	n, err := node.Open(t.Context(), cfg)
	check(t, err)
	t.Cleanup(func() { check(t, n.Close()) })
	if upstreams != nil {
		awaitReady(t, n)
	}
	return n
}

// awaitReady waits until an edge has its first copy.
func awaitReady(t *testing.T, n *node.Node) {
	t.Helper()
	c := connect(t, n)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); ; <-tick.C {
		if s, err := c.Status(t.Context()); err == nil && s.Ready {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the edge has no copy")
		}
	}
}

func connect(t *testing.T, n *node.Node) *client.Client {
	t.Helper()
	c, err := client.New(n.APIURL(), rootToken)
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

// serve runs a node with namespaces and returns a client of it.
func serve(t *testing.T, titles ...string) *client.Client {
	t.Helper()
	c := connect(t, open(t))
	for _, title := range titles {
		_, err := c.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		check(t, err)
	}
	return c
}

// entry is all that a namespace says of a key.
type entry struct {
	Value      string
	Metadata   string
	Expiration int64
}

// contents reads a namespace, by another way than what is tested.
func contents(t *testing.T, kv *client.KV) map[string]entry {
	t.Helper()
	all := make(map[string]entry)
	page, err := kv.ListPage(t.Context(), client.ListOptions{})
	for {
		check(t, err)
		var keys []string
		for _, k := range page.Keys {
			if strings.HasPrefix(k.Name, "largest") {
				all[k.Name] = large(t, kv, k.Name)
				continue
			}
			keys = append(keys, k.Name)
		}
		items, err := kv.BulkGet(t.Context(), keys)
		check(t, err)
		for key, it := range items {
			e := entry{Value: string(it.Value), Metadata: string(it.Metadata)}
			if !it.Expiration.IsZero() {
				e.Expiration = it.Expiration.Unix()
			}
			all[key] = e
		}
		if page.Cursor == "" {
			return all
		}
		page, err = kv.ListPage(t.Context(), client.ListOptions{Cursor: page.Cursor})
		check(t, err)
	}
}

// large reads one key, whose value it tells by a hash.
func large(t *testing.T, kv *client.KV, key string) entry {
	t.Helper()
	v, err := kv.GetWithMetadata(t.Context(), key)
	check(t, err)
	h := sha256.New()
	n, err := io.Copy(h, v)
	check(t, err)
	check(t, v.Close())
	return entry{fmt.Sprintf("%d bytes, %x", n, h.Sum(nil)), string(v.Metadata), v.Expiration.Unix()}
}

// oddKeys are names that something on the way may stumble over.
var oddKeys = []string{
	"plain", "a/b/c", "/lead", "trail/", "a//b", "../x", "a/../b", "./x", "a/.", "...", "..x", "sp ace", "pct%41", "pct%zz",
	"q?x=1&y", "h#ash", "plus+eq=", "a:b!c@d$e,f;g", "[]{}|^`", `quote"<>`, `back\slash`, "tab\t", "line\nend", "nul\x00", "del\x7f",
	"uni-é-漢-🤓", "it's(*)~", "\u2028\u2029", "\ufeffbom", "\ufffd", " ", "{", `{"key":"x"}`, strings.Repeat("é", 256), strings.Repeat("x", 512),
}

// oddMetadata are all kinds of JSON.
var oddMetadata = []string{
	"", `{"a":[1,2.50,{"b":null}],"u":"é🤓"}`, `"text \"quoted\" \\ \u0041\n"`, `0`, `-1.5e300`, `12345678901234567890.10`, `false`, `true`, `[]`, `{}`, `""`,
	`"` + strings.Repeat("m", 1022) + `"`, `[[[[1]]]]`, `"half an emoji: \ud83d"`, `{"\udc00":1}`,
}

// many keys do not fit on one page.
const many = 600

// fillOdd writes all that a namespace may hold: each odd key with one of the values,
// kinds of metadata and expirations.
func fillOdd(t *testing.T, kv *client.KV) {
	t.Helper()
	random := make([]byte, 100<<10)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(random)
	values := [][]byte{
		{}, []byte("text"), []byte("é \"quoted\" \\ \b\f\n\r\t\x00\x1f\x7f \u2028 🤓"), {0xff, 0xfe, 0}, []byte("\xed\xa0\x80"), random[:1000],
		bytes.Repeat([]byte("t"), 64<<10), bytes.Repeat([]byte("é"), 100<<10), random[:64<<10+1], bytes.Repeat([]byte{1}, 200<<10),
	}
	expires := time.Unix(2105080000, 0) // the same for all who fill
	var pairs []client.Pair
	for i, key := range oddKeys {
		p := client.Pair{Key: key, Value: values[i%len(values)]}
		if m := oddMetadata[i%len(oddMetadata)]; m != "" {
			p.Metadata = json.RawMessage(m)
		}
		if i%3 == 1 {
			p.Expiration = expires.Add(time.Duration(i) * time.Hour)
		}
		pairs = append(pairs, p)
	}
	for i := range many {
		pairs = append(pairs, client.Pair{Key: fmt.Sprintf("many/%d", i), Value: bytes.Repeat([]byte{'a' + byte(i%26)}, i*29%16_000)})
	}
	_, err := kv.BulkPut(t.Context(), pairs)
	check(t, err)
}

// fillLargest writes a value that is as large as it may be.
func fillLargest(t *testing.T, kv *client.KV) {
	t.Helper()
	random := make([]byte, 25<<20)
	_, _ = rand.NewChaCha8([32]byte{8}).Read(random)
	o := client.PutOptions{Metadata: json.RawMessage(`{"large":true}`), ExpirationTTL: time.Hour}
	_, err := kv.Put(t.Context(), "largest", bytes.NewReader(random), o)
	check(t, err)
}

// sameContents compares two namespaces.
func sameContents(t *testing.T, want, got *client.KV) {
	t.Helper()
	a, b := contents(t, want), contents(t, got)
	if len(a) < len(oddKeys) {
		t.Fatalf("only %d keys: nothing is tested", len(a))
	}
	for key, e := range a {
		if b[key] != e {
			t.Errorf("%q: got %d bytes, metadata %q, expiration %d; want %d, %q, %d", key,
				len(b[key].Value), b[key].Metadata, b[key].Expiration, len(e.Value), e.Metadata, e.Expiration)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d keys, want %d", len(b), len(a))
	}
}

// write exports a source into a file.
func write(t *testing.T, from transfer.Source) (file string, counts *transfer.Progress) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "export.ndjson")
	f, _, err := transfer.OpenOutput(file, false)
	check(t, err)
	counts = new(transfer.Progress)
	check(t, transfer.Write(t.Context(), from, f, counts, now))
	check(t, f.Close())
	return file, counts
}

func now() int64 { return time.Now().Unix() }

// lines is the source of a text.
func lines(t *testing.T, text string) *transfer.Lines {
	t.Helper()
	name := filepath.Join(t.TempDir(), "in")
	check(t, os.WriteFile(name, []byte(text), 0o600))
	f, err := os.Open(name)
	check(t, err)
	t.Cleanup(func() { _ = f.Close() })
	return &transfer.Lines{Files: []string{"-"}, Stdin: f, MaxValue: transfer.DefaultMaxValue}
}

// runTo runs a transfer into a namespace.
func runTo(ctx context.Context, from transfer.Source, kv *client.KV, o transfer.Options) (*transfer.Progress, error) {
	if o.Now == nil {
		o.Now = now
	}
	if o.Progress == nil {
		o.Progress = new(transfer.Progress)
	}
	return o.Progress, transfer.Run(ctx, from, &transfer.ServerTarget{KV: kv, Progress: o.Progress, Now: o.Now}, o)
}
