//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/godwitkv/godwit/bench/load"
)

// nginxConfig serves files of one directory as fast as nginx can: one worker,
// open files cached, no log, connections that never end.
const nginxConfig = `daemon off;
user root root;
worker_processes 1;
pid nginx.pid;
error_log nginx-error.log warn;
events { worker_connections 1024; multi_accept on; }
http {
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; etag off; server_tokens off;
  keepalive_timeout 600; keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=600s; open_file_cache_valid 600s; open_file_cache_min_uses 1;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server { listen %s; root %s; }
}
`

// nginx starts nginx once, serving one value as a file.
func (l *lab) nginx(ctx context.Context) (*server, error) {
	if l.web != nil {
		return l.web, nil
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(l.dir, "nginx")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make nginx's directory: %w", err)
	}
	config := fmt.Sprintf(nginxConfig, addr, dir)
	if os.Getuid() != 0 {
		config = strings.Replace(config, "user root root;\n", "", 1)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(config), 0o644); err != nil {
		return nil, fmt.Errorf("write nginx's configuration: %w", err)
	}
	value := load.RandomValues(valueBytes, 2).Append(nil)
	if err := os.WriteFile(filepath.Join(dir, "value"), value, 0o644); err != nil {
		return nil, fmt.Errorf("write the file to serve: %w", err)
	}
	p, err := l.start(ctx, "nginx", accepts(addr), nil, sbin("nginx"), "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	if err != nil {
		return nil, err
	}
	l.web = &server{p, addr}
	return l.web, nil
}

// sbin finds a command that may not be on an ordinary user's path.
func sbin(command string) string {
	if _, err := exec.LookPath(command); err != nil {
		return "/usr/sbin/" + command
	}
	return command
}

// file is the stream of nginx's reads.
func file(s *server) load.Stream {
	return httpStream(s.addr, clients, load.HTTPRequest("GET", "/value", nil, "", nil, nil))
}

// redis starts a Redis with keys numbered from 0, in memory alone or, durable,
// syncing its log before each answer. Rewriting the log is off: it would only
// slow Redis down.
func (l *lab) redis(ctx context.Context, name string, keys int64, durable bool) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	dir := filepath.Join(l.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make Redis's directory: %w", err)
	}
	p, err := l.start(ctx, name, accepts(addr), nil, "redis-server", "--bind", "127.0.0.1", "--port", port, "--dir", dir,
		"--save", "", "--appendonly", "no", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
	if err != nil {
		return nil, err
	}
	if err := fillRedis(ctx, port, keys); err != nil {
		return nil, err
	}
	if !durable {
		return &server{p, addr}, nil
	}
	if _, err := redisCLI(ctx, port, nil, "config", "set", "appendonly", "yes"); err != nil {
		return nil, err
	}
	synced := func() bool {
		info, err := redisCLI(ctx, port, nil, "info", "persistence")
		return err == nil && strings.Contains(info, "aof_rewrite_in_progress:0") && strings.Contains(info, "aof_rewrite_scheduled:0")
	}
	return &server{p, addr}, p.until(ctx, synced)
}

func fillRedis(ctx context.Context, port string, keys int64) error {
	set := load.RedisCommand("SET", load.Sequence(0), load.RandomValues(valueBytes, 2))
	var commands []byte
	for range keys {
		commands = set.Next(commands)
	}
	_, err := redisCLI(ctx, port, commands, "--pipe")
	return err
}

func redisCLI(ctx context.Context, port string, stdin []byte, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "redis-cli", append([]string{"-p", port}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run redis-cli %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// etcdPutter returns the contestant that puts into a new etcd through etcd's
// own client.
func (l *lab) etcdPutter(ctx context.Context) (contestant, error) {
	putter := filepath.Join(l.dir, "etcdput")
	if err := build(ctx, filepath.Join("bench", "etcdput"), putter, "."); err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	peer, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if _, err := l.start(ctx, "etcd", accepts(addr), nil, "etcd", "--data-dir", filepath.Join(l.dir, "etcd"),
		"--listen-client-urls", "http://"+addr, "--advertise-client-urls", "http://"+addr,
		"--listen-peer-urls", "http://"+peer, "--initial-advertise-peer-urls", "http://"+peer,
		"--initial-cluster", "default=http://"+peer); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (measure, error) {
		return l.etcdTurn(ctx, strconv.Itoa(l.loadOn), putter, addr, clients)
	}, nil
}

// etcdCluster returns the contestant that puts into three etcd, and what ends
// them.
func (l *lab) etcdCluster(ctx context.Context, connections int) (contestant, func(), error) {
	putter := filepath.Join(l.dir, "etcdput")
	if err := build(ctx, filepath.Join("bench", "etcdput"), putter, "."); err != nil {
		return nil, nil, err
	}
	var addrs, peers, initial []string
	for i := range members {
		addr, err := freeAddr()
		if err != nil {
			return nil, nil, err
		}
		peer, err := freeAddr()
		if err != nil {
			return nil, nil, err
		}
		addrs, peers = append(addrs, addr), append(peers, peer)
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, peer))
	}
	var all []*process
	stop := func() {
		for _, p := range all {
			_ = p.stop()
		}
	}
	for i := range members {
		p, err := start(i%2, l.dir, fmt.Sprintf("etcd-m%d", i), nil, "etcd", "--name", fmt.Sprintf("m%d", i),
			"--data-dir", filepath.Join(l.dir, fmt.Sprintf("etcd-m%d", i)),
			"--listen-client-urls", "http://"+addrs[i], "--advertise-client-urls", "http://"+addrs[i],
			"--listen-peer-urls", "http://"+peers[i], "--initial-advertise-peer-urls", "http://"+peers[i],
			"--initial-cluster", strings.Join(initial, ","))
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, p)
	}
	for i, p := range all {
		if err := p.until(ctx, accepts(addrs[i])); err != nil {
			stop()
			return nil, nil, err
		}
	}
	turn := func(ctx context.Context) (measure, error) {
		return l.etcdTurn(ctx, fmt.Sprintf("%d,%d", l.serverOn, l.loadOn), putter, strings.Join(addrs, ","), connections)
	}
	return turn, stop, nil
}

func (l *lab) etcdTurn(ctx context.Context, cpus, putter, addr string, connections int) (measure, error) {
	cmd := exec.CommandContext(ctx, "taskset", "-c", cpus, putter, "-addr", addr, "-clients", strconv.Itoa(connections),
		"-keys", strconv.FormatInt(l.keys, 10), "-size", strconv.Itoa(valueBytes), "-warmup", l.warmup.String(), "-duration", l.window.String())
	out, err := cmd.Output()
	if err != nil {
		return measure{}, fmt.Errorf("load etcd: %w", err)
	}
	var got struct{ Requests, Seconds float64 }
	if err := json.Unmarshal(out, &got); err != nil {
		return measure{}, fmt.Errorf("read what etcdput measured: %w", err)
	}
	return measure{perSecond: got.Requests / got.Seconds}, nil
}
