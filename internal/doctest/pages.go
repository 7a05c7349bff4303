package doctest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// A Page is a file of the repository with its blocks.
type Page struct {
	Path   string // from the repository's root, with slashes
	Text   string
	Blocks []Block
}

// OwnNode tells whether the page's commands start the node that the others of them ask.
func (p Page) OwnNode() bool { return strings.Contains(p.Text, "\n<!-- own node -->\n") }

// Pages returns every Markdown page below root that is ours, in order of their paths.
func Pages(root string) ([]Page, error) {
	var pages []Page
	skip := map[string]bool{"node_modules": true, ".git": true, ".godwit": true, "bin": true, "godwit-data": true, "vendor": true, "testdata": true}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skip[d.Name()]:
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return fmt.Errorf("name page: %w", err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read page: %w", err)
		}
		blocks, err := Parse(string(text))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		pages = append(pages, Page{Path: filepath.ToSlash(name), Text: string(text), Blocks: blocks})
		return nil
	})
	return pages, err
}
