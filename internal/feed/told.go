package feed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// MaxTreeBytes bounds the tree of all nodes, as JSON.
const MaxTreeBytes = 16 << 20

// Bounds of what followers have told of themselves and of the nodes behind them, as
// JSON: of all, of all whose tokens are limited to namespaces, and of one such token. A
// follower with another token always has room for itself.
const (
	maxToldBytes        = 8 << 20
	maxToldLimitedBytes = maxToldBytes / 4
	maxToldTokenBytes   = 256 << 10
)

// maxLimitedReportNodes is how many nodes behind a follower are kept, if its token is
// limited to namespaces.
const maxLimitedReportNodes = 64

// toldBytes is how much followers have told.
type toldBytes struct {
	all, limited int
	tokens       map[string]int // by token that is limited to namespaces
}

// left is how much more may be told with a token; "": one that is not limited.
func (b *toldBytes) left(limited string) int {
	left := maxToldBytes - b.all
	if limited != "" {
		left = min(left, maxToldLimitedBytes-b.limited, maxToldTokenBytes-b.tokens[limited])
	}
	return left
}

// add counts n bytes more, or less.
func (b *toldBytes) add(limited string, n int) {
	b.all += n
	if limited == "" {
		return
	}
	b.limited += n
	if b.tokens[limited] += n; b.tokens[limited] == 0 {
		delete(b.tokens, limited)
	}
}

// tell keeps what a follower reported, as far as there is room.
func (s *Server) tell(f *follower, told Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followers[f.session] != f && s.walkers[f.session] != f {
		return // it has left
	}
	s.forget(f)
	limited := f.principal.Limited()
	left := s.told.left(limited)
	if told.size() > left && limited != "" {
		return
	}
	told = Bounded(told, left)
	f.size = told.treeSize()
	s.told.add(limited, f.size)
	f.told.Store(&told)
}

// forget forgets what a follower reported. The caller holds s.mu.
func (s *Server) forget(f *follower) {
	f.told.Store(nil)
	s.told.add(f.principal.Limited(), -f.size)
	f.size = 0
}

// readNodes decodes a list of nodes, and no more of it than is kept.
func readNodes(list json.RawMessage, depth int, left *int) ([]Node, error) {
	if depth == 0 || *left == 0 || len(list) == 0 || string(list) == "null" {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(list))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil, fmt.Errorf("read nodes: %v is no list", open)
	}
	var kept []Node
	for *left > 0 && d.More() {
		var n struct {
			NodeInfo
			Followers json.RawMessage `json:"followers"`
		}
		if err := d.Decode(&n); err != nil {
			return nil, fmt.Errorf("read node: %w", err)
		}
		*left--
		behind, err := readNodes(n.Followers, depth-1, left)
		if err != nil {
			return nil, err
		}
		kept = append(kept, Node{n.clip(), behind})
	}
	return kept, nil
}

// Most that a node takes of a tree as JSON beside its texts, and for each of them.
const (
	nodeBytes     = 400
	textBytes     = 3 // quotes and a comma
	characterSize = 6 // of a byte: \u0000
)

// size is how much the node takes of a tree as JSON, at most.
func (n *NodeInfo) size() int {
	size := nodeBytes
	for _, text := range []string{n.ID, n.Role, n.Location, n.URL, n.Version, n.Revision, n.Progress} {
		size += characterSize * len(text)
	}
	for _, text := range n.Jurisdictions {
		size += characterSize*len(text) + textBytes
	}
	return size
}

// treeSize is the same of a node and those behind it.
func (n *Node) treeSize() int {
	size := n.size()
	for i := range n.Followers {
		size += n.Followers[i].treeSize()
	}
	return size
}

// Bounded is root, and as many of the nodes behind it as take no more than a number of
// bytes as JSON with it: those nearest to it.
func Bounded(root Node, size int) Node {
	if root.treeSize() <= size {
		return root
	}
	left := size - root.size()
	for level := []*Node{&root}; len(level) > 0; {
		var below []*Node
		for _, n := range level {
			fit := 0
			for fit < len(n.Followers) && n.Followers[fit].size() <= left {
				left -= n.Followers[fit].size()
				fit++
			}
			n.Followers = slices.Clone(n.Followers[:fit])
			for i := range n.Followers {
				below = append(below, &n.Followers[i])
			}
		}
		level = below
	}
	return root
}
