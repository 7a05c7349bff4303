package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestThreeMembersFillADisk: a member whose disk is full to the brim is in nobody's
// way, and is right and counts again once there is room.
func TestThreeMembersFillADisk(t *testing.T) {
	disk := smallDisk(t, 128)
	c := newCluster(t)
	m := c.members[2]
	m.dir = filepath.Join(disk, "data")
	c.start()
	c.under(func() {
		fillDisk(t, c, m)
		eventually(t, "the full member says so", func() bool {
			got := m.ports(c.namespace)[0].ask("PUT", "key", "value")
			return got.status == 507 || got.status == 503
		})
		if got := m.ports(c.namespace)[0].ask("GET", "large 0", ""); got.status != 200 {
			t.Errorf("a read at the full member: %d", got.status)
		}
		<-time.After(3 * time.Second)
		if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=1g"); err != nil {
			t.Fatalf("enlarge the disk: %v", err)
		}
		eventually(t, "the member keeps the log again", func() bool { return m.logs("nats server keeps the log again") })
	})
	c.members[0].kill()
	eventually(t, "it counts: two of three are a quorum", func() bool {
		return m.ports(c.namespace)[0].ask("PUT", "key", "two of three").status == 200
	})
	c.members[0].start()
	c.settle()
	m.stop()
	m.fsck()
}

// fillDisk writes at another member until there is no room for the log at m.
func fillDisk(t *testing.T, c *cluster, m *server) {
	t.Helper()
	value := strings.Repeat("large", 200_000)
	p := c.members[0].ports(c.namespace)[0]
	for i := 0; !m.logs("nats server keeps nothing"); i++ {
		if i == 500 {
			t.Fatal("the disk does not fill")
		}
		eventually(t, "a large value is taken", func() bool { return p.ask("PUT", fmt.Sprintf("large %d", i), value).status == 200 })
	}
}

// logs tells whether a line of the server's log has a text.
func (s *server) logs(text string) bool {
	out, err := os.ReadFile(s.log.Name())
	return err == nil && bytes.Contains(out, []byte(text))
}
