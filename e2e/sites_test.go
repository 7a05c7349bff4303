package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// What wrangler fills one bulk write of assets with, and how many it has under
// way at once.
const (
	bucketBytes    = 98_000_000
	bucketKeys     = 1000
	bucketParallel = 5
)

// A site does with KV what `wrangler deploy` does for Workers Sites.
type site struct {
	t      *testing.T
	server *server
	id     string
}

type asset struct {
	Name       string `json:"name"`
	Expiration int64  `json:"expiration"`
}

// TestSites deploys a site, serves it from workerd, and deploys it again.
func TestSites(t *testing.T) {
	t.Parallel()
	s := site{t: t, server: startServer(t)}
	if s.find() {
		t.Error("there is a namespace before the first deployment")
	}
	s.create()
	if !s.find() {
		t.Fatal("the namespace is not listed")
	}
	files := assets(1)
	manifest := s.deploy(files, 0)
	s.serve(files, manifest)

	// The second deployment drops what is stale at once, the third in an hour.
	second := s.deploy(assets(2), 0)
	s.expect(second, nil)
	third := s.deploy(assets(3), 3600)
	s.expect(third, second)
	fourth := s.deploy(assets(4), 7200)
	s.expect(fourth, merge(second, third)) // the second's keep their hour
}

// assets are a site's files; some of them differ from version to version.
func assets(version int) map[string][]byte {
	files := map[string][]byte{
		"index.html":       fmt.Appendf(nil, "<h1>version %d</h1>", version),
		"sub/a b.txt":      []byte("spaces"),
		"sub/é漢/🤓.css":     []byte("body {}"),
		"empty.json":       {},
		"with.many.dots":   []byte("dots"),
		"sub/index.html":   []byte("<h2>sub</h2>"),
		"images/pixel.gif": {0x47, 0x49, 0x46, 0x38, 0x00, 0xff},
	}
	if version > 1 {
		return files
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 5 { // two buckets by size
		data := make([]byte, 18<<20)
		for j := 0; j < len(data); j += 8 {
			v := rng.Uint64()
			for k := range 8 {
				data[j+k] = byte(v >> (8 * k))
			}
		}
		files[fmt.Sprintf("big/%d.bin", i)] = data
	}
	for i := range 1200 { // and by number
		files[fmt.Sprintf("small/%04d.txt", i)] = fmt.Appendf(nil, "small %d", i)
	}
	return files
}

func merge(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for name, key := range a {
		all[key+name] = key
	}
	for name, key := range b {
		all[key+name] = key
	}
	return all
}

const siteTitle = "__site-workers_sites_assets"

// call makes a request and decodes its result.
func (s *site) call(method, path string, body []byte, result any) error {
	_, got, err := s.server.do(method, s.server.kv(path), bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply := struct {
		Success bool
		Result  any
	}{Result: result}
	if err := json.Unmarshal(got, &reply); err != nil || !reply.Success {
		return fmt.Errorf("%s %s: %w: %.300s", method, path, err, got)
	}
	return nil
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// find looks the namespace up by its title.
func (s *site) find() bool {
	s.t.Helper()
	for page := 1; ; page++ {
		var rows []struct{ ID, Title string }
		s.must(s.call(http.MethodGet, fmt.Sprintf("/namespaces?per_page=100&order=title&direction=asc&page=%d", page), nil, &rows))
		for _, ns := range rows {
			if ns.Title == siteTitle {
				s.id = ns.ID
				return true
			}
		}
		if len(rows) < 100 {
			return false
		}
	}
}

func (s *site) create() {
	s.t.Helper()
	s.must(s.call(http.MethodPost, "/namespaces", []byte(`{"title":"`+siteTitle+`"}`), nil))
}

// list returns the keys there are, all pages of them.
func (s *site) list() map[string]asset {
	s.t.Helper()
	all := map[string]asset{}
	cursor := ""
	for {
		query := "?prefix="
		if cursor != "" {
			query += "&cursor=" + url.QueryEscape(cursor)
		}
		_, got, err := s.server.do(http.MethodGet, s.server.kv("/namespaces/"+s.id+"/keys"+query), nil)
		s.must(err)
		var page struct {
			Result     []asset
			ResultInfo struct{ Cursor string } `json:"result_info"`
		}
		s.must(json.Unmarshal(got, &page))
		for _, a := range page.Result {
			all[a.Name] = a
		}
		if cursor = page.ResultInfo.Cursor; cursor == "" {
			return all
		}
	}
}

// deploy uploads what is new, then deletes what is stale, or lets it expire
// after oldTTL seconds. It returns the manifest.
func (s *site) deploy(files map[string][]byte, oldTTL int) map[string]string {
	s.t.Helper()
	there := s.list()
	manifest := map[string]string{}
	stale := map[string]asset{}
	for name, a := range there {
		stale[name] = a
	}
	var buckets [][]byte
	bucket, items := []byte("["), 0
	size := 0
	flush := func() {
		if items > 0 {
			buckets = append(buckets, append(bucket, ']'))
		}
		bucket, items, size = []byte("["), 0, 0
	}
	for name, data := range files {
		key := assetKey(name, data)
		manifest[name] = key
		delete(stale, key)
		if _, ok := there[key]; ok {
			continue
		}
		value := base64.StdEncoding.EncodeToString(data)
		if items == bucketKeys || size+len(value) > bucketBytes {
			flush()
		}
		item, err := json.Marshal(map[string]any{"key": key, "value": value, "base64": true})
		s.must(err)
		if items > 0 {
			bucket = append(bucket, ',')
		}
		bucket = append(bucket, item...)
		items++
		size += len(value)
	}
	flush()
	s.upload(buckets)
	s.retire(stale, oldTTL)
	return manifest
}

// assetKey is <dir>/<base>.<10 hexadecimal digits><ext>.
func assetKey(name string, data []byte) string {
	sum := sha256.Sum256(data)
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:5]) + ext
}

func (s *site) upload(buckets [][]byte) {
	s.t.Helper()
	var g errgroup.Group
	g.SetLimit(bucketParallel)
	for _, b := range buckets {
		g.Go(func() error { return s.call(http.MethodPut, "/namespaces/"+s.id+"/bulk", b, nil) })
	}
	s.must(g.Wait())
}

func (s *site) retire(stale map[string]asset, ttl int) {
	s.t.Helper()
	if ttl == 0 {
		names := make([]string, 0, len(stale))
		for name := range stale {
			names = append(names, name)
		}
		if len(names) == 0 {
			return
		}
		body, err := json.Marshal(names)
		s.must(err)
		s.must(s.call(http.MethodDelete, "/namespaces/"+s.id+"/bulk", body, nil))
		return
	}
	for name, a := range stale {
		if a.Expiration != 0 {
			continue
		}
		at := "/namespaces/" + s.id + "/values/" + url.PathEscape(name)
		res, value, err := s.server.do(http.MethodGet, s.server.kv(at), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			s.t.Fatalf("read %s: %v: %.300s", name, err, value)
		}
		s.must(s.call(http.MethodPut, fmt.Sprintf("%s?expiration_ttl=%d", at, ttl), value, nil))
	}
}

// expect wants the keys of the manifest to stay, those of fading to expire
// within an hour, and no others.
func (s *site) expect(manifest, fading map[string]string) {
	s.t.Helper()
	got := s.list()
	want := map[string]bool{} // whether it expires
	for _, key := range fading {
		want[key] = true
	}
	for _, key := range manifest {
		want[key] = false
	}
	for key, expires := range want {
		a, ok := got[key]
		if !ok || (a.Expiration != 0) != expires {
			s.t.Errorf("%s: got %+v (%t), want it to expire: %t", key, a, ok, expires)
		}
	}
	if len(got) != len(want) {
		s.t.Errorf("%d keys, want %d", len(got), len(want))
	}
}

// serve reads every file through workerd.
func (s *site) serve(files map[string][]byte, manifest map[string]string) {
	s.t.Helper()
	text, err := json.Marshal(manifest)
	s.must(err)
	cache, err := os.ReadFile(filepath.Join("testdata", "sites", "cache.mjs"))
	s.must(err)
	w := startWorkerd(s.t, worker{
		script:   bundle(s.t, "testdata/sites/worker.mjs"),
		bindings: map[string]bound{"__STATIC_CONTENT": {s.server, siteTitle, rootToken}},
		manifest: text,
		cache:    cache,
	})
	for name, want := range files {
		if strings.HasPrefix(name, "small/") && !strings.HasSuffix(name, "00.txt") {
			continue
		}
		u := url.URL{Path: "/" + name}
		status, got := w.get(u.EscapedPath())
		if status != http.StatusOK || !bytes.Equal(got, want) {
			s.t.Errorf("%s: got %d and %d bytes, want %d bytes", name, status, len(got), len(want))
		}
	}
	for name, want := range map[string]string{"/": "<h1>version 1</h1>", "/sub/": "<h2>sub</h2>"} {
		if status, got := w.get(name); status != http.StatusOK || string(got) != want {
			s.t.Errorf("%s: got %d %s", name, status, got)
		}
	}
	if status, _ := w.get("/absent.html"); status != http.StatusNotFound {
		s.t.Errorf("an absent file: got %d", status)
	}
	if status, _ := w.fetch(http.MethodPost, "/index.html", nil); status != http.StatusMethodNotAllowed {
		s.t.Errorf("a POST: got %d", status)
	}
}
