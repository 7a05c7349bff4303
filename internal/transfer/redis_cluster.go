package transfer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisSlots is how many slots the keys of a Redis Cluster are dealt to.
const redisSlots = 16384

// redisShare is the slots that one master of a Redis Cluster has.
type redisShare struct {
	first, last int
	address     string
}

// redisShares asks a Redis for the masters of its cluster; none if it is of no cluster.
func redisShares(ctx context.Context, c *redis.Client) ([]redisShare, error) {
	info, err := c.Info(ctx, "cluster").Result()
	if err != nil {
		return nil, fmt.Errorf("ask Redis for its cluster: %w", err)
	}
	if !strings.Contains(info, "cluster_enabled:1") {
		return nil, nil
	}
	slots, err := c.ClusterSlots(ctx).Result() //nolint:staticcheck // ClusterShards is of Redis 7
	if err != nil {
		return nil, fmt.Errorf("ask Redis for its cluster: %w", err)
	}
	var shares []redisShare
	held := 0
	for _, s := range slots {
		if len(s.Nodes) == 0 {
			return nil, errors.New("the Redis Cluster tells of slots without a node")
		}
		at, port, err := net.SplitHostPort(s.Nodes[0].Addr) // the first is the master
		if err != nil {
			return nil, fmt.Errorf("the Redis Cluster tells of a node at no address: %w", err)
		}
		if at == "" { // where the one is that was asked
			at, _, _ = net.SplitHostPort(c.Options().Addr)
		}
		shares = append(shares, redisShare{s.Start, s.End, net.JoinHostPort(at, port)})
		held += s.End - s.Start + 1
	}
	if held != redisSlots {
		return nil, fmt.Errorf("the Redis Cluster has nodes for %d of its %d slots: mend it first (redis-cli --cluster check)", held, redisSlots)
	}
	slices.SortFunc(shares, func(a, b redisShare) int { return a.first - b.first })
	return shares, nil
}

// redisMasters are the addresses of those who have a share.
func redisMasters(shares []redisShare) []string {
	var all []string
	for _, s := range shares {
		if !slices.Contains(all, s.address) {
			all = append(all, s.address)
		}
	}
	return all
}

// scanCluster gives what each master has. A slot that goes from one to another meanwhile
// may be given by neither.
func (r *Redis) scanCluster(ctx context.Context, c *redis.Client, o redis.Options, shares []redisShare, yield func(Batch, error) bool) error {
	o.Network = "tcp"
	for _, address := range redisMasters(shares) {
		o.Addr = address
		if err := r.scanMaster(ctx, o, yield); err != nil {
			return err
		}
	}
	now, err := redisShares(ctx, c)
	if err == nil && !slices.Equal(now, shares) {
		err = errors.New("the Redis Cluster has dealt its slots anew meanwhile, so keys may be missing: import it again")
	}
	return err
}

func (r *Redis) scanMaster(ctx context.Context, o redis.Options, yield func(Batch, error) bool) error {
	c := redisClient(o)
	defer func() { _ = c.Close() }()
	if err := r.scan(ctx, c, yield); err != nil {
		return fmt.Errorf("node %s of the Redis Cluster: %w", o.Addr, err)
	}
	return nil
}
