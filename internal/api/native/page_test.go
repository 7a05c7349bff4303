package native_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/native"
)

// slowReader is a client that takes nothing in before it may.
type slowReader struct {
	*httptest.ResponseRecorder
	begun func() // when it is first sent something
	may   <-chan struct{}

	largest int // bytes sent at once
}

func (s *slowReader) Write(b []byte) (int, error) {
	if s.largest == 0 {
		s.begun()
		<-s.may
	}
	s.largest = max(s.largest, len(b))
	return s.ResponseRecorder.Write(b)
}

// fillPage has a namespace hold values whose page as JSON takes most memory.
func (w *world) fillPage() (uri string) {
	w.t.Helper()
	value := strings.Repeat("\x01", godwit.MaxScanValueBytes)
	for i := range godwit.MaxScanBytes / godwit.MaxScanValueBytes {
		w.put(fmt.Sprintf("key%03d", i), value)
	}
	return "/godwit/v1/namespaces/one/keys?values=1"
}

// read has a client with a token read a page.
func (w *world) read(ctx context.Context, uri, token string, s *slowReader) {
	r := httptest.NewRequestWithContext(ctx, "GET", "http://node.example"+uri, nil)
	r.RequestURI = uri
	r.Header.Set("Authorization", "Bearer "+token)
	s.ResponseRecorder = httptest.NewRecorder()
	w.handler.ServeHTTP(s, r)
}

// TestPagesInPieces: a page of keys is not held as JSON.
func TestPagesInPieces(t *testing.T) {
	w := newWorld(t)
	w.handler = native.New(w.config)
	uri := w.fillPage()
	s := &slowReader{begun: func() {}, may: closed()}
	w.read(t.Context(), uri, rootToken, s)
	if most := 7 * godwit.MaxScanValueBytes; s.Code != 200 || s.Body.Len() < 5*godwit.MaxScanBytes || s.largest > most {
		t.Errorf("status %d: %d bytes, %d of them at once, want %d at most", s.Code, s.Body.Len(), s.largest, most)
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// TestPagesAreBounded: who reads as many pages slowly as a token may that is limited to
// namespaces gets no more of them, and keeps nobody else from any.
func TestPagesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.handler = native.New(w.config)
	uri := w.fillPage()
	limited := w.token(godwit.PermissionRead, w.one.ID)
	may := make(chan struct{})
	var begun, done sync.WaitGroup
	for range native.MaxPages / 2 {
		begun.Add(1)
		done.Go(func() { w.read(t.Context(), uri, limited, &slowReader{begun: begun.Done, may: may}) })
	}
	begun.Wait()
	gone, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	over := &slowReader{begun: func() {}, may: closed()}
	w.read(gone, uri, limited, over)
	if !strings.Contains(over.Body.String(), "too many large pages of keys") {
		t.Errorf("one too many: %d, %.80s", over.Code, over.Body)
	}
	another := &slowReader{begun: func() {}, may: closed()}
	w.read(t.Context(), uri, rootToken, another)
	if another.Code != 200 {
		t.Errorf("another's page: %d, %.80s", another.Code, another.Body)
	}
	close(may)
	done.Wait()
	again := &slowReader{begun: func() {}, may: closed()}
	w.read(t.Context(), uri, limited, again)
	if again.Code != 200 {
		t.Errorf("after them: %d, %.80s", again.Code, again.Body)
	}
}
