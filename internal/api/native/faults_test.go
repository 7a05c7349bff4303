package native_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
)

// badDisk is a reader whose entries cannot be read.
type badDisk struct{ godwit.Reader }

func (badDisk) Get(context.Context, godwit.NamespaceID, []byte, godwit.ReadOptions) (*godwit.Entry, godwit.Served, error) {
	return nil, godwit.Served{}, errors.New("read block: input/output error")
}

// TestFaultsNameNoKeys holds that a fault is logged by the path that it happened at, and
// not by the key that was asked for.
func TestFaultsNameNoKeys(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.service.Reader, w.service.Metrics = badDisk{w.reader}, prometheus.NewRegistry()
	w.config.Service, w.config.Logger = api.New(w.service), slog.New(slog.NewTextHandler(&log, nil))
	w.handler = native.New(w.config)
	status, reply := w.do("GET", "/godwit/v1/namespaces/one/keys/secret-bird", rootToken, "")
	if status != 500 || strings.Contains(reply, "block") {
		t.Errorf("a read that failed: %d %s", status, reply)
	}
	for _, want := range []string{"method=GET", "path=/godwit/v1/namespaces/*/keys/*", "input/output error"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s: %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "secret-bird") {
		t.Errorf("the log names the key: %s", log.String())
	}
}
