package feed_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// pipes is a network in memory with one listener, for a bubble of its own time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
	case <-ctx.Done():
	}
	return nil, errors.New("nobody listens")
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// client returns a client of a server that handles requests by h.
func client(t testing.TB, h http.Handler) *feed.Client {
	t.Helper()
	p := newPipes()
	var serving sync.WaitGroup // the connections: one is counted before Serve can return
	srv := &http.Server{Handler: h, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			serving.Add(1)
		case http.StateClosed, http.StateHijacked:
			serving.Done()
		}
	}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(p)
	}()
	c, err := feed.NewClient(feed.ClientConfig{URL: "http://upstream", Token: "secret", Dial: p.Dial, Agent: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		_ = srv.Close()
		<-done
		serving.Wait()
	})
	return c
}

// answers is a server that answers all requests alike.
func answers(status int, contentType string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// frames encodes frames one after another.
func frames(t testing.TB, list ...feed.Frame) (out []byte) {
	t.Helper()
	for _, f := range list {
		var err error
		if out, err = feed.AppendFrame(out, f); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// conversation is a stream of every kind of frame that following knows.
func conversation() []feed.Frame {
	return []feed.Frame{
		&feed.Hello{
			Cluster: "00112233445566778899aabbccddeeff", Account: "a", Revision: 7, Session: 1, Owner: true, Carries: feed.Filter{Jurisdictions: []string{}},
			Lineage: godwit.Lineage{{ID: godwit.EpochID{1}, First: 1}, {ID: godwit.EpochID{2}, First: 5}},
		},
		&feed.Records{Prev: 7, Revision: 9, Time: 1, Records: []godwit.Record{
			{Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "k", Value: godwit.Value{Inline: []byte("value")}}, Revision: 8, Created: 1, Modified: 1},
			{Mutation: godwit.Mutation{Op: godwit.OpDelete, Namespace: godwit.NamespaceID{1}, Key: "l"}, Revision: 9, Created: 1, Modified: 1},
		}},
		&feed.Ready{Revision: 9, Time: 1},
		&feed.Heartbeat{Revision: 9, Ping: 3, Clock: 1},
		&feed.End{Reason: feed.EndClosing, Message: "bye"},
	}
}

// listen reads a stream to its end.
func listen(t testing.TB, c *feed.Client) ([]feed.Frame, error) {
	t.Helper()
	s, err := c.Follow(t.Context(), feed.FollowRequest{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var got []feed.Frame
	for {
		f, err := s.Next()
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, f)
	}
}
