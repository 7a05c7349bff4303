package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/worker/workerd"
	"github.com/godwitkv/godwit/internal/worker/wrangler"
)

// namespaces connects bindings with namespaces of a node, and gives each Worker a token
// that reaches its own.
type namespaces struct {
	client  *client.Client
	token   string // the one that was given
	to      workerd.KV
	run     *run
	told    *told
	known   map[string]client.Namespace // by what a configuration says
	granted map[string]*grant           // by the Worker's name
}

// grant is what one Worker's token may reach.
type grant struct {
	id, secret string
	namespaces []string
	stopgap    bool // the token that was given, until another can be made
}

func newNamespaces(node Node, run *run, told *told) (*namespaces, error) {
	u, err := url.Parse(node.BindingURL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the node's binding URL %q is not of the form http://host:port", node.BindingURL)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return &namespaces{
		client: node.Client, token: node.Token, run: run, told: told,
		to:    workerd.KV{Address: address, TLS: u.Scheme == "https", CA: node.CA, Host: u.Hostname()},
		known: map[string]client.Namespace{}, granted: map[string]*grant{},
	}, nil
}

// connect returns where a Worker's bindings lead. Namespaces that are not there are
// made.
func (n *namespaces) connect(ctx context.Context, w *wrangler.Worker) ([]workerd.KV, error) {
	var all []workerd.KV
	var ids []string
	for _, kv := range wanted(w) {
		ns, err := n.find(ctx, w, kv)
		if err != nil {
			return nil, err
		}
		to := n.to
		to.Binding, to.Namespace = kv.Binding, ns.ID
		all = append(all, to)
		ids = append(ids, ns.ID)
	}
	if len(all) == 0 {
		return nil, nil
	}
	g, err := n.grant(ctx, w, ids)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Token = g.secret
	}
	return all, nil
}

// wanted are the bindings of a Worker, with that of its site.
func wanted(w *wrangler.Worker) []wrangler.KV {
	all := slices.Clone(w.KV)
	if w.Site != nil {
		all = append(all, wrangler.KV{Binding: siteBinding, ID: siteTitle(w), Place: w.Site.Place})
	}
	return all
}

// find returns the namespace that a binding means: the one with the id that the
// configuration names, or with that title; else one that is called like the Worker and
// the binding, which is made if it is not there. Who names the same id has the same
// namespace.
func (n *namespaces) find(ctx context.Context, w *wrangler.Worker, kv wrangler.KV) (client.Namespace, error) {
	own := w.Name + "-" + kv.Binding
	ref := kv.ID
	if ref == "" {
		ref = own
	}
	if ns, ok := n.known[ref]; ok {
		return ns, nil
	}
	there, err := n.client.Namespaces(ctx)
	if err != nil {
		return client.Namespace{}, fmt.Errorf("ask for namespaces: %w", err)
	}
	title := own
	if kv.Binding == siteBinding {
		title = kv.ID
	}
	for _, match := range []func(client.Namespace) bool{
		func(ns client.Namespace) bool { return ns.ID == ref },
		func(ns client.Namespace) bool { return ns.Title == ref },
		func(ns client.Namespace) bool { return ns.Title == title },
	} {
		if i := slices.IndexFunc(there, match); i >= 0 {
			return n.note(kv, ref, there[i]), nil
		}
	}
	made, err := n.client.CreateNamespace(ctx, title, client.NamespaceOptions{})
	if err != nil {
		return client.Namespace{}, fmt.Errorf("%w: %w", kv.Place.Problem(fmt.Sprintf("make the namespace %q for %s", title, kv.Binding)), err)
	}
	return n.note(kv, ref, *made), nil
}

func (n *namespaces) note(kv wrangler.KV, ref string, ns client.Namespace) client.Namespace {
	n.known[ref] = ns
	n.told.say("  KV %s is namespace %s (%s)", kv.Binding, plain(ns.Title), ns.ID)
	return ns
}

// grant returns a token for a Worker's namespaces. Where the node does not let us make
// one, the Worker gets the one that we were given; where nobody can make one now, until its
// next change.
func (n *namespaces) grant(ctx context.Context, w *wrangler.Worker, ids []string) (*grant, error) {
	slices.Sort(ids)
	ids = slices.Compact(ids)
	before := n.granted[w.Name]
	if before != nil && slices.Equal(before.namespaces, ids) && !before.stopgap {
		return before, nil
	}
	host, _ := os.Hostname()
	t, err := n.client.CreateToken(ctx, client.TokenSpec{
		Name: "worker " + w.Name + " on " + host, Permission: "write", Namespaces: ids,
	})
	g := &grant{namespaces: ids, secret: n.token}
	switch {
	case errors.Is(err, client.ErrForbidden):
	case errors.Is(err, client.ErrUnavailable) && n.token != "":
		// An edge whose centre is away. Its Workers can read.
		if g.stopgap = true; before == nil || !before.stopgap {
			n.told.warn("no token for %s alone can be made now: it gets the one that was given", w.Name)
		}
	case err != nil:
		return nil, fmt.Errorf("make a token for %s: %w", w.Name, err)
	default:
		g.id, g.secret = t.ID, t.Secret
		if err := n.run.addToken(t.ID); err != nil {
			return nil, err
		}
	}
	n.granted[w.Name] = g
	return g, nil
}

// forget drops what is known, so that it is asked for again.
func (n *namespaces) forget() {
	clear(n.known)
	clear(n.granted)
}

// isGone tells that a namespace which was there is not there any more.
func isGone(err error) bool {
	return errors.Is(err, client.ErrNamespaceNotFound) || errors.Is(err, client.ErrInvalid) && strings.Contains(err.Error(), "namespace")
}
