package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

const (
	siteBinding = "__STATIC_CONTENT"
	// oldAsset is for how long an asset stays that the site has no more: another machine
	// may serve the version of before.
	oldAsset     = time.Hour
	maxAssets    = 20_000
	maxAssetSize = 25 << 20
	uploadBytes  = 32 << 20 // what is held in memory of an upload
)

// siteTitle is the namespace of a Workers Site, as wrangler calls it.
func siteTitle(w *wrangler.Worker) string { return "__" + w.Name + "-workers_sites_assets" }

// site is a Workers Site as it was last looked at.
type site struct {
	sums map[string]summed // by path
}

type summed struct {
	stamp stamp
	key   string
}

// manifest returns what the site's files are called in KV, by their paths, and all paths
// that were looked at. What is withheld is none of them.
func (s *site) manifest(w *wrangler.Worker, withheld []string) (manifest map[string]string, looked []string, err error) {
	has, err := w.Site.Filter()
	if err != nil {
		return nil, nil, w.Site.Place.Problem("site: " + err.Error())
	}
	manifest = map[string]string{}
	sums := map[string]summed{}
	files := siteFiles{has: has, withheld: withheld, take: func(file, rel string) error {
		key, err := s.key(file, rel, sums)
		manifest[rel] = key
		if err == nil && len(manifest) > maxAssets {
			err = fmt.Errorf("more than %d files", maxAssets)
		}
		return err
	}}
	err = files.walk(w.Site.Bucket, "")
	s.sums = sums
	if err != nil {
		err = w.Site.Place.Problem("site: " + err.Error())
	}
	return manifest, files.looked, err
}

// hidden tells what wrangler leaves out, too.
func hidden(name string) bool {
	return name == "node_modules" || strings.HasPrefix(name, ".") && name != ".well-known"
}

// key is a file's name in KV: with ten digits of its hash, so that another content has
// another name.
func (s *site) key(file, rel string, sums map[string]summed) (string, error) {
	now := stampOf(file)
	if old, ok := s.sums[rel]; ok && old.stamp == now {
		sums[rel] = old
		return old.key, nil
	}
	if now.size > maxAssetSize {
		return "", fmt.Errorf("%s has %d bytes; an asset has at most %d", file, now.size, maxAssetSize)
	}
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	ext := path.Ext(rel)
	key := strings.TrimSuffix(rel, ext) + "." + hex.EncodeToString(sum.Sum(nil)[:5]) + ext
	if len(key) > 512 {
		return "", fmt.Errorf("%s: the path is too long for a key", file)
	}
	sums[rel] = summed{now, key}
	return key, nil
}

// upload writes the files that the namespace has not, and lets those go that the site
// has no more. It returns the manifest as a Worker reads it.
func upload(ctx context.Context, kv *client.KV, w *wrangler.Worker, manifest map[string]string) ([]byte, error) {
	there := map[string]client.Key{}
	for k, err := range kv.List(ctx, client.ListOptions{}) {
		if err != nil {
			return nil, fmt.Errorf("list the site's assets: %w", err)
		}
		there[k.Name] = k
	}
	if err := putMissing(ctx, kv, w, manifest, there); err != nil {
		return nil, fmt.Errorf("upload the site: %w", err)
	}
	wanted := map[string]bool{}
	for _, key := range manifest {
		wanted[key] = true
	}
	for name, k := range there {
		if !wanted[name] && k.Expiration == 0 {
			if err := retire(ctx, kv, name); err != nil {
				return nil, fmt.Errorf("retire an asset: %w", err)
			}
		}
	}
	return json.Marshal(manifest)
}

func putMissing(ctx context.Context, kv *client.KV, w *wrangler.Worker, manifest map[string]string, there map[string]client.Key) error {
	var pairs []client.Pair
	held := 0
	flush := func() error {
		_, err := kv.BulkPut(ctx, pairs)
		pairs, held = nil, 0
		return err
	}
	for rel, key := range manifest {
		if k, ok := there[key]; ok && k.Expiration == 0 {
			continue
		}
		value, err := os.ReadFile(filepath.Join(w.Site.Bucket, filepath.FromSlash(rel)))
		if err != nil {
			return err
		}
		pairs = append(pairs, client.Pair{Key: key, Value: value})
		if held += len(value); held > uploadBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return flush()
}

// retire gives an asset an end.
func retire(ctx context.Context, kv *client.KV, name string) error {
	v, err := kv.Get(ctx, name)
	if err != nil {
		return err
	}
	defer v.Close()
	value, err := io.ReadAll(v)
	if err != nil {
		return err
	}
	_, err = kv.Put(ctx, name, bytes.NewReader(value), client.PutOptions{ExpirationTTL: oldAsset})
	return err
}
