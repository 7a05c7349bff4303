package dashboard_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/analytics"
	"github.com/godwitkv/godwit/internal/node"
)

// TestRequestsPage makes requests fail on each API, and finds them, without their keys.
func TestRequestsPage(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, `<script>window.hit=1</script>`)
	b := signedIn(t, n, rootToken)
	// A busy machine may have made any request slow.
	const slowTag = `<span class="tag expire">slow</span>`
	if page := b.get("/dashboard/requests"); !strings.Contains(page.body, slowTag) {
		b.contains(page, 200, "No request at this node was slow or failed")
	}
	value(t, n, ns, "absent")                                                                                       // a usual answer
	api(t, n, http.MethodPut, kvPath(n, "/"+ns+"/values/hidden-key?expiration_ttl=1"), []byte("hidden-value"), nil) // 400
	api(t, n, http.MethodPost, "/godwit/v1/namespaces/"+ns+"/transactions", []byte(`{"hidden-value":1}`), nil)      // 400
	api(t, n, "BREW", "/godwit/v1/namespaces/"+ns+"/keys/hidden-key", nil, nil)                                     // 405
	bindingPut(t, n, ns, "hidden-key", "expiration_ttl=1")

	page := b.get("/dashboard/requests")
	b.contains(page, 200, "value_put", ">rest<", "POST namespaces/*/transactions", ">native<", "BREW namespaces/*/keys/*", ">binding<",
		"&lt;script&gt;", "Failing <span class=\"num\">4</span>")
	if strings.Contains(page.body, "hidden-") || strings.Contains(page.body, rootToken) {
		t.Error("the page shows keys, values or tokens")
	}
	if page := b.get("/dashboard/requests?show=slow"); !strings.Contains(page.body, slowTag) {
		b.contains(page, 200, "was slow since")
	}
	slowPut(t, n, ns)
	b.contains(b.get("/dashboard/requests?show=slow"), 200, "value_put", slowTag)
	if failed := b.get("/dashboard/requests?show=failed"); strings.Count(failed.body, "<tr>") != 5 {
		t.Errorf("got %d rows", strings.Count(failed.body, "<tr>"))
	}
}

// bindingPut writes as a Worker does.
func bindingPut(t *testing.T, n *node.Node, ns, key, query string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, n.BindingURL()+"/"+key+"?"+query, strings.NewReader("hidden-value"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", ns)
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Fatalf("put: %s", res.Status)
	}
}

// slowPut sends a body that takes as long as makes a request slow, from when the server
// asks for it.
func slowPut(t *testing.T, n *node.Node, ns string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, n.APIURL()+kvPath(n, "/"+ns+"/values/slow"), slowBody{})
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Expect", "100-continue")
	res, err := (&http.Transport{DisableKeepAlives: true, ExpectContinueTimeout: time.Minute}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

// slowBody is empty, and says so late.
type slowBody struct{}

func (slowBody) Read([]byte) (int, error) {
	<-time.After(analytics.SlowAfter)
	return 0, io.EOF
}
