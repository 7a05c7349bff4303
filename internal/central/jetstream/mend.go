package jetstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// Value returns what another member than self has of a value. The caller closes it, and
// compares it with the blob. Errors: nobody has it.
func (j *Joiner) Value(ctx context.Context, self string, ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) (io.ReadCloser, error) {
	token, err := j.cfg.Registry.Secret(ctx, FollowSecret)
	if err != nil {
		return nil, fmt.Errorf("look for the token to ask peers with: %w", err)
	}
	members, err := j.cfg.Registry.Members(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for peers: %w", err)
	}
	rand.Shuffle(len(members), func(a, b int) { members[a], members[b] = members[b], members[a] })
	err = errNoPeers
	for _, m := range members {
		if m.Name == self || m.URL == "" {
			continue
		}
		var value io.ReadCloser
		if value, err = j.ask(ctx, m.URL, token, ns, key, r, b); err == nil {
			return value, nil
		}
	}
	return nil, err
}

func (j *Joiner) ask(ctx context.Context, url, token string, ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) (io.ReadCloser, error) {
	c, err := feed.NewClient(feed.ClientConfig{URL: url, Token: token, Dial: j.cfg.Dial, TLS: j.cfg.TLS})
	if err != nil {
		return nil, err
	}
	value, err := c.Value(ctx, ns, key, r, b)
	if err != nil {
		c.Close()
		return nil, err
	}
	return peerValue{value, c}, nil
}

// peerValue is a value with the client that it comes by.
type peerValue struct {
	io.ReadCloser
	client *feed.Client
}

// Close implements io.Closer.
func (v peerValue) Close() error {
	defer v.client.Close()
	return v.ReadCloser.Close()
}

// IdentityNote is the name of the store's note of who a member is, which a new copy
// keeps.
const IdentityNote = identityNote

// CanCopy tells whether this member may become a new copy: it is one of the cluster,
// and enough others are ready that none is missed meanwhile.
func (m *Member) CanCopy() bool {
	members, now := m.roster.members(), time.Now()
	ready := 0
	for i := range members {
		if p := &members[i]; p.info.Name != m.cfg.Self.Name && p.present(now) && p.pulse.Ready {
			ready++
		}
	}
	return m.serving.Load() && ready > 0 && ready >= len(members)/2
}

var errNotJoined = errors.New("this node is not a member yet")

// Fetch is Joiner.Value for the member itself.
func (m *Member) Fetch(ctx context.Context, j *Joiner, ns godwit.NamespaceID, key string, r godwit.Revision, b godwit.Blob) (io.ReadCloser, error) {
	if !m.serving.Load() {
		return nil, errNotJoined
	}
	return j.Value(ctx, m.cfg.Self.Name, ns, key, r, b)
}
