package dashboard

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/audit"
)

// pageVersions is how many versions a page shows.
const pageVersions = 50

// versionsPage is what the history of a key shows.
type versionsPage struct {
	NS       *godwit.Namespace
	Key      string
	Off      bool // the namespace keeps none now
	Rows     []versionRow
	Since    string // revision from which on all there were are here
	Next     string // address of older ones; "": there are none
	Cursor   string // of the same
	Present  bool   // the key is there now
	CanWrite bool
	Known    bool // Who is known of some
}

// versionRow is a version in the list.
type versionRow struct {
	Revision string
	Modified moment
	Ended    *moment
	State    string
	Size     int64
	Metadata string
	Who      string // who wrote it; "": that is not known
}

func (d *Dashboard) versions(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	page, err := d.versionsPage(c, ns, c.query.Get("key"), c.query.Get("cursor"))
	if err != nil {
		return err
	}
	d.showVersions(c, page, 0)
	return nil
}

func (d *Dashboard) showVersions(c *call, page *versionsPage, status int) {
	d.show(c, "versions", view{Status: status, Title: "History of " + clip(60, shown(page.Key)), Section: "namespaces", Body: page})
}

func (d *Dashboard) versionsPage(c *call, ns *godwit.Namespace, key, cursor string) (*versionsPage, error) {
	page := &versionsPage{NS: ns, Key: key, Off: ns.Settings.History == "", CanWrite: c.may(godwit.PermissionWrite, ns)}
	kv, err := d.kv(c, ns)
	if err != nil {
		return nil, err
	}
	told, err := kv.VersionsPage(c.Context(), key, cursor, pageVersions)
	switch {
	case errors.Is(err, client.ErrHistoryGone):
		return page, nil
	case err != nil:
		return nil, fromClient(err)
	}
	page.Since, page.Present = told.Since, cursor != ""
	if page.Cursor = told.Cursor; told.Cursor != "" {
		page.Next = address("versions", "ns", ns.ID.String(), "key", key, "cursor", told.Cursor)
	}
	now := d.cfg.Now()
	who := d.writers(c, ns, key)
	for i := range told.Versions {
		v := &told.Versions[i]
		row := versionRow{
			Revision: v.Revision, Modified: momentOf(v.Modified, now), State: v.State, Size: v.Size,
			Metadata: string(v.Metadata), Who: who[v.Revision],
		}
		if !v.Ended.IsZero() {
			m := momentOf(v.Ended, now)
			row.Ended = &m
		}
		page.Present = page.Present || v.State == client.StateCurrent
		page.Known = page.Known || row.Who != ""
		page.Rows = append(page.Rows, row)
	}
	return page, nil
}

// lost shows the history of a key that is not there, if it has one. Error: err, if not.
func (d *Dashboard) lost(c *call, ns *godwit.Namespace, key string, err error) error {
	if !errors.Is(err, godwit.ErrKeyNotFound) || ns.Settings.History == "" {
		return err
	}
	page, failed := d.versionsPage(c, ns, key, "")
	if failed != nil || len(page.Rows) == 0 {
		return err
	}
	d.showVersions(c, page, http.StatusNotFound)
	return nil
}

// versionPage is what one version of a key shows.
type versionPage struct {
	NS       *godwit.Namespace
	Key      string
	Version  client.Version
	Revision string // that the key has now; "": it is not there
	Modified moment
	Ended    *moment
	Expires  *moment
	Metadata string
	Value    valueView
	CanWrite bool
	Once     string
	Problem  string
}

// Stands tells that the version is what the key holds.
func (p *versionPage) Stands() bool { return p.Version.State == client.StateCurrent }

func (d *Dashboard) version(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	return d.showVersion(c, &versionPage{NS: ns, Key: c.query.Get("key")}, 0)
}

func (d *Dashboard) showVersion(c *call, page *versionPage, status int) error {
	revision := c.query.Get("revision")
	path := nativeNamespace(page.NS) + "/keys/" + url.PathEscape(page.Key) + "/versions/" + url.PathEscape(revision)
	var told struct {
		State             string
		Size, Ended       int64
		Modified, Created int64
		Expiration        int64
	}
	if err := d.ask(c, http.MethodGet, path+"?details=1", nil, &told); err != nil {
		return err
	}
	v, err := d.openVersion(c, page.NS, page.Key)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	head, err := io.ReadAll(io.LimitReader(v, maxEditBytes+1))
	if err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	now := d.cfg.Now()
	page.Version = client.Version{Details: client.Details{Revision: v.Revision, Size: told.Size}, State: told.State}
	page.Modified, page.Metadata = momentOf(time.UnixMilli(told.Modified), now), indented(v.Metadata)
	page.Value = viewOf(head, told.Size)
	if told.Ended != 0 {
		m := momentOf(time.UnixMilli(told.Ended), now)
		page.Ended = &m
	}
	if told.Expiration != 0 {
		m := momentOf(time.Unix(told.Expiration, 0), now)
		page.Expires = &m
	}
	page.CanWrite, page.Once = c.may(godwit.PermissionWrite, page.NS), once()
	if page.Revision, err = d.revisionNow(c, page.NS, page.Key); err != nil {
		return err
	}
	d.show(c, "version", view{Status: status, Title: "Version of " + clip(60, shown(page.Key)), Section: "namespaces", Body: page})
	return nil
}

// revisionNow is the revision of a key as it stands; "": it is not there.
func (d *Dashboard) revisionNow(c *call, ns *godwit.Namespace, key string) (string, error) {
	opts, err := d.cfg.Service.ReadOptions(ns, api.Read{})
	if err != nil {
		return "", err
	}
	e, _, err := d.cfg.Service.Get(c.Context(), ns, []byte(key), opts)
	switch {
	case errors.Is(err, godwit.ErrKeyNotFound):
		return "", nil
	case err != nil:
		return "", err
	}
	return e.Revision.String(), nil
}

// openVersion opens the version of a key that the query names.
func (d *Dashboard) openVersion(c *call, ns *godwit.Namespace, key string) (*client.Value, error) {
	kv, err := d.kv(c, ns)
	if err != nil {
		return nil, err
	}
	v, err := kv.GetVersion(c.Context(), key, c.query.Get("revision"))
	if err != nil {
		return nil, fromClient(err)
	}
	return v, nil
}

// downloadVersion sends a version's value as a file, whatever is in it.
func (d *Dashboard) downloadVersion(c *call) error {
	return d.sendVersion(c, func(_ int64, _ []byte, h http.Header) error {
		h.Set("Content-Type", "application/octet-stream")
		name := fileName(c.query.Get("key")) + "." + c.query.Get("revision")
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": name}))
		return nil
	})
}

// previewVersion sends a version's value that is an image.
func (d *Dashboard) previewVersion(c *call) error { return d.sendVersion(c, describeImage) }

func (d *Dashboard) sendVersion(c *call, describe func(size int64, head []byte, h http.Header) error) error {
	ns, err := d.namespace(c, godwit.PermissionRead)
	if err != nil {
		return err
	}
	v, err := d.openVersion(c, ns, c.query.Get("key"))
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	value := bufio.NewReaderSize(v, 64<<10)
	head, err := value.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read value: %w", err)
	}
	if err := describe(v.Size, head, c.w.Header()); err != nil {
		return err
	}
	c.w.Header().Set("Content-Length", strconv.FormatInt(v.Size, 10))
	if err := sendVerified(c.w, value); err != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
	return nil
}

// restoreVersion writes what a key held before, if the key still is as it was shown.
func (d *Dashboard) restoreVersion(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	key := c.query.Get("key")
	v, err := d.openVersion(c, ns, key)
	if err != nil {
		return err
	}
	defer func() { _ = v.Close() }()
	p := api.Put{
		Key: []byte(key), Body: v, Metadata: v.Metadata, RequestID: c.PostForm.Get("once"),
		Preconditions: matching(c.PostForm.Get("now")),
	}
	if v.Expiration.After(d.cfg.Now()) {
		p.Expiration = strconv.FormatInt(v.Expiration.Unix(), 10)
	}
	err = d.put(c, ns, p)
	if errors.Is(err, godwit.ErrPrecondition) {
		return d.showVersion(c, &versionPage{
			NS: ns, Key: key, Problem: "Someone else changed the key in the meantime. Nothing was restored. Look at what it holds now, and decide again.",
		}, http.StatusConflict)
	}
	if err != nil {
		return err
	}
	return c.seeOther(address("key", "ns", ns.ID.String(), "key", key, "done", "restored"))
}

// undelete puts back what an absent key held last.
func (d *Dashboard) undelete(c *call) error {
	ns, err := d.namespace(c, godwit.PermissionWrite)
	if err != nil {
		return err
	}
	kv, err := d.kv(c, ns)
	if err != nil {
		return err
	}
	key := c.query.Get("key")
	_, err = kv.Undelete(c.Context(), key)
	switch {
	case errors.Is(err, client.ErrPrecondition) && !errors.Is(err, client.ErrOutcomeUnknown):
		return &problem{status: http.StatusConflict, title: "The key is there", text: "Someone else has written it in the meantime. Nothing was put back."}
	case err != nil:
		return fromClient(err)
	}
	return c.seeOther(address("key", "ns", ns.ID.String(), "key", key, "done", "undeleted"))
}

// writers are who wrote the versions of a key, by revision, as far as the audit log of
// this node tells. It is for administrators alone, as the log is.
func (d *Dashboard) writers(c *call, ns *godwit.Namespace, key string) map[string]string {
	if !c.may(godwit.PermissionAdmin, nil) {
		return nil
	}
	found, err := d.cfg.Service.Audit().Read(c.Context(), audit.Query{Limit: maxWriters, Match: func(e *audit.Entry) bool {
		return e.Revision != "" && e.Key == key && e.Namespace == ns.ID.String() && e.Outcome == audit.OutcomeOK
	}})
	if err != nil {
		return nil // the list is as good without
	}
	who := make(map[string]string)
	for i := range found.Entries {
		e := &found.Entries[i]
		if who[e.Revision] = e.TokenName; e.TokenName == "" {
			who[e.Revision] = e.Token
		}
	}
	return who
}

// maxWriters bounds of how many writes it is looked up who made them.
const maxWriters = 1000
