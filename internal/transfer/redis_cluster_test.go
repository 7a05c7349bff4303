package transfer_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/godwitkv/godwit/internal/porttest"
	"github.com/godwitkv/godwit/internal/transfer"
)

// startRedisCluster runs a Redis Cluster of two masters and returns clients of both. The
// second is dealt no slots.
func startRedisCluster(t *testing.T) (nodes [2]*redis.Client) {
	t.Helper()
	var port, bus string
	for i := range nodes {
		address := porttest.Free(t)
		_, port, _ = net.SplitHostPort(address)
		_, bus, _ = net.SplitHostPort(porttest.Free(t))
		nodes[i] = redis.NewClient(&redis.Options{Addr: address, Password: "the-password", MaxRetries: -1})
		runRedis(t, nodes[i], "--bind", "127.0.0.1", "--port", port, "--cluster-port", bus, "--cluster-enabled", "yes")
	}
	check(t, nodes[0].Do(t.Context(), "CLUSTER", "MEET", "127.0.0.1", port, bus).Err())
	check(t, nodes[0].ClusterAddSlotsRange(t.Context(), 0, 8191).Err())
	return nodes
}

// TestRedisCluster takes what all masters have, whichever is named, and nothing where some
// slots are nobody's.
func TestRedisCluster(t *testing.T) {
	nodes := startRedisCluster(t)
	ctx := t.Context()
	c := serve(t, "to 0", "to 1", "part")
	source := func(i int) *transfer.Redis {
		return &transfer.Redis{URL: "redis://:the-password@" + nodes[i].Options().Addr, Progress: new(transfer.Progress), Skip: func(what string) { t.Error(what) }}
	}
	_, err := runTo(ctx, source(0), c.KV("part"), transfer.Options{})
	if err == nil || !strings.Contains(err.Error(), "has nodes for 8192 of its 16384 slots") {
		t.Errorf("half a cluster: %v", err)
	}
	check(t, nodes[1].ClusterAddSlotsRange(ctx, 8192, 16383).Err())
	for _, n := range nodes {
		awaitRedis(t, "the cluster does not come together", func() bool { return strings.Contains(n.ClusterInfo(ctx).Val(), "cluster_state:ok") })
	}
	want, moved := map[string]string{}, 0
	for i := range 200 {
		key := fmt.Sprintf("k%d", i)
		want[key] = "v"
		err := nodes[0].Set(ctx, key, "v", 0).Err()
		if redis.HasErrorPrefix(err, "MOVED") {
			moved++
			err = nodes[1].Set(ctx, key, "v", 0).Err()
		}
		check(t, err)
	}
	if moved == 0 || moved == len(want) {
		t.Fatal("all keys are one node's")
	}
	for i := range nodes {
		to := c.KV(fmt.Sprintf("to %d", i))
		_, err := runTo(ctx, source(i), to, transfer.Options{})
		check(t, err)
		if diff := cmp.Diff(want, values(t, to)); diff != "" {
			t.Errorf("node %d: (-want +got)\n%s", i, diff)
		}
	}
}
