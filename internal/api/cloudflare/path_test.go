package cloudflare_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

const (
	anAccount   = "0123456789abcdef0123456789abcdef"
	aNamespace  = "fedcba9876543210fedcba9876543210"
	namespaces  = "/client/v4/accounts/" + anAccount + "/storage/kv/namespaces"
	inNamespace = namespaces + "/" + aNamespace
)

func TestRoute(t *testing.T) {
	key := func(endpoint, key string) cloudflare.Route {
		return cloudflare.Route{Endpoint: endpoint, Account: anAccount, Namespace: aNamespace, Key: key}
	}
	none, method := cloudflare.Route{Status: http.StatusNotFound}, cloudflare.Route{Status: http.StatusMethodNotAllowed}
	for _, tt := range []struct {
		method, uri string
		want        cloudflare.Route
	}{
		{"GET", namespaces, cloudflare.Route{Endpoint: "namespace_list", Account: anAccount}},
		{"GET", namespaces + "?page=2", cloudflare.Route{Endpoint: "namespace_list", Account: anAccount}},
		{"GET", "http://kv.example" + namespaces, cloudflare.Route{Endpoint: "namespace_list", Account: anAccount}},
		{"POST", namespaces, cloudflare.Route{Endpoint: "namespace_create", Account: anAccount}},
		{"PATCH", namespaces, method},
		{"GET", namespaces + "/", none},
		{"GET", namespaces + "//", none},
		{"DELETE", inNamespace, key("namespace_delete", "")},
		{"DELETE", inNamespace + "?x=/values/", key("namespace_delete", "")},
		{"DELETE", inNamespace + "/", none},
		{"PUT", inNamespace + "/", none},
		{"GET", inNamespace + "/", none},
		{"DELETE", inNamespace + "//", none},
		{"DELETE", inNamespace + "/.", none},
		{"DELETE", inNamespace + "/values", none},
		{"DELETE", inNamespace + "/values/", key("value_delete", "")},
		{"DELETE", inNamespace + "/values/.", key("value_delete", ".")},
		{"DELETE", inNamespace + "/values/..", key("value_delete", "..")},
		{"DELETE", inNamespace + "/values/%2e%2E", key("value_delete", "..")},
		{"GET", inNamespace + "/values/a%2F..%2Fb[]|^", key("value_get", "a/../b[]|^")},
		{"GET", inNamespace + "/values/a/../b//", key("value_get", "a/../b//")},
		{"GET", inNamespace + "/values//", key("value_get", "/")},
		{"GET", inNamespace + "/values/%252F", key("value_get", "%2F")},
		{"GET", inNamespace + "/values/a+b", key("value_get", "a+b")},
		{"GET", inNamespace + "/values/a%20b?x=y%2F", key("value_get", "a b")},
		{"GET", inNamespace + "/values/%3Fk", key("value_get", "?k")},
		{"GET", inNamespace + "/values/%00", key("value_get", "\x00")},
		{"GET", inNamespace + "/values/%ED%A0%80", key("value_get", "\xed\xa0\x80")},
		{"GET", inNamespace + "/values/%zz", none},
		{"HEAD", inNamespace + "/values/k", key("value_get", "k")},
		{"PUT", inNamespace + "/values/keys", key("value_put", "keys")},
		{"POST", inNamespace + "/values/k", method},
		{"GET", inNamespace + "/metadata/", key("metadata_get", "")},
		{"GET", inNamespace + "/metadata/a/b", key("metadata_get", "a/b")},
		{"DELETE", inNamespace + "/metadata/k", method},
		{"GET", inNamespace + "/keys", key("key_list", "")},
		{"GET", inNamespace + "/keys/", none},
		{"PUT", inNamespace + "/bulk", key("bulk_put", "")},
		{"DELETE", inNamespace + "/bulk", key("bulk_delete", "")},
		{"POST", inNamespace + "/bulk/delete", key("bulk_delete", "")},
		{"POST", inNamespace + "/bulk/get", key("bulk_get", "")},
		{"GET", inNamespace + "/bulk/get", method},
		{"POST", inNamespace + "/bulk%2Fget", none},
		{"GET", "/client/v4/accounts/" + anAccount + "/workers/namespaces/" + aNamespace + "/values/k", key("value_get", "k")},
		{"GET", "/client/v4/accounts/" + anAccount + "/workers/scripts/w/settings", cloudflare.Route{Endpoint: "script_settings", Account: anAccount, Script: "w"}},
		{"GET", "/client/v4/accounts//storage/kv/namespaces", none},
		{"GET", "/client/v4/accounts", cloudflare.Route{Endpoint: "account_list"}},
		{"GET", "/client/v4/accounts/", none},
		{"GET", "/client/v4/user/tokens/verify", cloudflare.Route{Endpoint: "token_verify"}},
		{"GET", "/client/v4/user", cloudflare.Route{Endpoint: "user"}},
		{"GET", "/client/v4/memberships?page=1", cloudflare.Route{Endpoint: "membership_list"}},
		{"GET", "/client/v4/../v4/user", none},
		{"GET", "/client/v4//user", none},
		{"GET", "/client/v4", none},
		{"GET", "*", none},
		{"GET", "", none},
		{"OPTIONS", "/client/v4/user", method},
	} {
		if diff := cmp.Diff(tt.want, cloudflare.FindRoute(tt.method, tt.uri)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", tt.method, tt.uri, diff)
		}
	}
}

// FuzzKeyPath checks that a key written in a path, encoded or not, is the key
// that is read, and that no path reaches a namespace unless it names just that.
func FuzzKeyPath(f *testing.F) {
	for _, k := range []string{"", ".", "..", "/", "a/../b", "%2F", "a+b", "é", "\x00", "\xff", "?", "#"} {
		f.Add(k)
	}
	f.Fuzz(func(t *testing.T, key string) {
		got := cloudflare.FindRoute("DELETE", inNamespace+"/values/"+url.PathEscape(key))
		if got.Endpoint != "value_delete" || got.Key != key {
			t.Errorf("%q, escaped, leads to %+v", key, got)
		}
		raw := cloudflare.FindRoute("DELETE", inNamespace+"/"+key)
		if path, _, _ := strings.Cut(key, "?"); raw.Endpoint == "namespace_delete" {
			t.Errorf("%q below a namespace reaches the namespace itself", path)
		}
	})
}
