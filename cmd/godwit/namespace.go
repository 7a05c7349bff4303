package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit/client"
)

// namespaceCmd is about namespaces.
type namespaceCmd struct {
	Create  namespaceCreateCmd  `cmd:"" help:"Create a namespace and show its id."`
	List    namespaceListCmd    `cmd:"" help:"List namespaces with what they hold."`
	Rename  namespaceRenameCmd  `cmd:"" help:"Give a namespace another title."`
	Set     namespaceSetCmd     `cmd:"" help:"Change a namespace's settings, and show them."`
	Clear   namespaceClearCmd   `cmd:"" help:"Delete all keys of a namespace, or those with a prefix."`
	Copy    namespaceCopyCmd    `cmd:"" help:"Copy keys from one namespace of a server to another."`
	Restore namespaceRestoreCmd `cmd:"" help:"Put a namespace, or the keys with a prefix, back to how they were."`
	Delete  namespaceDeleteCmd  `cmd:"" help:"Delete a namespace and all its keys."`
}

type namespaceCreateCmd struct {
	remote
	Title        string `arg:"" help:"The title, unlike any other's."`
	Jurisdiction string `env:"-" help:"eu, us or fedramp: where its content may be kept." placeholder:"NAME"`
	IfNotExists  bool   `name:"if-not-exists" env:"-" help:"Show the one that has the title already, if there is one."`
	JSON         bool   `name:"json" help:"Show the namespace as JSON."`
}

// Run creates a namespace.
func (c *namespaceCreateCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	ns, created, err := c.create(ctx, cl)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(ns)
	}
	if created {
		p.note("Created namespace %q:", ns.Title)
	}
	_, err = fmt.Fprintln(p.stdout, ns.ID)
	return err
}

func (c *namespaceCreateCmd) create(ctx context.Context, cl *client.Client) (ns *client.Namespace, created bool, err error) {
	o := client.NamespaceOptions{Jurisdiction: c.Jurisdiction}
	if c.IfNotExists {
		return cl.EnsureNamespace(ctx, c.Title, o)
	}
	ns, err = cl.CreateNamespace(ctx, c.Title, o)
	return ns, true, err
}

type namespaceListCmd struct {
	remote
	JSON bool `name:"json" help:"Show them as a JSON array."`
}

// Run lists namespaces.
func (c *namespaceListCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	all, err := cl.Namespaces(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(all)
	}
	t := p.table("ID", "TITLE", "KEYS", "BYTES", "JURISDICTION")
	for _, ns := range all {
		t.row(ns.ID, ns.Title, strconv.FormatInt(ns.Keys, 10), strconv.FormatInt(ns.Bytes, 10), orDash(ns.Jurisdiction))
	}
	return t.close()
}

type namespaceRenameCmd struct {
	place
	Title string `arg:"" help:"The new title."`
	JSON  bool   `name:"json" help:"Show the namespace as JSON."`
}

// Run renames a namespace.
func (c *namespaceRenameCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	ns, err := cl.RenameNamespace(ctx, c.Namespace, c.Title)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(ns)
	}
	p.note("Namespace %s is now %q.", ns.ID, ns.Title)
	return nil
}

type namespaceSetCmd struct {
	place
	MinExpirationTTL *duration `name:"min-expiration-ttl" env:"-" help:"Shortest life that a key may be given." placeholder:"D"`
	MinCacheTTL      *duration `name:"min-cache-ttl" env:"-" help:"Smallest cache_ttl that a read may ask for." placeholder:"D"`
	WritesPerKey     *float64  `env:"-" help:"Writes a second that one key takes; 0 is no limit." placeholder:"R"`
	Consistency      string    `env:"-" help:"eventual or strong." placeholder:"NAME"`
	EraseWithin      string    `env:"-" help:"Time within which the bytes of deleted, replaced and expired values are gone from each disk, such as 24h or 30d." placeholder:"D"`
	History          string    `env:"-" help:"Earlier versions to keep: 10 for the last ten of each key, 24h or 30d for those of that time." placeholder:"N|D"`
	MaxKeys          *int64    `env:"-" help:"Keys that the namespace may hold." placeholder:"N"`
	MaxBytes         *size     `env:"-" help:"Bytes that it may hold: names, metadata and values." placeholder:"N"`
	RequestsRate     *float64  `name:"requests-per-second" env:"-" help:"Reads and writes a second that each node answers." placeholder:"R"`
	Unset            []string  `env:"-" help:"Settings to take away, so that the server's own are in force." enum:"min-expiration-ttl,min-cache-ttl,writes-per-key,consistency,history,erase-within,max-keys,max-bytes,requests-per-second" placeholder:"NAME"`
	JSON             bool      `name:"json" help:"Show the settings as JSON."`
}

// Run changes settings, if any are given, and shows all.
func (c *namespaceSetCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	var settings *client.Settings
	if changes := c.changes(); len(changes) > 0 {
		settings, err = cl.SetSettings(ctx, c.Namespace, changes)
	} else {
		settings, err = cl.Settings(ctx, c.Namespace)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(settings)
	}
	t := p.table("SETTING", "VALUE")
	t.row("min-expiration-ttl", shown(settings.MinExpirationTTL))
	t.row("min-cache-ttl", shown(settings.MinCacheTTL))
	t.row("writes-per-key", shown(settings.WritesPerKey))
	t.row("consistency", dash(settings.Consistency))
	t.row("history", dash(settings.History))
	t.row("erase-within", dash(settings.EraseWithin))
	t.row("max-keys", shown(settings.MaxKeys))
	t.row("max-bytes", shown(settings.MaxBytes))
	t.row("requests-per-second", shown(settings.RequestsPerSecond))
	return t.close()
}

func (c *namespaceSetCmd) changes() map[string]any {
	changes := map[string]any{}
	for _, name := range c.Unset {
		changes[strings.ReplaceAll(name, "-", "_")] = nil
	}
	if c.MinExpirationTTL != nil {
		changes["min_expiration_ttl"] = wholeSeconds(*c.MinExpirationTTL)
	}
	if c.MinCacheTTL != nil {
		changes["min_cache_ttl"] = wholeSeconds(*c.MinCacheTTL)
	}
	if c.WritesPerKey != nil {
		changes["writes_per_key"] = *c.WritesPerKey
	}
	if c.Consistency != "" {
		changes["consistency"] = c.Consistency
	}
	if c.EraseWithin != "" {
		changes["erase_within"] = c.EraseWithin
	}
	if c.History != "" {
		changes["history"] = c.History
	}
	if c.MaxKeys != nil {
		changes["max_keys"] = *c.MaxKeys
	}
	if c.MaxBytes != nil {
		changes["max_bytes"] = int64(*c.MaxBytes)
	}
	if c.RequestsRate != nil {
		changes["requests_per_second"] = *c.RequestsRate
	}
	return changes
}

// wholeSeconds rounds up.
func wholeSeconds(d duration) int64 {
	n := int64(d) / int64(time.Second)
	if time.Duration(d)%time.Second > 0 {
		n++
	}
	return n
}

func shown[T any](v *T) string {
	if v == nil {
		return "-"
	}
	return fmt.Sprint(*v)
}

type namespaceDeleteCmd struct {
	place
	Yes bool `short:"y" env:"-" help:"Do not ask. Nothing is asked either where standard input is no terminal."`
}

// Run deletes a namespace.
func (c *namespaceDeleteCmd) Run(ctx context.Context, p *program) error {
	cl, err := c.client()
	if err != nil {
		return err
	}
	if !c.Yes && !p.confirms(fmt.Sprintf("Delete namespace %q and all its keys, for ever?", c.Namespace)) {
		return errors.New("nothing was deleted")
	}
	if err := cl.DeleteNamespace(ctx, c.Namespace); err != nil {
		return err
	}
	p.note("Deleted namespace %q.", c.Namespace)
	return nil
}

// confirms asks whoever types. Where nobody does, the answer is yes.
func (p *program) confirms(question string) bool {
	if !isTerminal(p.stdin) {
		return true
	}
	fmt.Fprintf(p.stderr, "%s [y/N] ", question)
	answer, err := bufio.NewReader(p.stdin).ReadString('\n')
	return err == nil && strings.ToLower(strings.TrimSpace(answer)) == "y"
}

type namespaceClearCmd struct {
	place
	Prefix string `env:"-" xor:"which" required:"" help:"Delete the keys with this prefix." placeholder:"TEXT"`
	All    bool   `env:"-" xor:"which" required:"" help:"Delete every key."`
	Yes    bool   `short:"y" env:"-" help:"Do not ask. Nothing is asked either where standard input is no terminal."`
	JSON   bool   `name:"json" help:"Show the revision of the write as JSON."`
}

// Run clears keys.
func (c *namespaceClearCmd) Run(ctx context.Context, p *program) error {
	if !c.All && c.Prefix == "" {
		return wrongUsage{errors.New("--prefix is empty: --all deletes every key")}
	}
	kv, err := c.open()
	if err != nil {
		return err
	}
	what := fmt.Sprintf("the keys of namespace %q with prefix %q", c.Namespace, c.Prefix)
	if c.All {
		what = fmt.Sprintf("all keys of namespace %q", c.Namespace)
	}
	if !c.Yes && !p.confirms("Delete "+what+", for ever?") {
		return errors.New("nothing was deleted")
	}
	written, err := c.clear(ctx, kv)
	if err != nil {
		return err
	}
	if c.JSON {
		return p.writeJSON(map[string]string{"revision": written})
	}
	p.note("Deleted %s.", what)
	return nil
}

func (c *namespaceClearCmd) clear(ctx context.Context, kv *client.KV) (revision string, err error) {
	if c.All {
		return kv.ClearAll(ctx)
	}
	return kv.Clear(ctx, c.Prefix)
}
