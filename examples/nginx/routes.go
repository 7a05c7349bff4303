package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/godwitkv/godwit/client"
)

const (
	maintenance    = "maintenance"
	maxRoutes      = 10_000
	maxHostBytes   = 253
	maxLoggedBytes = 64
)

// What a key and a value may be. Neither can hold what means something to nginx: a space, a
// quote, a semicolon, a dollar, a brace. A host has a dot, so it is none of the words that
// nginx has in a map (default, include). A name is no address, and nginx resolves none: so
// requests go to an upstream of nginx.conf or nowhere.
var (
	hostForm     = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+$`)
	upstreamForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
)

// routes are names of upstreams by host, or "maintenance".
type routes map[string]string

// list reads the namespace.
func list(ctx context.Context, kv *client.KV) (routes, error) {
	r := routes{}
	for k, err := range kv.Scan(ctx, client.ScanOptions{Values: true}) {
		if err != nil {
			return nil, fmt.Errorf("list routes: %w", err)
		}
		r.add(k.Name, k.Value)
		if len(r) > maxRoutes {
			return nil, fmt.Errorf("there are more than %d hosts", maxRoutes)
		}
	}
	return r, nil
}

// add takes a key in, whatever it holds. What is no route is left out.
func (r routes) add(key string, value []byte) {
	host, closed := strings.CutPrefix(key, maintenance+"/")
	switch {
	case len(host) > maxHostBytes || !hostForm.MatchString(host):
		slog.Warn("not a host in lower case", "key", short(key))
	case closed:
		r[host] = maintenance
	case r[host] == maintenance: // it stands before the host's own key, or behind it
	case !upstreamForm.Match(value):
		slog.Warn("the value is not the name of an upstream", "key", host)
	default:
		r[host] = string(value)
	}
}

func short(s string) string { return s[:min(len(s), maxLoggedBytes)] }

// text is what stands between the braces of nginx's map.
func (r routes) text() []byte {
	var b bytes.Buffer
	b.WriteString("# Written by a program: changes are lost.\n")
	for _, host := range slices.Sorted(maps.Keys(r)) {
		fmt.Fprintf(&b, "%s %s;\n", host, r[host])
	}
	return b.Bytes()
}
