package node_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/central/jetstream/streamtest"
	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/store"
)

// asMember is a config on the same directory, of the first member of a new cluster.
func asMember(t *testing.T, cfg node.Config, registry *streamtest.Registry) node.Config {
	t.Helper()
	log := streamtest.NewLog(1, time.Now)
	t.Cleanup(log.Wait)
	member := memberOf(t, "a", log, registry)
	member.Dir = cfg.Dir
	return member
}

// TestEdgesDirectoryFoundsNoCluster: what an edge holds may be a part, and its centre is
// of the same generation. It is to be promoted first, whole or not.
func TestEdgesDirectoryFoundsNoCluster(t *testing.T) {
	t.Parallel()
	centre := openReady(t, onDiskWithToken(t, "centre"))
	request(t, "POST", centre.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"birds"}`)
	request(t, "POST", centre.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"other"}`)
	putKey(t, centre, "birds", "k", "v")
	for name, namespaces := range map[string][]string{"part": {"other"}, "whole": nil} {
		t.Run(name, func(t *testing.T) {
			cfg := diskEdge(filepath.Join(t.TempDir(), "edge"), centre)
			cfg.Namespaces = namespaces
			must(t, openReady(t, cfg).Close())
			registry := streamtest.NewRegistry()
			n, err := node.Open(t.Context(), asMember(t, cfg, registry))
			must(t, err)
			founding, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := n.Run(founding); !errors.Is(err, store.ErrFollower) {
				t.Fatalf("as the first member it ended with %v", err)
			}
			r, err := backup.Promote(t.Context(), cfg.Dir, nil)
			if whole := namespaces == nil; whole != (err == nil) {
				t.Fatalf("promote: %v", err)
			}
			if r == nil {
				return
			}
			n = openReady(t, asMember(t, cfg, registry))
			if s := statusOf(t, n); s.Role != "central" || s.Generation != r.Generation {
				t.Errorf("promoted to generation %d, it is %s of %d", r.Generation, s.Role, s.Generation)
			}
			wantKeys(t, n, "birds", map[string]string{"k": "v"})
		})
	}
}

// TestEdgesDirectoryJoins: it becomes a copy of a member, also where the cluster is begun
// as it comes.
func TestEdgesDirectoryJoins(t *testing.T) {
	t.Parallel()
	centreCfg := onDiskWithToken(t, "centre")
	centre := openReady(t, centreCfg)
	request(t, "POST", centre.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"birds"}`)
	request(t, "POST", centre.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"other"}`)
	putKey(t, centre, "birds", "k", "v")
	edgeCfg := diskEdge(filepath.Join(t.TempDir(), "edge"), centre)
	edgeCfg.Namespaces = []string{"other"}
	must(t, openReady(t, edgeCfg).Close())
	must(t, centre.Close())

	log, registry := streamtest.NewLog(1, time.Now), streamtest.NewRegistry()
	t.Cleanup(log.Wait)
	joins := memberOf(t, "b", log, registry)
	joins.Dir = edgeCfg.Dir
	b := open(t, joins)
	first := memberOf(t, "a", log, registry)
	first.Dir = centreCfg.Dir
	openReady(t, first)
	eventually(t, "it is a copy", func() bool { return statusOf(t, b).Ready })
	wantKeys(t, b, "birds", map[string]string{"k": "v"})
}

// TestCentresDirectoriesFound: a centre's own, and a member's that was promoted.
func TestCentresDirectoriesFound(t *testing.T) {
	t.Parallel()
	cfg := onDiskWithToken(t, "centre")
	n := openReady(t, cfg)
	request(t, "POST", n.APIURL()+"/godwit/v1/namespaces", rootToken, `{"title":"birds"}`)
	putKey(t, n, "birds", "k", "v")
	must(t, n.Close())
	n = openReady(t, asMember(t, cfg, streamtest.NewRegistry()))
	wantKeys(t, n, "birds", map[string]string{"k": "v"})
	must(t, n.Close())
	_, err := backup.Promote(t.Context(), cfg.Dir, nil)
	must(t, err)
	wantKeys(t, openReady(t, asMember(t, cfg, streamtest.NewRegistry())), "birds", map[string]string{"k": "v"})
}

// TestMembersDirectoryAlone: a member's directory that is started as no member is told
// from an edge's, which is to be promoted: that would make a second centre.
func TestMembersDirectoryAlone(t *testing.T) {
	t.Parallel()
	cfg := onDiskWithToken(t, "member")
	must(t, openReady(t, asMember(t, cfg, streamtest.NewRegistry())).Close())
	if _, err := openErr(t, cfg); !errors.Is(err, node.ErrMember) {
		t.Errorf("a member's: %v", err)
	}
	centre := openReady(t, onDiskWithToken(t, "centre"))
	edge := diskEdge(filepath.Join(t.TempDir(), "edge"), centre)
	must(t, openReady(t, edge).Close())
	cfg.Dir = edge.Dir
	if _, err := openErr(t, cfg); errors.Is(err, node.ErrMember) || !errors.Is(err, store.ErrFollower) {
		t.Errorf("an edge's: %v", err)
	}
}

// onDiskWithToken is a config whose data directory is a real one, and the root token
// that of the tests.
func onDiskWithToken(t *testing.T, name string) node.Config {
	t.Helper()
	cfg := config()
	cfg.FS, cfg.Dir = nil, filepath.Join(t.TempDir(), name)
	return cfg
}
