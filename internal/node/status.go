package node

import (
	"net"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/store"
)

// status is the node's account of itself.
func (n *Node) status(host string) native.Status {
	stats := n.store.Stats()
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	status := native.Status{
		ID:            n.id,
		Role:          n.role(),
		Location:      n.cfg.Location,
		Jurisdictions: n.cfg.Jurisdictions,
		Account:       n.Account(),
		ClusterID:     stats.ClusterID,
		Revision:      stats.Revision.String(),
		Ready:         n.isReady(),
		Keys:          stats.Keys,
		Bytes:         stats.Bytes,
		Followers:     len(n.feed.Followers()),
		BindingURL:    n.url(n.listen.binding.Addr(), name),
		DiskFull:      stats.DiskFull,
		Version:       n.cfg.Version,
		UptimeSeconds: n.uptime(),
		Connected:     true,
		Generation:    n.store.Generation(),
		Scrub:         n.scrubStatus(),

		TimeMS: n.cfg.Now().UnixMilli(), RetentionSeconds: int64(n.store.Retention() / time.Second), Disk: diskOf(&stats),
		Encryption: n.encryption(), Ports: n.ports(), Certificates: n.certificateStatus(), Audit: n.auditStatus(),
	}
	if l := n.fence.log; l != nil {
		status.Problem = l.Problem()
	}
	if by := n.store.Fenced(); by != 0 && !n.cfg.edge() {
		status.FencedBy, status.StalenessMS = by, -1
		status.Problem = godwit.Fenced(status.Generation, by).Message
	}
	if e := n.edge.Load(); e != nil {
		s := e.Status()
		status.ClockOffsetMS = n.clock.Offset().Milliseconds()
		status.StalenessMS, status.Lag, status.Missing = stalenessMS(s.Staleness), s.Lag, s.Missing
		status.Upstream, status.Connected = s.Upstream, s.Connected
		status.Progress, status.Problem = s.Progress, s.Problem
	}
	if m := n.member.Load(); m != nil {
		status.StalenessMS, status.Problem = stalenessMS(m.Staleness()), m.Problem()
		status.Cluster, status.Progress = n.cluster(), m.Progress()
	}
	if status.Problem == "" && status.Scrub.Unmended > 0 {
		status.Problem = "values are damaged on this node's disk, and not mended: its log tells which"
	}
	return status
}

// diskOf is nil where the file system cannot tell.
func diskOf(s *store.Stats) *native.Disk {
	if s.DiskFree >= store.EndlessDisk {
		return nil
	}
	return &native.Disk{FreeBytes: s.DiskFree, ReserveBytes: s.Reserve}
}

// encryption is nil where nothing is encrypted.
func (n *Node) encryption() *native.Encryption {
	if n.cfg.EncryptionKeys == nil {
		return nil
	}
	return &native.Encryption{KeyID: n.cfg.EncryptionKeys.Active().String()}
}

// ports are those that the node listens on.
func (n *Node) ports() []native.Port {
	withTLS := n.cfg.TLSCert != ""
	ports := []native.Port{
		{Name: "api", Open: !loopback(n.listen.api.Addr()), TLS: withTLS},
		{Name: "binding", Open: !loopback(n.listen.binding.Addr()), TLS: withTLS},
	}
	if n.listen.pprof != nil {
		ports = append(ports, native.Port{Name: "pprof", Open: !loopback(n.listen.pprof.Addr())})
	}
	return ports
}

// auditStatus is nil where nothing is recorded.
func (n *Node) auditStatus() *native.Audit {
	if !n.audit.On() {
		return nil
	}
	failing, dropped := n.audit.Standing()
	return &native.Audit{Strict: n.cfg.AuditStrict, Failing: failing, Dropped: dropped}
}

// uptime is for how many seconds the node has been running.
func (n *Node) uptime() int64 { return int64(n.cfg.Now().Sub(n.started) / time.Second) }
