package client_test

import (
	"context"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestTextThatNoHeaderCarries is refused before anything is sent, by its name.
func TestTextThatNoHeaderCarries(t *testing.T) {
	for name, call := range map[string]func(context.Context, *client.KV) error{
		"IfMatch": func(ctx context.Context, kv *client.KV) error {
			_, err := kv.Put(ctx, "k", strings.NewReader("v"), client.PutOptions{IfMatch: "123\n"})
			return err
		},
		"IfNoneMatch": func(ctx context.Context, kv *client.KV) error {
			_, err := kv.Delete(ctx, "k", client.DeleteOptions{IfNoneMatch: "\x7f"})
			return err
		},
		"RequestID": func(ctx context.Context, kv *client.KV) error {
			_, err := kv.Transact(ctx, client.Transaction{Deletes: []string{"k"}, RequestID: "a\rb"})
			return err
		},
		"MinRevision": func(ctx context.Context, kv *client.KV) error {
			_, err := kv.Get(ctx, "k", client.MinRevision("12\x00"))
			return err
		},
		"After": func(ctx context.Context, kv *client.KV) error {
			for _, err := range kv.Watch(ctx, client.WatchOptions{After: "x\ny"}) {
				return err
			}
			return nil
		},
	} {
		s, kv := scripted(t, answer{status: 200})
		err := call(t.Context(), kv)
		wantError(t, name, err, client.ErrInvalid)
		if err != nil && !strings.Contains(err.Error(), name+" ") {
			t.Errorf("%s is not named: %v", name, err)
		}
		if n := len(s.seen()); n > 0 {
			t.Errorf("%s: %d requests", name, n)
		}
	}
	for _, token := range []string{"a\n", "\x00", "a\x7fb"} {
		if _, err := client.New("http://127.0.0.1:1", token); err == nil || strings.Contains(err.Error(), token) {
			t.Errorf("the token %q: %v", token, err)
		}
	}
	if _, err := client.New("http://127.0.0.1:1", "token", client.WithUserAgent("a\nb")); err == nil {
		t.Error("took a User-Agent of two lines")
	}
}
