package worker

import (
	"maps"
	"net/http"
	"net/netip"
	"strings"

	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// sender is the client's address and the scheme that it used. What a proxy says of
// them is believed of one that is trusted, as the peer may be.
func (f *front) sender(r *http.Request) (client, proto string, trusted bool) {
	client, proto = r.RemoteAddr, "http"
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return client, proto, false
	}
	client = peer.Addr().Unmap().String()
	if !f.trusts(peer.Addr()) {
		return client, proto, false
	}
	if p := strings.ToLower(r.Header.Get("X-Forwarded-Proto")); p == "https" {
		proto = p
	}
	// Each proxy puts whom it heard from at the end: the last that is not one of ours
	// is the client.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		client = hop.Unmap().String()
		if !f.trusts(hop) {
			break
		}
	}
	return client, proto, true
}

// introduce has workerd told who sent a request. What only Cloudflare, or a proxy, says of
// a client is taken from nobody but a trusted proxy: a Worker believes it.
func (f *front) introduce(out http.Header, r *http.Request) {
	client, proto, trusted := f.sender(r)
	if !trusted {
		maps.DeleteFunc(out, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "Cf-") || name == "True-Client-Ip" || name == "X-Real-Ip"
		})
	}
	out.Set("CF-Connecting-IP", client)
	out.Set(workerd.ProtoHeader, proto)
	out.Set(workerd.CFHeader, f.cf)
}

func (f *front) trusts(a netip.Addr) bool {
	a = a.Unmap()
	if a.IsLoopback() {
		return true
	}
	for _, p := range f.trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
