package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/godwitkv/godwit/client"
)

// pageKeys is how many keys a page of a server has, at the most.
const pageKeys = 10_000

// pagesAhead is how many pages are fetched before they are asked for.
const pagesAhead = 2

// Server is the source of a namespace on a server, in order of its keys' bytes.
type Server struct {
	KV     *client.KV
	Prefix string
	From   Mark // go on behind its key
	Strong bool // see every write acknowledged before the start
}

var _ Source = (*Server)(nil)

// Batches implements [Source]. The next pages are fetched while one is dealt with.
func (s *Server) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		pages := make(chan *client.ScannedPage, pagesAhead)
		group, ctx := errgroup.WithContext(ctx)
		group.Go(func() error {
			defer close(pages)
			return s.fetch(ctx, pages)
		})
		going := true
		for page := range pages {
			if going = s.give(page, yield); !going {
				break
			}
		}
		cancel()
		if err := group.Wait(); err != nil && going {
			yield(Batch{}, err)
		}
	}
}

// fetch fetches all pages.
func (s *Server) fetch(ctx context.Context, pages chan<- *client.ScannedPage) error {
	o := client.ScanOptions{Prefix: s.Prefix, Start: s.From.Key, Values: true, Limit: pageKeys}
	var opts []client.ReadOption
	if s.Strong {
		opts = append(opts, client.Strong())
	}
	for {
		page, err := s.KV.ScanPage(ctx, o, opts...)
		if err != nil {
			return err
		}
		select {
		case pages <- page:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if page.Cursor == "" {
			return nil
		}
		o.Cursor = page.Cursor
	}
}

// give hands a page on, in batches.
func (s *Server) give(page *client.ScannedPage, yield func(Batch, error) bool) bool {
	keys := page.Keys
	if len(keys) > 0 && s.From.Key != "" && keys[0].Name == s.From.Key {
		keys = keys[1:]
	}
	for len(keys) > 0 {
		n := min(batchItems, len(keys))
		b := Batch{Items: make([]Item, n), Mark: Mark{Key: keys[n-1].Name}}
		for i := range b.Items {
			b.Items[i] = s.item(&keys[i])
		}
		if !yield(b, nil) {
			return false
		}
		keys = keys[n:]
	}
	return true
}

func (s *Server) item(k *client.Scanned) Item {
	it := Item{Key: k.Name, Value: k.Value, Metadata: k.Metadata, Expiration: unix(k.Expiration)}
	if k.ValueOmitted {
		d := k.Details
		it.Size = d.Size
		it.Open = func(ctx context.Context) (*Large, error) { return s.open(ctx, &d) }
	}
	return it
}

// open opens a value that was too large for its page; nil if it is gone by now. What
// it tells is all of one write.
func (s *Server) open(ctx context.Context, d *client.Details) (*Large, error) {
	atLeast := client.MinRevision(d.Revision) // of the page: another node may be asked, that is behind
	v, err := s.KV.Get(ctx, d.Name, atLeast)
	if err == nil && v.Revision != d.Revision {
		_ = v.Close()
		v, err = s.KV.GetWithMetadata(ctx, d.Name, atLeast)
	} else if err == nil {
		v.Metadata = d.Metadata
	}
	switch {
	case errors.Is(err, client.ErrKeyNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get key %q: %w", d.Name, err)
	}
	return &Large{ReadCloser: v, Size: v.Size, Metadata: v.Metadata, Expiration: unix(v.Expiration)}, nil
}

func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// soon is how near the end of an item may be for a server to refuse it: Workers KV
// wants a minute, and some servers less.
const soon = 60

// bulkLimit is up to how large a value goes to a server together with others.
const bulkLimit = 1 << 20

// ServerTarget is a namespace on a server, to write to.
type ServerTarget struct {
	KV       *client.KV
	Progress *Progress // of the Run
	Now      func() int64
}

var _ Target = (*ServerTarget)(nil)

// Write implements [Target].
func (t *ServerTarget) Write(ctx context.Context, items []Item) error {
	for len(items) > 0 {
		n := 0
		for n < len(items) && items[n].Open == nil && len(items[n].Value) <= bulkLimit {
			n++
		}
		var err error
		if n == 0 {
			n, err = 1, t.single(ctx, &items[0])
		} else {
			err = t.bulk(ctx, items[:n])
		}
		if err != nil {
			return err
		}
		items = items[n:]
	}
	return nil
}

// bulk writes items by one request. Where the server refuses it, halves are sent until
// the item is found for which it does: the request's error does not say more.
func (t *ServerTarget) bulk(ctx context.Context, items []Item) error {
	pairs := make([]client.Pair, len(items))
	for i := range items {
		pairs[i] = pair(&items[i])
	}
	_, err := t.KV.BulkPut(ctx, pairs)
	switch {
	case err == nil:
		return nil
	case !refused(err):
		return err
	case len(items) > 1:
		half := len(items) / 2
		if err := t.bulk(ctx, items[:half]); err != nil {
			return err
		}
		return t.bulk(ctx, items[half:])
	}
	return t.tooLate(&items[0], err)
}

func pair(it *Item) client.Pair {
	p := client.Pair{Key: it.Key, Value: it.Value, Metadata: it.Metadata, ExpirationTTL: time.Duration(it.TTL) * time.Second}
	if it.Expiration != 0 {
		p.Expiration = time.Unix(it.Expiration, 0)
	}
	return p
}

// tooLate takes the refusal of an item that is about to end for what it is: the item
// has as good as expired. Any other is an error.
func (t *ServerTarget) tooLate(it *Item, err error) error {
	if it.TTL == 0 && it.Expiration != 0 && it.Expiration <= t.Now()+soon && errors.Is(err, client.ErrInvalid) {
		t.Progress.Expired.Add(1)
		t.Progress.Keys.Add(-1) // Run counts it when all are written
		t.Progress.Bytes.Add(-int64(len(it.Key) + len(it.Value) + len(it.Metadata)))
		return nil
	}
	var e *client.Error
	if errors.As(err, &e) {
		err = e // without the numbers of the request's items
	}
	return it.fault(err)
}

// attempts is how often a value is sent that can be opened again.
const attempts = 3

// single writes one item, as a stream.
func (t *ServerTarget) single(ctx context.Context, it *Item) error {
	for attempt := 1; ; attempt++ {
		again, err := t.put(ctx, it)
		switch {
		case err == nil:
			return nil
		case !again && refused(err):
			return t.tooLate(it, err)
		case !again, attempt == attempts, ctx.Err() != nil:
			return it.fault(err)
		}
	}
}

// put writes one item. With an error, again tells that to open the value and to send it
// once more may help.
func (t *ServerTarget) put(ctx context.Context, it *Item) (again bool, err error) {
	p := pair(it)
	o := client.PutOptions{Metadata: p.Metadata, Expiration: p.Expiration, ExpirationTTL: p.ExpirationTTL}
	if it.Open == nil {
		_, err := t.KV.Put(ctx, it.Key, bytes.NewReader(it.Value), o)
		return false, err
	}
	v, err := it.Open(ctx)
	if err == nil && v == nil {
		t.Progress.Keys.Add(-1) // Run counts it all the same
	}
	if err != nil || v == nil {
		return mayPass(err), err
	}
	defer func() { _ = v.Close() }()
	counted := &counter{r: v}
	o.Metadata, o.Expiration = v.Metadata, time.Time{}
	if v.Expiration != 0 {
		o.Expiration = time.Unix(v.Expiration, 0)
	}
	_, err = t.KV.Put(ctx, it.Key, counted, o)
	if err == nil {
		t.Progress.Bytes.Add(counted.n)
	}
	if ctx.Err() != nil { // the value may still be read
		return false, err
	}
	return counted.broke || mayPass(err), err
}

func mayPass(err error) bool { return isAny(err, client.ErrUnavailable, client.ErrOutcomeUnknown) }

// counter counts what is read.
type counter struct {
	r     io.Reader
	n     int64
	broke bool // before its end
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.broke = c.broke || err != nil && err != io.EOF
	return n, err
}
