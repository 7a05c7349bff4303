package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

// MaxCopyKeys is how many keys one Copy may be of.
const MaxCopyKeys = 1000

const (
	// maxCopies is how many pages are copied at once: each holds a list's page in
	// memory, and no more than two large values' buffers.
	maxCopies = 16
	// maxCopiesEach is how many of them with one credential.
	maxCopiesEach = maxCopies / 2
	// maxCopiesLimited is how many of them with all tokens that are limited to namespaces.
	maxCopiesLimited = maxCopies * 3 / 4
	// maxCopyWait is how long one waits for its turn.
	maxCopyWait = 2 * time.Second
)

// copyBudget is how much one Copy does beside that: it goes no further once either
// is spent. What it is about is never more than one value over.
type copyBudget struct {
	bytes int64
	time  time.Duration
}

func defaultCopyBudget() copyBudget { return copyBudget{bytes: 32 << 20, time: 2 * time.Second} }

// Copy copies keys from one namespace into another, or within one: what is under
// Key to ToKey, or, if Key is "", a page of all that begin with Prefix to the same
// names with ToPrefix in its place.
type Copy struct {
	From, To  *godwit.Namespace
	Key       string
	ToKey     string
	Prefix    string
	ToPrefix  string
	IfAbsent  bool   // only keys that the target lacks
	Limit     int    // keys in the page; 0: MaxCopyKeys
	Cursor    string // goes on behind the page that had it; "": from the first
	RequestID string // Godwit-Request-Id as the client sent it, "" where not given
	Read      godwit.ReadOptions
}

// Copied is what became of a Copy.
type Copied struct {
	Keys     int64           // copied
	Bytes    int64           // of their values
	Present  int64           // left as they were: the target had them
	Failed   []CopyFailure   // keys that cannot be what they would be
	Revision godwit.Revision // who has it sees all that was copied
	Cursor   string          // continues; "": there is no more
}

// CopyFailure is a key that was not copied.
type CopyFailure struct {
	Key string // in From
	Err error  // those of ValidateKey, CodeValueTooLarge
}

// Copy copies a page of keys with metadata and expiration; large values are
// streamed. Each key is copied whole, as it stood at one moment in between; keys
// that are gone by then are left out. Carrying the same Copy out again copies
// again, but with a request id only what the source holds otherwise since. Errors:
// ErrKeyNotFound (of Key), CodeInvalidRequest, CodeInvalidLimit, CodeInvalidCursor,
// those of ValidatePrefix, Reader.List, Reader.OpenValue, Uploader.Upload and
// Log.Propose; of Key, a CopyFailure's too. With CodeOutcomeUnknown and
// CodeDiskFull a part may have been copied.
func (s *Service) Copy(ctx context.Context, q Copy) (Copied, error) {
	start := time.Now()
	out, err := s.copy(ctx, &q)
	s.done(opCopy, q.To, start, int(out.Keys), out.Bytes, err)
	return out, err
}

func (s *Service) copy(ctx context.Context, q *Copy) (Copied, error) {
	if err := q.validate(); err != nil {
		return Copied{}, err
	}
	release, err := s.turnToCopy(ctx)
	if err != nil {
		return Copied{}, err
	}
	defer release()
	w := &copying{Copy: q, service: s, out: Copied{Revision: s.Revision()}, until: time.Now().Add(s.copyBudget.time)}
	err = w.run(ctx)
	if err != nil {
		w.discard()
	}
	if err != nil && w.written && godwit.CodeOf(err) == godwit.CodeUnavailable {
		err = &godwit.Error{Code: godwit.CodeOutcomeUnknown, Message: "The copy was interrupted: some of its keys are copied, others are not.", Err: err}
	}
	if err == nil && q.Key != "" && len(w.out.Failed) > 0 {
		err = w.out.Failed[0].Err
	}
	if err != nil {
		return Copied{}, err
	}
	return w.out, nil
}

// turnToCopy waits for it. Error: CodeUnavailable.
func (s *Service) turnToCopy(ctx context.Context) (release func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, maxCopyWait)
	defer cancel()
	if release, err = s.copies.take(ctx); err != nil {
		return nil, godwit.Errorf(godwit.CodeUnavailable, "Service temporarily unavailable: too many copies are under way.")
	}
	return release, nil
}

func (q *Copy) validate() error {
	if err := CheckRequestID(q.RequestID); err != nil {
		return err
	}
	if j := q.From.Jurisdiction; j != "" && j != q.To.Jurisdiction {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The source is of jurisdiction %s, and so must the namespace be that is copied to.", j)
	}
	if q.Key != "" {
		return q.validateKey()
	}
	if q.Limit == 0 {
		q.Limit = MaxCopyKeys
	}
	if q.Limit < 1 || q.Limit > MaxCopyKeys {
		return godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", MaxCopyKeys)
	}
	if err := godwit.ValidatePrefix(q.Prefix); err != nil {
		return err
	}
	if err := godwit.ValidatePrefix(q.ToPrefix); err != nil {
		return err
	}
	if q.From.ID == q.To.ID && (strings.HasPrefix(q.Prefix, q.ToPrefix) || strings.HasPrefix(q.ToPrefix, q.Prefix)) {
		return godwit.Errorf(godwit.CodeInvalidRequest,
			"Within one namespace neither prefix may begin with the other: the copies would be copied.")
	}
	return nil
}

func (q *Copy) validateKey() error {
	switch {
	case q.Cursor != "" || q.Limit != 0:
		return godwit.Errorf(godwit.CodeInvalidRequest, "One key is copied without a cursor and a limit.")
	case q.From.ID == q.To.ID && q.Key == q.ToKey:
		return godwit.Errorf(godwit.CodeInvalidRequest, "The key would be copied to itself.")
	}
	if err := godwit.ValidateKey(q.Key); err != nil {
		return err
	}
	return godwit.ValidateKey(q.ToKey)
}

// copying is a Copy under way.
type copying struct {
	*Copy
	service *Service
	until   time.Time
	out     Copied
	large   int64    // bytes of values that were streamed
	written bool     // something was
	waiting []*asked // taken in, and to be proposed together
	bytes   int      // inline, of waiting
}

// run copies, and sets the cursor where it leaves some for another time.
func (w *copying) run(ctx context.Context) error {
	if w.Key != "" {
		e, _, err := w.service.cfg.Reader.Get(ctx, w.From.ID, []byte(w.Key), w.Read)
		if err == nil {
			err = w.take(ctx, e)
		}
		if err != nil {
			return err
		}
		return w.propose(ctx)
	}
	page, err := w.page(ctx)
	if err != nil {
		return err
	}
	if page.More {
		w.out.Cursor = copyCursor{list: page.Cursor}.encode()
	}
	for i := range page.Entries {
		e := &page.Entries[i]
		if err := w.take(ctx, e); err != nil {
			return err
		}
		if w.spent() && (page.More || i < len(page.Entries)-1) {
			w.out.Cursor = copyCursor{key: e.Key}.encode()
			break
		}
	}
	return w.propose(ctx)
}

func (w *copying) spent() bool {
	return w.large >= w.service.copyBudget.bytes || time.Now().After(w.until)
}

// page lists what is to be copied, with such values as are small. It may be empty,
// and yet be followed by more.
func (w *copying) page(ctx context.Context) (*godwit.Page, error) {
	at, err := decodeCopyCursor(w.Cursor, w.Prefix)
	if err != nil {
		return nil, err
	}
	q := godwit.ListQuery{
		Prefix: w.Prefix, Limit: w.Limit, Cursor: at.list, Scan: &godwit.Scan{Start: at.key, Values: true},
	}
	if at.key != "" {
		q.Limit++ // the key itself, if it is still there
	}
	page, err := w.service.cfg.Reader.List(ctx, w.From.ID, q, w.Read)
	if err != nil {
		return nil, err
	}
	if at.key != "" && len(page.Entries) > 0 && page.Entries[0].Key == at.key {
		page.Entries = page.Entries[1:]
	}
	return page, nil
}

// take takes the value of e in and has it wait to be written.
func (w *copying) take(ctx context.Context, e *godwit.Entry) error {
	key := w.ToKey
	if w.Key == "" {
		key = w.ToPrefix + e.Key[len(w.Prefix):]
	}
	if err := godwit.ValidateKey(key); err != nil {
		w.fail(e.Key, err)
		return nil
	}
	if w.IfAbsent && !e.Value.Blob.IsZero() { // what costs much is not done in vain
		_, _, err := w.service.cfg.Reader.Get(ctx, w.To.ID, []byte(key), w.Read)
		if err == nil {
			w.out.Present++
		}
		if !errors.Is(err, godwit.ErrKeyNotFound) {
			return err
		}
	}
	e, v, err := w.value(ctx, e)
	switch {
	case godwit.CodeOf(err) == godwit.CodeValueTooLarge:
		w.fail(e.Key, err)
		return nil
	case errors.Is(err, godwit.ErrKeyNotFound) && w.Key == "":
		return nil
	case err != nil:
		return err
	}
	return w.add(ctx, &godwit.Mutation{
		Op: godwit.OpPut, Namespace: w.To.ID, Key: key, Value: v, Metadata: e.Metadata, Expiration: e.Expiration,
	})
}

// value takes the value of e in: as it is, or by way of a stream, and then it is
// that of the entry which stands there now and is returned.
func (w *copying) value(ctx context.Context, e *godwit.Entry) (*godwit.Entry, godwit.Value, error) {
	s := w.service
	if e.Value.Blob.IsZero() {
		v, err := s.upload(ctx, w.To, bytes.NewReader(e.Value.Inline), false)
		return e, v, err
	}
	opts := w.Read
	for attempt := 1; ; attempt++ {
		now, _, err := s.cfg.Reader.Get(ctx, w.From.ID, []byte(e.Key), opts)
		if err != nil {
			return e, godwit.Value{}, err
		}
		v, err := w.stream(ctx, now)
		if err == nil || attempt == MaxValueAttempts || godwit.CodeOf(err) != godwit.CodeUnavailable {
			return now, v, err
		}
		opts.Strong = true // what replaced it may not have come here yet
	}
}

// stream copies the value of an entry that Get returned.
func (w *copying) stream(ctx context.Context, e *godwit.Entry) (godwit.Value, error) {
	s := w.service
	if e.Value.Blob.IsZero() { // a smaller one took its place
		return s.upload(ctx, w.To, bytes.NewReader(e.Value.Inline), false)
	}
	r, err := s.cfg.Reader.OpenValue(ctx, w.From.ID, e)
	if err != nil {
		return godwit.Value{}, err
	}
	w.large += e.Value.Size()
	source := &sourceReader{r: r}
	v, err := s.upload(ctx, w.To, source, false)
	_ = r.Close() // it was read to its end, or is not needed
	if source.err != nil {
		err = source.err // it is no client's doing
	}
	return v, err
}

// add has a mutation wait, and writes those that wait if they are enough.
func (w *copying) add(ctx context.Context, m *godwit.Mutation) error {
	a := &asked{requestID: w.RequestID, mutation: m, ttl: "copy"} // no ttl that a put has
	if w.IfAbsent {
		a.conditions = []godwit.Condition{{Kind: godwit.MustBeAbsent, Namespace: m.Namespace, Key: m.Key}}
	}
	w.waiting = append(w.waiting, a)
	w.bytes += len(m.Key) + len(m.Metadata) + len(m.Value.Inline)
	if w.bytes < maxChunkBytes/2 { // the last one may have been of MaxInlineBytes
		return nil
	}
	return w.propose(ctx)
}

// propose writes what waits.
func (w *copying) propose(ctx context.Context) error {
	if len(w.waiting) == 0 {
		return nil
	}
	txs := make([]godwit.Transaction, len(w.waiting))
	for i, a := range w.waiting {
		txs[i] = godwit.Transaction{RequestKey: a.key(), Conditions: a.conditions, Mutations: []godwit.Mutation{*a.mutation}}
	}
	results, err := w.service.cfg.Log.Propose(ctx, txs)
	if err == nil && len(results) != len(txs) {
		err = godwit.ErrOutcomeUnknown
	}
	if err != nil {
		if godwit.CodeOf(err) == godwit.CodeOutcomeUnknown {
			w.waiting = nil // their values may be in use
		}
		return err
	}
	proposed := w.waiting
	w.waiting, w.bytes, w.written = nil, 0, true
	for i, res := range results {
		if failed := w.settle(ctx, proposed[i].mutation, res); err == nil {
			err = failed
		}
	}
	return err
}

// settle counts what became of one mutation.
func (w *copying) settle(ctx context.Context, m *godwit.Mutation, res godwit.Result) error {
	w.out.Revision = max(w.out.Revision, res.Revision)
	if res.Repeated {
		w.service.discardUnnamed(ctx, m)
	}
	switch res.Outcome {
	case godwit.Applied:
		w.out.Keys++
		w.out.Bytes += m.Value.Size()
		return nil
	case godwit.ConditionFailed:
		w.out.Present++
		w.service.Discard(m.Value)
		return nil
	}
	w.service.Discard(m.Value)
	return outcomeError(res.Outcome)
}

// discard drops the values that no write will name.
func (w *copying) discard() {
	for _, a := range w.waiting {
		w.service.Discard(a.mutation.Value)
	}
}

func (w *copying) fail(key string, err error) {
	w.out.Failed = append(w.out.Failed, CopyFailure{Key: key, Err: err})
}

// sourceReader remembers the error of a value that is read here.
type sourceReader struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (r *sourceReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
