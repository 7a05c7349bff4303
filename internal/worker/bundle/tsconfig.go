package bundle

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// sawSource notes a source, and what TypeScript's configuration for it may be: the nearest,
// unless the project names one.
func (b *Bundler) sawSource(path string) {
	b.seen.file(path)
	if b.worker.Build.TSConfig != "" || strings.Contains(filepath.ToSlash(path), "/node_modules/") {
		return
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		b.sawTSConfig(filepath.Join(dir, "tsconfig.json"))
		if dir == b.worker.Dir || dir == filepath.Dir(dir) {
			return
		}
	}
}

// extended finds what a configuration builds upon. What it finds in a comment does no harm.
var (
	extended = regexp.MustCompile(`"extends"\s*:\s*(?:"[^"]*"|\[[^\]]*\])`)
	quoted   = regexp.MustCompile(`"([^"]*)"`)
)

// maxTSConfig bounds the files that are read.
const maxTSConfig = 1 << 20

// sawTSConfig notes a configuration, and those that it extends by their paths. One of a
// package is taken to stay as it is.
func (b *Bundler) sawTSConfig(path string) {
	if !b.seen.first(path) {
		return
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() > maxTSConfig {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	for _, all := range extended.FindAllString(string(text), -1) {
		for _, name := range quoted.FindAllStringSubmatch(strings.TrimPrefix(all, `"extends"`), -1) {
			base := name[1]
			switch {
			case filepath.IsAbs(base):
			case strings.HasPrefix(base, "./"), strings.HasPrefix(base, "../"):
				base = filepath.Join(filepath.Dir(path), base)
			default:
				continue
			}
			b.sawTSConfig(base)
			b.sawTSConfig(base + ".json")
		}
	}
}
