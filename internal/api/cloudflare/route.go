package cloudflare

import (
	"net/http"
	"strings"

	"github.com/godwitkv/godwit"
)

// endpoint is one thing that can be asked.
type endpoint struct {
	name      string // in metrics and logs
	method    string // HEAD goes to GET
	operation string // in Cloudflare's texts: get: 'key not found'
	need      godwit.Permission
	serve     func(*call) error
}

// namespaceDelete is the name of the endpoint whose namespace may be gone.
const namespaceDelete = "namespace_delete"

// namespaceCreate is the name of the endpoint that announces itself to the audit log, once
// it has read what the namespace is to be called.
const namespaceCreate = "namespace_create"

// noEndpoint stands in until one has been found.
var noEndpoint = &endpoint{name: "none"}

// route is a path with its endpoints.
type route struct {
	pattern   pattern
	endpoints []endpoint
}

func (r *route) endpoint(method string) *endpoint {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range r.endpoints {
		if r.endpoints[i].method == method {
			return &r.endpoints[i]
		}
	}
	return nil
}

// allow is the value of the header Allow.
func (r *route) allow() string {
	var methods []string
	for _, e := range r.endpoints {
		methods = append(methods, e.method)
		if e.method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	return strings.Join(methods, ", ")
}

// newRoutes returns all there are. Those of namespaces exist twice: old clients
// know them by another name.
func newRoutes() []route {
	routes := accountRoutes()
	for _, base := range []string{"accounts/:account/storage/kv/namespaces", "accounts/:account/workers/namespaces"} {
		for path, endpoints := range namespaceRoutes() {
			routes = append(routes, route{newPattern(base + path), endpoints})
		}
	}
	return routes
}

func accountRoutes() []route {
	read := func(path, name string, serve func(*call) error) route {
		return route{newPattern(path), []endpoint{{name: name, method: http.MethodGet, need: godwit.PermissionRead, serve: serve}}}
	}
	return []route{
		read("user", "user", (*call).user),
		read("user/tokens/verify", "token_verify", (*call).verifyToken),
		read("accounts", "account_list", (*call).listAccounts),
		read("accounts/:account", "account_get", (*call).getAccount),
		read("memberships", "membership_list", (*call).listMemberships),
		read("accounts/:account/workers/scripts/:script/settings", "script_settings", (*call).scriptSettings),
	}
}

// namespaceRoutes are the routes below the namespaces of an account.
func namespaceRoutes() map[string][]endpoint {
	const (
		read  = godwit.PermissionRead
		write = godwit.PermissionWrite
		admin = godwit.PermissionAdmin
	)
	return map[string][]endpoint{
		"": {
			{"namespace_list", http.MethodGet, "list namespaces", read, (*call).listNamespaces},
			{namespaceCreate, http.MethodPost, "create namespace", admin, (*call).createNamespace},
		},
		"/:namespace": {
			{"namespace_get", http.MethodGet, "get namespace", read, (*call).getNamespace},
			{"namespace_rename", http.MethodPut, "rename namespace", admin, (*call).renameNamespace},
			{namespaceDelete, http.MethodDelete, "remove namespace", admin, (*call).deleteNamespace},
		},
		"/:namespace/keys": {
			{"key_list", http.MethodGet, "list keys", read, (*call).listKeys},
		},
		"/:namespace/values/*key": {
			{"value_get", http.MethodGet, "get", read, (*call).getValue},
			{"value_put", http.MethodPut, "put", write, (*call).putValue},
			{"value_delete", http.MethodDelete, "remove key", write, (*call).deleteValue},
		},
		"/:namespace/metadata/*key": {
			{"metadata_get", http.MethodGet, "get", read, (*call).getMetadata},
		},
		"/:namespace/bulk": {
			{"bulk_put", http.MethodPut, "bulk put", write, (*call).bulkPut},
			{"bulk_delete", http.MethodDelete, "bulk remove", write, (*call).bulkDelete},
		},
		"/:namespace/bulk/delete": {
			{"bulk_delete", http.MethodPost, "bulk remove", write, (*call).bulkDelete},
		},
		"/:namespace/bulk/get": {
			{"bulk_get", http.MethodPost, "bulk get", read, (*call).bulkGet},
		},
	}
}
