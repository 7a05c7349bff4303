package dashboard

import (
	"encoding/json"
	"net/http"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/godwitkv/godwit/internal/catalog"
	"github.com/godwitkv/godwit/internal/room"
	"github.com/godwitkv/godwit/internal/transfer"

	"github.com/godwitkv/godwit"
)

// Bounds of exports and imports: of those that run at once, as each holds a part of its
// data in memory, and of those whose progress can be asked for.
const (
	maxRunningJobs = 4
	maxKnownJobs   = 64
)

const progressPath = Prefix + "progress"

// job is an export or an import under way, or one that has ended.
type job struct {
	id       string // that its page has made up
	owner    string // id of the token that it is done with
	progress transfer.Progress
	read     atomic.Int64 // bytes of the input that were read
	line     atomic.Int64 // of the input, up to which all is taken in
	ended    atomic.Bool
	part     *room.Part // of those that run
}

// jobs are those that a page may ask about.
type jobs struct {
	running *room.Room

	mu    sync.Mutex
	known []*job // the oldest first
}

func newJobs() jobs { return jobs{running: room.New(maxRunningJobs)} }

// jobID is what a page calls a job by.
var jobID = regexp.MustCompile(`^[0-9a-f]{24}$`)

// begin notes a job. Who has it ends it. Half of them at most are of one token that is
// limited to namespaces. Error: too many are running.
func (j *jobs) begin(id string, p *catalog.Principal) (*job, error) {
	part := j.running.Enter(p.Limited())
	if !part.TryTake(1) {
		part.Leave()
		return nil, &problem{
			status: http.StatusTooManyRequests, title: "Not now",
			text: "This node is busy with other exports and imports. Try again when they are done.",
		}
	}
	one := &job{owner: p.Token.ID, part: part}
	if jobID.MatchString(id) {
		one.id = id
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.known) == maxKnownJobs {
		j.known = append(j.known[:0], j.known[1:]...)
	}
	j.known = append(j.known, one)
	return one, nil
}

func (j *jobs) end(one *job) {
	one.ended.Store(true)
	one.part.Leave()
}

// find returns a job of who asks, nil if there is none.
func (j *jobs) find(id string, p *catalog.Principal) *job {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := len(j.known) - 1; i >= 0; i-- {
		if one := j.known[i]; one.id == id && id != "" && one.owner == p.Token.ID {
			return one
		}
	}
	return nil
}

// progressAnswer is how far a job has come.
type progressAnswer struct {
	Known   bool  `json:"known"`
	Ended   bool  `json:"ended"`
	Keys    int64 `json:"keys"`
	Bytes   int64 `json:"bytes"`
	Expired int64 `json:"expired"`
	Read    int64 `json:"read"`
	Line    int64 `json:"line"`
}

// progress answers, as JSON, how far a job has come.
func (d *Dashboard) progress(c *call) error {
	if err := catalog.Authorize(c.principal, godwit.PermissionRead, nil); err != nil {
		return err
	}
	var answer progressAnswer
	if one := d.jobs.find(c.query.Get("job"), c.principal); one != nil {
		p := &one.progress
		answer = progressAnswer{
			true, one.ended.Load(), p.Keys.Load(), p.Bytes.Load(), p.Expired.Load(), one.read.Load(), one.line.Load(),
		}
	}
	c.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(c.w).Encode(answer) // the client is gone
	return nil
}
