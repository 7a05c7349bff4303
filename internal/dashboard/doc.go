// Package dashboard is the pages for people that every node serves on its API port:
// namespaces, keys and values, tokens, what the node does and how it stands to
// others.
//
// It translates, as the protocols do. What concerns keys it asks of package api.
// What is decided elsewhere than here, or told by the node alone, it asks of the
// node's own APIs, with the token of who is signed in: so the pages are the same at
// a centre, a member and an edge, and can do nothing that the token could not do
// without them. Each page and each action asks [catalog.Authorize].
//
// A session is a cookie that carries the token, sealed; the server keeps nothing of
// it. Pages work without scripts but for what is live. No page has an inline script
// or style, and nothing is loaded from elsewhere.
//
// It knows the operations of package api and the catalog. It must not import a
// store, a log, an edge or another protocol.
package dashboard
