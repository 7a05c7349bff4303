package doctor

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/shell"
)

// Bounds.
const (
	staleWarning = 5 * time.Second
	staleProblem = 30 * time.Second // the smallest cache_ttl of a read, by default
	clockWarning = 2 * time.Second
	clockProblem = 10 * time.Second
)

func reachOf(_ *Deployment, n *Node) *Finding {
	const check = "api port"
	switch {
	case n.URL == "":
		return &Finding{
			Level: Warning, Check: check, Found: "it does not tell its address",
			Means: "only what the node that it follows knows of it can be checked",
			Do:    "start it with --advertise URL, the address by which others reach it",
		}
	case n.Health != nil:
		return &Finding{
			Level: Problem, Check: check, Found: n.URL + " does not answer: " + n.Health.Error(),
			Means: "clients that are sent there are not answered; it may be stopped, or cut off from here",
			Do:    `see that "godwit serve" runs there, and that its port can be reached: ` + typed("curl", n.URL+"/healthz"),
		}
	case n.Unseen != nil:
		return unseen(n)
	case n.Told:
		return &Finding{
			Level: Warning, Check: check, Found: n.URL + " answers, and was not asked for its status: another node tells that address, and it would be shown the token",
			Means: "only what the node that it follows knows of it was checked",
			Do:    "if the address is that of a node of yours, add " + typed("--node", n.URL),
		}
	}
	return ok(check, n.URL+" answers in "+n.Round.Round(10*time.Microsecond).String())
}

// typed is a command about the address of a node, for people to type. A follower says
// itself where it can be reached: what is no address must not get into a shell.
func typed(command, address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return command + " URL"
	}
	return command + " " + shell.Quote(address)
}

// unseen is of a node that answers and shows no status.
func unseen(n *Node) *Finding {
	f := &Finding{
		Level: Problem, Check: "status", Found: n.Unseen.Error(),
		Means: "nothing else of this node can be checked", Do: "see the node's log",
	}
	if errors.Is(n.Unseen, client.ErrUnauthenticated) {
		f.Do = "give a token by --token or GODWIT_TOKEN; any shows the status, and one of an administrator tokens too"
		f.Means = "the token is not known there, or none was given: " + f.Means
	}
	return f
}

func readyOf(_ *Deployment, n *Node) *Finding {
	const check = "ready"
	switch {
	case n.Health != nil || n.URL == "":
		if n.Listed == nil || n.Listed.Ready || n.Health != nil {
			return nil
		}
	case n.Unready == "":
		return ok(check, "it serves reads")
	}
	f := &Finding{
		Level: Problem, Check: check, Found: n.Unready,
		Means: "it serves no reads, and a load balancer sends it none",
		Do:    "ask how far it is, and see its log if that does not move: " + typed("godwit status --url", n.URL),
	}
	if f.Found == "" {
		f.Found = "it is not ready"
	}
	return f
}

func bindingOf(_ *Deployment, n *Node) *Finding {
	const check = "binding port"
	switch {
	case n.Status == nil:
		return nil
	case n.Closed:
		return ok(check, "it is for Workers on the node's own machine")
	case n.Binding != nil:
		return &Finding{
			Level: Warning, Check: check, Found: n.Status.BindingURL + " does not answer: " + n.Binding.Error(),
			Means: "Workers on this machine cannot use the node; those elsewhere may",
			Do:    "see which addresses --binding-listen opens, and what stands in between",
		}
	}
	return ok(check, n.Status.BindingURL+" answers")
}

// credentialOf judges what a node follows with, as the one that it follows tells.
func credentialOf(d *Deployment, n *Node) *Finding {
	const check = "upstream token"
	const do = `make one by "godwit token create --permission replicate --name NODE", and restart the node with it as --upstream-token`
	switch {
	case n.Listed == nil || n.Listed.Role == "central" || n.Listed.Role == "leader" || n.Listed.Role == "member":
		return nil
	case n.Listed.RootToken:
		return &Finding{
			Level: Warning, Check: check, Found: "it follows with the root token",
			Means: "who gets at this node's settings may do everything everywhere, and a new root token cuts it off",
			Do:    do,
		}
	case n.Listed.TokenExpires == 0:
		return ok(check, "it is not the root token, and never expires")
	}
	left := time.Unix(n.Listed.TokenExpires, 0).Sub(d.Now)
	f := ok(check, "it expires in "+after(left))
	switch {
	case left <= 3*24*time.Hour:
		f.Level = Problem
	case left <= 14*24*time.Hour:
		f.Level = Warning
	default:
		return f
	}
	f.Means, f.Do = "from then on the node follows no more, and serves what it has as stale", do
	return f
}

// standingOf is what the node itself complains of.
func standingOf(_ *Deployment, n *Node) *Finding {
	const check = "standing"
	s := n.Status
	switch {
	case s.FencedBy != 0:
		return &Finding{
			Level: Problem, Check: check, Found: s.Problem,
			Means: "another centre has taken the log over: this one takes no writes",
			Do:    "send clients and edges to the later centre, and stop this one",
		}
	case s.Problem != "":
		return &Finding{
			Level: Problem, Check: check, Found: s.Problem,
			Means: "it takes no writes, does not follow, decides by a time that is not now, or has values that it cannot read; all else that it has it goes on to serve",
			Do:    "see docs/operations.md for this line, and the node's log",
		}
	}
	return ok(check, fmt.Sprintf("%s, version %s, up for %s", s.Role, s.Version, after(time.Duration(s.UptimeSeconds)*time.Second)))
}

// clockOf compares a node's clock with the one of who looks.
func clockOf(d *Deployment, n *Node) *Finding {
	const check = "clock"
	if n.Status.TimeMS == 0 {
		return nil // an older version
	}
	off := n.Offset.Abs() - n.Round/2
	found := fmt.Sprintf("%v off this machine's, give or take %v", n.Offset.Round(time.Millisecond), (n.Round / 2).Round(time.Millisecond))
	f := ok(check, found)
	switch {
	case off > clockProblem:
		f.Level = Problem
		f.Means = "keys expire too early or too late; a member of a cluster this far off takes no writes"
	case off > clockWarning:
		f.Level = Warning
		f.Means = "keys expire at another moment than at other nodes; an edge corrects itself by its upstream"
	default:
		return f
	}
	f.Do = "have the machine's clock kept right: timedatectl set-ntp true"
	if d.agree(n) {
		f.Do = "the nodes agree among themselves, so set this machine's clock, where you run the doctor: timedatectl set-ntp true"
	}
	return f
}

// agree tells whether another node's clock is like n's: then it is the one of who looks
// that is off.
func (d *Deployment) agree(n *Node) bool {
	for i := range d.Nodes {
		o := &d.Nodes[i]
		if o != n && o.Status != nil && o.Status.TimeMS != 0 && (o.Offset-n.Offset).Abs()-(o.Round+n.Round)/2 <= clockWarning {
			return true
		}
	}
	return false
}

func diskOf(_ *Deployment, n *Node) *Finding {
	const check = "disk"
	disk := n.Status.Disk
	switch {
	case n.Status.DiskFull:
		return &Finding{
			Level: Problem, Check: check, Found: room(disk),
			Means: "puts are refused; reads and deletes go on",
			Do:    "make the disk larger, delete what is not needed, or clear namespaces",
		}
	case disk == nil:
		return nil
	case disk.ReserveBytes == 0:
		return &Finding{
			Level: Warning, Check: check, Found: room(disk),
			Means: "nothing is left for the database once the disk is full: then the node stops",
			Do:    "start it without --disk-reserve 0",
		}
	case disk.FreeBytes < 2*disk.ReserveBytes:
		return &Finding{
			Level: Warning, Check: check, Found: room(disk),
			Means: "puts are refused soon: below the reserve",
			Do:    "make the disk larger, or delete what is not needed",
		}
	}
	return ok(check, room(disk))
}

func room(d *client.Disk) string {
	if d == nil {
		return "it is full"
	}
	return fmt.Sprintf("%s free, of which %s are the reserve", mebibytes(d.FreeBytes), mebibytes(d.ReserveBytes))
}

func mebibytes(n int64) string {
	if n >= 10<<30 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// portsOf looks for tokens that travel in the clear, and for an open profiler.
func portsOf(_ *Deployment, n *Node) *Finding {
	const check = "ports"
	var plain []string
	for _, p := range n.Status.Ports {
		switch {
		case p.Name == "pprof" && p.Open:
			return &Finding{
				Level: Problem, Check: check, Found: "the profiler is open to other machines",
				Means: "it asks for no token, and shows what is in memory",
				Do:    "start the node with --pprof-listen on 127.0.0.1, or without it",
			}
		case p.Open && !p.TLS:
			plain = append(plain, p.Name)
		}
	}
	if len(plain) == 0 {
		return ok(check, "none is open to other machines without TLS")
	}
	return &Finding{
		Level: Warning, Check: check, Found: "open to other machines without TLS: " + strings.Join(plain, ", "),
		Means: "tokens travel in the clear, unless something in front speaks TLS and nothing else reaches the port",
		Do:    "start the node with --tls-cert and --tls-key, or listen on 127.0.0.1 behind a proxy",
	}
}

func auditOf(_ *Deployment, n *Node) *Finding {
	const check = "audit log"
	a := n.Status.Audit
	switch {
	case a == nil:
		return ok(check, "none is kept")
	case a.Failing:
		f := &Finding{
			Level: Problem, Check: check, Found: "its file cannot be written to",
			Means: "what is changed is not recorded", Do: "see that its disk has room and its directory is the node's to write in",
		}
		if a.Strict {
			f.Means = "nothing can be changed at this node (--audit-strict)"
		}
		return f
	case a.Dropped > 0:
		return &Finding{
			Level: Warning, Check: check, Found: fmt.Sprintf("%d entries are missing since the start", a.Dropped),
			Means: "there were too many at once, or the file could not be written to",
			Do:    "see that its disk is fast enough; --audit-strict changes nothing that is not recorded",
		}
	}
	return ok(check, "it has all entries")
}
