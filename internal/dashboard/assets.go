package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed static/*.css static/*.js static/*.svg static/vendor/*.js static/vendor/*.css
var static embed.FS

// asset is a file that pages load.
type asset struct {
	kind   string // its content type
	plain  []byte
	zipped []byte
}

// assets are the files by the name that they are served under, which has a hash of
// what is in them: they can be kept for ever.
type assets struct {
	served map[string]*asset
	names  map[string]string // by the file's own name
}

func loadAssets() *assets {
	a := &assets{served: make(map[string]*asset), names: make(map[string]string)}
	err := fs.WalkDir(static, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := static.ReadFile(file)
		if err == nil {
			a.add(path.Base(file), text)
		}
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("read embedded files: %v", err)) // they are in the binary
	}
	return a
}

func (a *assets) add(name string, text []byte) {
	sum := sha256.Sum256(text)
	ext := path.Ext(name)
	served := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:8]) + ext
	a.names[name] = served
	a.served[served] = &asset{kind: kindOf(ext), plain: text, zipped: zip(text)}
}

func kindOf(ext string) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		panic("no content type for " + ext)
	}
}

func zip(text []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(fmt.Sprintf("make gzip writer: %v", err)) // the level is valid
	}
	_, _ = w.Write(text) // to memory
	_ = w.Close()
	return b.Bytes()
}

// path is where a file is served. It panics for one that there is not.
func (a *assets) path(name string) string {
	served, ok := a.names[name]
	if !ok {
		panic("no such asset: " + name)
	}
	return Prefix + "assets/" + served
}

// serveAsset needs no session: the sign-in has a style, too.
func (d *Dashboard) serveAsset(w http.ResponseWriter, r *http.Request) {
	file, ok := d.assets().served[r.PathValue("name")]
	if !ok {
		http.Error(w, "There is nothing at this path.", http.StatusNotFound)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Type", file.kind)
	h.Set("Vary", "Accept-Encoding")
	text := file.plain
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		text = file.zipped
	}
	_, _ = w.Write(text) // the client is gone
}

// acceptsGzip tells whether gzip is named, and not refused, in Accept-Encoding.
func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q = strings.ReplaceAll(strings.ToLower(q), " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}
