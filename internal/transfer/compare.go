package transfer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/pause"
)

// Node is one of two that are compared.
type Node struct {
	Client *client.Client
	Name   string // for who reads of it
}

// Difference is what two nodes do not agree on.
type Difference struct {
	Namespace string // title
	Key       string // "": it is about the namespace itself
	What      string
}

// Comparison compares the content of two nodes, while both serve and are written to.
// What differs is looked at again, for as long as Settle, before it is called a
// difference: one may only be behind.
type Comparison struct {
	A, B     Node
	Settle   time.Duration
	Report   func(Difference)
	Progress *Progress // counts what was compared

	lineage bool // both have their revisions of one log
	differ  []suspect
}

const (
	// maxSuspects is how many keys wait to be looked at again, at the most.
	maxSuspects = 10_000
	againEvery  = 250 * time.Millisecond
	// patience is for how many times Settle, and how often, a key is looked at that
	// changes all the while.
	patience = 3
)

// suspect is a key that differs, or did.
type suspect struct {
	title string
	a, b  *client.KV
	key   string
	seen  string // how it differed when it was last looked at
}

// Run compares. It returns an error if that could not be brought to an end; differences
// are none.
func (c *Comparison) Run(ctx context.Context) error {
	a, err := c.A.Client.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.A.Name, err)
	}
	b, err := c.B.Client.Status(ctx)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.B.Name, err)
	}
	if a.ID == b.ID && a.ID != "" { // older versions say none
		return fmt.Errorf("%s and %s are the same node: give the address of another one", c.A.Name, c.B.Name)
	}
	c.lineage = a.ClusterID == b.ClusterID && a.Generation == b.Generation
	pairs, err := c.namespaces(ctx)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		if err := c.namespace(ctx, p); err != nil {
			return fmt.Errorf("namespace %q: %w", p.title, err)
		}
	}
	return c.again(ctx)
}

// namespacePair is a namespace that both have.
type namespacePair struct {
	title string
	a, b  *client.KV
}

// namespaces finds the namespaces that both have, and tells of the others.
func (c *Comparison) namespaces(ctx context.Context) ([]namespacePair, error) {
	deadline := time.Now().Add(c.Settle)
	for {
		a, err := c.A.Client.Namespaces(ctx)
		if err != nil {
			return nil, fmt.Errorf("list namespaces of %s: %w", c.A.Name, err)
		}
		b, err := c.B.Client.Namespaces(ctx)
		if err != nil {
			return nil, fmt.Errorf("list namespaces of %s: %w", c.B.Name, err)
		}
		pairs, differences := c.pairUp(a, b)
		if len(differences) == 0 || time.Now().After(deadline) {
			for _, d := range differences {
				c.Report(d)
			}
			return pairs, nil
		}
		if !pause.For(ctx, againEvery) {
			return nil, context.Cause(ctx)
		}
	}
}

// pairUp pairs namespaces: by their ids where both have them of one log, else by their
// titles.
func (c *Comparison) pairUp(as, bs []client.Namespace) (pairs []namespacePair, differences []Difference) {
	name := func(n *client.Namespace) string {
		if c.lineage {
			return n.ID
		}
		return n.Title
	}
	others := make(map[string]*client.Namespace, len(bs))
	for i := range bs {
		others[name(&bs[i])] = &bs[i]
	}
	for i := range as {
		a := &as[i]
		b, ok := others[name(a)]
		if !ok {
			differences = append(differences, Difference{Namespace: a.Title, What: "is at " + c.A.Name + " alone"})
			continue
		}
		delete(others, name(a))
		if a.Title != b.Title {
			differences = append(differences, Difference{Namespace: a.Title, What: fmt.Sprintf("is called %q at %s", b.Title, c.B.Name)})
		}
		pairs = append(pairs, namespacePair{a.Title, c.A.Client.KV(a.ID), c.B.Client.KV(b.ID)})
	}
	for i := range bs {
		if _, ok := others[name(&bs[i])]; ok {
			differences = append(differences, Difference{Namespace: bs[i].Title, What: "is at " + c.B.Name + " alone"})
		}
	}
	return pairs, differences
}

// namespace goes through both sides in the order of their keys.
func (c *Comparison) namespace(ctx context.Context, p namespacePair) error {
	o := client.ScanOptions{Values: true, Limit: pageKeys}
	nextA, stopA := iter.Pull2(p.a.Scan(ctx, o))
	defer stopA()
	nextB, stopB := iter.Pull2(p.b.Scan(ctx, o))
	defer stopB()
	a, b := newSide(c.A.Name, nextA), newSide(c.B.Name, nextB)
	for a.more || b.more {
		if err := errors.Join(a.err, b.err); err != nil {
			return err
		}
		var left, right *client.Scanned
		if a.more && (!b.more || a.key.Name <= b.key.Name) {
			left = &a.key
		}
		if b.more && (!a.more || b.key.Name <= a.key.Name) {
			right = &b.key
		}
		if err := c.pair(ctx, p, left, right); err != nil {
			return err
		}
		if left != nil {
			a.step()
		}
		if right != nil {
			b.step()
		}
	}
	return errors.Join(a.err, b.err)
}

// side is one of two lists.
type side struct {
	name string
	next func() (client.Scanned, error, bool)
	key  client.Scanned
	more bool
	err  error
}

func newSide(name string, next func() (client.Scanned, error, bool)) *side {
	s := &side{name: name, next: next}
	s.step()
	return s
}

func (s *side) step() {
	key, err, ok := s.next()
	if err != nil {
		s.err = fmt.Errorf("list keys of %s: %w", s.name, err)
	}
	s.key, s.more = key, ok && err == nil
}

// pair compares what both list of a key; one may be nil.
func (c *Comparison) pair(ctx context.Context, p namespacePair, a, b *client.Scanned) error {
	c.Progress.Keys.Add(1)
	found := a
	if found == nil {
		found = b
	}
	c.Progress.Bytes.Add(int64(len(found.Name)) + found.Size)
	same := a != nil && b != nil && c.difference(&a.Details, &b.Details) == ""
	if same && a.Value != nil && b.Value != nil {
		same = bytes.Equal(a.Value, b.Value)
	} else if same {
		what, err := c.values(ctx, p.a, p.b, found.Name)
		if err != nil {
			return err
		}
		same = what == ""
	}
	if same {
		return nil
	}
	c.differ = append(c.differ, suspect{title: p.title, a: p.a, b: p.b, key: found.Name})
	if len(c.differ) < maxSuspects {
		return nil
	}
	return c.again(ctx)
}

// difference says how two differ in all but their values, "" if they do not.
func (c *Comparison) difference(a, b *client.Details) string {
	switch {
	case c.lineage && a.Revision != b.Revision:
		return fmt.Sprintf("revision %s at %s, %s at %s", a.Revision, c.A.Name, b.Revision, c.B.Name)
	case !a.Expiration.Equal(b.Expiration):
		return fmt.Sprintf("expiration %d at %s, %d at %s", unix(a.Expiration), c.A.Name, unix(b.Expiration), c.B.Name)
	case !bytes.Equal(a.Metadata, b.Metadata):
		return "metadata differs"
	case a.Size != b.Size:
		return fmt.Sprintf("value of %d bytes at %s, %d at %s", a.Size, c.A.Name, b.Size, c.B.Name)
	}
	return ""
}

// values says how the values of a key differ, "" if they do not.
func (c *Comparison) values(ctx context.Context, a, b *client.KV, key string) (string, error) {
	sumA, err := digest(ctx, a, key)
	if err != nil {
		return "", fmt.Errorf("read from %s: %w", c.A.Name, err)
	}
	sumB, err := digest(ctx, b, key)
	if err != nil {
		return "", fmt.Errorf("read from %s: %w", c.B.Name, err)
	}
	if sumA != sumB {
		return "value differs", nil
	}
	return "", nil
}

// digest is a hash of a value, "" where there is none.
func digest(ctx context.Context, kv *client.KV, key string) (string, error) {
	v, err := kv.Get(ctx, key)
	if errors.Is(err, client.ErrKeyNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer func() { _ = v.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, v); err != nil {
		return "", fmt.Errorf("read value of %q: %w", key, err)
	}
	return string(h.Sum(nil)), nil
}

// again looks at the suspects until they are alike, or have differed in the same way
// for long enough.
func (c *Comparison) again(ctx context.Context) error {
	began := time.Now()
	for n := 0; len(c.differ) > 0; n++ {
		waited := time.Since(began)
		if err := c.round(ctx, waited >= c.Settle, n > patience && waited >= patience*c.Settle); err != nil {
			return err
		}
		if len(c.differ) == 0 {
			break
		}
		if !pause.For(ctx, againEvery) {
			return context.Cause(ctx)
		}
	}
	return nil
}

// round looks at each suspect once. settled: what differs as it did before is a
// difference; enough: what changes all the while is told of, too.
func (c *Comparison) round(ctx context.Context, settled, enough bool) error {
	left := c.differ[:0]
	for _, s := range c.differ {
		what, state, err := c.look(ctx, &s)
		switch {
		case err != nil:
			return err
		case what == "":
			continue
		case settled && state == s.seen:
			c.Report(Difference{Namespace: s.title, Key: s.key, What: what})
			continue
		case enough:
			c.Report(Difference{Namespace: s.title, Key: s.key, What: "is written faster than it can be compared"})
			continue
		}
		s.seen = state
		left = append(left, s)
	}
	c.differ = left
	return nil
}

// look compares a key again. state tells both sides apart from how they were before.
func (c *Comparison) look(ctx context.Context, s *suspect) (what, state string, err error) {
	a, err := details(ctx, s.a, s.key)
	if err != nil {
		return "", "", fmt.Errorf("ask %s: %w", c.A.Name, err)
	}
	b, err := details(ctx, s.b, s.key)
	if err != nil {
		return "", "", fmt.Errorf("ask %s: %w", c.B.Name, err)
	}
	switch {
	case a == nil && b == nil:
		return "", "", nil
	case b == nil:
		return "is at " + c.A.Name + " alone", a.Revision, nil
	case a == nil:
		return "is at " + c.B.Name + " alone", b.Revision, nil
	}
	if what = c.difference(a, b); what == "" {
		what, err = c.values(ctx, s.a, s.b, s.key)
	}
	return what, a.Revision + " " + b.Revision, err
}

// details is all that a node knows of a key, nil if there is none.
func details(ctx context.Context, kv *client.KV, key string) (*client.Details, error) {
	d, err := kv.Details(ctx, key)
	if errors.Is(err, client.ErrKeyNotFound) {
		return nil, nil
	}
	return d, err
}
