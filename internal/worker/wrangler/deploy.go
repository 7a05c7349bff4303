package wrangler

import (
	"fmt"
	"os"
	"path/filepath"
)

// deployFile is where a build tool names the configuration that it has made, seen from
// the one that people write.
var deployFile = filepath.Join(".wrangler", "deploy", "config.json")

// built returns the configuration that a build tool has made, "" if none has.
func (w *Worker) built(deploy string) (string, error) {
	abs, err := filepath.Abs(deploy)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", deploy, err)
	}
	w.Files = append(w.Files, abs)
	if !isFile(abs) {
		return "", nil
	}
	text, err := readFile(abs)
	if err != nil {
		return "", fmt.Errorf("read what was built: %w", err)
	}
	p := &problems{file: deploy}
	top := parseJSONC(p, text)
	if p.err() != nil {
		return "", p.err()
	}
	n := top.get("configPath")
	if n == nil || n.kind != stringKind || n.text == "" {
		p.add(top.line, `"configPath" is missing: it names the configuration that a build has made`)
		return "", p.err()
	}
	file := n.text
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(deploy), file)
	}
	if !isFile(file) {
		if abs, err := filepath.Abs(file); err == nil {
			w.Files = append(w.Files, abs)
		}
		p.add(n.line, "configPath: there is no %s: build the project again, or remove this file", file)
		return "", p.err()
	}
	return file, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// checkBuilt wants what was built to be for the environment that is asked for: what
// was made of one holds no others.
func (d *decoder) checkBuilt() {
	if all := d.top.get("env"); !all.blank() {
		d.add(all.line, "env: a configuration that a build has made holds no environments")
	}
	if n := d.top.get("targetEnvironment"); d.env != "" && n != nil && n.text != "" && n.text != d.env {
		d.add(n.line, "the project was built for the environment %q: build it again for %q", n.text, d.env)
	}
}
