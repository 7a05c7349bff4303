package node

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/central/jetstream"
	"github.com/godwitkv/godwit/internal/store"
)

// Shared is a log that this node shares with others, and what they know of each
// other.
type Shared struct {
	Stream   jetstream.Stream
	Registry jetstream.Registry
	// Close ends both, after the member.
	Close func() error
	// Yield is that of jetstream.Config.
	Yield func()

	// TrimWindow, TrimCap and CompareEvery are those of jetstream.Config.
	TrimWindow, TrimCap int64
	CompareEvery        time.Duration
}

// rootSecret is under which the registry keeps the SHA-256 of a root token that one
// of the members made.
const rootSecret = "root"

// member is the standing of a node that shares the log.
type member struct {
	*jetstream.Member
	close func() error
}

// Close implements standing.
func (m member) Close() error { return errors.Join(m.Member.Close(), m.close()) }

// openMember opens the catalog as the store has it, and joins the others.
func (n *Node) openMember(ctx context.Context) error {
	err := n.openCatalog(ctx, catalog.Config{
		Follower: true, Identify: n.identifyHere, Refresh: n.refreshHere, MayMake: n.mayMake,
	})
	if err != nil {
		return err
	}
	identity, err := jetstream.Identity(n.store)
	if err != nil {
		return err
	}
	shared, err := n.openShared(n.root)
	if err != nil {
		return fmt.Errorf("open the cluster's log: %w", err)
	}
	n.registry = shared.Registry
	joiner := jetstream.NewJoiner(jetstream.JoinerConfig{
		Store: n.store, Clock: n.clock, Registry: shared.Registry, Jurisdictions: n.cfg.Jurisdictions, Dial: n.cfg.Dial, TLS: n.upstreamTLS, Self: n.self,
		Mixed: n.mixed, Exact: n.whole, Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	m, err := jetstream.Open(n.root, jetstream.Config{
		Store: n.store, Stream: shared.Stream, Registry: shared.Registry, Now: n.cfg.Now,
		Self: jetstream.MemberInfo{
			Name: n.cfg.Node, Identity: identity, URL: n.advertised(), Version: n.cfg.Version, Formats: jetstream.LastFormat,
			Jurisdictions: n.cfg.Jurisdictions,
		},
		TrimWindow: shared.TrimWindow, TrimCap: shared.TrimCap, CompareEvery: shared.CompareEvery,
		Join: joiner.Join, JoinProgress: joiner.Progress,
		MayHold: n.mayHold, Yield: shared.Yield,
		Serving: func(ctx context.Context) error { return n.settleIn(ctx, shared.Registry) }, Fenced: n.tellFenced,
		Logger: n.cfg.Logger, Metrics: n.cfg.Metrics,
	})
	if err != nil {
		return errors.Join(fmt.Errorf("open member: %w", err), shared.Close())
	}
	n.joiner = joiner
	n.member.Store(m)
	n.stand(member{m, shared.Close})
	n.origin = origin{m, n.withinQuotas(m), m}
	if by := n.store.Fenced(); by != 0 {
		n.tellFenced(by)
	}
	return nil
}

// settleIn makes, once the member has caught up, what every cluster has: an
// account, a root token, a token by which members follow each other.
func (n *Node) settleIn(ctx context.Context, r jetstream.Registry) error {
	c := n.catalog.Load()
	if err := c.EnsureAccount(ctx); err != nil {
		return err
	}
	if err := n.shareRootToken(ctx, r); err != nil {
		return err
	}
	return n.shareFollowToken(ctx, r)
}

// shareRootToken takes over the root token of the cluster, or makes one that the
// others take over. One that was given by flag is this member's own.
func (n *Node) shareRootToken(ctx context.Context, r jetstream.Registry) error {
	if n.rootByFlag {
		return nil
	}
	text, err := r.Secret(ctx, rootSecret)
	if err != nil {
		return err
	}
	if text == "" {
		if text, err = n.offerRootToken(ctx, r); err != nil {
			return err
		}
	}
	hash, err := hex.DecodeString(text)
	if err != nil || len(hash) != sha256.Size {
		return errors.New("the cluster's registry holds no root token")
	}
	n.catalog.Load().SetRootHash([sha256.Size]byte(hash))
	return nil
}

func (n *Node) offerRootToken(ctx context.Context, r jetstream.Registry) (string, error) {
	token, _, err := loadRootToken(n.cfg.Dir)
	if err != nil {
		return "", err
	}
	own := sha256.Sum256([]byte(token))
	text, err := r.Offer(ctx, rootSecret, hex.EncodeToString(own[:]))
	if err == nil && text == hex.EncodeToString(own[:]) {
		n.cfg.Logger.Info("the cluster's root token is in this member's data directory", slog.String(logFile, RootTokenFile(n.cfg.Dir)))
	}
	return text, err
}

// shareFollowToken makes the token by which members become copies of each other,
// unless there is one.
func (n *Node) shareFollowToken(ctx context.Context, r jetstream.Registry) error {
	have, err := r.Secret(ctx, jetstream.FollowSecret)
	if err != nil || have != "" {
		return err
	}
	c := n.catalog.Load()
	secret, token, err := c.CreateToken(ctx, godwit.Token{Name: "members of the cluster", Permission: godwit.PermissionReplicate})
	if err != nil {
		return err
	}
	have, err = r.Offer(ctx, jetstream.FollowSecret, secret)
	if err == nil && have != secret { // another member was first
		err = c.RevokeToken(ctx, token.ID)
	}
	return err
}

// identifyHere looks for a credential again that is not known here, once all is
// here that any member had acknowledged.
func (n *Node) identifyHere(ctx context.Context, secret []byte) (*godwit.Token, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	if err := n.refreshHere(ctx); err != nil {
		return nil, false, err
	}
	p, err := n.catalog.Load().Known(secret)
	if err != nil {
		return nil, false, err
	}
	return p.Token, p.Root, nil
}

// refreshHere waits until this member has all that any had acknowledged.
func (n *Node) refreshHere(ctx context.Context) error {
	m := n.member.Load()
	if m == nil {
		return errStarting
	}
	if err := n.refreshes.Wait(ctx); err != nil {
		return errTooMany
	}
	_, err := m.Barrier(ctx)
	return err
}

// placeOf is where in the shared log a state of the store stands.
func (n *Node) placeOf(v *store.View) ([]byte, error) {
	m := n.member.Load()
	if m == nil {
		return nil, &godwit.Error{Code: godwit.CodeUnavailable, Message: "This node is not a member of a cluster, or is starting.", Err: errStarting}
	}
	return m.PlaceIn(v)
}
