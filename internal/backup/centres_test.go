package backup_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/backup"
	"github.com/godwitkv/godwit/internal/store"
)

// restore makes a backup of a node and a new centre of it, which is started.
func (w *world) restore() *world {
	w.t.Helper()
	dir, to := filepath.Join(w.t.TempDir(), "backup"), filepath.Join(w.t.TempDir(), "restored")
	w.backup(dir)
	_, err := backup.Restore(w.t.Context(), dir, to, nil, nil)
	check(w.t, err)
	return newWorld(w.t, to)
}

// follow has a stopped or running edge follow other upstreams from now on.
func (w *world) follow(upstreams ...string) {
	w.t.Helper()
	w.stop()
	w.mu.Lock()
	w.taken = nil
	w.mu.Unlock()
	w.cfg.Upstreams, w.cfg.UpstreamToken = upstreams, rootToken
	w.start()
}

func (w *world) url() string { return w.node.APIURL() }

// refusesWrites wants a put and a strong read to be refused with the reason, and
// plain reads and /readyz to go on.
func (w *world) refusesWrites() {
	w.t.Helper()
	_, err := w.KV("birds").Put(w.t.Context(), "k", strings.NewReader("lost"), client.PutOptions{})
	if !errors.Is(err, client.ErrUnavailable) || !strings.Contains(err.Error(), "godwit promote") {
		w.t.Errorf("a put: %v", err)
	}
	if _, err := w.CreateNamespace(w.t.Context(), "late", client.NamespaceOptions{}); !errors.Is(err, client.ErrUnavailable) {
		w.t.Errorf("a namespace: %v", err)
	}
	if _, err := w.KV("birds").Get(w.t.Context(), "k", client.Strong()); !errors.Is(err, client.ErrUnavailable) {
		w.t.Errorf("a strong read: %v", err)
	}
	if w.get("birds", "k") == "" {
		w.t.Error("reads do not go on")
	}
	resp, err := http.Get(w.url() + "/readyz")
	check(w.t, err)
	check(w.t, resp.Body.Close())
	s := w.status()
	if resp.StatusCode != 200 || !s.Ready || s.FencedBy <= s.Generation || !strings.Contains(s.Problem, "was replaced") || s.StalenessMS >= 0 {
		w.t.Errorf("readyz %d, status %+v", resp.StatusCode, s)
	}
	w.await("the log says so", func() bool { return strings.Contains(w.log.String(), "centre was replaced: no write is taken") })
}

// TestEdgesMoveToARestoredCentre: an edge of the old centre that is pointed at the
// restored one takes what differs and no more, and is its copy.
func TestEdgesMoveToARestoredCentre(t *testing.T) {
	t.Parallel()
	old := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := old.namespace("birds")
	for i := range 200 {
		old.put(kv, fmt.Sprintf("same%03d", i), "v")
	}
	old.put(kv, "k", "kept")
	edge := newWorld(t, filepath.Join(t.TempDir(), "edge"), old.url())
	edge.await("it is a copy", func() bool { return edge.get("birds", "k") == "kept" })
	dir := filepath.Join(t.TempDir(), "backup")
	old.backup(dir)
	old.put(kv, "k", "lost")
	old.put(kv, "lost", "lost")
	edge.await("it has what will be lost", func() bool { return edge.get("birds", "lost") == "lost" })
	old.stop()

	to := filepath.Join(t.TempDir(), "restored")
	_, err := backup.Restore(t.Context(), dir, to, nil, nil)
	check(t, err)
	restored := newWorld(t, to)
	restored.put(restored.KV("birds"), "new", "new")
	edge.follow(restored.url())
	edge.await("it is a copy of the restored centre", func() bool {
		return edge.get("birds", "new") == "new" && edge.get("birds", "k") == "kept" && edge.get("birds", "lost") == ""
	})
	edge.await("its copy is exact", func() bool { return !edge.store.Mixed() && edge.store.Revision() == restored.store.Revision() })
	if diff := cmp.Diff([]string{"k", "lost", "new"}, edge.takenKeys()); diff != "" {
		t.Errorf("taken or dropped (-want +got):\n%s", diff)
	}
	if edge.status().Generation != restored.status().Generation {
		t.Errorf("the edge is of generation %d, the centre of %d", edge.status().Generation, restored.status().Generation)
	}
}

// TestPromoteAnEdge: with the centre gone, one edge becomes it, and the others
// follow without taking anything but what is new.
func TestPromoteAnEdge(t *testing.T) {
	t.Parallel()
	old := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := old.namespace("birds")
	old.put(kv, "k", "v")
	old.put(kv, "large", strings.Repeat("x", 100_000))
	one := newWorld(t, filepath.Join(t.TempDir(), "one"), old.url())
	two := newWorld(t, filepath.Join(t.TempDir(), "two"), old.url())
	for _, e := range []*world{one, two} {
		e.await("it is a copy", func() bool {
			return e.isCopyOf(old)
		})
	}
	old.stop()
	two.stop()
	one.stop()
	if _, err := store.Open(t.Context(), store.Config{Dir: one.cfg.Dir}); !errors.Is(err, store.ErrFollower) {
		t.Errorf("an edge's data was opened as a centre's: %v", err)
	}
	r, err := backup.Promote(t.Context(), one.cfg.Dir, nil)
	check(t, err)
	one.cfg.Upstreams, one.cfg.UpstreamToken = nil, ""
	one.start()
	if s := one.status(); s.Role != "central" || s.Generation != r.Generation {
		t.Errorf("status %+v, promoted %+v", s, r)
	}
	two.follow(one.url())
	two.await("it follows", func() bool { return two.status().Connected && two.store.Revision() == one.store.Revision() })
	if len(two.takenKeys()) != 0 {
		t.Errorf("taken %v", two.takenKeys())
	}
	two.put(two.KV("birds"), "new", "new")
	two.await("it is a copy", func() bool { return two.store.Revision() == one.store.Revision() })
	if one.get("birds", "new") != "new" || two.get("birds", "k") != "v" {
		t.Errorf("new %q, k %q", one.get("birds", "new"), two.get("birds", "k"))
	}
}

// TestFence: the first edge that has followed the new centre stops the old one, for
// good; the old one's edges are told, and the operator decides.
func TestFence(t *testing.T) {
	t.Parallel()
	old := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := old.namespace("birds")
	old.put(kv, "k", "v")
	stays := newWorld(t, filepath.Join(t.TempDir(), "stays"), old.url())
	moves := newWorld(t, filepath.Join(t.TempDir(), "moves"), old.url())
	for _, e := range []*world{stays, moves} {
		e.await("it is a copy", func() bool { return e.get("birds", "k") == "v" })
	}
	restored := old.restore()
	moves.follow(restored.url())
	moves.await("it follows", func() bool { return moves.status().Generation > 0 && moves.status().Connected })
	old.put(kv, "k", "old") // nobody has told it

	// An edge never goes back, and who it asks hears why.
	moves.follow(old.url())
	moves.await("it says why it does not follow", func() bool { return strings.Contains(moves.status().Problem, "centre that was replaced") })
	old.await("it knows", func() bool { return old.status().FencedBy != 0 })
	if moves.get("birds", "k") != "v" || !strings.Contains(moves.log.String(), "has followed generation") {
		t.Errorf("the edge has %q", moves.get("birds", "k"))
	}
	old.refusesWrites()
	stays.await("it is told", func() bool { return strings.Contains(stays.status().Problem, "was replaced") })
	_, err := stays.KV("birds").Put(t.Context(), "k", strings.NewReader("lost"), client.PutOptions{})
	if !errors.Is(err, client.ErrUnavailable) {
		t.Errorf("a put at an edge of the old centre: %v", err)
	}

	// It stays so after a restart, which adds nothing to the log.
	was := old.store.Revision()
	old.stop()
	old.start()
	old.refusesWrites()
	if old.store.Revision() != was {
		t.Errorf("the log went on from %d to %d", was, old.store.Revision())
	}
	if end := old.backupError(); !strings.Contains(end, "was replaced") {
		t.Errorf("a backup of it: %s", end)
	}

	// As an edge of the new centre it takes what differs.
	old.follow(restored.url())
	old.await("it is a copy", func() bool { return !old.store.Mixed() && old.store.Revision() == restored.store.Revision() })
	if got := old.takenKeys(); !slices.Equal(got, []string{"k"}) {
		t.Errorf("taken %v", got)
	}
	restored.put(restored.KV("birds"), "k", "new")
	old.await("it follows", func() bool { return old.get("birds", "k") == "new" })
}

func (w *world) backupError() string {
	_, err := backup.Run(w.t.Context(), backup.Config{Dir: filepath.Join(w.t.TempDir(), "refused"), URL: w.url(), Token: rootToken})
	return fmt.Sprint(err)
}

// TestPromoteAgain: the operator decides for the old centre, whose generation is then
// above the other's, and which fences that.
func TestPromoteAgain(t *testing.T) {
	t.Parallel()
	old := newWorld(t, filepath.Join(t.TempDir(), "data"))
	old.put(old.namespace("birds"), "k", "v")
	edge := newWorld(t, filepath.Join(t.TempDir(), "edge"), old.url())
	edge.await("it is a copy", func() bool { return edge.get("birds", "k") == "v" })
	restored := old.restore()
	edge.follow(restored.url())
	edge.await("it follows", func() bool { return edge.status().Generation > 0 })
	edge.follow(old.url())
	old.await("it knows", func() bool { return old.status().FencedBy != 0 })
	old.stop()
	r, err := backup.Promote(t.Context(), old.cfg.Dir, nil)
	check(t, err)
	old.start()
	if s := old.status(); s.FencedBy != 0 || s.Generation != r.Generation || s.Generation <= restored.status().Generation {
		t.Errorf("status %+v", s)
	}
	old.put(old.KV("birds"), "k", "old")
	edge.await("it follows the old centre again", func() bool { return edge.get("birds", "k") == "old" && edge.status().Generation == r.Generation })
	edge.follow(restored.url())
	restored.await("it knows", func() bool { return restored.status().FencedBy == r.Generation })
	restored.refusesWrites()
}

// TestEdgesAreNotSplit: with both centres running, and edges that know of both in
// either order, all come to follow the later one, and the other is stopped.
func TestEdgesAreNotSplit(t *testing.T) {
	t.Parallel()
	old := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := old.namespace("birds")
	old.put(kv, "k", "v")
	only := newWorld(t, filepath.Join(t.TempDir(), "only"), old.url()) // knows of one
	only.await("it is a copy", func() bool { return only.get("birds", "k") == "v" })
	restored := old.restore()
	first := newWorld(t, filepath.Join(t.TempDir(), "first"), restored.url(), old.url())
	second := newWorld(t, filepath.Join(t.TempDir(), "second"), old.url(), restored.url())
	later := restored.status().Generation
	for _, e := range []*world{first, second} {
		e.await("it follows the later centre", func() bool { return e.status().Generation == later && e.status().Upstream == restored.url() })
	}
	old.await("it is stopped", func() bool { return old.status().FencedBy == later })
	only.await("it says so", func() bool { return strings.Contains(only.status().Problem, "was replaced") })
	old.refusesWrites()
	second.put(second.KV("birds"), "k", "new")
	for _, w := range []*world{restored, first, second} {
		w.await("it has the write", func() bool { return w.get("birds", "k") == "new" })
	}
}

// TestPromoteRefuses what is no whole copy, by what it lacks, and leaves it as it is.
func TestPromoteRefuses(t *testing.T) {
	t.Parallel()
	centre := newWorld(t, filepath.Join(t.TempDir(), "data"))
	kv := centre.namespace("birds")
	centre.namespace("fish")
	centre.put(kv, "large", strings.Repeat("x", 100_000))
	edge := func(name string, change func(*world)) string {
		w := newWorld(t, filepath.Join(t.TempDir(), name), centre.url())
		w.stop()
		change(w)
		w.start()
		w.await("it is a copy", func() bool { return w.isCopyOf(centre) })
		w.stop()
		return w.cfg.Dir
	}
	some := edge("some", func(w *world) { w.cfg.Namespaces = []string{"fish"} })
	withheld := edge("withheld", func(w *world) { w.cfg.MaxValue, w.cfg.Dir = 1000, filepath.Join(t.TempDir(), "withheld") })
	never := newWorld(t, filepath.Join(t.TempDir(), "never"), "http://127.0.0.1:1")
	never.stop()
	mixed := edge("mixed", func(*world) {})
	mix(t, mixed)
	running := centre.cfg.Dir

	for name, tt := range map[string]struct{ dir, want string }{
		"some namespaces":   {some, "some of the namespaces only: "},
		"withheld values":   {withheld, `lacks the values of entries: namespace `},
		"no copy":           {never.cfg.Dir, "holds nothing of any log"},
		"a mixture":         {mixed, "later writes without all of the earlier ones"},
		"of a running node": {running, "in use"},
		"nothing":           {filepath.Join(t.TempDir(), "none"), "not a data directory"},
		"something else":    {t.TempDir(), "not a data directory"},
	} {
		t.Run(name, func(t *testing.T) {
			before := map[string]string{}
			if name != "nothing" && name != "of a running node" {
				before = files(t, tt.dir)
			}
			for what, err := range map[string]error{
				"promote": second(backup.Promote(t.Context(), tt.dir, nil)),
				"restore": second(backup.Restore(t.Context(), tt.dir, filepath.Join(t.TempDir(), "to"), nil, nil)),
			} {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if name != "nothing" && name != "of a running node" {
				if diff := cmp.Diff(before, files(t, tt.dir)); diff != "" {
					t.Errorf("it was changed (-was +is):\n%s", diff)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error { return err }

// mix brings a part of a later state into an edge's store.
func mix(t *testing.T, dir string) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Dir: dir, Follower: true})
	check(t, err)
	tx := s.Begin()
	check(t, tx.CatchUp(&godwit.Record{
		Mutation: godwit.Mutation{Op: godwit.OpPut, Namespace: godwit.NamespaceID{1}, Key: "k"}, Revision: tx.Revision() + 100,
	}))
	c, err := tx.Commit(store.Sync)
	check(t, err)
	check(t, errors.Join(c.Wait(), s.Close()))
}
