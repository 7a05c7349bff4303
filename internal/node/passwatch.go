package node

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/feed"
)

const (
	// watchStall is for how long a client may take nothing in of what is passed.
	watchStall = 20 * time.Second
	watchPiece = 8 << 10
)

// passUncarried has a watch or a count of a namespace that is not carried here
// answered by the upstream, and tells whether it is such a one. Errors:
// ErrNoUpstream, CodeInvalidRequest, those of feed.CountHop; nothing is answered then.
func (n *Node) passUncarried(w http.ResponseWriter, r *http.Request, ns godwit.NamespaceID) (passed bool, err error) {
	if n.carriesNamespace(ns) {
		return false, nil
	}
	base, err := n.upstreamURL()
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancel(r.Context())
	var stopping sync.WaitGroup
	defer stopping.Wait()
	defer cancel()
	stopping.Go(func() {
		select {
		case <-n.hub.Done():
			cancel()
		case <-ctx.Done():
		}
	})
	q, err := http.NewRequestWithContext(ctx, r.Method, base+targetOf(r), nil)
	if err != nil {
		return false, godwit.Errorf(godwit.CodeInvalidRequest, "The path is malformed.")
	}
	copyHeader(q.Header, r.Header)
	if err := feed.CountHop(q.Header); err != nil {
		return false, err
	}
	late := time.AfterFunc(passOnTimeout, cancel)
	res, err := n.passing.RoundTrip(q)
	if err != nil {
		return false, &godwit.Error{
			Code: godwit.ErrNoUpstream.Code, Message: godwit.ErrNoUpstream.Message, Err: fmt.Errorf("pass a request on: %w", err),
		}
	}
	late.Stop()
	defer func() { _ = res.Body.Close() }()
	copyHeader(w.Header(), res.Header)
	w.WriteHeader(res.StatusCode)
	passEvents(w, res.Body)
	return true, nil
}

// targetOf is what a request line asks for: path and query as they came.
func targetOf(r *http.Request) string {
	path, query := api.SplitTarget(r.RequestURI)
	if query == "" {
		return path
	}
	return path + "?" + query
}

// passEvents hands on what comes as it comes, until either side is gone or the
// client is too slow.
func passEvents(w http.ResponseWriter, events io.Reader) {
	rc := http.NewResponseController(w)
	piece := make([]byte, watchPiece)
	for rc.Flush() == nil {
		n, err := events.Read(piece)
		_ = rc.SetWriteDeadline(time.Now().Add(watchStall))
		if _, werr := w.Write(piece[:n]); werr != nil || err != nil {
			return
		}
	}
}
