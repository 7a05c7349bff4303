package nats_test

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/godwitkv/godwit/internal/central/jetstream/nats"
)

// childDir names the directory of a server that this test binary is to run instead
// of tests: a process can be killed, a server within the tests cannot.
const childDir = "GODWIT_TEST_CHILD"

const childConfig = "child.json"

type childSettings struct {
	Node, Listen string
	Peers        []nats.Peer
}

// child runs a server until its standard input ends.
func child(dir string) int {
	b, err := os.ReadFile(filepath.Join(dir, childConfig))
	if err != nil {
		return 1
	}
	var c childSettings
	if json.Unmarshal(b, &c) != nil {
		return 1
	}
	s, err := nats.OpenServer(context.Background(), nats.ServerConfig{
		Cluster: cluster, Node: c.Node, Dir: dir, Listen: c.Listen, Peers: c.Peers, MaxBytes: testMaxBytes,
	})
	if err != nil {
		return 1
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = s.Close()
	return 0
}

// spawn runs a member's server in a process of its own. kill ends it as a power cut
// would.
func (w *world) spawn(name string) (kill func()) {
	w.t.Helper()
	m, cfg := w.servers[name], w.config(name)
	b, err := json.Marshal(childSettings{Node: name, Listen: cfg.Listen, Peers: cfg.Peers})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := os.MkdirAll(m.dir, 0o700); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, childConfig), b, 0o600); err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+m.dir)
	if _, err := cmd.StdinPipe(); err != nil { // ends with this process
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	kill = func() {
		_ = cmd.Process.Kill()
		<-ended
	}
	w.t.Cleanup(kill)
	return kill
}

func nodeOf(server string) string { return nats.NodeOf(server) }
