package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	service "github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/dashboard"
)

func TestSamples(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	var got struct {
		Run     int64
		Count   uint64
		Samples [][]float64
	}
	eventually(t, "reads are counted", func() bool {
		put(t, n, ns, "k", "v")
		value(t, n, ns, "k")
		if err := json.Unmarshal([]byte(b.get("/dashboard/overview/samples").body), &got); err != nil {
			t.Fatal(err)
		}
		last := len(got.Samples) - 1
		return last >= 0 && got.Samples[last][1] > 0 && got.Samples[last][2] > 0
	})
	last := got.Samples[len(got.Samples)-1]
	for i := 4; i < 8; i++ {
		if last[i] <= 0 || last[i] > 5 {
			t.Errorf("latency %d is %v s", i, last[i])
		}
	}
	if last[4] > last[5] || last[6] > last[7] {
		t.Errorf("half of all took longer than nearly all: %v", last)
	}
	var later struct{ Samples [][]float64 }
	if err := json.Unmarshal([]byte(b.get(fmt.Sprintf("/dashboard/overview/samples?after=%d", got.Count)).body), &later); err != nil || len(later.Samples) > 2 {
		t.Errorf("got %d samples that are there already: %v", len(later.Samples), err)
	}
}

// TestSamplesAreBounded runs for an hour, and keeps a quarter of one.
func TestSamplesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		d := dashboard.New(dashboard.Config{Service: env.Service, Now: time.Now})
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- d.Run(ctx) }()
		time.Sleep(time.Hour)
		synctest.Wait()
		kept, count := d.Samples(0)
		if len(kept) != 900 || count < 3590 {
			t.Fatalf("%d of %d samples are kept", len(kept), count)
		}
		for i := range kept[1:] {
			if kept[i+1]-kept[i] != 1000 {
				t.Errorf("sample %d is %d ms after the one before", i+1, kept[i+1]-kept[i])
			}
		}
		if last, _ := d.Samples(count - 3); len(last) != 3 || last[2] != kept[899] {
			t.Errorf("got %v of the last 3", last)
		}
		if all, _ := d.Samples(count + 1000); len(all) != 900 {
			t.Errorf("after what there is not: got %d", len(all))
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestQuantile(t *testing.T) {
	buckets := func(counts ...uint64) service.Operations {
		o := service.Operations{Count: counts[len(counts)-1]}
		for i, c := range counts[:len(counts)-1] {
			o.Buckets = append(o.Buckets, service.Bucket{UpTo: float64(i + 1), Count: c})
		}
		return o
	}
	for _, tt := range []struct {
		name string
		o    service.Operations
		q    float64
		want float64
	}{
		{"none", buckets(0, 0, 0), 0.5, -1},
		{"all in the first", buckets(10, 10, 10), 0.5, 0.5},
		{"half in each", buckets(5, 10, 10), 0.5, 1},
		{"in the second", buckets(0, 10, 10), 0.5, 1.5},
		{"over the last", buckets(0, 0, 10), 0.99, 2},
		{"one is not yet counted", buckets(0, 9, 10), 0.99, 2},
	} {
		if got := dashboard.Quantile(tt.o, tt.q); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	for _, tt := range []struct{ theirs, mine, want string }{
		{"a", "b", "-a +b"},
		{"a\nb\nc", "a\nX\nc", " a -b +X  c"},
		{"a\nb", "a\nb\nc", " a  b +c"},
		{"1\n2\n3\n4\n5\n6\n7\n8\nx", "1\n2\n3\n4\n5\n6\n7\n8\ny", "…  6  7  8 -x +y"},
		{"", "", "…"},
	} {
		if diff := cmp.Diff(tt.want, strings.Join(dashboard.Compare(tt.theirs, tt.mine), " ")); diff != "" {
			t.Errorf("%q and %q (-want +got):\n%s", tt.theirs, tt.mine, diff)
		}
	}
	long := strings.Repeat("a\nb\n", 5000)
	if lines := dashboard.Compare(long, strings.Repeat("b\nc\n", 5000)); len(lines) > 2001 {
		t.Errorf("got %d lines", len(lines))
	}
}

// TestLive holds that a page is told of changes, and of the end of its token.
func TestLive(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	secret, id := token(t, n, godwit.PermissionRead)
	b := signedIn(t, n, secret)
	b.contains(b.get("/dashboard/live"), 200, "birds")
	b.contains(b.get("/dashboard/live"+q(ns)+"&prefix=a%2F"), 200, `data-source="/dashboard/live/events?ns=`+ns+`&amp;prefix=a%2F"`)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.APIURL()+"/dashboard/live/events"+q(ns)+"&prefix=a%2F", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := b.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("Content-Type") != "text/event-stream" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got %v", res.Header)
	}
	lines := bufio.NewScanner(res.Body)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", text, lines.Err())
	}
	await("event: ready")
	put(t, n, ns, "b", "v")
	put(t, n, ns, "a/1", "v")
	await("event: put")
	await(`"key":"a/1"`)
	revoke(t, n, id)
	await("event: error")
}

func TestTokens(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	b := signedIn(t, n, rootToken)
	b.contains(b.get("/dashboard/tokens"), 200, "No tokens but the root token")
	page := b.post("/dashboard/tokens", "name", "<b>worker</b>", "permission", "write", "reach", "some", "ns", ns)
	b.contains(page, 200, "&lt;b&gt;worker&lt;/b&gt;", `id="secret"`)
	secret := first(t, secretCode, page.body)
	w := signedIn(t, n, secret)
	w.contains(w.get("/dashboard/keys"+q(ns)), 200, "New key")
	list := b.get("/dashboard/tokens")
	if strings.Contains(list.body, secret) {
		t.Error("the secret is shown again")
	}
	b.contains(b.post("/dashboard/tokens", "name", "kept name", "permission", "write", "reach", "some"), 400, "Select the namespaces", "kept name")
	b.contains(b.post("/dashboard/tokens", "name", "kept name", "permission", "write", "reach", "all", "ns", ns), 400, "would be for all", "kept name", `value="`+ns+`" checked`)
	b.contains(b.post("/dashboard/tokens", "name", "kept name", "permission", "write"), 400, "for all namespaces or for some", "kept name")
	b.contains(b.post("/dashboard/tokens", "name", "kept name", "permission", "all", "reach", "all"), 400, "permission is", "kept name")
	b.contains(b.post("/dashboard/tokens", "name", "kept name", "permission", "read", "reach", "all", "days", "0"), 400, "1 to 3650 days", "kept name")
	b.contains(b.post("/dashboard/tokens", "name", strings.Repeat("n", 300), "permission", "read", "reach", "all"), 400, "at most 256")
	for range 205 {
		token(t, n, godwit.PermissionRead)
	}
	b.contains(b.get("/dashboard/tokens"), 200, "The latest 200 of 206", "read token")
	b.contains(b.get("/dashboard/tokens?q=nobody"), 200, "No name has this in it")
	list = b.get("/dashboard/tokens?q=WORK")
	id := first(t, tokenID, list.body)
	if got := b.post("/dashboard/tokens/revoke", "id", id); got.location() != "/dashboard/tokens?done=revoked" {
		t.Errorf("revoke: %d %s", got.status, got.body)
	}
	if got := w.get("/dashboard/keys" + q(ns)); got.status != 303 {
		t.Errorf("its session: %d", got.status)
	}
	b.contains(b.post("/dashboard/tokens/revoke", "id", "../../x"), 404)
}
