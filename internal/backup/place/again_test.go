package place_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/place/placetest"
)

// faulty stands in front of an S3 server, and spoils some of what it answers.
type faulty struct {
	to string
	// spoil says what to do with the next answers: "" nothing, "cut" or "stall" in the
	// middle of the body, "busy" instead of it.
	mu    sync.Mutex
	spoil []string
	left  atomic.Int64
}

func (f *faulty) will(spoil ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.spoil = spoil
	f.left.Store(int64(len(spoil)))
}

func (f *faulty) next() (spoil string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.spoil) > 0 {
		spoil, f.spoil = f.spoil[0], f.spoil[1:]
		f.left.Store(int64(len(f.spoil)))
	}
	return spoil
}

func (f *faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	spoil := f.next()
	if spoil == "busy" {
		http.Error(w, "slow down", http.StatusServiceUnavailable)
		return
	}
	r.URL.Scheme, r.URL.Host, r.RequestURI = "http", f.to, ""
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(resp.StatusCode)
	if spoil == "" {
		_, _ = w.Write(body)
		return
	}
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	if spoil == "stall" {
		<-r.Context().Done() // the client gives up
	}
	panic(http.ErrAbortHandler)
}

// TestS3AnswersAreCut: an answer that ends, or stands still, in the middle is asked for
// again, and so is one that does not come for longer than the library waits.
func TestS3AnswersAreCut(t *testing.T) {
	t.Parallel()
	s := placetest.StartS3(t)
	f := &faulty{to: strings.TrimPrefix(s.Endpoint, "http://")}
	proxy := httptest.NewServer(f)
	defer proxy.Close()
	p, err := place.Open(s.Address("x"), place.Config{S3Endpoint: proxy.URL, S3Region: "us-east-1", S3AccessKey: s.Key, S3SecretKey: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	place.Hurry(p, 2*time.Second)
	want := bytes.Repeat([]byte("some content "), 100_000)
	if err := p.Put(t.Context(), "a", want); err != nil {
		t.Fatal(err)
	}
	busy := make([]string, 15)
	for i := range busy {
		busy[i] = "busy"
	}
	for what, spoil := range map[string][]string{"cut": {"cut", "cut"}, "stalled": {"stall"}, "busy": busy} {
		f.will(spoil...)
		if got, err := p.Get(t.Context(), "a", int64(len(want))); err != nil || !bytes.Equal(got, want) || f.left.Load() > 0 {
			t.Errorf("%s: got %d bytes, %v; %d faults are left", what, len(got), err, f.left.Load())
		}
	}
	for i := range 1100 {
		if err := p.Put(t.Context(), fmt.Sprintf("many/%04d", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	for what, spoil := range map[string][]string{"the first page": {"cut"}, "the second page": {"", "stall", "cut"}} {
		told := make(map[string]int)
		f.will(spoil...)
		err := p.List(t.Context(), "many/", func(o place.Object) error {
			told[o.Name]++
			return nil
		})
		if err != nil || len(told) != 1100 || f.left.Load() > 0 {
			t.Errorf("%s: %d objects, %v; %d faults are left", what, len(told), err, f.left.Load())
		}
		for name, n := range told {
			if n != 1 {
				t.Errorf("%s: %s was told %d times", what, name, n)
			}
		}
	}
}
