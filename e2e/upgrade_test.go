package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/e2e/olddata"
	"github.com/godwitkv/godwit/internal/porttest"
)

// TestUpgrade opens what earlier versions of godwit have written: a centre that was
// killed, one that was stopped, an edge, a backup, an encrypted one, a member, and
// repositories. All that was in it is there, and it goes on: with new writes, an edge that
// follows, another backup, and a clean check at the end.
func TestUpgrade(t *testing.T) {
	archives, err := filepath.Glob("testdata/upgrade/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			t.Parallel()
			o := unpackOldData(t, archive)
			o.upgradeAll()
			if !o.has("centre") || !o.has("edge") {
				t.Errorf("the archive has no centre or no edge: %v", o.Directories)
			}
		})
	}
}

// TestUpgradeFromToday has the program of today write what the next one will open, and
// opens it: all kinds are there, as they are meant.
func TestUpgradeFromToday(t *testing.T) {
	t.Parallel()
	archive := filepath.Join(t.TempDir(), "today.tar.gz")
	if err := olddata.Write(t.Context(), clients.godwit, archive, porttest.Free(t)); err != nil {
		t.Fatal(err)
	}
	o := unpackOldData(t, archive)
	for _, name := range []string{"centre", "edge", "backup", "encrypted", olddata.Stopped, "member", "repository", "repository-age"} {
		if !o.has(name) {
			t.Errorf("there is no %s: %v", name, o.Directories)
		}
	}
	for file, want := range map[string]bool{
		"centre/CLOSED": false, olddata.Stopped + "/CLOSED": true, "edge/CLOSED": true, // the seal of a clean end
		"member/CLOSED": false, "member/nats/jetstream": true,
	} {
		if _, err := os.Stat(filepath.Join(o.dir, file)); (err == nil) != want {
			t.Errorf("%s: %v, want it to be there: %v", file, err, want)
		}
	}
	o.upgradeAll()
}

type oldData struct {
	olddata.Content
	t   *testing.T
	dir string
}

func unpackOldData(t *testing.T, archive string) *oldData {
	t.Helper()
	dir := t.TempDir()
	content, err := olddata.Unpack(archive, dir)
	if err != nil {
		t.Fatal(err)
	}
	return &oldData{t: t, dir: dir, Content: content}
}

func (o *oldData) has(name string) bool {
	return slices.ContainsFunc(o.Directories, func(d olddata.Directory) bool { return d.Name == name })
}

// upgradeAll opens each directory.
func (o *oldData) upgradeAll() {
	for _, d := range o.Directories {
		if d.Kind == olddata.Edge { // it is opened with its centre
			continue
		}
		o.t.Run(d.Name, func(t *testing.T) {
			(&oldData{t: t, dir: o.dir, Content: o.Content}).upgrade(d)
		})
	}
}

// upgrade opens a directory with this godwit; what is no edge takes writes, and has edges.
func (o *oldData) upgrade(d olddata.Directory) {
	o.t.Helper()
	s := o.server(d)
	o.restore(d, s)
	s.start()
	o.wantAll(s)
	edge := startEdge(o.t, s)
	if d.Name == "centre" {
		edge.stop()
		old := o.server(olddata.Directory{Name: "edge"})
		edge.dir = old.dir
		edge.start()
	}
	o.wantAll(edge)
	if d.Kept {
		o.wantVersions(s)
		o.wantVersions(edge)
	}
	o.goesOn(s, edge)
	o.backUp(d, s)
	edge.stop()
	s.stop()
	for _, dir := range []string{s.dir, edge.dir} {
		args := []string{"fsck", dir}
		if d.Keys && dir == s.dir {
			args = append(args, s.args...)
		}
		if out, err := exec.CommandContext(o.t.Context(), clients.godwit, args...).CombinedOutput(); err != nil {
			o.t.Errorf("%s: godwit fsck: %v\n%s", d.Name, err, out)
		}
	}
}

// restore makes a centre's directory of what is a backup, or has some.
func (o *oldData) restore(d olddata.Directory, s *server) {
	o.t.Helper()
	if d.Kind != olddata.Backup && d.Kind != olddata.Repository {
		return
	}
	to := filepath.Join(o.t.TempDir(), "restored")
	s.command(append([]string{"restore", filepath.Join(o.dir, d.Name), to}, o.identity(d)...)...)
	s.dir = to
}

func (o *oldData) identity(d olddata.Directory) []string {
	if d.Recipient == "" {
		return nil
	}
	return []string{"--age-identity", filepath.Join(o.dir, d.Name+".identity")}
}

// backUp makes another backup where there are some, beside which they stay good: it has
// what was written since.
func (o *oldData) backUp(d olddata.Directory, s *server) {
	o.t.Helper()
	old := filepath.Join(o.dir, d.Name)
	args := []string{"backup", "make", old}
	switch d.Kind {
	case olddata.Repository:
		args = d.BackupArgs(old, filepath.Join(o.t.TempDir(), "cache"))
	case olddata.Backup:
	default:
		return
	}
	backups := o.backups(d)
	s.command(args...)
	s.command(append([]string{"backup", "verify", old}, o.identity(d)...)...)
	if got := o.backups(d); d.Kind == olddata.Repository && (backups != 2 || got != 3) {
		o.t.Errorf("%s: %d backups, then %d, want 2 and 3", d.Name, backups, got)
	}
	restored := newServer(o.t)
	o.restore(d, restored)
	restored.start()
	if _, got, err := restored.do(http.MethodGet, o.path(restored, "new"), nil); err != nil || string(got) != "n" {
		o.t.Errorf("%s: what was written since is %.100q in the new backup, %v", d.Name, got, err)
	}
	restored.stop()
	restored.fsck()
}

// backups is how many backups a repository has.
func (o *oldData) backups(d olddata.Directory) int {
	o.t.Helper()
	entries, err := os.ReadDir(filepath.Join(o.dir, d.Name, "backups"))
	if err != nil && d.Kind == olddata.Repository {
		o.t.Fatal(err)
	}
	return len(entries)
}

func (o *oldData) server(d olddata.Directory) *server {
	s := newServer(o.t)
	s.dir = filepath.Join(o.dir, d.Name)
	if d.Kind == olddata.Member {
		s.args = olddata.MemberArgs(porttest.Free(o.t))
	}
	if d.Keys {
		s.args = []string{"--encryption-key-file", s.dir + ".key"}
	}
	return s
}

// wantAll wants a node to have what the directory had.
func (o *oldData) wantAll(s *server) {
	o.t.Helper()
	kv := o.kv(s)
	got := make(map[string]olddata.Key)
	for k, err := range kv.List(o.t.Context(), client.ListOptions{}) {
		if err != nil {
			o.t.Fatal(err)
		}
		got[k.Name] = olddata.Key{Metadata: compact(o.t, k.Metadata), Expiration: k.Expiration}
	}
	for key, k := range got {
		_, value, err := s.do(http.MethodGet, o.path(s, key), nil)
		if err != nil {
			o.t.Fatal(err)
		}
		k.SHA256 = olddata.Sum(value)
		got[key] = k
	}
	if diff := cmp.Diff(o.Keys, got); diff != "" {
		o.t.Errorf("%s: keys (-written +read):\n%s", s.dir, diff)
	}
	for _, key := range o.Absent {
		if resp, body, err := s.do(http.MethodGet, o.path(s, key), nil); err != nil || resp.StatusCode != http.StatusNotFound {
			o.t.Errorf("%s: %q, which was deleted, is %.100s, %v", s.dir, key, body, err)
		}
	}
	o.wantTokens(s)
}

// wantVersions wants the history that was kept.
func (o *oldData) wantVersions(s *server) {
	o.t.Helper()
	for key, want := range o.Versions {
		got := -1 // the one that stands
		for _, err := range o.kv(s).Versions(o.t.Context(), key) {
			if err != nil {
				o.t.Fatal(err)
			}
			got++
		}
		if got != want {
			o.t.Errorf("%s: %q has %d earlier versions, want %d", s.dir, key, got, want)
		}
	}
}

// wantTokens wants tokens to do what they could, and no more.
func (o *oldData) wantTokens(s *server) {
	o.t.Helper()
	for token, writes := range o.Tokens {
		for method, may := range map[string]bool{http.MethodGet: true, http.MethodPut: writes} {
			req, err := http.NewRequestWithContext(o.t.Context(), method, o.path(s, "small"), strings.NewReader("v"))
			if err != nil {
				o.t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, body, err := s.send(req)
			if err != nil {
				o.t.Fatal(err)
			}
			if (resp.StatusCode == http.StatusOK) != may {
				o.t.Errorf("%s: %s with a token that writes: %v: %s %.200s", s.dir, method, writes, resp.Status, body)
			}
		}
	}
}

// goesOn writes at a centre, which its edge is to show.
func (o *oldData) goesOn(s, edge *server) {
	o.t.Helper()
	for key, value := range map[string]string{"new": "n", "small": "again", "blob": strings.Repeat("n", 100_000)} {
		if resp, body, err := s.do(http.MethodPut, o.path(s, key), strings.NewReader(value)); err != nil || resp.StatusCode != http.StatusOK {
			o.t.Fatalf("%s: put %s: %.200s, %v", s.dir, key, body, err)
		}
		eventually(o.t, "the edge has "+key, func() bool {
			_, got, err := edge.do(http.MethodGet, o.path(edge, key), nil)
			return err == nil && string(got) == value
		})
	}
	if resp, body, err := s.do(http.MethodDelete, o.path(s, "replaced"), nil); err != nil || resp.StatusCode != http.StatusOK {
		o.t.Fatalf("%s: delete: %.200s, %v", s.dir, body, err)
	}
	eventually(o.t, "the edge has deleted it", func() bool {
		resp, _, err := edge.do(http.MethodGet, o.path(edge, "replaced"), nil)
		return err == nil && resp.StatusCode == http.StatusNotFound
	})
}

func (o *oldData) path(s *server, key string) string {
	return s.kv(fmt.Sprintf("/namespaces/%s/values/%s", o.NamespaceID, url.PathEscape(key)))
}

func (o *oldData) kv(s *server) *client.KV {
	o.t.Helper()
	c, err := client.New("http://"+s.api, rootToken)
	if err != nil {
		o.t.Fatal(err)
	}
	return c.KV(olddata.Namespace)
}

// compact is JSON as it is written without spaces.
func compact(t *testing.T, text json.RawMessage) string {
	t.Helper()
	if len(text) == 0 {
		return ""
	}
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
