package node

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
	"github.com/godwitkv/godwit/internal/store"
)

// natsKey is what the NATS server in this process encrypts its files with, "" if the
// data directory is plain. The same key stays when that of the directory changes: NATS
// would write its files anew in place, which no crash may cut off.
func (n *Node) natsKey() (string, error) {
	has, err := nats.HasState(n.cfg.Dir)
	if err != nil {
		return "", err
	}
	secret, err := n.store.NATSSecret(!has)
	if err != nil {
		return "", fmt.Errorf("find the key of the NATS server's files: %w", err)
	}
	return hex.EncodeToString(secret), nil
}

// Rekey encrypts a data directory on which no node runs, or takes it from one key to
// another; see store.Rekey. One that has been a member's without a key is refused.
func Rekey(ctx context.Context, dir string, keys *store.Keys, rewritten func(bytes int64)) error {
	cfg := store.Config{Dir: dir, Keys: keys}
	is, err := store.Encrypted(cfg)
	if err != nil {
		return err
	}
	if !is {
		has, err := nats.HasState(dir)
		if err != nil {
			return err
		}
		if has {
			return fmt.Errorf("%s is that of a cluster's member, whose log in %s would stay plain: let the member join again with an empty directory and a key",
				dir, filepath.Join(dir, "nats"))
		}
	}
	return store.Rekey(ctx, cfg, rewritten)
}
