package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit/client"
)

// TestTitleThatAnotherHasNow: what destroys is done to the namespace that has the title
// now, and not to the one that had it when the client first asked.
func TestTitleThatAnotherHasNow(t *testing.T) {
	for name, destroy := range map[string]func(c *client.Client, before string) error{
		"clear": func(c *client.Client, _ string) error {
			_, err := c.KV("staging").Clear(t.Context(), "k")
			return err
		},
		"clear all": func(c *client.Client, _ string) error {
			_, err := c.KV("staging").ClearAll(t.Context())
			return err
		},
		"delete": func(c *client.Client, _ string) error { return c.DeleteNamespace(t.Context(), "staging") },
		"rename": func(c *client.Client, _ string) error {
			_, err := c.RenameNamespace(t.Context(), "staging", "old")
			return err
		},
		"restore": func(c *client.Client, before string) error {
			for _, err := range c.KV("staging").Restore(t.Context(), client.RestoreOptions{At: client.AtRevision(before), Prefix: "k"}) {
				if err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := open(t)
			c, other := connect(t, n.APIURL(), rootToken), connect(t, n.APIURL(), rootToken)
			put := func(c *client.Client, key string) (revision string) {
				revision, err := c.KV("staging").Put(t.Context(), key, strings.NewReader("v"), client.PutOptions{})
				check(t, err)
				return revision
			}
			prod, err := c.CreateNamespace(t.Context(), "staging", client.NamespaceOptions{})
			check(t, err)
			keep(t, c, "staging")
			put(c, "k")
			_, err = other.RenameNamespace(t.Context(), "staging", "prod")
			check(t, err)
			_, err = other.CreateNamespace(t.Context(), "staging", client.NamespaceOptions{})
			check(t, err)
			keep(t, other, "staging")
			before := put(other, "before")
			put(other, "k")

			check(t, destroy(c, before))
			now := connect(t, n.APIURL(), rootToken)
			if got, err := now.NamespaceID(t.Context(), "prod"); err != nil || got != prod.ID {
				t.Errorf("the namespace that had the title before: %s, %v", got, err)
			}
			get(t, now.KV(prod.ID), "k")
			if v, err := now.KV("staging").Get(t.Context(), "k"); err == nil {
				_ = v.Close()
				t.Error("the namespace that has the title now is as it was")
			}
		})
	}
}

// keep has a namespace keep its history.
func keep(t *testing.T, c *client.Client, title string) {
	t.Helper()
	_, err := c.SetSettings(t.Context(), title, map[string]any{"history": "10"})
	check(t, err)
}

// moving is a server whose only title names another namespace with each look at it.
type moving struct {
	looks int
	asked []string // the namespaces that requests went to
	to    []string // the ones that they said to copy to
}

// RoundTrip implements http.RoundTripper.
func (m *moving) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	body := `{"keys":[{"name":"k"}],"versions":[{"name":"k"}],"result":[{"name":"k"}],"result_info":{"cursor":"c"},"cursor":"c"}`
	_, rest, _ := strings.Cut(r.URL.Path, "/namespaces/")
	if ns, _, below := strings.Cut(rest, "/"); below {
		m.asked = append(m.asked, ns)
		var copied struct {
			To string `json:"to_namespace"`
		}
		if r.Body != nil && json.NewDecoder(r.Body).Decode(&copied) == nil && copied.To != "" {
			m.to = append(m.to, copied.To)
		}
	} else {
		m.looks++
		body = fmt.Sprintf(`{"id":%q}`, nth(m.looks))
	}
	h := http.Header{"Godwit-Revision": {"7"}}
	return &http.Response{StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func nth(n int) string { return fmt.Sprintf("%032x", n) }

func (m *moving) client(t *testing.T) *client.Client {
	return connect(t, "http://godwit", "token", client.WithAccount(id), client.WithHTTPClient(&http.Client{Transport: m}))
}

// TestTitleIsNotKept: a title is looked up again after some seconds, and not for each call.
func TestTitleIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &moving{}
		kv := m.client(t).KV("title")
		for range 3 {
			_, err := kv.Put(t.Context(), "k", strings.NewReader("v"), client.PutOptions{})
			check(t, err)
			time.Sleep(4 * time.Second)
		}
		if want := []string{nth(1), nth(1), nth(2)}; !slices.Equal(m.asked, want) {
			t.Errorf("went to %v", m.asked)
		}
	})
}

// TestWalkStaysInItsNamespace: the pages of a walk are of one namespace, however long it
// takes and whatever has the title meanwhile.
func TestWalkStaysInItsNamespace(t *testing.T) {
	for name, walk := range map[string]func(ctx context.Context, kv *client.KV, each func() bool){
		"list": func(ctx context.Context, kv *client.KV, each func() bool) {
			kv.List(ctx, client.ListOptions{})(func(_ client.Key, err error) bool { return err == nil && each() })
		},
		"scan": func(ctx context.Context, kv *client.KV, each func() bool) {
			kv.Scan(ctx, client.ScanOptions{})(func(_ client.Scanned, err error) bool { return err == nil && each() })
		},
		"versions": func(ctx context.Context, kv *client.KV, each func() bool) {
			kv.Versions(ctx, "k")(func(_ client.Version, err error) bool { return err == nil && each() })
		},
		"restore": func(ctx context.Context, kv *client.KV, each func() bool) {
			kv.Restore(ctx, client.RestoreOptions{All: true})(func(_ client.RestoredKey, err error) bool { return err == nil && each() })
		},
		"copy": func(ctx context.Context, kv *client.KV, each func() bool) {
			ctx, cancel := context.WithCancel(ctx)
			_, _ = kv.Copy(ctx, "other", client.CopyOptions{Progress: func(client.Copied) {
				if !each() {
					cancel()
				}
			}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &moving{}
				pages := 0
				walk(t.Context(), m.client(t).KV("title"), func() bool {
					time.Sleep(time.Minute)
					pages++
					return pages < 3
				})
				if want := []string{nth(1), nth(1), nth(1)}; !slices.Equal(m.asked, want) {
					t.Errorf("went to %v", m.asked)
				}
				if want := []string{nth(2), nth(2), nth(2)}; name == "copy" && !slices.Equal(m.to, want) {
					t.Errorf("copied to %v", m.to)
				}
			})
		})
	}
}
