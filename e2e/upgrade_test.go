package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/e2e/olddata"
)

// TestUpgrade opens what earlier versions of godwit have written: a centre that was
// killed, an edge of it, a backup, and an encrypted one. All that was in it is there, and
// it goes on: with new writes, an edge that follows, and a clean check at the end.
func TestUpgrade(t *testing.T) {
	archives, err := filepath.Glob("testdata/upgrade/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			content, err := olddata.Unpack(archive, dir)
			if err != nil {
				t.Fatal(err)
			}
			o := &oldData{t: t, dir: dir, Content: content}
			kinds := make(map[olddata.Kind]bool)
			for _, d := range content.Directories {
				kinds[d.Kind] = true
				if d.Kind != olddata.Edge { // it is opened with its centre
					o.upgrade(d)
				}
			}
			if !kinds[olddata.Centre] || !kinds[olddata.Edge] {
				t.Errorf("the archive has no centre or no edge: %v", content.Directories)
			}
		})
	}
}

type oldData struct {
	olddata.Content
	t   *testing.T
	dir string
}

// upgrade opens a directory with this godwit; what is no edge takes writes, and has edges.
func (o *oldData) upgrade(d olddata.Directory) {
	o.t.Helper()
	s := o.server(d)
	if d.Kind == olddata.Backup {
		to := filepath.Join(o.t.TempDir(), "restored")
		s.command("restore", s.dir, to)
		s.dir = to
	}
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

func (o *oldData) server(d olddata.Directory) *server {
	s := newServer(o.t)
	s.dir = filepath.Join(o.dir, d.Name)
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
