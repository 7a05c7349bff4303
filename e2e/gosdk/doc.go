// Package gosdk runs Cloudflare's two Go SDKs against a godwit server. It is a
// module of its own so that they are no dependencies of godwit. The suite one
// directory up starts the server and names it in the environment; without one
// the tests start their own.
package gosdk
