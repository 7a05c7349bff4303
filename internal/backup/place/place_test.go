package place_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/backup/place/placetest"
)

func TestDirectory(t *testing.T) {
	t.Parallel()
	placetest.Suite(t, func(t testing.TB) place.Place {
		return place.NewDirectory(filepath.Join(t.TempDir(), "not", "there", "yet"))
	})
}

func TestS3(t *testing.T) {
	t.Parallel()
	s := placetest.StartS3(t)
	placetest.Suite(t, func(t testing.TB) place.Place { return s.Place("a/prefix-of/" + filepath.Base(t.Name())) })
	t.Run("the whole bucket", func(t *testing.T) {
		p := s.Place("")
		if err := p.Put(t.Context(), "x", []byte("1")); err != nil {
			t.Fatal(err)
		}
		if b, err := p.Get(t.Context(), "x", 1); err != nil || string(b) != "1" {
			t.Errorf("%q, %v", b, err)
		}
	})
	for want, cfg := range map[string]place.Config{
		`there is no bucket "other" at 127.0.0.1`: {S3Endpoint: s.Endpoint, S3AccessKey: s.Key, S3SecretKey: s.Secret},
		"signature": {S3Endpoint: s.Endpoint, S3AccessKey: s.Key, S3SecretKey: "wrong"},
	} {
		cfg.S3Region = "us-east-1"
		p, err := place.Open("s3://other/x", cfg)
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"put": p.Put(t.Context(), "a", []byte("x")), "list": p.List(t.Context(), "", func(place.Object) error { return nil }),
		} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), s.Secret) {
				t.Errorf("%s: %v, want %q", what, err, want)
			}
		}
	}
}

// TestS3TriesAgain: what a server cannot do for a moment is asked for again, and what it
// cannot do at all is an error in the end.
func TestS3TriesAgain(t *testing.T) {
	t.Parallel()
	s := placetest.StartS3(t)
	var fails atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fails.Add(-1) >= 0 {
			http.Error(w, "slow down", http.StatusServiceUnavailable)
			return
		}
		r.URL.Scheme, r.URL.Host, r.RequestURI = "http", strings.TrimPrefix(s.Endpoint, "http://"), ""
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()
	p, err := place.Open(s.Address("x"), place.Config{S3Endpoint: proxy.URL, S3Region: "us-east-1", S3AccessKey: s.Key, S3SecretKey: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	fails.Store(2)
	if err := p.Put(t.Context(), "a", []byte("x")); err != nil {
		t.Errorf("put: %v", err)
	}
	fails.Store(2)
	if b, err := p.Get(t.Context(), "a", 10); err != nil || string(b) != "x" {
		t.Errorf("get: %q, %v", b, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	fails.Store(1 << 40)
	if err := p.Put(ctx, "b", []byte("x")); err == nil {
		t.Error("put to a server that never answers")
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"s3://bucket":            "s3://bucket/",
		"s3://bucket/a/b/":       "s3://bucket/a/b",
		"file:///var/backups":    "/var/backups",
		"file:relative/dir":      "relative/dir",
		"file:///with%20space":   "/with space",
		"/var/backups":           "/var/backups",
		"s3://":                  "error",
		"s3://key:secret@host/b": "error",
		"s3://bucket/../x":       "error",
		"s3://bucket/a b":        "error",
		"file://host/dir":        "error",
		"file:":                  "error",
		"file:///x?y":            "error",
		"file:///a%00b":          "error",
	} {
		p, err := place.Open(address, place.Config{})
		if err != nil {
			if want != "error" || strings.Contains(err.Error(), "secret@") {
				t.Errorf("%s: %v", address, err)
			}
			continue
		}
		if p.String() != want {
			t.Errorf("%s is %s, want %s", address, p, want)
		}
	}
	for _, endpoint := range []string{"minio:9000", "ftp://x", "http://", "http://x/path", "http://user:secret@x", "http://x?y"} {
		if _, err := place.Open("s3://b", place.Config{S3Endpoint: endpoint}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("endpoint %s: %v", endpoint, err)
		}
	}
}

// TestDirectoryIsDurable: what a Put that was cut off leaves is told as such, and a place
// that is a file is refused.
func TestDirectoryIsDurable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := place.NewDirectory(dir)
	if err := os.WriteFile(filepath.Join(dir, "a.123"+place.Partial), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var names []string
	err := p.List(t.Context(), "", func(o place.Object) error {
		names = append(names, o.Name)
		return nil
	})
	if err != nil || len(names) != 1 || names[0] != "a.123.partial" {
		t.Errorf("%v, %v", names, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := place.NewDirectory(file).Put(t.Context(), "a", nil); err == nil {
		t.Error("an object was put into a file")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Put(ctx, "a", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a put that was ended: %v", err)
	}
}

// TestDirectoryThatIsALink: what is behind a link to a place, or to the directory of a
// prefix, is seen.
func TestDirectoryThatIsALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	elsewhere, link := filepath.Join(dir, "elsewhere"), filepath.Join(dir, "link")
	for _, err := range []error{
		place.NewDirectory(elsewhere).Put(t.Context(), "a.jpg", nil), place.NewDirectory(filepath.Join(dir, "larger")).Put(t.Context(), "ab/c", nil),
		os.Symlink(elsewhere, link), os.Symlink(filepath.Join(dir, "larger"), filepath.Join(elsewhere, "chunks")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string]string{"": "a.jpg", "chunks/": "chunks/ab/c", "none/": ""} {
		var got []string
		err := place.NewDirectory(link).List(t.Context(), prefix, func(o place.Object) error {
			got = append(got, o.Name)
			return nil
		})
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v, want %s", prefix, got, err, want)
		}
	}
}
