// Package native is godwit's own API, JSON under /godwit/v1/: what Cloudflare's
// API has no word for. A node's status, tokens, the root token, namespaces with
// their sizes and their settings; transactions over several keys; lists of any part
// of the keys with all that is known of them; changes as they happen; and the way in
// to what nodes ask of each other.
//
// Every reply but an error and a stream is one JSON object; an error is
//
//	{"error": {"code": "namespace_not_found", "message": "namespace not found"}}
//
// with its code from one table; where conditions of a transaction failed, they
// stand beside it. Every path but that of the API's description (docs/openapi.yaml,
// which tests hold it to) needs a token, and every endpoint asks [catalog.Authorize].
//
// The package knows the operations of package api and the catalog. It must not
// import a store, a log or another protocol.
package native
