// Package cloudflare serves Cloudflare's REST API v4, as far as Workers KV goes,
// so that wrangler and Cloudflare's SDKs work unchanged: paths, parameters,
// bodies, envelopes, error codes and texts. What a request means is package
// api's business; this one only translates.
//
// Requests are routed on the raw request URI. Keys may hold slashes, dots and
// percent signs, and a path that was cleaned, decoded twice or redirected would
// name another key, or a whole namespace: "DELETE /namespaces/ID/" is what some
// clients make of deleting the key "..".
//
// It may import the domain, the catalog and package api: not a store, not a log.
package cloudflare
