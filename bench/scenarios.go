//go:build linux

package main

import "context"

// scenario is one thing that is measured.
type scenario struct {
	name  string
	about string
	run   func(ctx context.Context, l *lab) ([]row, error)
}

// scenarios are those of one run, in the order in which they are run: first
// those that leave the shared node as it is.
func scenarios(o options) []scenario {
	if o.large {
		return []scenario{
			{"large", "10 million keys: reads, memory, opening after a kill", largeNamespace},
		}
	}
	return []scenario{
		{"get-hot", "reads of 10,000 keys beside nginx and Redis", getHot},
		{"latency", "reads at half load, idle and while writes run", latency},
		{"get-random", "reads at random among all keys beside nginx", getRandom},
		{"put", "durable overwriting among all keys beside Redis and etcd", putOver},
		{"put-new", "durable writes of new keys beside Redis", putNew},
		{"put-one", "durable writes of one connection beside a bare fsync", putOne},
		{"nats-get", "reads of 10,000 keys beside NATS' key-value store", getNATS},
		{"nats-put", "durable overwriting among all keys beside NATS' key-value store", putNATS},
		{"transactions", "transactions of 10 keys and adds beside single writes", transactions},
		{"bulk", "one bulk write of 10,000 keys", bulkPut},
		{"export", "all keys written into a file by godwit export", exportAll},
		{"import", "all keys written out of a file by godwit import", importAll},
		{"backup", "backups into a directory and a repository, and back", backups},
		{"backup-shapes", "the same of small values, of large ones, and of keys written in no order", backupShapes},
		{"fairness", "durable writes of one connection while another namespace is flooded", fairness},
		{"worker-get", "a Worker's get beside miniflare's local KV", workerGet},
		{"worker-list", "a Worker's list of 1,000 keys beside miniflare's local KV", workerList},
		{"worker-command", "a Worker's get through godwit worker beside miniflare", workerCommandGet},
		{"worker-ceilings", "what workerd itself leaves of a Worker's get, beside miniflare", workerCeilings},
		{"worker-reload", "a changed Worker until it answers", workerReload},
		{"edge-get", "reads at an edge beside the centre", edgeGet},
		{"propagation", "writes at the centre until 20 edges show them", propagation},
		{"relays", "the same through two relays", throughRelays},
		{"world", "the same over a network as slow as the real one", acrossTheWorld},
		{"first-copy", "an edge's first copy of all keys", firstCopy},
		{"watchers", "1,000 watches: how long writes take to them", watchers},
		{"followers", "300 followers: memory, propagation", followers},
		{"cluster-put", "durable writes to three members beside three etcd", clusterPut},
		{"cluster-failover", "the pause of writes when the leader goes", clusterFailover},
		{"cluster-join", "a new member of a cluster with all keys", clusterJoin},
		{"encryption", "reads, writes and first copies with an encrypted disk beside a plain one", encryption},
		{"memory", "memory while 64 clients stream values of 25 MiB", streamMemory},
	}
}
