// Package client is a Go client for a remote godwit server.
//
//	c, err := client.New("http://127.0.0.1:8787", os.Getenv("GODWIT_TOKEN"))
//	...
//	kv := c.KV("articles") // a namespace, by its id or title
//	_, err = kv.Put(ctx, "hello", strings.NewReader("world"), client.PutOptions{})
//	v, err := kv.Get(ctx, "hello")
//	defer v.Close()
//	text, err := io.ReadAll(v)
//
// Keys and values go through Cloudflare's REST API, of which the account is
// asked once; transactions, scans, counts, copies, watches, tokens, settings and
// status through godwit's own. Errors are
// compared with [errors.Is] against the sentinels of this package.
//
// A request that failed before it was answered is sent again a few times, where
// that is safe: reads always are, and a write is because it carries a request
// id, by which the server knows that it has seen it. A write from a stream that
// cannot be read twice is sent once. A write of which an attempt got no answer, and
// that did not succeed by another, is [ErrOutcomeUnknown], whatever the last one was
// told.
//
// The package imports the standard library alone.
package client
