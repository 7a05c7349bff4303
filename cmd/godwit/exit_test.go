package main

import (
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
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
