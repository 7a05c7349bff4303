//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

// What a bucket of NATS' key-value store is: a stream, as NATS' own clients make it.
const (
	natsBucket  = "$KV.bench."
	natsGets    = "$JS.API.DIRECT.GET.KV_bench." + natsBucket
	natsCreates = "$JS.API.STREAM.CREATE.KV_bench"
	natsStream  = `{"name":"KV_bench","subjects":["$KV.bench.>"],"retention":"limits","storage":"file","num_replicas":1,` +
		`"max_msgs_per_subject":1,"max_msgs":-1,"max_bytes":-1,"max_consumers":-1,"discard":"new","duplicate_window":120000000000,` +
		`"deny_delete":true,"allow_rollup_hdrs":true,"allow_direct":true}`
)

// natsConfig is a server's; the last is how often the store is synced.
const natsConfig = `listen: "%s"
jetstream { store_dir: "%s", sync_interval: %s }
`

// nats starts the NATS server of go.mod with a bucket of keys numbered from 0, that
// syncs each write before it is acknowledged. It is filled before it does.
func (l *lab) nats(ctx context.Context, name string, keys int64) (*server, error) {
	binary := filepath.Join(l.dir, "nats-server")
	if err := build(ctx, ".", binary, "github.com/nats-io/nats-server/v2"); err != nil {
		return nil, err
	}
	lazy, err := l.natsServer(ctx, name, binary, "2m")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(fillNATS(ctx, lazy.addr, keys), lazy.stop()); err != nil {
		return nil, fmt.Errorf("fill NATS: %w", err)
	}
	return l.natsServer(ctx, name, binary, "always")
}

func (l *lab) natsServer(ctx context.Context, name, binary, sync string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(l.dir, name+".conf")
	text := fmt.Sprintf(natsConfig, addr, filepath.Join(l.dir, name), sync)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("write NATS' configuration: %w", err)
	}
	p, err := l.start(ctx, name, accepts(addr), nil, binary, "-c", config)
	if err != nil {
		return nil, err
	}
	return &server{p, addr}, nil
}

// fillNATS makes the bucket and puts keys into it, some hundreds at once: JetStream takes
// no more than it can hold in memory.
func fillNATS(ctx context.Context, addr string, keys int64) error {
	const inbox, atOnce = "_INBOX.fill", 512
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })()
	from := bufio.NewReader(c)
	create := fmt.Appendf(load.NATSHello(inbox), "PUB %s %s %d\r\n%s\r\n", natsCreates, inbox, len(natsStream), natsStream)
	if err := askNATS(c, from, create, 1, `"config":`); err != nil {
		return err
	}
	pick, vals := load.Sequence(0), load.RandomValues(valueBytes, 2)
	var puts []byte
	for left := keys; left > 0; left -= atOnce {
		n := min(left, atOnce)
		puts = puts[:0]
		for range n {
			puts = append(load.AppendKey(append(puts, "PUB "+natsBucket...), pick()), fmt.Sprintf(" %s %d\r\n", inbox, vals.Size)...)
			puts = append(vals.Append(puts), "\r\n"...)
		}
		if err := askNATS(c, from, puts, n, `{"stream"`); err != nil {
			return err
		}
	}
	return nil
}

// askNATS sends requests, and reads as many answers. Error: one of them has not what a
// yes has.
func askNATS(to net.Conn, from *bufio.Reader, requests []byte, answers int64, yes string) error {
	if _, err := to.Write(requests); err != nil {
		return err
	}
	for answers > 0 {
		line, err := from.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case bytes.HasPrefix(line, []byte("-ERR")):
			return errors.New(strings.TrimSpace(string(line)))
		case !bytes.HasPrefix(line, []byte("MSG ")):
			continue // what the server says besides
		}
		answer, err := from.ReadSlice('\n')
		if err != nil {
			return err
		}
		if !bytes.Contains(answer, []byte(yes)) {
			return fmt.Errorf("NATS answered %s", answer)
		}
		answers--
	}
	return nil
}

// natsLoad is the contestant whose connections each make requests of their own, that are
// answered to an inbox of their own.
func (l *lab) natsLoad(s *server, subject string, pick load.Pick, vals *load.Values) contestant {
	return func(ctx context.Context) (measure, error) {
		streams := make([]load.Stream, clients)
		for i := range streams {
			streams[i] = load.Stream{
				Addr: s.addr, Conns: 1, Source: load.NATSRequest(subject, fmt.Sprintf("_INBOX.%02d", i), pick, vals),
				Reply: func() load.Reply { return new(load.NATSReply) },
			}
		}
		results, cpu, err := l.drive(ctx, []*process{s.process}, streams...)
		if err != nil {
			return measure{}, fmt.Errorf("load %s: %w", s.name, err)
		}
		all := results[0]
		for _, r := range results[1:] {
			all.Requests += r.Requests
			all.Latency.Merge(&r.Latency)
		}
		return measureOf(all, cpu), nil
	}
}

// getNATS compares reads of few keys with NATS' key-value store.
func getNATS(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.shared(ctx)
	if err != nil {
		return nil, err
	}
	nats, err := l.nats(ctx, "nats-get", hotKeys)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nats.stop() }()
	all, err := l.rounds(ctx,
		l.loaded(n.get(n.hot, clients, load.Random(hotKeys, 1)), n.process),
		l.natsLoad(nats, natsGets, load.Random(hotKeys, 1), nil))
	if err != nil {
		return nil, err
	}
	return []row{compare(row{Name: "GET hot", Unit: cpuUnit, Against: "NATS KV get"}, perCPU, all[0], all[1])}, nil
}

// putNATS compares durable writes to keys that exist with NATS' key-value store.
func putNATS(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	nats, err := l.nats(ctx, "nats-put", l.keys)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nats.stop() }()
	all, err := l.rounds(ctx,
		l.loaded(n.put(n.large, clients, load.Random(l.keys, 5)), n.process),
		l.natsLoad(nats, natsBucket, load.Random(l.keys, 5), load.RandomValues(valueBytes, 6)))
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "PUT over", Unit: "req/s", Against: "NATS KV put, sync_interval always"}, perSecond, all[0], all[1]),
		compare(row{Name: "PUT over", Unit: cpuUnit, Against: "NATS KV put, sync_interval always"}, perCPU, all[0], all[1]),
		compare(row{Name: "PUT over, p50", Unit: "us", Against: "NATS KV put, sync_interval always"}, p50micros, all[0], all[1]),
	}, nil
}
