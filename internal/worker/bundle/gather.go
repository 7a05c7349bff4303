package bundle

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// Bounds of what is gathered without a bundler.
const (
	maxModules     = 5000
	maxModuleTotal = 256 << 20
)

// gather takes the modules as they lie in the base directory: nothing is bundled.
func (b *Bundler) gather() (*Result, error) {
	b.seen.reset()
	b.seen.file(b.worker.Main)
	main, err := readModule(b.worker.Main, wrangler.ESModule)
	if err != nil {
		return nil, fmt.Errorf("read main: %w", err)
	}
	base := b.worker.Build.BaseDir
	if main.Name, err = filepath.Rel(base, b.worker.Main); err != nil || strings.HasPrefix(main.Name, "..") {
		return nil, fmt.Errorf("%s: main does not lie in the base directory %s", b.worker.File, base)
	}
	if filepath.Ext(main.Name) == ".cjs" {
		main.Type = wrangler.CommonJS
	} else if !isModule(main.Data) {
		return &Result{Modules: []Module{main}, ServiceWorker: true}, nil
	}
	others, err := b.others(base, len(main.Data))
	return &Result{Modules: append([]Module{main}, others...)}, err
}

// isModule tells whether a source is of the form of modules: it imports or exports something.
// Of what esbuild cannot read workerd may say more.
func isModule(source []byte) bool {
	read := api.Build(api.BuildOptions{
		Stdin:  &api.StdinOptions{Contents: string(source), Loader: api.LoaderJS},
		Format: api.FormatESModule, Outfile: "main.js", Metafile: true, Write: false, LogLevel: api.LogLevelSilent,
	})
	out, err := outputOf(read.Metafile)
	return len(read.Errors) > 0 || err != nil || len(out.Exports) > 0 || out.imports()
}

// others are the files of the base directory that the rules name.
func (b *Bundler) others(base string, total int) ([]Module, error) {
	found := map[string]Module{}
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path != base && (strings.HasPrefix(name, ".") || name == "node_modules") {
				return filepath.SkipDir
			}
			b.seen.file(path) // a new file in it is a new module
			return nil
		}
		rel, err := filepath.Rel(base, path)
		if err != nil || path == b.worker.Main {
			return err
		}
		typ := b.worker.Build.Module(rel)
		if typ == "" {
			return nil
		}
		b.seen.file(path)
		m, err := readModule(path, typ)
		m.Name = filepath.ToSlash(rel)
		found[m.Name] = m
		if total += len(m.Data); total > maxModuleTotal || len(found) > maxModules {
			return fmt.Errorf("more than %d modules or %d bytes lie in %s: name a smaller base_dir", maxModules, maxModuleTotal, base)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("gather modules: %w", err)
	}
	return sorted(found), nil
}
