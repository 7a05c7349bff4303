package jetstream

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/godwitkv/godwit/internal/pause"
	"github.com/godwitkv/godwit/internal/store"
)

const (
	defaultCompareEvery = time.Hour
	// compareTimes bounds what comparing costs: the next comes no sooner than so many
	// times what the last took.
	compareTimes = 10
	// compareAgain is when a message that compares is sent again if it did not come.
	compareAgain = 30 * time.Second
	// compareHorizon is how long after the message an entry must live to count, since
	// members drop what has expired by clocks of their own, and how late a member may
	// come to the message.
	compareHorizon = time.Minute

	// A digest works for so long, and then rests three times that.
	digestWork = 5 * time.Millisecond
	digestRest = 3
)

// comparison is how far this member is with the comparison of stores.
//
// Each member that applies a message of kind compare takes a snapshot of its store
// there and then, hashes it in the background, and tells the digest with its pulse.
// It counts what Apply reads and writes: position, epoch, the log's time, entries,
// requests and proposers that are remembered.
type comparison struct {
	mu      sync.Mutex
	last    uint64    // the message that compared last
	since   time.Time // when it was applied; before the first: when the member started
	sent    time.Time // when this member sent one
	took    time.Duration
	whole   bool // all that are present have told their digest of it
	hashing bool
	at      uint64 // the message of the digest; 0: there is none
	digest  string
	judged  uint64 // the message whose digests have been found to differ, and said so
}

// told is what this member tells of its digest.
func (c *comparison) told() (uint64, string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at, c.digest
}

// begin notes a message that compares, and tells whether its digest is to be made.
func (c *comparison) begin(sequence uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.since, c.sent, c.whole = sequence, time.Now(), time.Time{}, false
	if c.hashing {
		return false
	}
	c.hashing = true
	return true
}

func (c *comparison) done(sequence uint64, digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hashing = false
	if digest != "" {
		c.at, c.digest = sequence, digest
	}
}

// due tells whether it is time to compare again, and notes that it is done.
func (c *comparison) due(every time.Duration) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hashing || now.Sub(c.since) < max(every, compareTimes*c.took) || now.Sub(c.sent) < compareAgain {
		return false
	}
	c.sent = now
	return true
}

// compare takes the store as it is at a message, and makes its digest.
func (m *Member) compare(msg Message) error {
	horizon := msg.Time + compareHorizon.Milliseconds()
	now := max(m.cfg.Now().UnixMilli(), m.Sure().UnixMilli()) // what has expired goes by the latter
	if m.store.Mixed() || now >= horizon || !m.comparison.begin(msg.Sequence) {
		return nil // too late: the store may have dropped what has expired since
	}
	v, err := m.store.View(m.ctx)
	if err != nil {
		m.comparison.done(msg.Sequence, "")
		return err
	}
	m.work.Go(func() error {
		digest, err := m.digest(v, horizon/1000)
		m.comparison.done(msg.Sequence, digest)
		if err != nil && m.ctx.Err() == nil {
			m.fail(fmt.Errorf("make a digest of the store: %w", err))
		}
		return nil
	})
	return nil
}

// digest hashes a state slowly, so that others find the processor free.
func (m *Member) digest(v *store.View, horizon int64) (string, error) {
	began := time.Now()
	sum, err := v.Digest(m.ctx, horizon, func() {
		if time.Since(began) >= digestWork {
			pause.For(m.ctx, digestRest*time.Since(began))
			began = time.Now()
		}
	})
	if err := errors.Join(err, v.Close()); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum[:]), nil
}

// sendCompare lets all members compare their stores, if that is due and falls to
// this one.
func (m *Member) sendCompare(members []peer) {
	if m.cfg.CompareEvery < 0 || len(members) < 2 || !duty(members, m.cfg.Self.Name) || !m.comparison.due(m.cfg.CompareEvery) {
		return
	}
	m.cfg.Stream.Send(appendHead(nil, m.proposer.form(), kindCompare), func(error) {}) // if it is lost, another is sent
}

// votes are the digests that members told of one message.
type votes struct {
	names   map[string][]string // by digest
	pending int                 // members that are present and have yet to tell theirs
	best    string              // the digest of the most
}

func count(members []peer, epoch string, at uint64) (v votes) {
	v.names = make(map[string][]string)
	now := time.Now()
	for i := range members {
		p := &members[i]
		switch {
		case p.pulse.Epoch != epoch:
		case p.pulse.DigestAt == at:
			v.names[p.pulse.Digest] = append(v.names[p.pulse.Digest], p.info.Name)
			if len(v.names[p.pulse.Digest]) > len(v.names[v.best]) {
				v.best = p.pulse.Digest
			}
		case p.present(now) && p.pulse.DigestAt < at:
			v.pending++
		}
	}
	return v
}

// String names each digest and who has it.
func (v *votes) String() string {
	var parts []string
	for digest, names := range v.names {
		parts = append(parts, strings.Join(names, ", ")+": "+digest)
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

// judge compares this member's digest with those of the others. Error: a majority
// of all members has another.
func (m *Member) judge() error {
	at, digest := m.comparison.told()
	if at == 0 {
		return nil
	}
	members := m.roster.members()
	v := count(members, epochOf(m.store), at)
	majority := len(members)/2 + 1
	m.comparison.progress(at, v.pending == 0)
	switch most := len(v.names[v.best]); {
	case most >= majority && v.best != digest:
		return m.diverge(divergence{Sequence: at, Digest: digest, Others: v.best, Names: v.names[v.best]})
	case len(v.names) > 1 && most+v.pending < majority:
		if m.comparison.judge(at) {
			m.log.Error("members hold different data, and no majority agrees", logSequence, at, "digests", v.String())
		}
		m.board.differs(fmt.Sprintf("members hold different data at message %d of the log, and no majority agrees: %s", at, v.String()))
	case len(v.names) > 1:
		if m.comparison.judge(at) {
			m.log.Error("a member holds other data than most", logSequence, at, "digests", v.String())
		}
	case most >= majority:
		m.board.differs("")
	}
	return nil
}

// progress notes whether all that are present have told their digest of the last
// message that compared.
func (c *comparison) progress(at uint64, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at == c.last && whole && !c.whole {
		c.whole, c.took = true, time.Since(c.since)
	}
}

// judge notes that the digests of a message differ, and tells whether that is new.
func (c *comparison) judge(at uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	is := c.judged != at
	c.judged = at
	return is
}

// divergence is what is kept of a store that is not as the others.
type divergence struct {
	Sequence uint64   `json:"sequence"`
	Digest   string   `json:"digest"`
	Others   string   `json:"others"`
	Names    []string `json:"names"`
}

const divergenceNote = "diverged"

func (d *divergence) fatal(name string) error {
	return fatal(fmt.Errorf("this member's data differs from that of most: at message %d of the log its digest is %s, and that of %s is %s. "+
		"Save a copy of its data directory for a report, wipe it, run \"godwit cluster remove %s\" and start it again: it becomes a copy of the others",
		d.Sequence, d.Digest, strings.Join(d.Names, " and "), d.Others, name))
}

// diverge stops the member for good: its store remembers.
func (m *Member) diverge(d divergence) error {
	m.serving.Store(false)
	err := d.fatal(m.cfg.Self.Name)
	m.log.Error("stopping", logError, err.Error())
	text, encodeErr := json.Marshal(d)
	if encodeErr != nil {
		return err
	}
	m.applying.Lock()
	defer m.applying.Unlock()
	tx := m.store.Begin()
	tx.SetNote(divergenceNote, text)
	c, noteErr := tx.Commit(store.NoSync)
	if noteErr == nil {
		noteErr = c.Wait()
	}
	if noteErr == nil {
		noteErr = m.store.Sync()
	}
	if noteErr != nil {
		m.log.Error("remember that the data differs", logError, noteErr.Error())
	}
	return err
}

// diverged refuses a store that was found not to be as the others.
func diverged(s *store.Store, name string) error {
	text, err := s.Note(divergenceNote)
	if err != nil || text == nil {
		return err
	}
	var d divergence
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("read what is remembered of a comparison: %w", err)
	}
	return d.fatal(name)
}
