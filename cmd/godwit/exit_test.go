package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// TestUnknownAuthority: whoever meets a certificate that nobody vouches for is told
// how to have it taken, and not that no node runs there.
func TestUnknownAuthority(t *testing.T) {
	srv := httptest.NewUnstartedServer(nil)
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	defer srv.Close()
	cl, err := client.New(srv.URL, "token")
	if err != nil {
		t.Fatal(err)
	}
	_, err = cl.Status(t.Context())
	if code, h := exitCode(err), hint(err, nil); code != exitUnavailable || !strings.Contains(h, "SSL_CERT_FILE") {
		t.Errorf("%v: code %d, hint %q", err, code, h)
	}
}

// TestRefusedForNow: a server that says "not now" runs, and what it says stands alone.
func TestRefusedForNow(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"success":false,"errors":[{"code":"unavailable","message":"Not now."}]}`)
	}))
	defer srv.Close()
	cl, err := client.New(srv.URL, "token", client.WithAttempts(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = cl.Status(t.Context())
	if code, h := exitCode(err), hint(err, nil); code != exitUnavailable || h != "" {
		t.Errorf("%v: code %d, hint %q", err, code, h)
	}
}

// TestOutcomeUnknown: a write that may be done is told so, though its last attempt was
// refused.
func TestOutcomeUnknown(t *testing.T) {
	for _, refusal := range []error{client.ErrPrecondition, client.ErrForbidden, client.ErrNamespaceNotFound} {
		err := fmt.Errorf("%w: %w", client.ErrOutcomeUnknown, refusal)
		if code, h := exitCode(err), hint(err, nil); code != exitUnavailable || !strings.HasPrefix(h, "read the key") {
			t.Errorf("%v: code %d, hint %q", err, code, h)
		}
	}
}

// TestWhoseData: only of an edge's data is it said how to make a centre of it.
func TestWhoseData(t *testing.T) {
	for err, want := range map[error]string{
		store.ErrFollower: "give --upstream", node.ErrMember: "give --cluster and --node as before",
	} {
		h := hint(fmt.Errorf("godwit-data: %w", err), nil)
		if !strings.HasPrefix(h, want) || strings.Contains(h, "promote") != errors.Is(err, store.ErrFollower) {
			t.Errorf("%v: hint %q", err, h)
		}
	}
}

// TestErrorsPlayNoTricks holds that what a server says does not reach the terminal as
// commands.
func TestErrorsPlayNoTricks(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"success":false,"errors":[{"code":1,"message":"\u001b]0;x\u0007 \u009b31m \r\u202e\nsecond é"}]}`)
	}))
	defer srv.Close()
	name := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stderr.Close() }()
	p := program{stdin: os.Stdin, stdout: os.Stdout, stderr: stderr}
	if code := p.run(t.Context(), []string{"namespace", "list", "--url", srv.URL, "--token", "sixteen-letters-"}); code != exitFailed {
		t.Errorf("code %d", code)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(text); !strings.HasPrefix(got, `godwit: \u001b]0;x\u0007 \u009b31m \u000d\u202e; second é`) || strings.Count(got, "\n") != 1 {
		t.Errorf("got %q", got)
	}
}
