package cloudflare_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

// bodies are good requests' for the endpoints that need one.
var bodies = map[string]string{
	"POST ":                        `{"title":"NEW"}`,
	"PUT /:namespace":              `{"title":"NEW"}`,
	"PUT /:namespace/values/*key":  `v`,
	"PUT /:namespace/bulk":         `[{"key":"k","value":"v"}]`,
	"DELETE /:namespace/bulk":      `["k"]`,
	"POST /:namespace/bulk/delete": `["k"]`,
	"POST /:namespace/bulk/get":    `{"keys":["k"]}`,
}

// TestPermissions asks every endpoint with every kind of token.
func TestPermissions(t *testing.T) {
	s := open(t)
	for endpoint, need := range cloudflare.Endpoints() {
		method, pattern, _ := strings.Cut(endpoint, " ")
		t.Run(endpoint, func(t *testing.T) {
			for name, allowed := range expected(pattern, need) {
				status := s.ask(t, name, method, pattern)
				if got := status == http.StatusOK; got != allowed {
					t.Errorf("a token %q: status %d, may: %v", name, status, allowed)
				}
				if refused := map[string]int{"none": 401, "unknown": 401}[name]; !allowed && status != max(refused, 403) && refused == 0 || refused != 0 && status != refused {
					t.Errorf("a token %q: refused with status %d", name, status)
				}
			}
		})
	}
}

// expected tells which kinds of token may ask an endpoint. The limited ones are
// for the namespace in the path; the foreign ones are for another.
func expected(pattern string, need godwit.Permission) map[string]bool {
	read, write := need == godwit.PermissionRead, need == godwit.PermissionWrite
	whole := !strings.Contains(pattern, ":namespace")
	return map[string]bool{
		"none": false, "unknown": false, "root": true, "admin": true,
		"read": read, "replicate": read, "write": read || write,
		"limited read": read, "limited replicate": read, "limited write": read || write,
		"limited admin": read || !whole,
		"foreign read":  read && whole, "foreign write": read && whole, "foreign admin": read && whole,
	}
}

// ask sends one request about namespaces of its own, so that no request sees what
// another did, and returns the status.
func (s *server) ask(t *testing.T, name, method, pattern string) int {
	id := t.Name() + name
	own, other := s.Namespace(t, id), s.Namespace(t, id+" other")
	if resp, _ := s.do(t, s.RootToken, "PUT", kvPath+"/"+own.ID.String()+"/values/k", "v"); resp.StatusCode != 200 {
		t.Fatalf("put: %s", resp.Status)
	}
	token := ""
	scope, permission, limited := strings.Cut(name, " ")
	switch {
	case name == "root":
		token = apitest.RootToken
	case name == "unknown":
		token = "0123456789"
	case scope == "limited":
		token = s.Token(t, godwit.Permission(permission), own)
	case scope == "foreign":
		token = s.Token(t, godwit.Permission(permission), other)
	case name != "none" && !limited:
		token = s.Token(t, godwit.Permission(name))
	}
	uri := strings.NewReplacer(":account", apitest.Account, ":namespace", own.ID.String(), ":script", "w", "*key", "k").Replace(pattern)
	_, below, _ := strings.Cut(pattern, "/namespaces")
	resp, body := s.do(t, token, method, "/client/v4/"+uri, strings.Replace(bodies[method+" "+below], "NEW", "new "+id, 1))
	if name == "foreign admin" && resp.StatusCode == 200 && strings.Contains(body, own.ID.String()) {
		t.Errorf("a token for another namespace is shown this one: %s", body)
	}
	return resp.StatusCode
}

// TestUnknownNamespaceLooksForbidden checks that a limited token cannot find out
// which namespaces exist.
func TestUnknownNamespaceLooksForbidden(t *testing.T) {
	s := open(t)
	own, other := s.Namespace(t, "own"), s.Namespace(t, "other")
	token := s.Token(t, godwit.PermissionWrite, own)
	_, forbidden := s.do(t, token, "GET", kvPath+"/"+other.ID.String()+"/values/k", "")
	resp, unknown := s.do(t, token, "GET", kvPath+"/"+strings.Repeat("f", 32)+"/values/k", "")
	if resp.StatusCode != http.StatusForbidden || forbidden != unknown {
		t.Errorf("existing: %s\nunknown: %s", forbidden, unknown)
	}
}
