package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/central/jetstream"
)

// The formats of a cluster's log that the two programs read.
const (
	formatOfOlder = 2 // see lastformat_older.go
	formatOfNewer = jetstream.LastFormat
)

const (
	switchedOn = "all members read a new format of messages: switching it on" // the line of who switches one on
	unreadable = "the log has a message that this version of godwit cannot read"
)

// TestThreeMembersUpgraded: while clients work on three members of the program of before,
// and on an edge, one after the other is stopped or killed and started with the program of
// today; one goes back in between. What is acknowledged stays, and what runs answers
// reads. The log's new format is switched on once the last is new, and not before, however
// long that is away; then the program of before is refused.
func TestThreeMembersUpgraded(t *testing.T) {
	u := startUpgrade(t)
	first, second, last := u.members[0], u.members[1], u.members[2]
	u.replace(first, (*server).stop, "", nil)
	u.wantOldFormat()
	u.replace(first, (*server).stop, u.older, nil)
	u.wantOldFormat()
	u.replace(first, (*server).stop, "", nil)
	u.replace(second, (*server).kill, "", nil)
	u.wantOldFormat()
	u.replace(last, (*server).kill, "", func() {
		u.awaitAbsent("n3", first, second)
		u.wantOldFormat()
	})
	u.wantNewFormat()
	u.replace(second, (*server).stop, "", func() { u.wantOldRefused(second) })
	u.wantOldRefusedAsNew(second, first)
	for _, m := range u.members {
		m.stop()
		m.fsck()
	}
}

// upgrade is a cluster that is upgraded while clients work.
type upgrade struct {
	*cluster
	older string // the program of before

	mu       sync.Mutex
	kept     map[string]string // what was acknowledged last, by key
	doubtful map[string]bool   // keys with a write whose outcome is not known
	sum      int               // of what was added
}

// startUpgrade starts three members of the program of before, and an edge.
func startUpgrade(t *testing.T) *upgrade {
	t.Helper()
	u := &upgrade{cluster: newCluster(t), older: filepath.Join(clients.scratch, "godwit-older"), kept: map[string]string{}, doubtful: map[string]bool{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-tags", "older", "-o", u.older, "github.com/godwitkv/godwit/cmd/godwit")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the godwit of before: %v\n%s", err, out)
	}
	for _, m := range u.members {
		m.program = u.older
	}
	u.start()
	u.keep(u.members[0], "steady", "v")
	u.settle()
	for _, m := range u.members {
		eventually(t, m.name()+" uses the older program's format", func() bool { return u.format(m) == formatOfOlder })
	}
	u.wantOldFormat()
	return u
}

// replace ends a member and starts it with a program, after what happens while it is
// away. Meanwhile clients write and read at all nodes.
func (u *upgrade) replace(m *server, end func(*server), program string, away func()) {
	u.t.Helper()
	r := u.under(func() {
		defer u.work(m)()
		end(m)
		if away != nil {
			away()
		}
		m.program = program
		m.start()
	})
	if r.pause > electionPause+answerBound {
		u.t.Errorf("writes paused for %v", r.pause)
	}
	u.wantKept()
}

// work has clients write at all nodes and read at all but one, until it is told to stop.
func (u *upgrade) work(but *server) (stop func()) {
	ctx, cancel := context.WithCancel(u.t.Context())
	var clients sync.WaitGroup
	for i, s := range u.nodes() {
		clients.Go(func() { u.writes(ctx, i) })
		if s != but {
			clients.Go(func() { u.reads(ctx, s) })
		}
	}
	return func() {
		cancel()
		clients.Wait()
	}
}

func (u *upgrade) nodes() []*server { return append(u.members[:3:3], u.edge) }

// writes writes to keys of its own until ctx ends, and keeps what was acknowledged.
func (u *upgrade) writes(ctx context.Context, writer int) {
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), uint64(writer)))
	for n := 0; ctx.Err() == nil; n++ {
		size := 20
		if n%20 == 0 {
			size = 100_000 // goes ahead of the record that names it
		}
		value := strings.Repeat(strconv.Itoa(rng.IntN(10)), size)
		u.keep(u.nodes()[rng.IntN(4)], fmt.Sprintf("kept/%d/%d", writer, rng.IntN(50)), value)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// keep writes, and notes what was acknowledged. A key of which that is not known stays out
// of it for good: the write may take effect at any time.
func (u *upgrade) keep(s *server, key, value string) {
	res, _, err := s.do(http.MethodPut, s.kv("/namespaces/"+u.namespace+"/values/"+url.PathEscape(key)), strings.NewReader(value))
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err == nil && res.StatusCode == http.StatusOK:
		u.kept[key] = value
	case err == nil && res.StatusCode == http.StatusServiceUnavailable, errors.Is(err, syscall.ECONNREFUSED):
	default:
		u.doubtful[key] = true
	}
}

// reads reads at a node that runs until ctx ends: it never fails.
func (u *upgrade) reads(ctx context.Context, s *server) {
	for n := 0; ctx.Err() == nil; n++ {
		p := s.ports(u.namespace)[n%2]
		req, err := http.NewRequest(http.MethodGet, p.url("steady"), nil)
		if err != nil {
			u.t.Error(err)
			return
		}
		req.Header = p.header.Clone()
		req.Header.Set("Authorization", "Bearer "+rootToken)
		if res, got, err := s.send(req); err != nil || res.StatusCode != http.StatusOK || string(got) != "v" {
			u.t.Errorf("%s %s: a read: %v, %.200s", s.name(), p.name, err, got)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// wantKept wants what was acknowledged at every node.
func (u *upgrade) wantKept() {
	u.t.Helper()
	u.settle()
	if len(u.kept) < 2*len(u.doubtful) {
		u.t.Errorf("of %d keys, %d had a write of an unknown outcome: there is little to look at", len(u.kept), len(u.doubtful))
	}
	for _, s := range u.nodes() {
		for key, value := range u.kept {
			if u.doubtful[key] {
				continue
			}
			if got := s.ports(u.namespace)[0].ask("GET", key, ""); got.body != value {
				u.t.Errorf("%s: %s: %d %.20s of %d bytes, want %.20s of %d", s.name(), key, got.status, got.body, len(got.body), value, len(value))
			}
		}
	}
}

// show is the cluster as a member sees it.
func (u *upgrade) show(m *server) client.Cluster {
	u.t.Helper()
	got := m.ask("GET", "http://"+m.api+"/godwit/v1/cluster", "", nil)
	var shown client.Cluster
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil || got.status != 200 {
		u.t.Fatalf("%s: cluster: %d %s", m.name(), got.status, got.body)
	}
	return shown
}

func (u *upgrade) format(m *server) int { return u.show(m).Format }

// running are the members that run, and the edge.
func (u *upgrade) running() (members, nodes []*server) {
	for _, m := range u.members {
		if m.cmd != nil {
			members = append(members, m)
		}
	}
	return members, append(members[:len(members):len(members)], u.edge)
}

// wantOldFormat wants the old format in use, and nothing that needs the new one done.
func (u *upgrade) wantOldFormat() {
	u.t.Helper()
	members, nodes := u.running()
	for _, m := range members {
		if got := u.format(m); got != formatOfOlder {
			u.t.Fatalf("%s: format %d is in use, and not all members read it", m.name(), got)
		}
	}
	for _, s := range nodes {
		for what, ask := range map[string]func(*server) reply{"add": u.add, "clear": u.clear} {
			eventually(u.t, s.name()+" refuses to "+what, func() bool { // an edge may be on its way to another member
				got := ask(s)
				if got.status == http.StatusOK {
					u.t.Fatalf("%s: %s before its format: %s", s.name(), what, got.body)
				}
				return got.status == http.StatusServiceUnavailable && strings.Contains(got.body, "Not all members of the cluster know how to "+what) && strings.Contains(got.body, "upgrade them")
			})
		}
	}
}

// awaitAbsent waits until members have missed one for so long that they have done
// without it what they may.
func (u *upgrade) awaitAbsent(name string, at ...*server) {
	u.t.Helper()
	for _, m := range at {
		of := func() (found client.Member) {
			for _, p := range u.show(m).Members {
				if p.Name == name {
					found = p
				}
			}
			return found
		}
		eventually(u.t, m.name()+" misses "+name, func() bool { return of().Name == name && !of().Present })
		since := of().AgeMS
		eventually(u.t, m.name()+" has missed it for a while", func() bool { return of().AgeMS > since+3_000 })
	}
}

// wantNewFormat wants the new format in use soon, by the word of a member, and what
// needs it to be done by all.
func (u *upgrade) wantNewFormat() {
	u.t.Helper()
	said := 0
	for _, m := range u.members {
		eventually(u.t, m.name()+" uses the new format", func() bool { return u.format(m) == formatOfNewer })
		said += m.says(switchedOn + `" format=` + strconv.Itoa(formatOfNewer))
	}
	if said == 0 {
		u.t.Error("no member says that it switched it on")
	}
	for _, s := range u.nodes() {
		u.sum++
		if got := u.add(s); got.status != 200 || !strings.Contains(got.body, fmt.Sprintf(`"sum":"%d"`, u.sum)) {
			u.t.Errorf("%s: add: %d %s, want the sum %d", s.name(), got.status, got.body, u.sum)
		}
		if got := u.clear(s); got.status != 200 {
			u.t.Errorf("%s: clear: %d %s", s.name(), got.status, got.body)
		}
	}
	u.wantKept()
}

func (u *upgrade) add(s *server) reply {
	u.t.Helper()
	return s.ask("POST", "http://"+s.api+"/godwit/v1/namespaces/"+u.namespace+"/transactions", `{"mutations":[{"op":"add","key":"sum","delta":1}]}`, nil)
}

func (u *upgrade) clear(s *server) reply {
	u.t.Helper()
	return s.ask("POST", "http://"+s.api+"/godwit/v1/namespaces/"+u.namespace+"/clear", `{"prefix":"cleared/"}`, nil)
}

// wantOldRefused wants a member of the program of before to end with a line that says why.
func (u *upgrade) wantOldRefused(m *server) {
	u.t.Helper()
	why := fmt.Sprintf("%s: format %d, and it reads up to %d. Start this member with the version that the others run", unreadable, formatOfNewer, formatOfOlder)
	before := m.says(why)
	m.program = u.older
	m.launch()
	select {
	case err := <-m.exited:
		if err == nil {
			u.t.Errorf("%s ended as if all were well", m.name())
		}
	case <-time.After(soon):
		u.t.Fatalf("%s, of the program of before, runs on", m.name())
	}
	m.cmd = nil
	if m.says(why) <= before {
		u.t.Errorf("%s does not say %q", m.name(), why)
	}
}

// wantOldRefusedAsNew wants the same of one whose disk is new. With the program of today
// it takes the place of the member that it was.
func (u *upgrade) wantOldRefusedAsNew(m, other *server) {
	u.t.Helper()
	u.under(func() {
		defer u.work(m)()
		m.kill()
		if err := os.RemoveAll(m.dir); err != nil {
			u.t.Fatal(err)
		}
		u.wantOldRefused(m)
		m.program = ""
		m.launch()
		within(u.t, time.Minute, "its name is free", func() bool { return other.runs("cluster", "remove", "n2") })
		m.awaitReady(m.readyFile())
	})
	u.wantKept()
}

// says tells how often the server's log has a text.
func (s *server) says(text string) int {
	s.t.Helper()
	out, err := os.ReadFile(s.log.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Count(string(out), text)
}
