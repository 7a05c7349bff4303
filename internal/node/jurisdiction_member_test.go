package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/edge"
	"github.com/godwitkv/godwit/internal/node"
)

// memberOf is the config of a member of a cluster in this process.
func memberOf(t *testing.T, name string, log *streamtest.Log, registry *streamtest.Registry, jurisdictions ...string) node.Config {
	t.Helper()
	cfg := config()
	cfg.FS, cfg.Dir = nil, filepath.Join(t.TempDir(), name)
	cfg.Node, cfg.Jurisdictions = name, jurisdictions
	cfg.AuditLog = cfg.Dir + "-audit.log"
	cfg.OpenShared = func(context.Context) (*node.Shared, error) {
		return &node.Shared{Stream: log.Stream(), Registry: registry, Close: func() error { return nil }}, nil
	}
	return cfg
}

// TestJurisdictionOfACluster: what is in a namespace comes to each member, so each must
// be for its jurisdiction before it can be made, and ever after.
func TestJurisdictionOfACluster(t *testing.T) {
	log, registry := streamtest.NewLog(1, time.Now), streamtest.NewRegistry()
	defer log.Wait()
	a := openReady(t, memberOf(t, "a", log, registry, "eu"))
	bCfg := memberOf(t, "b", log, registry)
	b := openReady(t, bCfg)
	eventually(t, "both are registered", func() bool {
		all, err := registry.Members(t.Context())
		return err == nil && len(all) == 2
	})
	var europe *client.Namespace
	create := func(n *node.Node) (err error) {
		europe, err = connect(t, n, rootToken).CreateNamespace(t.Context(), "europe", client.NamespaceOptions{Jurisdiction: "eu"})
		return err
	}
	for n, want := range map[*node.Node]string{a: "member b was not started with --jurisdiction eu", b: "the central node was not started with"} {
		if err := create(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create: %v, want %s", err, want)
		}
	}
	must(t, b.Close())
	bCfg.Jurisdictions = []string{"eu"}
	b = openReady(t, bCfg)
	eventually(t, "it can be made", func() bool { return create(a) == nil })
	_, err := connect(t, b, rootToken).KV(europe.ID).Put(t.Context(), "secret key", strings.NewReader("secret value"), client.PutOptions{})
	must(t, err)
	must(t, b.Close())

	bCfg.Jurisdictions = nil
	var bound *edge.JurisdictionError
	if _, err := openErr(t, bCfg); !errors.As(err, &bound) || bound.Title != "europe" {
		t.Errorf("a member that was for it starts without: %v", err)
	}
	cCfg := memberOf(t, "c", log, registry)
	c, err := node.Open(t.Context(), cCfg)
	must(t, err)
	if err := c.Run(t.Context()); !errors.As(err, &bound) || bound.Jurisdiction != "eu" {
		t.Errorf("a new member without it ended with %v", err)
	}
	if got := holding(t, cCfg, "secret key", "secret value"); got != nil {
		t.Errorf("it holds %q", got)
	}
}
