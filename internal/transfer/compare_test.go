package transfer_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// compare returns what two nodes differ in.
func compare(t *testing.T, a, b *client.Client) (found []transfer.Difference, keys int64) {
	t.Helper()
	return compareFor(t, 300*time.Millisecond, a, b)
}

// compareFor is compare that looks at what differs for a while.
func compareFor(t *testing.T, settle time.Duration, a, b *client.Client) (found []transfer.Difference, keys int64) {
	t.Helper()
	c := transfer.Comparison{
		A: transfer.Node{Client: a, Name: "a"}, B: transfer.Node{Client: b, Name: "b"}, Settle: settle,
		Report: func(d transfer.Difference) { found = append(found, d) }, Progress: new(transfer.Progress),
	}
	check(t, c.Run(t.Context()))
	return found, c.Progress.Keys.Load()
}

// TestCompareFindsEachDifference compares two servers of their own.
func TestCompareFindsEachDifference(t *testing.T) {
	a, b := serve(t, "same", "left", "both"), serve(t, "both", "same", "right")
	at := time.Now().Add(time.Hour).Truncate(time.Second)
	large := bytes.Repeat([]byte("x"), 200<<10)
	other := append(bytes.Repeat([]byte("x"), 200<<10-1), 'y')
	for _, w := range []struct {
		c     *client.Client
		value string
		meta  string
		at    time.Time
		large []byte
		alone string
		size  int
	}{{a, "1", `{"a":1}`, at, large, "only a", 1}, {b, "2", `{"a":2}`, at.Add(time.Second), other, "only b", 2}} {
		fillOdd(t, w.c.KV("same"))
		_, err := w.c.KV("both").BulkPut(t.Context(), []client.Pair{
			{Key: "same", Value: []byte("v"), Metadata: []byte("1")}, {Key: "same large", Value: large},
			{Key: "value", Value: []byte(w.value)}, {Key: "metadata", Metadata: []byte(w.meta)}, {Key: "expiration", Expiration: w.at},
			{Key: "large", Value: w.large}, {Key: w.alone}, {Key: "size", Value: []byte(w.alone[:w.size])},
		})
		check(t, err)
	}
	found, keys := compare(t, a, b)
	var got []string
	for _, d := range found {
		got = append(got, strings.TrimSpace(d.Namespace+" "+d.Key+": "+d.What))
	}
	slices.Sort(got)
	want := []string{
		fmt.Sprintf("both expiration: expiration %d at a, %d at b", at.Unix(), at.Unix()+1),
		"both large: value differs", "both metadata: metadata differs", "both only a: is at a alone", "both only b: is at b alone",
		"both size: value of 1 bytes at a, 2 at b", "both value: value differs", "left : is at a alone", "right : is at b alone",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if want := int64(len(oddKeys) + many + 9); keys != want {
		t.Errorf("%d keys were compared, want %d", keys, want)
	}
}

// TestCompareWithItself: a node that is reached by two addresses says nothing of another.
func TestCompareWithItself(t *testing.T) {
	n := open(t)
	c := transfer.Comparison{
		A: transfer.Node{Client: connect(t, n), Name: "a"}, B: transfer.Node{Client: garbling(t, n.APIURL(), "x", "x"), Name: "b"},
		Report: func(transfer.Difference) {}, Progress: new(transfer.Progress),
	}
	if err := c.Run(t.Context()); err == nil || err.Error() != "a and b are the same node: give the address of another one" {
		t.Errorf("it was compared with itself: %v", err)
	}
}

// TestCompareOlderNodes: two nodes that say of no id are not the same one for that.
func TestCompareOlderNodes(t *testing.T) {
	older := func() *client.Client {
		n := open(t)
		s, err := connect(t, n).Status(t.Context())
		check(t, err)
		return garbling(t, n.APIURL(), `"id":"`+s.ID+`"`, `"unknown":""`)
	}
	a, b := older(), older()
	if s, err := a.Status(t.Context()); err != nil || s.ID != "" {
		t.Fatalf("an older node of id %q, %v", s.ID, err)
	}
	if found, _ := compare(t, a, b); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

// garbling is a node in front of which somebody changes what it says.
func garbling(t *testing.T, target, old, changed string) *client.Client {
	t.Helper()
	u, err := url.Parse(target)
	check(t, err)
	proxy := httputil.NewSingleHostReverseProxy(u)
	transport := &http.Transport{DisableCompression: true}
	proxy.Transport = transport
	proxy.ModifyResponse = func(res *http.Response) error {
		b, err := io.ReadAll(res.Body)
		if err != nil {
			return err
		}
		b = bytes.ReplaceAll(b, []byte(old), []byte(changed))
		res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b))
		res.Header.Set("Content-Length", strconv.Itoa(len(b)))
		return nil
	}
	server := httptest.NewServer(proxy)
	c, err := client.New(server.URL, rootToken)
	check(t, err)
	t.Cleanup(func() {
		c.Close()
		server.Close()
		transport.CloseIdleConnections()
	})
	return c
}

// TestCompareWhileWritten compares a centre with an edge of its own while both are
// written to: what is only behind is no difference, and what has the same revision and
// another value is one.
func TestCompareWhileWritten(t *testing.T) {
	centre := open(t)
	c := connect(t, centre)
	_, err := c.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{})
	check(t, err)
	fillOdd(t, c.KV("ns"))
	_, err = c.KV("ns").Put(t.Context(), "planted", strings.NewReader("the value"), client.PutOptions{})
	check(t, err)
	edgeNode := open(t, centre.APIURL())
	edge := connect(t, edgeNode)

	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	writes := 0
	writers.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("written/%d", i%50)
			if i%3 == 2 {
				_, _ = c.KV("ns").Delete(ctx, key, client.DeleteOptions{})
			} else if _, err := c.KV("ns").Put(ctx, key, strings.NewReader(strconv.Itoa(i)), client.PutOptions{}); err == nil {
				writes++
			}
		}
	})
	const settle = 5 * time.Second // an edge on a busy machine is far behind
	found, keys := compareFor(t, settle, c, edge)
	garbled, _ := compareFor(t, settle, c, garbling(t, edgeNode.APIURL(), "the value", "a value!!"))
	cancel()
	writers.Wait()
	if len(found) != 0 || keys < many || writes < 10 {
		t.Errorf("%d keys were compared, %d written: %v", keys, writes, found)
	}
	if diff := cmp.Diff([]transfer.Difference{{Namespace: "ns", Key: "planted", What: "value differs"}}, garbled); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
