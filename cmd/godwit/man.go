package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/godwitkv/godwit/internal/manual"
)

// manCmd writes the manual.
type manCmd struct {
	Dir string `arg:"" help:"The directory. It is made if it is not there."`
}

// Run writes a page for godwit and one for each command.
func (c *manCmd) Run(k *kong.Kong) error {
	date, err := pageDate()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	m := manual.Manual{
		App: k.Model, About: about, Description: environment, ExitStatus: exitStatus[:],
		URL: "https://github.com/godwitkv/godwit", Source: "godwit " + version(), Date: date,
	}
	for _, page := range m.Pages() {
		if err := os.WriteFile(filepath.Join(c.Dir, page.Name), []byte(page.Text), 0o644); err != nil {
			return fmt.Errorf("write page: %w", err)
		}
	}
	return nil
}

// pageDate is the source's: what SOURCE_DATE_EPOCH says, as everywhere where a build is to
// be repeated, or else what the build recorded.
func pageDate() (string, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return built().date, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return "", fmt.Errorf("SOURCE_DATE_EPOCH: %q is not unix seconds", text)
	}
	return time.Unix(seconds, 0).UTC().Format(time.DateOnly), nil
}
