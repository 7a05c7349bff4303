package feed

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/godwitkv/godwit"
)

// Propose is Log.Propose at the upstream, with a client's own credential. The
// content of blobs that the transactions name is read from open. Errors as
// Log.Propose, and those by which the upstream refuses the credential or the
// transactions; CodeOutcomeUnknown if the connection broke once all was sent.
func (c *Client) Propose(ctx context.Context, secret string, txs []godwit.Transaction, open func(godwit.Blob) (io.ReadCloser, error)) ([]godwit.Result, error) {
	p := newProposal(txs, open)
	req, err := c.passedOn(ctx, http.MethodPost, "/propose", nil, p.body())
	if err != nil {
		return nil, err
	}
	req.ContentLength = p.size
	req.GetBody = func() (io.ReadCloser, error) { return p.body(), nil }
	req.Header.Set("Authorization", "Bearer "+secret)
	req.Header.Set("Content-Type", ContentType)
	resp, err := c.requests.Do(req)
	if err != nil {
		return nil, p.unanswered(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, p.refused(resp)
	}
	return p.outcome(resp.Body)
}

// proposal is what one request proposes.
type proposal struct {
	head  []byte
	blobs []godwit.Blob
	open  func(godwit.Blob) (io.ReadCloser, error)
	size  int64
	count int

	mu   sync.Mutex
	last *proposalBody // that the transport reads
}

func newProposal(txs []godwit.Transaction, open func(godwit.Blob) (io.ReadCloser, error)) *proposal {
	p := &proposal{head: appendProposal(nil, txs), open: open, count: len(txs)}
	p.size = int64(len(p.head))
	for i := range txs {
		for j := range txs[i].Mutations {
			if b := txs[i].Mutations[j].Value.Blob; !b.IsZero() {
				p.blobs = append(p.blobs, b)
				p.size += b.Size
			}
		}
	}
	return p
}

// body starts from the beginning. The transport asks for another one only if it
// has sent nothing of the one before.
func (p *proposal) body() io.ReadCloser {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = &proposalBody{head: bytes.NewReader(p.head), blobs: p.blobs, open: p.open, unread: p.size}
	return p.last
}

// stop lets the transport read no more, and tells whether it has read all there
// is, or why it could not: an upstream that has not got all has proposed nothing.
func (p *proposal) stop() (all bool, err error) {
	p.mu.Lock()
	b := p.last
	p.mu.Unlock()
	_ = b.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unread == 0, b.failed
}

// unanswered is the error of a request that got no answer.
func (p *proposal) unanswered(err error) error {
	all, failed := p.stop()
	var op *net.OpError
	switch {
	case failed != nil:
		return &godwit.Error{Code: godwit.CodeUnavailable, Message: "The value could not be read to be passed on.", Err: failed}
	case !all || errors.As(err, &op) && op.Op == "dial":
		return unreachable(err)
	}
	return unknown(err)
}

// refused is the error that was answered. One by which the upstream does not say
// that it has done nothing leaves that open.
func (p *proposal) refused(resp *http.Response) error {
	says, err := answeredError(resp)
	if all, _ := p.stop(); all && !says {
		return unknown(err)
	}
	return err
}

// outcome reads the answer.
func (p *proposal) outcome(body io.Reader) ([]godwit.Result, error) {
	b, err := io.ReadAll(io.LimitReader(body, maxAnswerBytes))
	if err != nil {
		return nil, unknown(err)
	}
	results, err, bad := decodeOutcome(b, p.count)
	if bad != nil {
		return nil, unknown(bad)
	}
	return results, err
}

// proposalBody reads a proposal, and opens each content once it is its turn. The
// transport may go on reading after it has given up; closed, it gets no more.
type proposalBody struct {
	open func(godwit.Blob) (io.ReadCloser, error)

	mu      sync.Mutex
	head    *bytes.Reader
	blobs   []godwit.Blob // whose content is still to come
	content io.ReadCloser // that is being read; nil: none
	left    int64         // of it
	unread  int64         // of all
	failed  error
	closed  bool
}

var errRequestOver = errors.New("the request is over")

// Read implements io.Reader.
func (b *proposalBody) Read(to []byte) (n int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return 0, errRequestOver
	case b.head.Len() > 0:
		n, _ = b.head.Read(to) // never fails
	case b.unread == 0 && b.content == nil:
		return 0, io.EOF
	default:
		n, b.failed = b.readContent(to)
	}
	b.unread -= int64(n)
	return n, b.failed
}

func (b *proposalBody) readContent(to []byte) (n int, err error) {
	if b.content == nil {
		if b.content, err = b.open(b.blobs[0]); err != nil {
			return 0, err
		}
		b.left, b.blobs = b.blobs[0].Size, b.blobs[1:]
	}
	n, err = b.content.Read(to[:min(int64(len(to)), b.left)])
	if b.left -= int64(n); b.left > 0 {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return n, err
	}
	if err := b.endContent(err); err != nil {
		return 0, err // without its last bytes: the upstream must not have all
	}
	return n, nil
}

// endContent reads the end of a content, which is where it is held against its
// hash. err is that of its last bytes.
func (b *proposalBody) endContent(err error) error {
	if err == nil {
		_, err = io.ReadFull(b.content, make([]byte, 1))
	}
	if !errors.Is(err, io.EOF) {
		return errors.Join(errors.New("the value is not as long as it was"), err)
	}
	err = b.content.Close()
	b.content = nil
	return err
}

// Close implements io.Closer.
func (b *proposalBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.content == nil {
		return nil
	}
	err := b.content.Close()
	b.content = nil
	return err
}
