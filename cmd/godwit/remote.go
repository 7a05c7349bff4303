package main

import (
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/node"
)

// remote is how the client commands reach a server.
type remote struct {
	URL   string `name:"url" help:"The server (${default})." default:"http://127.0.0.1:8787" placeholder:"URL"`
	Token string `help:"The token. On the server's own machine: default is the root token in --data." placeholder:"TOKEN"`
	Data  string `help:"The data directory to find the root token in (${default})." default:"./godwit-data" placeholder:"DIR"`
}

// client makes a client of the server. Without a token the request is made all
// the same: the server says what is missing.
func (r *remote) client() (*client.Client, error) {
	c, err := client.New(r.URL, r.token(), client.WithUserAgent("godwit-cli"))
	if err != nil {
		return nil, wrongUsage{err}
	}
	return c, nil
}

// token is the one given, or else the root token that lies here.
func (r *remote) token() string {
	if r.Token != "" || !local(r.URL) {
		return r.Token
	}
	b, err := os.ReadFile(node.RootTokenFile(r.Data))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// local tells whether a server is on this machine: no other is sent the root
// token that lies here.
func local(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// place is a namespace on a server.
type place struct {
	remote
	Namespace string `arg:"" help:"The namespace's id or title."`
}

func (l *place) open() (*client.KV, error) {
	c, err := l.client()
	if err != nil {
		return nil, err
	}
	return c.KV(l.Namespace), nil
}
