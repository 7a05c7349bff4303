package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/godwitkv/godwit/internal/certs"
)

// listeners are a node's ports.
type listeners struct {
	api, binding net.Listener
	pprof        net.Listener // nil: none
}

// bind opens the ports. On an error those that are open stay in what it
// returns.
func (n *Node) bind(certificate *certs.Pair) (l listeners, err error) {
	if l.api, err = n.bindOne("--listen", n.cfg.Listen, certificate, "h2", "http/1.1"); err != nil {
		return l, err
	}
	if l.binding, err = n.bindOne("--binding-listen", n.cfg.BindingListen, certificate, "http/1.1"); err != nil {
		return l, err
	}
	if n.cfg.PprofListen != "" {
		l.pprof, err = n.bindOne("--pprof-listen", n.cfg.PprofListen, nil)
	}
	return l, err
}

func (n *Node) bindOne(flag, addr string, certificate *certs.Pair, protocols ...string) (net.Listener, error) {
	ln, err := n.cfg.ListenFunc("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	if certificate == nil {
		return ln, nil
	}
	return tls.NewListener(ln, &tls.Config{
		GetCertificate: certificate.ToClient,
		MinVersion:     tls.VersionTLS12,
		NextProtos:     protocols,
	}), nil
}

// close closes what its server has not closed already.
func (l listeners) close() (err error) {
	for _, ln := range []net.Listener{l.api, l.binding, l.pprof} {
		if ln == nil {
			continue
		}
		if cerr := ln.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			err = errors.Join(err, fmt.Errorf("close listener: %w", cerr))
		}
	}
	return err
}

func loopback(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// url is where addr is reached. Where it listens on all addresses, host stands
// for it.
func (n *Node) url(addr net.Addr, host string) string {
	scheme := "http"
	if n.cfg.TLSCert != "" {
		scheme = "https"
	}
	at := addr.String()
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		at = net.JoinHostPort(host, fmt.Sprint(tcp.Port))
	}
	return scheme + "://" + at
}

// APIURL is where the API port is reached from this machine.
func (n *Node) APIURL() string { return n.url(n.listen.api.Addr(), "127.0.0.1") }

// BindingURL is where the binding port is reached from this machine.
func (n *Node) BindingURL() string { return n.url(n.listen.binding.Addr(), "127.0.0.1") }

// PprofURL is where the profiler is reached, "" if it is not.
func (n *Node) PprofURL() string {
	if n.listen.pprof == nil {
		return ""
	}
	return "http://" + n.listen.pprof.Addr().String() + "/debug/pprof/"
}

// Account is the account's id, "" at an edge that has yet to learn it.
func (n *Node) Account() string { return n.catalog.Load().Account() }

// Upstreams are those that an edge follows; a central node has none.
func (n *Node) Upstreams() []string { return n.cfg.Upstreams }

// Refused is the error of an upstream that does not take an edge's token, nil once one is
// followed.
func (n *Node) Refused() error {
	if e := n.edge.Load(); e != nil {
		return e.Status().Refused
	}
	return nil
}

// NewRootToken is the root token if this start made it, else "".
func (n *Node) NewRootToken() string { return n.newRootToken }
