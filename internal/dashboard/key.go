package dashboard

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

const (
	// maxEditBytes is the longest value that is shown and edited as text.
	maxEditBytes = 256 << 10
	// maxHexBytes is how much of any other is shown.
	maxHexBytes = 4 << 10
	// maxPreviewBytes is the largest image that is shown.
	maxPreviewBytes = 10 << 20
)

// keyPage is what the page of a key shows.
type keyPage struct {
	NS       *godwit.Namespace
	Key      string
	New      bool          // its name is yet to be given
	Entry    *godwit.Entry // nil: there is none yet
	Revision string
	Created  moment
	Modified moment
	Expires  *moment
	Metadata string
	Value    valueView
	Stale    bool
	CanWrite bool
	Form     editForm
	Once     string // makes a form that is sent twice one write
	Problem  string
	Conflict *conflict
}

// InForm tells whether the metadata is in the form, and need not be shown beside it.
func (p *keyPage) InForm() bool { return p.CanWrite && p.Conflict == nil && p.Value.Editable() }

// valueView is a value as it can be looked at.
type valueView struct {
	Kind string // "text", "image" or "bytes"
	Text string // of a text
	JSON bool   // a text that is JSON
	Hex  string // of bytes: the first of them
	Part bool   // Hex is not all
	Why  string // why a text is not for editing
}

// Editable tells whether the value can be edited as text without changing what one
// does not see.
func (v valueView) Editable() bool { return v.Kind == "text" && v.Why == "" }

func (d *Dashboard) key(c *call) error {
	ns, err := d.namespaceOfKeys(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	page := &keyPage{NS: ns, Key: c.query.Get("key")}
	if err := d.look(c.Context(), page); err != nil {
		return d.lost(c, ns, page.Key, err)
	}
	page.Form = formOfEntry(page.Entry, page.Value)
	d.showKey(c, page, 0)
	return nil
}

func (d *Dashboard) newKey(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	d.showKey(c, &keyPage{NS: ns, New: true, Form: editForm{Expire: expireNever}}, 0)
	return nil
}

func (d *Dashboard) showKey(c *call, page *keyPage, status int) {
	page.CanWrite = c.may(godwit.PermissionWrite, page.NS)
	page.Once = once()
	title := "New key"
	if page.Entry != nil {
		title = clip(60, shown(page.Key))
	}
	d.show(c, "key", view{Status: status, Title: title, Section: "namespaces", Body: page})
}

func once() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	return hex.EncodeToString(b[:])
}

// look reads the page's key as it is now.
func (d *Dashboard) look(ctx context.Context, page *keyPage) error {
	e, value, served, err := d.read(ctx, page.NS, page.Key)
	if err != nil {
		return err
	}
	now := d.cfg.Now()
	page.Entry, page.Value, page.Stale = e, value, served.Status == godwit.StatusStale
	page.Revision = e.Revision.String()
	page.Created, page.Modified = momentOf(time.UnixMilli(e.Created), now), momentOf(time.UnixMilli(e.Modified), now)
	page.Expires, page.Metadata = expires(e, now), indented(e.Metadata)
	return nil
}

// read returns an entry and its value as it can be looked at. It begins again when the
// value was replaced before it was opened.
func (d *Dashboard) read(ctx context.Context, ns *godwit.Namespace, key string) (*godwit.Entry, valueView, godwit.Served, error) {
	var view valueView
	e, served, err := d.opened(ctx, ns, key, func(e *godwit.Entry, r io.Reader) error {
		head, err := io.ReadAll(io.LimitReader(r, maxEditBytes+1))
		if err != nil {
			return fmt.Errorf("read value: %w", err)
		}
		view = viewOf(head, e.Value.Size())
		return nil
	})
	return e, view, served, err
}

// opened finds an entry and has use read its value.
func (d *Dashboard) opened(ctx context.Context, ns *godwit.Namespace, key string, use func(*godwit.Entry, io.Reader) error) (*godwit.Entry, godwit.Served, error) {
	opts, err := d.cfg.Service.ReadOptions(ns, api.Read{})
	if err != nil {
		return nil, godwit.Served{}, err
	}
	for attempt := 1; ; attempt++ {
		e, served, err := d.cfg.Service.Get(ctx, ns, []byte(key), opts)
		if err != nil {
			return nil, served, err
		}
		if e.Value.Blob.IsZero() {
			return e, served, use(e, bytes.NewReader(e.Value.Inline))
		}
		r, err := d.cfg.Service.OpenValue(ctx, ns, e)
		if err == nil {
			return e, served, errors.Join(use(e, r), r.Close())
		}
		if attempt == api.MaxValueAttempts || godwit.CodeOf(err) != godwit.CodeUnavailable {
			return nil, served, err
		}
		opts.Strong = true // what replaced it may not have come here yet
	}
}

// viewOf decides how a value is shown by its first bytes; head is all of it if it is
// no longer than maxEditBytes.
func viewOf(head []byte, size int64) valueView {
	if kind := imageType(head); kind != "" && size <= maxPreviewBytes {
		return valueView{Kind: "image"}
	}
	if size > maxEditBytes || !plain(head) {
		shown := head[:min(len(head), maxHexBytes)]
		return valueView{Kind: "bytes", Hex: hex.Dump(shown), Part: int64(len(shown)) < size}
	}
	v := valueView{Kind: "text", Text: string(head), JSON: structured(head)}
	if mixedLines(v.Text) {
		v.Why = "Its lines end in more than one way, which editing it here would change."
	}
	return v
}

// imageType is the content type of an image that browsers show and that can hold no
// script; "" for all else. What the value is said to be does not count.
func imageType(head []byte) string {
	switch kind := http.DetectContentType(head[:min(len(head), 512)]); kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp":
		return kind
	}
	return ""
}

// plain tells whether bytes are text that a browser hands back as it got it, but for
// the ends of lines.
func plain(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return utf8.Valid(b)
}

// structured tells whether a text is JSON that is more than a word or a number.
func structured(b []byte) bool {
	b = bytes.TrimSpace(b)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[') && json.Valid(b)
}

// mixedLines tells whether a text has carriage returns other than one at the end of
// every line.
func mixedLines(s string) bool {
	returns := strings.Count(s, "\r")
	pairs := strings.Count(s, "\r\n")
	return returns != 0 && (returns != pairs || pairs != strings.Count(s, "\n"))
}

func indented(metadata []byte) string {
	var b bytes.Buffer
	if len(metadata) == 0 || json.Indent(&b, metadata, "", "  ") != nil {
		return string(metadata)
	}
	return b.String()
}

// deleteKey deletes a key, if it still is as it was shown.
func (d *Dashboard) deleteKey(c *call) error {
	ns, err := d.namespaceOfKeys(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	page := &keyPage{NS: ns, Key: c.query.Get("key")}
	once := c.PostForm.Get("once")
	err = d.recorded(c, ns, audit.Entry{Operation: "delete", Key: page.Key, RequestID: once}, func() (godwit.Result, error) {
		return d.cfg.Service.Delete(c.Context(), ns, api.Delete{
			Key: []byte(page.Key), RequestID: once, Preconditions: matching(c.PostForm.Get("revision")),
		})
	})
	if errors.Is(err, godwit.ErrPrecondition) {
		if err := d.look(c.Context(), page); err != nil {
			return err // it is gone
		}
		page.Form = formOfEntry(page.Entry, page.Value)
		page.Problem = "Someone else changed the key in the meantime. It was not deleted. This is what it holds now."
		d.showKey(c, page, http.StatusConflict)
		return nil
	}
	if err != nil {
		return err
	}
	return c.seeOther(address("keys", "ns", ns.ID.String(), "done", "deleted"))
}

// matching asks that a key be as it was at a revision, or absent where that is "".
func matching(revision string) api.Preconditions {
	if revision == "" {
		return api.Preconditions{IfNoneMatch: "*"}
	}
	return api.Preconditions{IfMatch: strconv.Quote(revision)}
}
