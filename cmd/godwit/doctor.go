package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/doctor"
)

// doctorCmd checks a deployment.
type doctorCmd struct {
	remote
	Node []string `env:"-" help:"A further node to check, by the URL of its API; may be repeated. Others that these know of are checked as far as that takes no token." placeholder:"URL"`
	JSON bool     `name:"json" help:"Show it as JSON."`
}

// maxDoctorNodes bounds how many nodes are named.
const maxDoctorNodes = 100

// unwell marks that a problem was found, of which the output has spoken.
type unwell struct{ alreadyTold }

// Run checks all nodes and shows what was found.
func (c *doctorCmd) Run(ctx context.Context, p *program) error {
	if len(c.Node) > maxDoctorNodes {
		return wrongUsage{fmt.Errorf("--node: more than %d", maxDoctorNodes)}
	}
	urls := append([]string{c.URL}, c.Node...)
	for _, url := range urls {
		if _, err := client.New(url, c.Token); err != nil {
			return wrongUsage{err}
		}
	}
	d := doctor.Look(ctx, doctor.Config{URLs: urls, Token: c.tokenFor, Now: time.Now, HTTP: http.DefaultTransport})
	if err := ctx.Err(); err != nil {
		return err
	}
	found := d.Findings()
	if err := c.show(p, found); err != nil {
		return err
	}
	if doctor.Worst(found) == doctor.Problem {
		return unwell{}
	}
	return nil
}

// tokenFor is the one given, or else the root token that lies here, for nodes on this
// machine alone.
func (c *doctorCmd) tokenFor(url string) string {
	r := c.remote
	r.URL = url
	return r.token()
}

func (c *doctorCmd) show(p *program, found []doctor.Finding) error {
	if c.JSON {
		return p.writeJSON(found)
	}
	if isTerminal(p.stdout) {
		return prescribe(p.stdout, found)
	}
	t := p.table()
	for _, f := range found {
		t.row(string(f.Level), orDash(f.Node), f.Check, f.Found, orDash(f.Means), orDash(f.Do))
	}
	return t.close()
}

// prescribe shows findings to a person: what is wrong with what it means and what to
// do, and of the rest a line each.
func prescribe(to *os.File, found []doctor.Finding) error {
	count := make(map[doctor.Level]int)
	for _, f := range found {
		count[f.Level]++
		fmt.Fprintf(to, "%-8s %-16s %-14s %s\n", f.Level, printable(orDash(f.Node)), f.Check, printable(f.Found))
		if f.Level == doctor.OK {
			continue
		}
		fmt.Fprintf(to, "%25s means: %s\n%25s do: %s\n", "", printable(f.Means), "", printable(f.Do))
	}
	_, err := fmt.Fprintf(to, "%s: %s, %s\n", plural(len(found), "check"), plural(count[doctor.Problem], "problem"), plural(count[doctor.Warning], "warning"))
	if err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}
