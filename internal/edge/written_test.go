package edge_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/store"
)

// chain is a centre, a relay, and an edge behind that.
type chain struct {
	*testing.T
	net         *network
	centre      *centre
	relay, leaf *node
	relays      *serving
	ns          godwit.NamespaceID
}

func link(t *testing.T, cfg edge.Config, fn func(c *chain)) {
	world(t, func(t *testing.T) {
		c := &chain{T: t, net: newNetwork()}
		c.centre = openCentre(t, c.net, store.NewMemFS())
		defer c.centre.stop()
		c.ns = c.centre.namespace("a")
		c.centre.fill(c.ns, 0, 10)
		cfg.Token = rootToken
		c.relay = startEdge(t, c.net, nil, cfg, c.centre.serving)
		defer c.relay.stop()
		c.relays = c.relay.relay(c.net, "relay")
		defer c.relays.die()
		c.leaf = startEdge(t, c.net, nil, cfg, c.relays)
		defer c.leaf.stop()
		time.Sleep(5 * time.Second)
		c.leaf.equals(c.centre)
		fn(c)
	})
}

// write writes through a node.
func (c *chain) write(n *node, tx godwit.Transaction) (godwit.Result, error) {
	ctx := godwit.WithCredential(context.Background(), rootToken)
	results, err := n.Propose(ctx, []godwit.Transaction{tx})
	if err != nil {
		return godwit.Result{}, err
	}
	return results[0], nil
}

func (c *chain) put(key, value string, conditions ...godwit.Condition) godwit.Transaction {
	return godwit.Transaction{Conditions: conditions, Mutations: []godwit.Mutation{put(c.ns, key, value, 0).Mutation}}
}

func (c *chain) absent(key string) godwit.Condition {
	return godwit.Condition{Kind: godwit.MustBeAbsent, Namespace: c.ns, Key: key}
}

// read reads at a node, and checks what that gives.
func (c *chain) read(n *node, key, want string) {
	c.Helper()
	e, served, err := n.Get(context.Background(), c.ns, []byte(key), godwit.ReadOptions{})
	got := "absent"
	if err == nil {
		got = string(e.Value.Inline)
	} else if !errors.Is(err, godwit.ErrKeyNotFound) {
		got = err.Error()
	}
	if got = served.Status.String() + " " + got; got != want {
		c.Errorf("%s is %q, want %q", key, got, want)
	}
}

// TestOwnWritesShow: who writes at an edge behind a relay reads it there at once,
// and from its own copy: puts, deletes, and the entry that was in the way of a
// write whose condition failed.
func TestOwnWritesShow(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		for i := range 50 {
			key, value := fmt.Sprintf("own%d", i%7), fmt.Sprintf("value %d", i)
			if r, err := c.write(c.leaf, c.put(key, value)); err != nil || r.Outcome != godwit.Applied {
				c.Fatalf("put: %v, %v", r, err)
			}
			c.read(c.leaf, key, "HIT "+value)
			page, err := c.leaf.List(context.Background(), c.ns, godwit.ListQuery{Prefix: key, Limit: 10}, godwit.ReadOptions{})
			if err != nil || len(page.Entries) != 1 || page.Served.Status != godwit.StatusHit {
				c.Errorf("list: %+v, %v", page, err)
			}
			c.centre.write(put(c.ns, "elsewhere", value, 0).Mutation)
			if r, err := c.write(c.leaf, c.put("elsewhere", "mine", c.absent("elsewhere"))); err != nil || r.Outcome != godwit.ConditionFailed {
				c.Errorf("condition: %v, %v", r, err)
			}
			c.read(c.leaf, "elsewhere", "HIT "+value)
			c.centre.drop(c.ns, "elsewhere")
			gone := godwit.Transaction{Mutations: []godwit.Mutation{{Op: godwit.OpDelete, Namespace: c.ns, Key: "elsewhere"}}}
			if r, err := c.write(c.leaf, gone); err != nil || r.Outcome != godwit.Applied {
				c.Errorf("delete: %v, %v", r, err)
			}
			c.read(c.leaf, "elsewhere", "HIT absent")
		}
		c.leaf.equals(c.centre)
	})
}

// TestOwnWritesOfWhatIsNotCarried show too: reads of them go upstream.
func TestOwnWritesOfWhatIsNotCarried(t *testing.T) {
	world(t, func(t *testing.T) {
		c := &chain{T: t, net: newNetwork()}
		c.centre = openCentre(t, c.net, store.NewMemFS())
		defer c.centre.stop()
		carried := c.centre.namespace("carried")
		c.ns = c.centre.namespace("other")
		c.leaf = startEdge(t, c.net, nil, edge.Config{Token: rootToken, Namespaces: []string{"carried"}}, c.centre.serving)
		defer c.leaf.stop()
		time.Sleep(5 * time.Second)
		for i := range 20 {
			value := fmt.Sprintf("value %d", i)
			start := time.Now()
			if _, err := c.write(c.leaf, c.put("k", value)); err != nil {
				c.Fatal(err)
			}
			if d := time.Since(start); d != 0 {
				c.Errorf("it took %v", d)
			}
			c.read(c.leaf, "k", "MISS "+value)
		}
		c.ns = carried
		c.read(c.leaf, "k", "HIT absent")
	})
}

// TestRetriesApplyOnce: a connection that breaks after the request was sent, at
// any of the hops, whether it was carried out or not, leads to one write.
func TestRetriesApplyOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		at   func(c *chain) *serving
		done bool // before the connection breaks
	}{
		"at the centre, done":     {func(c *chain) *serving { return c.centre.serving }, true},
		"at the centre, not done": {func(c *chain) *serving { return c.centre.serving }, false},
		"at the relay, done":      {func(c *chain) *serving { return c.relays }, true},
		"at the relay, not done":  {func(c *chain) *serving { return c.relays }, false},
	} {
		t.Run(name, func(t *testing.T) {
			link(t, edge.Config{}, func(c *chain) {
				var mu sync.Mutex
				broken := 0
				tt.at(c).wrapped(func(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter)) {
					mu.Lock()
					now := strings.HasSuffix(r.URL.Path, "/propose") && broken%2 == 0
					if strings.HasSuffix(r.URL.Path, "/propose") {
						broken++
					}
					mu.Unlock()
					if !now {
						serve(w)
						return
					}
					if tt.done {
						serve(httptest.NewRecorder())
					} else {
						_, _ = io.Copy(io.Discard, r.Body)
					}
					panic(http.ErrAbortHandler)
				})
				for i := range 10 {
					key := fmt.Sprintf("once%d", i)
					before := c.centre.store.Revision()
					r, err := c.write(c.leaf, c.put(key, "value", c.absent(key)))
					if err != nil || r.Outcome != godwit.Applied || r.Repeated {
						c.Errorf("%+v, %v", r, err)
					}
					if n := c.centre.store.Revision() - before; n != 1 {
						c.Errorf("%d revisions", n)
					}
					c.read(c.leaf, key, "HIT value")
				}
				if broken != 20 {
					c.Errorf("proposed %d times", broken)
				}
			})
		})
	}
}

// TestLargeValuesThroughARelay: streamed to the centre, and not fetched back.
func TestLargeValuesThroughARelay(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		content := make([]byte, godwit.MaxValueBytes)
		random := rand.NewChaCha8([32]byte{1})
		_, _ = random.Read(content)
		var mu sync.Mutex
		var fetched []string
		for _, s := range []*serving{c.centre.serving, c.relays} {
			s.wrapped(func(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter)) {
				if strings.HasSuffix(r.URL.Path, "/value") {
					mu.Lock()
					fetched = append(fetched, s.name)
					mu.Unlock()
				}
				serve(w)
			})
		}
		v, err := c.leaf.Upload(context.Background(), bytes.NewReader(content), godwit.MaxValueBytes)
		if err != nil {
			c.Fatal(err)
		}
		tx := c.put("large", "")
		tx.Mutations[0].Value = v
		if r, err := c.write(c.leaf, tx); err != nil || r.Outcome != godwit.Applied {
			c.Fatalf("%v, %v", r, err)
		}
		synctest.Wait()
		for name, reader := range map[string]godwit.Reader{"centre": c.centre.store, "relay": c.relay, "leaf": c.leaf} {
			e, _, err := reader.Get(context.Background(), c.ns, []byte("large"), godwit.ReadOptions{})
			if err != nil {
				c.Errorf("%s: %v", name, err)
				continue
			}
			r, err := reader.OpenValue(context.Background(), c.ns, e)
			if err != nil {
				c.Errorf("%s: %v", name, err)
				continue
			}
			h := sha256.New()
			if _, err = io.Copy(h, r); err != nil || [32]byte(h.Sum(nil)) != sha256.Sum256(content) {
				c.Errorf("%s: another value, %v", name, err)
			}
			r.Close()
		}
		if len(fetched) != 0 {
			c.Errorf("fetched from %v", fetched)
		}
	})
}

// TestBulkThroughARelay: ten thousand at once are all there afterwards.
func TestBulkThroughARelay(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		txs := make([]godwit.Transaction, godwit.MaxBulkItems)
		for i := range txs {
			txs[i] = c.put(fmt.Sprintf("bulk%05d", i), "value")
		}
		ctx := godwit.WithCredential(context.Background(), rootToken)
		results, err := c.leaf.Propose(ctx, txs)
		if err != nil || len(results) != len(txs) {
			c.Fatalf("%d results, %v", len(results), err)
		}
		n, cursor := 0, ""
		for {
			page, err := c.leaf.List(ctx, c.ns, godwit.ListQuery{Prefix: "bulk", Cursor: cursor, Limit: 1000}, godwit.ReadOptions{})
			if err != nil || page.Served.Status != godwit.StatusHit {
				c.Fatalf("list: %v, %v", page, err)
			}
			n += len(page.Entries)
			if cursor = page.Cursor; !page.More {
				break
			}
		}
		if n != len(txs) {
			c.Errorf("%d of %d", n, len(txs))
		}
		c.leaf.equals(c.centre)
	})
}

// TestCredentialsArePassedOn: the centre judges who writes, also through a relay
// and an edge; a node's own token counts for nothing.
func TestCredentialsArePassedOn(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		token := func(p godwit.Permission, ns ...godwit.NamespaceID) string {
			secret, _, err := c.centre.catalog.CreateToken(context.Background(), godwit.Token{Permission: p, Namespaces: ns})
			if err != nil {
				c.Fatal(err)
			}
			return secret
		}
		other := c.centre.namespace("other")
		for name, tt := range map[string]struct {
			secret string
			want   godwit.Code
		}{
			"write":            {token(godwit.PermissionWrite), 0},
			"write, of it":     {token(godwit.PermissionWrite, c.ns), 0},
			"write, of others": {token(godwit.PermissionWrite, other), godwit.CodeForbidden},
			"read":             {token(godwit.PermissionRead), godwit.CodeForbidden},
			"replicate":        {token(godwit.PermissionReplicate), godwit.CodeForbidden},
			"nobody":           {"nobody", godwit.CodeUnauthenticated},
			"none":             {"", godwit.CodeUnauthenticated},
		} {
			ctx := godwit.WithCredential(context.Background(), tt.secret)
			_, err := c.leaf.Propose(ctx, []godwit.Transaction{c.put("k", "v")})
			if (err == nil) != (tt.want == 0) || err != nil && godwit.CodeOf(err) != tt.want {
				c.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestIdentifyThroughARelay: a token that a relay does not know is asked for at
// the centre.
func TestIdentifyThroughARelay(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		secret, want, err := c.centre.catalog.CreateToken(context.Background(), godwit.Token{Permission: godwit.PermissionRead})
		if err != nil {
			c.Fatal(err)
		}
		for _, n := range []*node{c.relay, c.leaf} {
			if got, root, err := n.Identify(context.Background(), []byte(secret)); err != nil || root || got.ID != want.ID || got.Hash != want.Hash {
				c.Errorf("%+v, %v, %v", got, root, err)
			}
			if _, _, err := n.Identify(context.Background(), []byte("nobody")); !errors.Is(err, godwit.ErrUnauthenticated) {
				c.Errorf("nobody: %v", err)
			}
		}
	})
}

// TestStrongReads see what was acknowledged elsewhere just before.
func TestStrongReads(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		for i := range 50 {
			value := fmt.Sprintf("value %d", i)
			c.centre.write(put(c.ns, "k", value, 0).Mutation)
			e, served, err := c.leaf.Get(context.Background(), c.ns, []byte("k"), godwit.ReadOptions{Strong: true})
			if err != nil || string(e.Value.Inline) != value || served.Status != godwit.StatusHit {
				c.Errorf("%v, %v, %v", e, served, err)
			}
		}
	})
}

// TestCentreKilled: reads go on at once, writes fail soon, and all is well again
// afterwards.
func TestCentreKilled(t *testing.T) {
	link(t, edge.Config{}, func(c *chain) {
		c.net.cut("centre", true)
		start := time.Now()
		for _, n := range []*node{c.relay, c.leaf} {
			if _, err := c.write(n, c.put("k", "v")); godwit.CodeOf(err) != godwit.CodeUnavailable && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
				c.Errorf("write: %v", err)
			}
			if d := time.Since(start); d > 2*time.Second {
				c.Errorf("it took %v", d)
			}
			start = time.Now()
		}
		for range 300 { // until well beyond the bound on staleness
			start := time.Now()
			for _, n := range []*node{c.relay, c.leaf} {
				e, served, err := n.Get(context.Background(), c.ns, []byte("key00003"), godwit.ReadOptions{})
				if err != nil || e.Key != "key00003" || served.Status == godwit.StatusMiss {
					c.Errorf("get: %v, %v, %v", e, served, err)
				}
				if _, err := c.write(n, c.put("k", "v")); !errors.Is(err, godwit.ErrNoUpstream) {
					c.Errorf("write: %v", err)
				}
			}
			if d := time.Since(start); d != 0 {
				c.Errorf("it took %v", d)
			}
			time.Sleep(time.Second)
		}
		c.net.up("centre")
		time.Sleep(5 * time.Second)
		if _, err := c.write(c.leaf, c.put("k", "after")); err != nil {
			c.Errorf("write: %v", err)
		}
		c.read(c.leaf, "k", "HIT after")
	})
}
