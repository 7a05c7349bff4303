package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/godwitkv/godwit/internal/node"
	"github.com/godwitkv/godwit/internal/shell"
)

// welcome tells where the node is, its root token if this start made it, and
// what to type next. A program that reads the log as JSON is told of the token
// alone. systemd's journal is told the file.
func (p *program) welcome(c *serveCmd, n *node.Node) {
	file, made := node.RootTokenFile(c.Data), n.NewRootToken()
	show := made != "" && !isJournal(p.stdout)
	if c.LogFormat == "json" {
		switch {
		case show:
			fmt.Fprintf(p.stdout, "root token, shown this once and kept in %s: %s\n", file, made)
		case made != "":
			fmt.Fprintf(p.stdout, "root token, made now: in %s\n", file)
		}
		return
	}
	if len(n.Upstreams()) > 0 {
		p.welcomeEdge(c, n)
		return
	}
	token := `"$(cat ` + shell.Quote(absolute(file)) + `)"`
	fmt.Fprintf(p.stdout, "\ngodwit %s is ready.\n\n", version())
	fmt.Fprintf(p.stdout, "  API      %s   (in a browser: the dashboard)\n  Binding  %s\n  Data     %s\n  Account  %s\n", n.APIURL(), n.BindingURL(), c.Data, n.Account())
	switch {
	case show:
		fmt.Fprintf(p.stdout, "  Token    %s   (root; shown this once, kept in %s)\n", made, file)
	case c.RootToken != "":
		fmt.Fprintf(p.stdout, "  Token    the root token that you gave\n")
		token = "YOUR_ROOT_TOKEN"
	default:
		fmt.Fprintf(p.stdout, "  Token    in %s\n", file)
	}
	self := shell.Quote(self())
	fmt.Fprintf(p.stdout, `
Type next, in another terminal:

  export GODWIT_URL=%[1]s GODWIT_TOKEN=%[2]s
  %[3]s namespace create demo
  %[3]s put demo hello world
  %[3]s get demo hello

  curl -H "Authorization: Bearer $GODWIT_TOKEN" %[1]s/client/v4/accounts/%[4]s/storage/kv/namespaces

  export CLOUDFLARE_API_BASE_URL=%[1]s/client/v4 CLOUDFLARE_API_TOKEN=$GODWIT_TOKEN CLOUDFLARE_ACCOUNT_ID=%[4]s
  npx wrangler kv namespace list

`, n.APIURL(), token, self, n.Account())
}

// welcomeEdge is welcome for an edge, which has no root token of its own.
func (p *program) welcomeEdge(c *serveCmd, n *node.Node) {
	fmt.Fprintf(p.stdout, "\ngodwit %s is an edge.\n\n", version())
	fmt.Fprintf(p.stdout, "  API      %s   (in a browser: the dashboard)\n  Binding  %s\n  Data     %s\n  Follows  %s\n",
		n.APIURL(), n.BindingURL(), c.Data, strings.Join(n.Upstreams(), ", "))
	if c.RootToken != "" {
		fmt.Fprintf(p.stdout, "  Token    those of the centre, and the root token that you gave\n")
	} else {
		fmt.Fprintf(p.stdout, "  Token    those of the centre: an edge makes no root token\n")
	}
	fmt.Fprintf(p.stdout, `
It serves reads once its first copy is complete. Type next, in another terminal:

  export GODWIT_URL=%[1]s GODWIT_TOKEN=A_TOKEN_OF_THE_CENTRE
  %[2]s status
  %[2]s status --tree

`, n.APIURL(), shell.Quote(self()))
}

// self is how to call this program: by name where that is it, else by path.
func self() string {
	path, err := os.Executable()
	if err != nil {
		return "godwit"
	}
	if found, err := exec.LookPath("godwit"); err == nil && same(found, path) {
		return "godwit"
	}
	return path
}

func same(a, b string) bool {
	ia, err := os.Stat(a)
	if err != nil {
		return false
	}
	ib, err := os.Stat(b)
	return err == nil && os.SameFile(ia, ib)
}

func absolute(path string) string {
	abs, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return abs
}
