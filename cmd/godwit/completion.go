package main

import (
	"fmt"

	"github.com/alecthomas/kong"

	"github.com/godwitkv/godwit/internal/completion"
)

// completionCmd writes what a shell completes by.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: bash, zsh or fish."`
}

// Run writes the shell's script.
func (c *completionCmd) Run(p *program, k *kong.Kong) error {
	script := map[string]func(*kong.Application) string{
		"bash": completion.Bash, "zsh": completion.Zsh, "fish": completion.Fish,
	}[c.Shell]
	_, err := fmt.Fprint(p.stdout, script(k.Model))
	return err
}
