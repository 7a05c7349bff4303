package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/godwitkv/godwit/internal/porttest"
)

// natsCluster is three nats-servers that somebody runs for other things too.
type natsCluster struct {
	t     *testing.T
	urls  []string
	files []string // their configurations
	run   []*exec.Cmd
}

// startNATS starts three nats-servers, each a process of its own. They have less room
// than a stream is given where there is enough.
func startNATS(t *testing.T) *natsCluster {
	t.Helper()
	binary := filepath.Join(clients.scratch, "nats-server")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("build nats-server: %v\n%s", err, out)
	}
	n := &natsCluster{t: t, run: make([]*exec.Cmd, 3)}
	var routes []string
	for range 3 {
		routes = append(routes, porttest.Free(t))
	}
	for i, route := range routes {
		client, dir := porttest.Free(t), t.TempDir()
		config := fmt.Sprintf(`server_name: s%d
listen: %q
log_file: %q
jetstream { store_dir: %q, sync_interval: always, max_file_store: 1GB }
cluster { name: shared, listen: %q, routes: ["nats://%s"] }
`, i+1, client, filepath.Join(dir, "log"), dir, route, strings.Join(routes, `", "nats://`))
		file := filepath.Join(dir, "nats.conf")
		if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		n.urls, n.files = append(n.urls, "nats://"+client), append(n.files, file)
	}
	for i := range 3 {
		n.start(i)
	}
	t.Cleanup(func() {
		for i := range 3 {
			n.kill(i)
		}
	})
	return n
}

func (n *natsCluster) start(i int) {
	n.t.Helper()
	cmd := exec.Command(filepath.Join(clients.scratch, "nats-server"), "-c", n.files[i])
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.run[i] = cmd
}

func (n *natsCluster) kill(i int) {
	n.t.Helper()
	if err := n.run[i].Process.Kill(); err != nil {
		n.t.Error(err)
	}
	_ = n.run[i].Wait() // killed
}

// newCluster returns members whose log is in the servers.
func (n *natsCluster) newCluster() *cluster {
	c := &cluster{t: n.t}
	for i := range 3 {
		name := fmt.Sprintf("n%d", i+1)
		s := newServer(n.t, "--cluster", "e2e", "--node", name, "--location", name, "--nats", strings.Join(n.urls, ","))
		c.members = append(c.members, s)
	}
	return c
}

// connect returns a client of the servers.
func (n *natsCluster) connect() *nats.Conn {
	n.t.Helper()
	nc, err := nats.Connect(strings.Join(n.urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(nc.Close)
	return nc
}

// ask asks JetStream, and decodes the answer into out.
func ask(nc *nats.Conn, subject string, out any) error {
	m, err := nc.Request("$JS.API."+subject, nil, 2*time.Second)
	if err != nil {
		return err
	}
	var failed struct {
		Error *struct{ Description string }
	}
	if err := errors.Join(json.Unmarshal(m.Data, &failed), json.Unmarshal(m.Data, out)); err != nil {
		return err
	}
	if failed.Error != nil {
		return errors.New(failed.Error.Description)
	}
	return nil
}

// TestThreeMembersOnNATS: members use a NATS that is there already as they do their
// own, however often the stream's leader changes, and when a server is killed.
func TestThreeMembersOnNATS(t *testing.T) {
	n := startNATS(t)
	c := n.newCluster()
	c.start()
	nc := n.connect()
	var info struct {
		Config struct {
			Replicas int `json:"num_replicas"`
		}
		Cluster struct{ Leader string }
	}
	leader := func() int {
		eventually(t, "the stream has a leader", func() bool {
			info.Cluster.Leader = ""
			return ask(nc, "STREAM.INFO.godwit_e2e", &info) == nil && info.Cluster.Leader != ""
		})
		return int(info.Cluster.Leader[1] - '1')
	}
	if leader(); info.Config.Replicas != 3 {
		t.Errorf("the stream has %d replicas", info.Config.Replicas)
	}
	_, status, err := c.members[0].do(http.MethodGet, "http://"+c.members[0].api+"/godwit/v1/status", nil)
	if err != nil || !strings.Contains(string(status), "could not be verified") {
		t.Errorf("status says nothing of what is not known: %v %s", err, status)
	}
	if !c.members[0].logs("could not be verified") {
		t.Error("the log says nothing of what is not known")
	}
	for _, fault := range []struct {
		name string
		do   func()
	}{
		{"the leader steps down again and again", func() {
			stepped := 0
			for range 30 {
				if ask(nc, "STREAM.LEADER.STEPDOWN.godwit_e2e", &struct{}{}) == nil {
					stepped++
				}
				<-time.After(200 * time.Millisecond)
			}
			if stepped < 5 {
				t.Errorf("it stepped down %d times", stepped)
			}
		}},
		{"the server that leads is killed", func() {
			i := leader()
			n.kill(i)
			<-time.After(8 * time.Second)
			n.start(i)
		}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			for range *chaosRounds {
				if r := c.under(fault.do); r.pause > electionPause+answerBound {
					t.Errorf("writes paused for %v", r.pause)
				}
			}
		})
	}
	for _, m := range c.members {
		m.stop()
		m.fsck()
	}
}
