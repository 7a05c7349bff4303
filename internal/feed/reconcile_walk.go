package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// walk is one walk of an upstream. One goroutine reads pages and compares them
// with what is here, another one brings in what that came to, chunk by chunk in
// order.
type walk struct {
	*Reconcile
	stream *Stream
	hello  *Hello

	common godwit.Revision // below it, what has the same revision has the same content
	others godwit.Revision // from it on, what has the same revision may be something else

	note         *resumption         // as of the next commit
	room         *semaphore.Weighted // for entries that wait to be brought in, in bytes
	fetchedBytes atomic.Int64        // beside the stream
	told         time.Time           // when the log was last told how far it is
}

// received is how many bytes have come so far.
func (w *walk) received() int64 { return w.stream.Received() + w.fetchedBytes.Load() }

// attributes describe the walk in the log.
func (w *walk) attributes() []any {
	return []any{
		"upstream", w.Client.URL(), "first_copy", w.note.Blank, "all", w.note.All,
		"lowest", uint64(w.note.Lowest.Revision), "highest", uint64(w.note.Highest.Revision), "bytes", w.received(),
	}
}

// greet reads the first frame and checks that the upstream is of this cluster.
func (w *walk) greet() error {
	f, err := w.stream.Next()
	if err != nil {
		return err
	}
	switch f := f.(type) {
	case *Hello:
		return w.take(f)
	case *End:
		return f
	}
	return broken(fmt.Errorf("%w: a walk begins with a %T", wire.ErrMalformed, f))
}

func (w *walk) take(h *Hello) error {
	clusters := []string{w.note.Cluster}
	if w.Store.Revision() > 0 {
		clusters = append(clusters, w.Store.Stats().ClusterID)
	}
	for _, id := range clusters {
		if id != "" && id != h.Cluster {
			return &End{EndRefused, fmt.Sprintf("it is of cluster %s, this node holds data of cluster %s", h.Cluster, id)}
		}
	}
	if len(h.Lineage) == 0 { // whoever has entries has an epoch
		return broken(fmt.Errorf("%w: a walk of no epoch", wire.ErrMalformed))
	}
	if g, own := h.Lineage.Generation(), w.Store.Generation(); g < own {
		return &End{EndRefused, fmt.Sprintf("it is of generation %d of the log, this node has followed generation %d", g, own)}
	}
	w.hello = h
	if w.Greeted != nil {
		w.Greeted(h)
	}
	w.common, w.others = compareLineages(w.note.lineage(), h.Lineage)
	return nil
}

// plan fits the note to the upstream. It returns nil if the walk can go on as it
// was opened, else what another one is to be opened by. It cannot where what it has
// brought in is of another log by now: forgetLost removes it, before the noted place too.
func (w *walk) plan() *resumption {
	n, h := w.note, w.hello
	if n.Cluster != "" && n.continues(h) && w.others > n.Highest.Revision && (w.common > 0 || n.takesAll()) {
		return nil
	}
	fresh := &resumption{
		Cluster: h.Cluster, Lineage: n.Lineage, Namespaces: h.Carries.Namespaces, Jurisdictions: h.Carries.Jurisdictions,
		Blank: n.Blank && n.After == nil,
	}
	fresh.All = n.All || !fresh.Blank && w.common == 0
	if n.Cluster != "" || fresh.takesAll() != n.takesAll() {
		return fresh
	}
	w.note = fresh
	return nil
}

// compareLineages returns the revision below which two logs have given each
// revision to the same mutation, if at all, and the one from which on they may
// have given it to different ones. Between the two, one of them gave none.
func compareLineages(a, b godwit.Lineage) (common, others godwit.Revision) {
	for i := len(a) - 1; i >= 0; i-- {
		if j := slices.Index(b, a[i]); j >= 0 {
			return min(a.End(i), b.End(j)) + 1, min(nextFirst(a, i), nextFirst(b, j))
		}
	}
	if len(b) > 0 {
		others = b[0].First
	}
	return 0, others
}

// nextFirst is the first revision of the epoch behind that at index i.
func nextFirst(l godwit.Lineage, i int) godwit.Revision {
	if i+1 < len(l) {
		return l[i+1].First
	}
	return godwit.MaxRevision + 1
}

func compareNamespaces(a, b godwit.NamespaceID) int { return bytes.Compare(a[:], b[:]) }

// read turns pages into chunks until the last one.
func (w *walk) read(ctx context.Context, group *errgroup.Group, out chan<- *chunk) error {
	cut := &cutter{walk: w, group: group, out: out, after: w.note.place()}
	var headway Headway
	for {
		asked := time.Now()
		f, err := w.stream.Next()
		if err != nil {
			return err
		}
		p, ok := f.(*Page)
		if err := headway.Heard(time.Since(asked), ok && len(p.Records) > 0); err != nil {
			return err
		}
		switch f := f.(type) {
		case *Page:
			if err := cut.page(ctx, f); err != nil || f.Done {
				return err
			}
		case *Hello:
			if !slices.Equal(f.Lineage, w.hello.Lineage) {
				return broken(errors.New("the upstream's log has begun an epoch"))
			}
		case *End:
			return f
		case *Heartbeat:
		default:
			return broken(fmt.Errorf("%w: a %T in a walk", wire.ErrMalformed, f))
		}
	}
}
