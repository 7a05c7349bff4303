package node_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/audit"
	"github.com/godwitkv/godwit/internal/node"
)

// audited opens a node with an audit log, and returns what reads that log once the
// node is closed.
func audited(t *testing.T, cfg node.Config) (n *node.Node, read func() []audit.Entry) {
	t.Helper()
	cfg.AuditLog = filepath.Join(t.TempDir(), "audit.log")
	n = openReady(t, cfg)
	return n, func() (all []audit.Entry) {
		t.Helper()
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(cfg.AuditLog)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{rootToken, "the value", "the-metadata", "a-bad-guess", "gdw_"} {
			if strings.Contains(string(b), secret) {
				t.Errorf("the audit log has %q", secret)
			}
		}
		for line := range strings.Lines(string(b)) {
			var e audit.Entry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			all = append(all, e)
		}
		return all
	}
}

// short is an entry without what differs from run to run.
func short(all []audit.Entry) (out []string) {
	for _, e := range all {
		text := strings.Join([]string{e.Operation, e.TokenName, e.Title, e.Key, e.Outcome}, " ")
		if e.Upstream {
			text += " upstream"
		}
		if e.Remote == "" || e.Time.IsZero() || e.Node != "lhr" && e.Node != "bhx" || (e.Outcome == audit.OutcomeOK) != (e.Revision != "") {
			text += " (lacks something)"
		}
		out = append(out, text)
	}
	return out
}

// TestAudit writes by every way in, at the centre and at an edge. Each node has what
// it was asked itself; administration is where it was decided.
func TestAudit(t *testing.T) {
	centre, ofCentre := audited(t, config())
	cl := connect(t, centre, rootToken)
	ns, err := cl.CreateNamespace(t.Context(), "birds", client.NamespaceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := cl.CreateToken(t.Context(), client.TokenSpec{Permission: "read", Name: "reader", Namespaces: []string{"birds"}})
	if err != nil {
		t.Fatal(err)
	}
	changeByAllWays(t, centre, ns.ID, token.Secret)

	edge, ofEdge := audited(t, edgeConfig(centre.APIURL()))
	changeByAllWays(t, edge, ns.ID, token.Secret)
	edgeWant := []string{
		"value_put root birds rest ok upstream", "value_put reader  rest refused upstream", "put root birds bound ok upstream",
		"put reader birds bound refused upstream", "delete root birds bound ok upstream", "bulk_put root birds  ok upstream", "sign_in    refused",
		"transact root birds  ok upstream", "transact root birds  refused upstream",
	}
	got := ofEdge()
	if diff := cmp.Diff(edgeWant, short(got)); diff != "" {
		t.Errorf("at the edge (-want +got):\n%s", diff)
	}
	if got[5].Count != 2 || got[7].Count != 1 || got[1].Namespace != ns.ID || got[2].RequestID == "" || got[0].Token != "root" {
		t.Errorf("at the edge: %+v", got)
	}
	settings := []string{"namespace_set root birds  ok", "namespace_rename root birds  ok", "namespace_clear root birds  ok"}
	centreWant := []string{"namespace_create root birds  ok", "token_create root   ok"}
	for _, text := range edgeWant {
		centreWant = append(centreWant, strings.TrimSuffix(text, " upstream"))
	}
	centreWant = append(centreWant, settings...)
	centreWant = append(centreWant, settings...) // the edge's
	if diff := cmp.Diff(centreWant, short(ofCentre())); diff != "" {
		t.Errorf("at the centre (-want +got):\n%s", diff)
	}
}

// changeByAllWays makes changes, some of which are refused.
func changeByAllWays(t *testing.T, n *node.Node, id, reader string) {
	t.Helper()
	rest := n.APIURL() + "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces/" + id
	own := n.APIURL() + "/godwit/v1/namespaces/birds/"
	request(t, "GET", rest+"/values/rest", rootToken, "")
	request(t, "PUT", rest+"/values/rest", rootToken, "the value")
	request(t, "PUT", rest+"/values/rest", reader, "the value")
	ask(t, n, "PUT", "bound", "birds", rootToken)
	ask(t, n, "PUT", "bound", "birds", reader)
	ask(t, n, "DELETE", "bound", "birds", rootToken)
	request(t, "PUT", rest+"/bulk", rootToken, `[{"key":"a","value":"the value"},{"key":"b","value":"x","metadata":"the-metadata"}]`)
	request(t, "GET", rest+"/values/rest", "a-bad-guess", "")
	request(t, "POST", own+"transactions", rootToken, `{"mutations":[{"op":"put","key":"c","value":"the value"}]}`)
	request(t, "POST", own+"transactions", rootToken, `{"mutations":[`)
	if r := request(t, "PATCH", strings.Replace(own, "birds", id, 1)+"settings", rootToken, `{"max_keys":9}`); r.status != 200 {
		t.Errorf("settings: %d %s", r.status, r.body)
	}
	if r := request(t, "PUT", rest, rootToken, `{"title":"birds"}`); r.status != 200 {
		t.Errorf("rename: %d %s", r.status, r.body)
	}
	request(t, "POST", own+"clear", rootToken, `{"all":true}`)
}

// TestStrictAuditTellsWhatIsAsked: an announcement says which namespace it is about, and of
// one that is not there yet what it is to be called.
func TestStrictAuditTellsWhatIsAsked(t *testing.T) {
	cfg := config()
	cfg.AuditStrict = true
	n, read := audited(t, cfg)
	rest := n.APIURL() + "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces"
	own := n.APIURL() + "/godwit/v1/namespaces"
	request(t, "POST", rest, rootToken, `{"title":"fish"}`)
	request(t, "POST", own, rootToken, `{"title":"birds"}`)
	id := namespaceID(t, n, "birds")
	for _, r := range []reply{
		request(t, "PATCH", own+"/"+id+"/settings", rootToken, `{"max_keys":9}`),
		request(t, "PATCH", own+"/birds/settings", rootToken, `{"max_keys":8}`),
		request(t, "POST", own+"/birds/clear", rootToken, `{"all":true}`),
		request(t, "DELETE", own+"/birds", rootToken, ""),
	} {
		if r.status != 200 {
			t.Errorf("%d %s", r.status, r.body)
		}
	}
	request(t, "DELETE", own+"/none", rootToken, "")
	var asked []string
	for _, e := range read() {
		if e.Outcome == audit.OutcomeAsked {
			asked = append(asked, strings.Join([]string{e.Operation, e.Title, strings.ReplaceAll(e.Namespace, id, "ID")}, " "))
		}
	}
	want := []string{
		"namespace_create fish ", "namespace_create birds ", "namespace_set birds ID", "namespace_set birds ID",
		"namespace_clear birds ID", "namespace_delete birds ID", "namespace_delete none ",
	}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// TestStrictAudit has a log that cannot be written to any more: nothing is changed,
// and reads go on.
func TestStrictAudit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := config()
	cfg.AuditLog, cfg.AuditStrict = filepath.Join(dir, "audit.log"), true
	n := openReady(t, cfg)
	cl := connect(t, n, rootToken)
	ns, err := cl.CreateNamespace(t.Context(), "birds", client.NamespaceOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r := ask(t, n, "PUT", "a%2Fb?urlencoded=true", "birds", rootToken); r.StatusCode != 200 {
		t.Errorf("put: %s", r.Status)
	}
	if details, err := cl.KV("birds").Details(t.Context(), "a/b"); err != nil {
		t.Errorf("what was put: %+v, %v", details, err)
	}
	eventually(t, "both entries of a write are there", func() bool {
		b, err := os.ReadFile(cfg.AuditLog)
		return err == nil && strings.Count(string(b), `"key":"a/b"`) == 2
	})
	b, err := os.ReadFile(cfg.AuditLog)
	if err != nil || !strings.Contains(string(b), `"operation":"namespace_create"`) || !strings.Contains(string(b), `"outcome":"asked"`) {
		t.Errorf("it has %s, %v", b, err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	n.Reload()
	eventually(t, "a write is refused", func() bool { return ask(t, n, "PUT", "k", "birds", rootToken).StatusCode == 503 })
	rest := n.APIURL() + "/client/v4/accounts/" + n.Account() + "/storage/kv/namespaces"
	own := n.APIURL() + "/godwit/v1/"
	for what, r := range map[string]reply{
		"put":         request(t, "PUT", rest+"/"+ns.ID+"/values/new", rootToken, "v"),
		"namespace":   request(t, "POST", rest, rootToken, `{"title":"fish"}`),
		"token":       request(t, "POST", own+"tokens", rootToken, `{"permission":"read"}`),
		"transaction": request(t, "POST", own+"namespaces/birds/transactions", rootToken, `{"mutations":[{"op":"put","key":"new","value":"v"}]}`),
	} {
		if r.status != 503 || !strings.Contains(r.body, "audit log") {
			t.Errorf("%s: %d %s", what, r.status, r.body)
		}
	}
	if r := request(t, "GET", rest+"/"+ns.ID+"/values/new", rootToken, ""); r.status != 404 {
		t.Errorf("what was refused: %d", r.status)
	}
	if all, err := cl.Namespaces(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("namespaces %+v, %v", all, err)
	}
}
