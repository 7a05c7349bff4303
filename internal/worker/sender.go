package worker

import (
	"net/http"
	"net/netip"
	"strings"
)

// sender is the client's address and the scheme that it used. What a proxy says of
// them is believed of one that is trusted.
func (f *front) sender(r *http.Request) (client, proto string) {
	client, proto = r.RemoteAddr, "http"
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return client, proto
	}
	client = peer.Addr().Unmap().String()
	if !f.trusts(peer.Addr()) {
		return client, proto
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
	return client, proto
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
