package api

import (
	"context"
	"time"

	"github.com/godwitkv/godwit"
)

const (
	// restoreTime is after how long a page of a restore ends, so that its answer comes
	// while the client still waits.
	restoreTime = 2 * time.Second
	// restoreTogether is how many keys are proposed at once.
	restoreTogether = 100
	// restoreBytes bounds the values that are proposed at once.
	restoreBytes = 1 << 20
)

// errNoHistory tells that this node has none to read.
func errNoHistory() error {
	return godwit.Errorf(godwit.CodeUnavailable, "This node keeps no history.")
}

// history is the history of keys as of all writes that were acknowledged before.
// Errors: CodeUnavailable, those of ValidateKey.
func (s *Service) history(ctx context.Context, ns *godwit.Namespace, key string) (godwit.History, *godwit.Entry, error) {
	if s.cfg.History == nil {
		return nil, nil, errNoHistory()
	}
	if err := godwit.ValidateKey(key); err != nil {
		return nil, nil, err
	}
	e, _, err := s.cfg.Reader.Get(ctx, ns.ID, []byte(key), godwit.ReadOptions{Strong: true})
	if godwit.CodeOf(err) == godwit.CodeKeyNotFound {
		err = nil
	}
	return s.cfg.History, e, err
}

// Versions returns versions of a key from before a revision (0: the newest), without
// their values. Errors: those of ValidateKey, CodeHistoryGone if none are kept,
// CodeUnavailable.
func (s *Service) Versions(ctx context.Context, ns *godwit.Namespace, key string, before godwit.Revision, limit int) (*godwit.VersionPage, error) {
	h, _, err := s.history(ctx, ns, key)
	if err != nil {
		return nil, err
	}
	return h.Versions(ctx, ns.ID, key, before, limit)
}

// Version returns the version of a key that a revision made. Errors: as VersionAt.
func (s *Service) Version(ctx context.Context, ns *godwit.Namespace, key string, r godwit.Revision) (*godwit.Version, error) {
	h, _, err := s.history(ctx, ns, key)
	if err != nil {
		return nil, err
	}
	return h.Version(ctx, ns.ID, key, r)
}

// VersionAt returns what a key held at a moment. Errors: those of ValidateKey,
// ErrKeyNotFound, CodeHistoryGone, CodeInvalidRequest, CodeUnavailable.
func (s *Service) VersionAt(ctx context.Context, ns *godwit.Namespace, key string, at godwit.Moment) (*godwit.Version, error) {
	h, _, err := s.history(ctx, ns, key)
	if err != nil {
		return nil, err
	}
	return h.VersionAt(ctx, ns.ID, key, at)
}

// Undeleted is what Undelete put back.
type Undeleted struct {
	Version  *godwit.Version
	Revision godwit.Revision // of the write
	Expires  int64           // unix seconds; 0: never
}

// Undelete puts back what an absent key held last, without its expiration if that has
// passed. Errors: as VersionAt and Put; ErrPrecondition: the key is not absent.
func (s *Service) Undelete(ctx context.Context, ns *godwit.Namespace, key, requestID string) (u Undeleted, err error) {
	if err := CheckRequestID(requestID); err != nil {
		return u, err
	}
	h, e, err := s.history(ctx, ns, key)
	if err != nil {
		return u, err
	}
	request := changeRequestKey(requestID, "undelete", ns.ID, key)
	if e != nil {
		return s.undeletedBefore(ctx, ns, e, request)
	}
	if u.Version, err = h.LastVersion(ctx, ns.ID, key); err != nil {
		return u, err
	}
	if !u.Version.Expired(s.cfg.Now().Unix()) {
		u.Expires = u.Version.Expiration
	}
	m, err := s.restored(ctx, ns, u.Version, u.Expires)
	if err != nil {
		return u, err
	}
	t := conditional(m, 0)
	t.RequestKey = request
	results, err := s.cfg.Log.Propose(ctx, []godwit.Transaction{t})
	s.discardUnwritten(ctx, []godwit.Transaction{t}, results, err)
	if err != nil {
		return u, err
	}
	if len(results) != 1 {
		return u, godwit.ErrOutcomeUnknown
	}
	u.Revision = results[0].Revision
	return u, outcomeError(results[0].Outcome)
}

// undeletedBefore tells whether an equal request has put a key back that stands.
func (s *Service) undeletedBefore(ctx context.Context, ns *godwit.Namespace, e *godwit.Entry, request godwit.RequestKey) (u Undeleted, err error) {
	if request == (godwit.RequestKey{}) {
		return u, godwit.ErrPrecondition
	}
	c := godwit.Condition{Kind: godwit.MustExist, Namespace: ns.ID, Key: e.Key}
	never := c
	never.Kind = godwit.MustBeAbsent
	results, err := s.cfg.Log.Propose(ctx, []godwit.Transaction{{RequestKey: request, Conditions: []godwit.Condition{c, never}}})
	if err == nil && (len(results) != 1 || !results[0].Repeated) {
		err = godwit.ErrPrecondition
	}
	if err != nil {
		return u, err
	}
	return Undeleted{&godwit.Version{Entry: *e}, results[0].Revision, e.Expiration}, nil
}

// restored is the mutation that puts a version back. A large value becomes one of its
// own: the version's goes with the version.
func (s *Service) restored(ctx context.Context, ns *godwit.Namespace, v *godwit.Version, expiration int64) (godwit.Mutation, error) {
	m := godwit.Mutation{
		Op: godwit.OpPut, Namespace: ns.ID, Key: v.Key, Value: v.Value, Metadata: v.Metadata, Expiration: expiration,
	}
	r, err := s.cfg.Reader.OpenValue(ctx, ns.ID, &v.Entry)
	if err != nil {
		return m, err
	}
	defer func() { _ = r.Close() }()
	m.Value, err = s.cfg.Uploader.Upload(ctx, r, max(godwit.MaxValueBytes, v.Value.Size()))
	return m, err
}

// conditional is a mutation of a key that must stand as it was seen.
func conditional(m godwit.Mutation, seen godwit.Revision) godwit.Transaction {
	c := godwit.Condition{Kind: godwit.MustBeAbsent, Namespace: m.Namespace, Key: m.Key}
	if seen != 0 {
		c.Kind, c.Revisions = godwit.MustMatch, []godwit.Revision{seen}
	}
	return godwit.Transaction{Conditions: []godwit.Condition{c}, Mutations: []godwit.Mutation{m}}
}

// discardUnwritten drops the values that no write names.
func (s *Service) discardUnwritten(ctx context.Context, txs []godwit.Transaction, results []godwit.Result, err error) {
	for i := range txs {
		m := &txs[i].Mutations[0]
		switch {
		case i >= len(results):
			if err != nil && godwit.CodeOf(err) != godwit.CodeOutcomeUnknown {
				s.Discard(m.Value)
			}
		case results[i].Repeated:
			s.discardUnnamed(ctx, m)
		case results[i].Outcome != godwit.Applied:
			s.Discard(m.Value)
		}
	}
}

// Restore is a request to put a part of a namespace back to how it was.
type Restore struct {
	godwit.ChangesQuery
	DryRun bool // say what would be done, and do nothing
}

// RestoreOutcome is what became of a key.
type RestoreOutcome string

// The outcomes.
const (
	RestorePut      RestoreOutcome = "put"      // it holds again what it held
	RestoreDeleted  RestoreOutcome = "deleted"  // it was absent then
	RestoreConflict RestoreOutcome = "conflict" // it was written meanwhile, and left alone
	RestoreLost     RestoreOutcome = "lost"     // what it held is not kept: it was left alone
)

// RestoredKey is one that did not stand as it did.
type RestoredKey struct {
	Outcome  RestoreOutcome
	Key      string
	Was      godwit.Revision // before; 0: it was absent
	From     godwit.Revision // of the version that was put back
	Size     int64           // of that
	Revision godwit.Revision // of the write
}

// Restored is a page of what was done.
type Restored struct {
	Keys   []RestoredKey
	More   bool
	Cursor string
}

// Restore does one page of a restore: each key by a write of its own, on the condition
// that it stands as it was seen. With an error, some of the page's keys may be done: the
// same page may be asked for again. Errors: CodeHistoryGone, CodeInvalidRequest,
// CodeInvalidCursor, CodeKeyTooLong, those of Log.Propose and Uploader.Upload.
func (s *Service) Restore(ctx context.Context, ns *godwit.Namespace, q Restore) (*Restored, error) {
	if err := godwit.ValidatePrefix(q.Prefix); err != nil {
		return nil, err
	}
	h, _, err := s.history(ctx, ns, "all") // whatever it is
	if err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = restoreTogether
	}
	if q.Limit < 1 || q.Limit > godwit.MaxRestoreKeys {
		return nil, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", godwit.MaxRestoreKeys)
	}
	if q.DryRun {
		return s.restorePart(ctx, ns, h, q)
	}
	return s.restorePage(ctx, ns, h, q)
}

// restorePage goes on until the page is full, or time is up.
func (s *Service) restorePage(ctx context.Context, ns *godwit.Namespace, h godwit.History, q Restore) (*Restored, error) {
	page := &Restored{More: true, Cursor: q.Cursor}
	limit, until := q.Limit, time.Now().Add(restoreTime)
	for page.More && len(page.Keys) < limit {
		q.Cursor, q.Limit = page.Cursor, min(limit-len(page.Keys), restoreTogether)
		part, err := s.restorePart(ctx, ns, h, q)
		if err != nil {
			return nil, err
		}
		page.Keys = append(page.Keys, part.Keys...)
		page.More, page.Cursor = part.More, part.Cursor
		if time.Now().After(until) {
			break
		}
	}
	return page, nil
}

// restorePart restores the keys of one page of changes.
func (s *Service) restorePart(ctx context.Context, ns *godwit.Namespace, h godwit.History, q Restore) (*Restored, error) {
	changes, err := h.Changes(ctx, ns.ID, q.ChangesQuery)
	if err != nil {
		return nil, err
	}
	part := &Restored{Keys: make([]RestoredKey, len(changes.Changes)), More: changes.More, Cursor: changes.Cursor}
	for i := range changes.Changes {
		part.Keys[i] = restoredKey(&changes.Changes[i])
	}
	if q.DryRun {
		return part, nil
	}
	w := restoring{s: s, ns: ns}
	for i := range changes.Changes {
		if err := w.add(ctx, &changes.Changes[i], &part.Keys[i]); err != nil {
			w.drop()
			return nil, err
		}
	}
	return part, w.flush(ctx)
}

func restoredKey(c *godwit.Change) RestoredKey {
	k := RestoredKey{Outcome: RestoreDeleted, Key: c.Key, Was: c.Current}
	switch {
	case c.Lost:
		k.Outcome = RestoreLost
	case c.Version != nil:
		k.Outcome, k.From, k.Size = RestorePut, c.Version.Revision, c.Version.Value.Size()
	}
	return k
}

// restoring gathers writes.
type restoring struct {
	s     *Service
	ns    *godwit.Namespace
	txs   []godwit.Transaction
	keys  []*RestoredKey
	bytes int64
}

func (w *restoring) add(ctx context.Context, c *godwit.Change, k *RestoredKey) error {
	m := godwit.Mutation{Op: godwit.OpDelete, Namespace: w.ns.ID, Key: c.Key}
	switch {
	case c.Lost:
		return nil
	case c.Version != nil:
		var err error
		if m, err = w.s.restored(ctx, w.ns, c.Version, c.Version.Expiration); err != nil {
			return err
		}
	}
	w.txs, w.keys = append(w.txs, conditional(m, c.Current)), append(w.keys, k)
	if w.bytes += int64(len(m.Value.Inline) + len(m.Metadata)); w.bytes < restoreBytes && len(w.txs) < restoreTogether {
		return nil
	}
	return w.flush(ctx)
}

// drop forgets what was gathered.
func (w *restoring) drop() {
	for i := range w.txs {
		w.s.Discard(w.txs[i].Mutations[0].Value)
	}
	w.txs, w.keys = nil, nil
}

// flush proposes what was gathered.
func (w *restoring) flush(ctx context.Context) error {
	if len(w.txs) == 0 {
		return nil
	}
	txs, keys := w.txs, w.keys
	w.txs, w.keys, w.bytes = nil, nil, 0
	results, err := w.s.cfg.Log.Propose(ctx, txs)
	w.s.discardUnwritten(ctx, txs, results, err)
	if err != nil {
		return err
	}
	if len(results) != len(txs) {
		return godwit.ErrOutcomeUnknown
	}
	for i, r := range results {
		switch r.Outcome {
		case godwit.Applied:
			keys[i].Revision = r.Revision
		case godwit.ConditionFailed:
			keys[i].Outcome = RestoreConflict
		default:
			return outcomeError(r.Outcome)
		}
	}
	return nil
}
