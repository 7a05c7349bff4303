// Package placetest is for tests of what keeps backups: what every place must do, and
// an S3 server of one's own.
package placetest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/backup/place"
	"github.com/godwitkv/godwit/internal/porttest"
)

// S3 is a running S3 server with one bucket.
type S3 struct {
	Endpoint string
	Key      string
	Secret   string
	Bucket   string
	Dir      string // where the objects lie as files

	t testing.TB
}

// program builds the server, once: see tools/s3.
func program(t testing.TB) string {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(file), "..", "..", "..", "..", "tools", "s3")
	cmd := exec.CommandContext(t.Context(), "go", "tool", "-n", "versitygw")
	cmd.Dir = module
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("build the S3 server of %s: %v\n%s", module, err, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// StartS3 starts the Versity S3 Gateway, a server that others run, on a directory of the
// test's. It ends with the test.
func StartS3(t testing.TB) *S3 {
	t.Helper()
	bin := program(t)
	s := &S3{t: t, Key: "test-access-key", Secret: "test-secret-" + rawName(t), Bucket: "backups", Dir: t.TempDir()}
	root := filepath.Join(s.Dir, "root")
	for _, dir := range []string{filepath.Join(root, s.Bucket), filepath.Join(s.Dir, "meta")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		if s.start(bin, root) {
			return s
		}
	}
	t.Fatal("the S3 server does not start")
	return nil
}

// rawName makes servers of one machine tell each other's clients apart.
func rawName(t testing.TB) string { return strings.Map(letters, filepath.Base(t.TempDir())+t.Name()) }

func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func (s *S3) start(bin, root string) bool {
	s.t.Helper()
	address := porttest.Free(s.t)
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	cmd := exec.CommandContext(ctx, bin, "--access", s.Key, "--secret", s.Secret, "--port", address, "--quiet",
		"posix", "--sidecar", filepath.Join(s.Dir, "meta"), root)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(gone)
	}()
	stop := func() {
		cancel()
		<-gone
	}
	s.Endpoint = "http://" + address
	if !s.answers(gone) {
		stop()
		return false
	}
	s.t.Cleanup(stop)
	return true
}

// answers waits until the server, and no other one, answers, or is gone.
func (s *S3) answers(gone chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-gone:
			return false
		case <-tick.C:
		}
		if s.Place("").List(s.t.Context(), "", func(place.Object) error { return nil }) == nil {
			return true
		}
	}
}

// Address is that of a prefix in the bucket.
func (s *S3) Address(prefix string) string { return "s3://" + s.Bucket + "/" + prefix }

// Place is the place at a prefix in the bucket.
func (s *S3) Place(prefix string) place.Place {
	s.t.Helper()
	p, err := place.Open(s.Address(prefix), place.Config{S3Endpoint: s.Endpoint, S3Region: "us-east-1", S3AccessKey: s.Key, S3SecretKey: s.Secret})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// Env has programs find the server.
func (s *S3) Env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.Key, "AWS_SECRET_ACCESS_KEY=" + s.Secret, "AWS_REGION=us-east-1", "AWS_ENDPOINT_URL_S3=" + s.Endpoint,
	}
}
