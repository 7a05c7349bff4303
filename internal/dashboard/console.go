package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

// Bounds of what the console lists.
const (
	usualConsoleRows = 20
	maxConsoleRows   = 1000
)

// consolePage is what the console shows.
type consolePage struct {
	NS         *godwit.Namespace // nil: none was chosen
	Namespaces []*godwit.Namespace
	Verbs      []verb
	CanWrite   bool
	Text       string       // as it was typed
	Answer     *consoleView // nil: nothing was asked
}

// consoleView is what came of a command.
type consoleView struct {
	NS       *godwit.Namespace
	Command  string // as a history keeps it; "": it could not be read
	Problem  string
	Took     time.Duration
	Text     string // told in words
	Key      string
	Entry    *godwit.Entry // with Value
	Value    valueView
	Details  bool // all that is known of the entry
	Rows     []keyRow
	Versions []versionRow
	More     bool // there are more rows than these
	Help     []verb
	About    about
}

// about are the times of an entry.
type about struct {
	Created, Modified moment
	Expires           *moment
	Metadata          string
}

// Milliseconds is how long it took.
func (v *consoleView) Milliseconds() string {
	return strconv.FormatFloat(float64(v.Took.Microseconds())/1000, 'f', 1, 64)
}

func (d *Dashboard) console(c *call) error {
	page := consolePage{Namespaces: d.reached(c, godwit.PermissionRead), Text: c.query.Get("text")}
	if c.query.Get("ns") != "" || len(page.Namespaces) == 0 {
		ns, err := d.namespace(c, godwit.PermissionRead)
		if err != nil && len(page.Namespaces) > 0 {
			return err
		}
		page.NS = ns
	} else {
		page.NS = page.Namespaces[0]
	}
	d.showConsole(c, page, 0)
	return nil
}

func (d *Dashboard) showConsole(c *call, page consolePage, status int) {
	page.Verbs, page.CanWrite = verbs(), page.NS != nil && c.may(godwit.PermissionWrite, page.NS)
	d.show(c, "console", view{Status: status, Title: "Console", Section: "console", Body: page})
}

// runCommand carries a command out and shows what came of it.
func (d *Dashboard) runCommand(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	text, start := c.PostForm.Get("command"), time.Now()
	answer := &consoleView{NS: ns}
	cmd, err := parseCommand(text)
	if err == nil {
		answer.Command = cmd.String()
		err = d.carryOut(c, answer, cmd)
	}
	answer.Took = time.Since(start)
	status := 0
	if err != nil {
		p := explain(err)
		d.log(c.Request, p)
		answer.Problem, status = p.text, p.status
	}
	if c.byScript() {
		d.writePart(c.w, c.Request, 0, "console", "answer", answer)
		return nil
	}
	if err == nil {
		text = ""
	}
	d.showConsole(c, consolePage{NS: ns, Namespaces: d.reached(c, godwit.PermissionRead), Text: text, Answer: answer}, status)
	return nil
}

// carryOut does what a command says, as far as the token may.
func (d *Dashboard) carryOut(c *call, a *consoleView, cmd *command) error {
	if cmd.verb.writes {
		if _, err := d.namespace(c, godwit.PermissionWrite); err != nil {
			return err
		}
	}
	if len(cmd.args) > 0 {
		a.Key = cmd.args[0]
	}
	if !slices.Contains([]string{"count", "versions", "undelete", "help"}, cmd.verb.Name) { // what these ask for, the node's own APIs count
		if err := d.admit(c, a.NS); err != nil {
			return err
		}
	}
	switch cmd.verb.Name {
	case "get", "getWithMetadata":
		return d.consoleGet(c, a, cmd.verb.Name != "get")
	case "put":
		return d.consolePut(c, a, cmd)
	case "delete":
		return d.consoleDelete(c, a)
	case "list":
		return d.consoleList(c, a, cmd)
	case "count":
		return d.consoleCount(c, a, cmd)
	case "versions":
		return d.consoleVersions(c, a, cmd)
	case "undelete":
		return d.consoleUndelete(c, a)
	default:
		a.Help = verbs()
		return nil
	}
}

func (d *Dashboard) consoleGet(c *call, a *consoleView, details bool) (err error) {
	if a.Entry, a.Value, _, err = d.read(c.Context(), a.NS, a.Key); err != nil {
		return err
	}
	now := d.cfg.Now()
	a.Details = details
	a.About = about{
		momentOf(time.UnixMilli(a.Entry.Created), now), momentOf(time.UnixMilli(a.Entry.Modified), now),
		expires(a.Entry, now), indented(a.Entry.Metadata),
	}
	return nil
}

func (d *Dashboard) consolePut(c *call, a *consoleView, cmd *command) error {
	p := api.Put{
		Key: []byte(a.Key), Body: strings.NewReader(cmd.args[1]), RequestID: c.PostForm.Get("once"),
		ExpirationTTL: cmd.flags["ttl"], Expiration: cmd.flags["expiration"],
	}
	if text, ok := cmd.flags["metadata"]; ok {
		if err := checkJSON(text); err != nil {
			return badCommand("The metadata is not JSON. In the console it stands in quotes: --metadata '{\"km\":1}'")
		}
		p.Metadata = []byte(text)
	}
	if err := d.put(c, a.NS, p); err != nil {
		return err
	}
	a.Text = "Written: " + plural(int64(len(cmd.args[1])), "byte") + "."
	return nil
}

func (d *Dashboard) consoleDelete(c *call, a *consoleView) error {
	once := c.PostForm.Get("once")
	err := d.recorded(c, a.NS, audit.Entry{Operation: "delete", Key: a.Key, RequestID: once}, func() (godwit.Result, error) {
		return d.cfg.Service.Delete(c.Context(), a.NS, api.Delete{Key: []byte(a.Key), RequestID: once})
	})
	if err == nil {
		a.Text = "Deleted, if it was there."
	}
	return err
}

func (d *Dashboard) consoleList(c *call, a *consoleView, cmd *command) error {
	limit, err := consoleLimit(cmd)
	if err != nil {
		return err
	}
	opts, err := d.cfg.Service.ReadOptions(a.NS, api.Read{})
	if err != nil {
		return err
	}
	scan := &godwit.Scan{Start: cmd.flags["start"], End: cmd.flags["end"], Reverse: cmd.flags["reverse"] != ""}
	q := godwit.ListQuery{Prefix: cmd.flags["prefix"], Limit: limit, Scan: scan}
	now := d.cfg.Now()
	for range maxScans {
		part, err := d.cfg.Service.List(c.Context(), a.NS, q, opts)
		if err != nil {
			return err
		}
		for i := range part.Entries {
			a.Rows = append(a.Rows, rowOf(&part.Entries[i], now))
		}
		q.Cursor, a.More = part.Cursor, part.More
		if q.Limit = limit - len(a.Rows); q.Limit <= 0 || !part.More {
			break
		}
	}
	if a.Text = plural(int64(len(a.Rows)), "key"); a.More {
		a.Text += ", and more"
	}
	return nil
}

func consoleLimit(cmd *command) (int, error) {
	text, ok := cmd.flags["limit"]
	if !ok {
		return usualConsoleRows, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxConsoleRows {
		return 0, badCommand("--limit is a whole number from 1 to %d.", maxConsoleRows)
	}
	return n, nil
}

func (d *Dashboard) consoleCount(c *call, a *consoleView, cmd *command) error {
	path := nativeNamespace(a.NS) + "/count"
	if prefix := cmd.flags["prefix"]; prefix != "" {
		path += "?" + url.Values{"prefix": {prefix}}.Encode()
	}
	var told struct {
		Keys, Bytes int64
		Complete    bool
	}
	if err := d.ask(c, http.MethodGet, path, nil, &told); err != nil {
		return err
	}
	if a.Text = plural(told.Keys, "key") + ", " + plural(told.Bytes, "byte"); !told.Complete {
		a.Text = "At least " + a.Text + ": there are too many to count at once."
	}
	return nil
}

func (d *Dashboard) consoleVersions(c *call, a *consoleView, cmd *command) error {
	limit, err := consoleLimit(cmd)
	if err != nil {
		return err
	}
	var off bool
	for cursor := ""; ; {
		page, err := d.versionsPage(c, a.NS, a.Key, cursor)
		if err != nil {
			return err
		}
		off = page.Off
		a.Versions = append(a.Versions, page.Rows...)
		cursor, a.More = page.Cursor, page.Cursor != ""
		if !a.More || len(a.Versions) >= limit {
			break
		}
	}
	if len(a.Versions) > limit {
		a.Versions, a.More = a.Versions[:limit], true
	}
	switch {
	case len(a.Versions) == 0 && off:
		a.Text = "The namespace keeps no history."
	case a.More:
		a.Text = plural(int64(len(a.Versions)), "version") + ", and more"
	default:
		a.Text = plural(int64(len(a.Versions)), "version")
	}
	return nil
}

func (d *Dashboard) consoleUndelete(c *call, a *consoleView) error {
	kv, err := d.kv(c, a.NS)
	if err != nil {
		return err
	}
	_, err = kv.Undelete(c.Context(), a.Key)
	switch {
	case errors.Is(err, client.ErrPrecondition) && !errors.Is(err, client.ErrOutcomeUnknown):
		return &problem{status: http.StatusConflict, text: "The key is there: nothing was put back."}
	case err != nil:
		return fromClient(err)
	}
	a.Text = "The key is back, with what it held last."
	return nil
}
