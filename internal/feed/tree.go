package feed

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
)

// Bounds of a report: of its body, and of the nodes in it and how deep they stand,
// beyond which nodes are left out.
const (
	maxReportBytes = 8 << 20
	maxReportNodes = 4096
	maxReportDepth = 8
)

// serveReport takes what a follower says of itself, and has its stream echo the
// ping.
func (s *Server) serveReport(w http.ResponseWriter, r *http.Request, p *catalog.Principal) error {
	if err := mayFollow(p); err != nil {
		return err
	}
	malformed := godwit.Errorf(godwit.CodeInvalidRequest, "The report is malformed, or over %d bytes.", maxReportBytes)
	var rep struct {
		Report
		Followers json.RawMessage `json:"followers"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxReportBytes)).Decode(&rep); err != nil {
		return malformed
	}
	f := s.follower(rep.Session)
	if f == nil || f.principal.Token.ID != p.Token.ID {
		return godwit.Errorf(godwit.CodeInvalidRequest, "There is no such stream.")
	}
	left := maxReportNodes
	if p.Limited() != "" {
		left = maxLimitedReportNodes
	}
	behind, err := readNodes(rep.Followers, maxReportDepth, &left)
	if err != nil {
		return malformed
	}
	s.tell(f, Node{rep.Follower.clip(), behind})
	if rep.Ping > f.ping.Load() && rep.Ping <= maxPing {
		f.ping.Store(rep.Ping)
		select {
		case f.pinged <- struct{}{}:
		default:
		}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *Server) follower(session uint64) *follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.walkers[session]; f != nil {
		return f
	}
	return s.followers[session]
}

func (s *Server) countFollowers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.followers)
}

// clip bounds what a node says of itself.
func (n NodeInfo) clip() NodeInfo {
	for _, text := range []*string{&n.ID, &n.Role, &n.Location, &n.URL, &n.Version, &n.Revision, &n.Progress} {
		*text = clipText(*text)
	}
	n.Jurisdictions = slices.Clone(n.Jurisdictions[:min(len(n.Jurisdictions), maxJurisdictions)])
	for i := range n.Jurisdictions {
		n.Jurisdictions[i] = clipText(n.Jurisdictions[i])
	}
	return n
}

// Followers are those that follow this node now or are being copied to, and those
// behind them.
func (s *Server) Followers() []Node {
	s.mu.Lock()
	nodes := make([]Node, 0, len(s.followers)+len(s.walkers))
	for _, f := range s.followers {
		nodes = append(nodes, f.node())
	}
	for _, f := range s.walkers {
		nodes = append(nodes, f.node())
	}
	s.mu.Unlock()
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Location, b.Location), cmp.Compare(a.ID, b.ID))
	})
	return nodes
}

// node is what the follower reported last, or the little that is known before, and
// what its token is.
func (f *follower) node() Node {
	n := Node{NodeInfo: NodeInfo{Revision: godwit.Revision(f.sent.Load()).String(), StalenessMS: -1}}
	if told := f.told.Load(); told != nil {
		n = *told
	}
	n.RootToken, n.TokenExpires = f.principal.Root, 0
	if !f.principal.Root {
		n.TokenExpires = f.principal.Token.Expires
	}
	return n
}

// elsewhere sends a node on to one of the followers, the one with the fewest of
// its own, or refuses it. It may be among them itself, by a stream that it has lost
// and this side has not. The caller holds s.mu.
func (s *Server) elsewhere(comer *follower) *End {
	var best *Node
	for _, f := range s.followers {
		n := f.told.Load()
		if n == nil || n.URL == "" || n.URL == comer.url || !n.Ready ||
			!f.filter.covers(&comer.filter.Filter) || !entrusts(comer.principal, f.principal) {
			continue
		}
		if best == nil || len(n.Followers) < len(best.Followers) {
			best = n
		}
	}
	if best == nil {
		return &End{EndRefused, "this node has as many followers as it takes, or as the token may have, and none of them can take more"}
	}
	return &End{EndRedirect, best.URL}
}

// entrusts tells whether a node that came with comer's token may be sent to one that
// came with host's, which told its URL itself. The node hands on there what its clients
// ask, with their credentials, so that the host comes to hold more than comer's token:
// it must be of those who share that, or may do everything anyway.
func entrusts(comer, host *catalog.Principal) bool {
	switch {
	case host.Root:
		return true
	case comer.Root:
		return false
	}
	return host.Token.ID == comer.Token.ID || catalog.Authorize(host, godwit.PermissionAdmin, nil) == nil
}
