package bundle

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// output is what esbuild tells of the main module.
type output struct {
	EntryPoint string     `json:"entryPoint"`
	Exports    []string   `json:"exports"` // none, where a Worker is of the old form
	Imports    []imported `json:"imports"` // what is left of them
}

type imported struct {
	Path string `json:"path"`
	Kind string `json:"kind"`
}

// exportsAll finds where the main module exports what another one does that is not bundled.
// What it finds in a text or a comment does no harm.
var exportsAll = regexp.MustCompile(`\bexport\s*\*\s*from\b`)

// outputOf finds the main module's in a metafile.
func outputOf(metafile string) (output, error) {
	var meta struct {
		Outputs map[string]output `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(metafile), &meta); err != nil {
		return output{}, fmt.Errorf("read what was bundled: %w", err)
	}
	for _, o := range meta.Outputs {
		if o.EntryPoint != "" {
			return o, nil
		}
	}
	return output{}, nil
}

// imports tells whether any module must be there for the main one to start.
func (o *output) imports() bool {
	return slices.ContainsFunc(o.Imports, func(i imported) bool { return i.Kind == "import-statement" })
}

// needs tells whether this module must be there for the main one to start.
func (o *output) needs(path string) bool {
	return slices.ContainsFunc(o.Imports, func(i imported) bool { return i.Path == path && i.Kind == "import-statement" })
}
