package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const rootToken = "root-token-of-the-tests"

// open runs a node on a disk in memory.
func open(t *testing.T) *node.Node {
	t.Helper()
	n, err := node.Open(t.Context(), node.Config{
		Dir: "data", FS: store.NewMemFS(), RootToken: rootToken,
		Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0", Location: "lhr", Jurisdictions: []string{"eu", "us"},
	})
	check(t, err)
	t.Cleanup(func() { check(t, n.Close()) })
	return n
}

// serve runs a node and returns a client of it.
func serve(t *testing.T) *client.Client {
	t.Helper()
	return connect(t, open(t).APIURL(), rootToken)
}

func connect(t *testing.T, url, token string, opts ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, token, opts...)
	check(t, err)
	t.Cleanup(c.Close)
	return c
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

// namespace makes one and returns it.
func namespace(t *testing.T, c *client.Client) *client.KV {
	t.Helper()
	_, err := c.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{})
	check(t, err)
	return c.KV("ns")
}

func get(t *testing.T, kv *client.KV, key string) []byte {
	t.Helper()
	v, err := kv.Get(t.Context(), key)
	check(t, err)
	return read(t, v)
}

func read(t *testing.T, v *client.Value) []byte {
	t.Helper()
	defer func() { _ = v.Close() }()
	b, err := io.ReadAll(v)
	check(t, err)
	return b
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(b)
	return b
}

// stream hides everything about a reader but Read.
type stream struct{ io.Reader }

func TestPutAndGet(t *testing.T) {
	kv := namespace(t, serve(t))
	for _, n := range []int{0, 1, 64 << 10, 64<<10 + 1, 300_000} {
		for name, value := range map[string]func([]byte) io.Reader{
			"seeker": func(b []byte) io.Reader { return bytes.NewReader(b) },
			"stream": func(b []byte) io.Reader { return stream{bytes.NewReader(b)} },
		} {
			for _, metadata := range []string{"", `{"a":[1,2.50],"b":"é"}`} {
				key, want := fmt.Sprintf("%s/%d/%s", name, n, metadata), randomBytes(n)
				opts := client.PutOptions{}
				if metadata != "" {
					opts.Metadata = json.RawMessage(metadata)
				}
				revision, err := kv.Put(t.Context(), key, value(want), opts)
				check(t, err)
				v, err := kv.GetWithMetadata(t.Context(), key)
				check(t, err)
				if v.Size != int64(n) || v.Revision != revision || string(v.Metadata) != metadata {
					t.Errorf("%s: size %d, revision %s (put %s), metadata %s", key, v.Size, v.Revision, revision, v.Metadata)
				}
				if got := read(t, v); !bytes.Equal(got, want) {
					t.Errorf("%s: got other bytes", key)
				}
			}
		}
	}
}

func TestPartOfASeeker(t *testing.T) {
	kv := namespace(t, serve(t))
	r := strings.NewReader("0123456789")
	_, err := r.Seek(4, io.SeekStart)
	check(t, err)
	_, err = kv.Put(t.Context(), "k", r, client.PutOptions{})
	check(t, err)
	if got := string(get(t, kv, "k")); got != "456789" {
		t.Errorf("got %q", got)
	}
}

func TestOddKeys(t *testing.T) {
	kv := namespace(t, serve(t))
	keys := []string{
		"/", "//", "/lead", "trail/", "../x", "a/../b", "./x", "a/.", "...", "sp ace", "pct%41", "q?x=1&y", "h#ash",
		"plus+eq=", "a:b!c@d$e,f;g", "[]{}|^`", `quote"<>`, `back\slash`, "tab\t", "nl\n", "nul\x00", "uni-é-漢-🤓", "it's(*)~",
		strings.Repeat("k", 512),
	}
	for _, key := range keys {
		_, err := kv.Put(t.Context(), key, strings.NewReader(key), client.PutOptions{})
		check(t, err)
		if got := string(get(t, kv, key)); got != key {
			t.Errorf("%q holds %q", key, got)
		}
	}
	var listed []string
	for k, err := range kv.List(t.Context(), client.ListOptions{Limit: 10}) {
		check(t, err)
		listed = append(listed, k.Name)
	}
	slices.Sort(keys)
	if diff := cmp.Diff(keys, listed); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"", ".", ".."} {
		_, err := kv.Put(t.Context(), key, strings.NewReader("x"), client.PutOptions{})
		wantError(t, "put "+key, err, client.ErrInvalid)
		_, err = kv.Delete(t.Context(), key, client.DeleteOptions{})
		wantError(t, "delete "+key, err, client.ErrInvalid)
	}
	_, err := kv.Put(t.Context(), strings.Repeat("k", 513), strings.NewReader("x"), client.PutOptions{})
	wantError(t, "513 bytes", err, client.ErrTooLarge)
}

func TestErrors(t *testing.T) {
	c := serve(t)
	kv := namespace(t, c)
	ctx := t.Context()
	put := func(opts client.PutOptions) error {
		_, err := kv.Put(ctx, "k", strings.NewReader("v"), opts)
		return err
	}
	_, err := kv.Get(ctx, "absent")
	wantError(t, "absent key", err, client.ErrKeyNotFound)
	_, err = kv.GetWithMetadata(ctx, "absent")
	wantError(t, "absent key with metadata", err, client.ErrKeyNotFound)
	_, err = c.KV("absent").Get(ctx, "k")
	wantError(t, "absent title", err, client.ErrNamespaceNotFound)
	_, err = c.KV(strings.Repeat("1", 32)).Get(ctx, "k")
	wantError(t, "absent id", err, client.ErrNamespaceNotFound)
	_, err = c.CreateNamespace(ctx, "ns", client.NamespaceOptions{})
	wantError(t, "title taken", err, client.ErrNamespaceExists)
	wantError(t, "revoke", c.RevokeToken(ctx, strings.Repeat("0", 31)+"1"), client.ErrTokenNotFound)
	wantError(t, "revoke nothing", c.RevokeToken(ctx, ""), client.ErrInvalid)
	wantError(t, "ttl", put(client.PutOptions{ExpirationTTL: time.Second}), client.ErrInvalid)
	wantError(t, "expiration", put(client.PutOptions{Expiration: time.Unix(1000, 0)}), client.ErrInvalid)
	wantError(t, "metadata", put(client.PutOptions{Metadata: json.RawMessage(`{`)}), client.ErrInvalid)
	wantError(t, "long metadata", put(client.PutOptions{Metadata: json.RawMessage(`"` + strings.Repeat("x", 1024) + `"`)}), client.ErrTooLarge)
	_, err = kv.ListPage(ctx, client.ListOptions{Cursor: "nonsense"})
	wantError(t, "cursor", err, client.ErrInvalid)
	_, err = kv.ListPage(ctx, client.ListOptions{Limit: 1})
	wantError(t, "limit", err, client.ErrInvalid)
	_, err = c.RotateRootToken(ctx)
	wantError(t, "rotate", err, client.ErrInvalid)

	ended, cancel := context.WithCancel(ctx)
	cancel()
	_, err = kv.Get(ended, "k")
	wantError(t, "ended context", err, context.Canceled)
}

func TestConditions(t *testing.T) {
	kv := namespace(t, serve(t))
	ctx := t.Context()
	put := func(value string, opts client.PutOptions) (string, error) {
		return kv.Put(ctx, "k", strings.NewReader(value), opts)
	}
	first, err := put("1", client.PutOptions{IfNoneMatch: "*"})
	check(t, err)
	_, err = put("2", client.PutOptions{IfNoneMatch: "*"})
	wantError(t, "if none match", err, client.ErrPrecondition)
	second, err := put("2", client.PutOptions{IfMatch: first})
	check(t, err)
	_, err = put("3", client.PutOptions{IfMatch: first})
	wantError(t, "if match of before", err, client.ErrPrecondition)
	_, err = kv.Delete(ctx, "k", client.DeleteOptions{IfMatch: first})
	wantError(t, "delete", err, client.ErrPrecondition)
	_, err = kv.Delete(ctx, "k", client.DeleteOptions{IfMatch: second})
	check(t, err)
	_, err = put("4", client.PutOptions{IfMatch: "*"})
	wantError(t, "if match any", err, client.ErrPrecondition)
}

func TestRequestID(t *testing.T) {
	kv := namespace(t, serve(t))
	opts := client.PutOptions{IfNoneMatch: "*", RequestID: "the-same-write"}
	first, err := kv.Put(t.Context(), "k", strings.NewReader("v"), opts)
	check(t, err)
	again, err := kv.Put(t.Context(), "k", strings.NewReader("v"), opts)
	check(t, err)
	if first != again {
		t.Errorf("the same write has revisions %s and %s", first, again)
	}
}

func TestExpiration(t *testing.T) {
	kv := namespace(t, serve(t))
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	_, err := kv.Put(t.Context(), "at", strings.NewReader("v"), client.PutOptions{Expiration: at})
	check(t, err)
	_, err = kv.Put(t.Context(), "in", strings.NewReader("v"), client.PutOptions{ExpirationTTL: 90*time.Minute - time.Millisecond, Expiration: at})
	check(t, err)
	v, err := kv.Get(t.Context(), "at")
	check(t, err)
	read(t, v)
	if !v.Expiration.Equal(at) {
		t.Errorf("expires at %v, want %v", v.Expiration, at)
	}
	for k, err := range kv.List(t.Context(), client.ListOptions{Prefix: "in"}) {
		check(t, err)
		if left := time.Until(k.Expires()); left < 89*time.Minute || left > 91*time.Minute {
			t.Errorf("expires in %v", left)
		}
	}
}

func TestList(t *testing.T) {
	kv := namespace(t, serve(t))
	var pairs []client.Pair
	for i := range 25 {
		pairs = append(pairs, client.Pair{Key: fmt.Sprintf("k%02d", i), Metadata: json.RawMessage(fmt.Sprint(i))})
	}
	n, err := kv.BulkPut(t.Context(), pairs)
	check(t, err)
	if n != 25 {
		t.Errorf("wrote %d", n)
	}
	first, err := kv.ListPage(t.Context(), client.ListOptions{Limit: 10, Prefix: "k"})
	check(t, err)
	if len(first.Keys) != 10 || first.Cursor == "" || string(first.Keys[3].Metadata) != "3" {
		t.Errorf("first page: %d keys, cursor %q, %s", len(first.Keys), first.Cursor, first.Keys[3].Metadata)
	}
	count := 0
	for _, err := range kv.List(t.Context(), client.ListOptions{Limit: 10, Prefix: "k"}) {
		check(t, err)
		count++
	}
	if count != 25 {
		t.Errorf("walked %d keys", count)
	}
	for range kv.List(t.Context(), client.ListOptions{Limit: 10}) {
		count++
		break
	}
	if count != 26 {
		t.Errorf("a walk that was left went on to %d", count)
	}
}

func TestBulk(t *testing.T) {
	kv := namespace(t, serve(t))
	ctx := t.Context()
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	want := map[string]client.Item{
		"text":        {Value: []byte("text <&> é")},
		"bytes":       {Value: []byte{0, 0xff, 0xfe}, Metadata: json.RawMessage(`{"b":1}`), Expiration: at},
		"replacement": {Value: []byte("a \ufffd that is one")},
		"empty":       {Value: []byte{}},
	}
	var pairs []client.Pair
	var keys []string
	for key, item := range want {
		pairs = append(pairs, client.Pair{Key: key, Value: item.Value, Metadata: item.Metadata, Expiration: item.Expiration})
		keys = append(keys, key)
	}
	for i := range 250 {
		keys = append(keys, fmt.Sprintf("absent%d", i))
	}
	_, err := kv.BulkPut(ctx, pairs)
	check(t, err)
	got, err := kv.BulkGet(ctx, keys)
	check(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	n, err := kv.BulkDelete(ctx, slices.Collect(maps.Keys(want)))
	check(t, err)
	if n != len(want) {
		t.Errorf("deleted %d", n)
	}
	if got, err = kv.BulkGet(ctx, keys); err != nil || len(got) != 0 {
		t.Errorf("after the delete: %d keys (%v)", len(got), err)
	}
}

// TestLargeBulk has more keys than one request may have.
func TestLargeBulk(t *testing.T) {
	kv := namespace(t, serve(t))
	var pairs []client.Pair
	for i := range 10_050 {
		pairs = append(pairs, client.Pair{Key: fmt.Sprintf("k%05d", i), Value: []byte("v")})
	}
	n, err := kv.BulkPut(t.Context(), pairs)
	check(t, err)
	if n != len(pairs) {
		t.Errorf("wrote %d of %d", n, len(pairs))
	}
	var keys []string
	for _, p := range pairs {
		keys = append(keys, p.Key)
	}
	if n, err = kv.BulkDelete(t.Context(), keys); err != nil || n != len(keys) {
		t.Errorf("deleted %d of %d: %v", n, len(keys), err)
	}
}

func TestAdministration(t *testing.T) {
	c := serve(t)
	ctx := t.Context()
	ns, err := c.CreateNamespace(ctx, "first", client.NamespaceOptions{Jurisdiction: "eu"})
	check(t, err)
	kv := c.KV("first")
	_, err = kv.Put(ctx, "k", strings.NewReader("v"), client.PutOptions{})
	check(t, err)
	renamed, err := c.RenameNamespace(ctx, "first", "second")
	check(t, err)
	if renamed.ID != ns.ID || renamed.Title != "second" {
		t.Errorf("renamed: %+v", renamed)
	}
	_, err = kv.Get(ctx, "k")
	wantError(t, "the title of before", err, client.ErrNamespaceNotFound)

	ensured, created, err := c.EnsureNamespace(ctx, "second", client.NamespaceOptions{Jurisdiction: "eu"})
	check(t, err)
	if ensured.ID != ns.ID || created || ensured.Keys != 1 || ensured.Jurisdiction != "eu" {
		t.Errorf("ensured: %+v, created %t", ensured, created)
	}
	_, _, err = c.EnsureNamespace(ctx, "second", client.NamespaceOptions{Jurisdiction: "us"})
	wantError(t, "another jurisdiction", err, client.ErrNamespaceExists)

	settings, err := c.SetSettings(ctx, "second", map[string]any{"min_expiration_ttl": 1, "consistency": "strong"})
	check(t, err)
	if settings.MinExpirationTTL == nil || *settings.MinExpirationTTL != 1 || settings.Consistency != "strong" {
		t.Errorf("settings: %+v", settings)
	}
	if settings, err = c.SetSettings(ctx, "second", map[string]any{"consistency": nil}); err != nil || settings.Consistency != "" {
		t.Errorf("settings: %+v (%v)", settings, err)
	}
	_, err = c.SetSettings(ctx, "second", map[string]any{"nothing": 1})
	wantError(t, "unknown setting", err, client.ErrInvalid)

	all, err := c.Namespaces(ctx)
	check(t, err)
	if len(all) != 1 || all[0].Title != "second" || all[0].Jurisdiction != "eu" || all[0].Keys != 1 || *all[0].Settings.MinExpirationTTL != 1 {
		t.Errorf("namespaces: %+v", all)
	}
	status, err := c.Status(ctx)
	check(t, err)
	if status.Role != "central" || status.Location != "lhr" || status.Keys != 1 || status.BindingURL == "" {
		t.Errorf("status: %+v", status)
	}
	tree, err := c.Tree(ctx)
	check(t, err)
	if tree.Role != "central" || tree.Location != "lhr" || !tree.Ready || tree.Revision != status.Revision || len(tree.Followers) != 0 {
		t.Errorf("tree: %+v", tree)
	}
	for _, title := range []string{".", "..", "a/b", "%2F", "?#", "gödwit"} {
		odd, err := c.CreateNamespace(ctx, title, client.NamespaceOptions{})
		check(t, err)
		if id, err := c.NamespaceID(ctx, title); err != nil || id != odd.ID {
			t.Errorf("namespace %q is %s: %s, %v", title, odd.ID, id, err)
		}
	}
	for _, title := range []string{"", "none"} {
		_, err = c.NamespaceID(ctx, title)
		wantError(t, "a title of none: "+title, err, client.ErrNamespaceNotFound)
	}
	check(t, c.DeleteNamespace(ctx, "second"))
	_, err = c.KV(ns.ID).Get(ctx, "k")
	wantError(t, "deleted namespace", err, client.ErrNamespaceNotFound)
}

func TestTokens(t *testing.T) {
	n, err := node.Open(t.Context(), node.Config{
		Dir: "data", FS: store.NewMemFS(), RootToken: rootToken, Listen: "127.0.0.1:0", BindingListen: "127.0.0.1:0",
	})
	check(t, err)
	t.Cleanup(func() { check(t, n.Close()) })
	root, ctx := connect(t, n.APIURL(), rootToken), t.Context()
	ns, err := root.CreateNamespace(ctx, "ns", client.NamespaceOptions{})
	check(t, err)
	made, err := root.CreateToken(ctx, client.TokenSpec{Name: "reader", Permission: "read", Namespaces: []string{"ns"}})
	check(t, err)
	if made.Secret == "" || made.ID == "" || !slices.Equal(made.Namespaces, []string{ns.ID}) {
		t.Errorf("made %+v", made)
	}
	reader := connect(t, n.APIURL(), made.Secret)
	_, err = reader.KV("ns").Get(ctx, "k")
	wantError(t, "read", err, client.ErrKeyNotFound)
	_, err = reader.KV("ns").Put(ctx, "k", strings.NewReader("v"), client.PutOptions{})
	wantError(t, "write", err, client.ErrForbidden)
	_, err = reader.Tokens(ctx)
	wantError(t, "tokens", err, client.ErrForbidden)
	tokens, err := root.Tokens(ctx)
	check(t, err)
	if len(tokens) != 1 || tokens[0].Name != "reader" {
		t.Errorf("tokens: %+v", tokens)
	}
	check(t, root.RevokeToken(ctx, made.ID))
	_, err = reader.Status(ctx)
	wantError(t, "revoked", err, client.ErrUnauthenticated)
	_, err = connect(t, n.APIURL(), "").Status(ctx)
	wantError(t, "no token", err, client.ErrUnauthenticated)
}

func TestNewRefusesBadAddresses(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8787", "localhost", "ftp://x", "http://", "http://x?y", "http://u:p@x", "http://x#y", "://"} {
		if _, err := client.New(url, ""); err == nil {
			t.Errorf("%q was taken", url)
		}
	}
	if _, err := client.New("http://x", "a\r\nb"); err == nil {
		t.Error("a token with a line break was taken")
	}
}
