package node_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// eventually calls fn until it is true.
func eventually(t *testing.T, what string, fn func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !fn(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never happens that %s", what)
		}
	}
}

// TestQuotaAtEveryNode fills a namespace, and is refused at each node in each
// protocol's words. Deletes are not.
func TestQuotaAtEveryNode(t *testing.T) {
	nodes := everyNode(t)
	cl := connect(t, nodes["centre"], rootToken)
	if _, err := cl.SetSettings(t.Context(), "birds", map[string]any{"max_keys": 1}); err != nil {
		t.Fatal(err)
	}
	for name, n := range nodes {
		kv := connect(t, n, rootToken).KV("birds")
		if _, err := kv.Put(t.Context(), name, strings.NewReader("v"), client.PutOptions{}); err != nil {
			t.Fatalf("%s: the first key: %v", name, err)
		}
		for kind, more := range map[string]string{"value": "v", "large value": strings.Repeat("v", 200_000)} {
			_, err := kv.Put(t.Context(), "more", strings.NewReader(more), client.PutOptions{})
			if !errors.Is(err, client.ErrQuota) {
				t.Errorf("%s: one more %s: %v", name, kind, err)
			}
		}
		assertQuotaWords(t, name, n)
		if _, err := kv.Delete(t.Context(), name, client.DeleteOptions{}); err != nil {
			t.Errorf("%s: delete: %v", name, err)
		}
	}
}

// assertQuotaWords holds how a refusal looks on both ports.
func assertQuotaWords(t *testing.T, name string, n *node.Node) {
	t.Helper()
	cl := connect(t, n, rootToken)
	id, err := cl.NamespaceID(t.Context(), "birds")
	if err != nil {
		t.Fatal(err)
	}
	rest := request(t, "PUT", n.APIURL()+"/client/v4/accounts/"+n.Account()+"/storage/kv/namespaces/"+id+"/values/more", rootToken, "v")
	const text = "free limit reached: the namespace may hold 1 keys (max_keys)"
	if rest.status != 429 || !strings.Contains(rest.body, `{"code":10048,"message":"`+text+`"}`) ||
		rest.header.Get("Retry-After") != "" || rest.header.Get("X-Should-Retry") != "false" {
		t.Errorf("%s: REST: %d %v %s", name, rest.status, rest.header, rest.body)
	}
	if bound := ask(t, n, "PUT", "more", "birds", rootToken); bound.Status != "429 "+text || bound.Header.Get("Retry-After") != "" {
		t.Errorf("%s: binding: %s %v", name, bound.Status, bound.Header)
	}
}

// ask sends a request about a key to the binding port; its answer has no body.
func ask(t *testing.T, n *node.Node, method, key, ns, token string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.BindingURL()+"/"+key, strings.NewReader("v"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Godwit-Namespace", ns)
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res
}

// TestRatesAtEveryNode uses up a token's and a namespace's requests: each node
// counts its own.
func TestRatesAtEveryNode(t *testing.T) {
	nodes := everyNode(t)
	root := connect(t, nodes["centre"], rootToken)
	token, err := root.CreateToken(t.Context(), client.TokenSpec{Permission: "read", RequestsPerSecond: 1})
	if err != nil || token.RequestsPerSecond != 1 {
		t.Fatalf("token %+v, %v", token, err)
	}
	if _, err := root.SetSettings(t.Context(), "fish", map[string]any{"requests_per_second": 1}); err != nil {
		t.Fatal(err)
	}
	for name, n := range nodes {
		for ns, token := range map[string]string{"birds": token.Secret, "fish": rootToken} {
			for _, status := range []int{429, 404} {
				eventually(t, fmt.Sprintf("%s tells a reader of %s %d", name, ns, status), func() bool {
					return ask(t, n, "GET", "k", ns, token).StatusCode == status
				})
			}
		}
		if free := ask(t, n, "PUT", "free", "birds", rootToken); free.StatusCode != 200 {
			t.Errorf("%s: what has no limit: %s", name, free.Status)
		}
		eventually(t, name+" says when to come again", func() bool {
			over := request(t, "GET", n.APIURL()+"/client/v4/accounts", token.Secret, "")
			own := request(t, "GET", n.APIURL()+"/godwit/v1/status", token.Secret, "")
			return over.status == 429 && strings.Contains(over.body, `"code":10022`) && over.header.Get("Retry-After") == "1" &&
				own.status == 429 && own.header.Get("Retry-After") == "1"
		})
	}
}
