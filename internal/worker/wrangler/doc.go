// Package wrangler reads the configuration of a Worker project as wrangler does:
// wrangler.jsonc, wrangler.json or wrangler.toml, one of its environments, and the
// secrets beside it.
//
// It owns what a configuration means, and which parts of it godwit has no use for or
// cannot do. Every complaint names file and line. It must not import anything of the
// module: it knows neither workerd nor a server.
package wrangler
