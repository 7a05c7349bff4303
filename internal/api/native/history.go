package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// Headers that tell of a version beside its value.
const (
	headerMetadata = "Godwit-Metadata" // JSON, percent-encoded
	headerModified = "Godwit-Modified" // unix milliseconds
	headerUntil    = "Godwit-Until"    // the revision that ended it
)

// defaultVersions is how many versions a page has where that is not said.
const defaultVersions = 100

// versionDetails is all that is known of a version but its value.
type versionDetails struct {
	keyDetails
	State string `json:"state"`           // "current", or how it ended
	Until string `json:"until,omitempty"` // the revision that ended it
	Ended int64  `json:"ended,omitempty"` // unix milliseconds
}

type versionList struct {
	Versions     []versionDetails `json:"versions"`
	Since        string           `json:"since"` // the revision from which on all is there
	ListComplete bool             `json:"list_complete"`
	Cursor       string           `json:"cursor,omitempty"`
}

func versionOf(v *godwit.Version) versionDetails {
	d := versionDetails{keyDetails: details(&v.Entry), State: v.End.String(), Ended: v.Ended}
	if v.Until != 0 {
		d.Until = v.Until.String()
	}
	return d
}

// keyIn finds the namespace and the key in the path.
func (h *Handler) keyIn(r *request, need godwit.Permission) (*godwit.Namespace, string, error) {
	ns, err := h.resolve(r, need)
	if err != nil {
		return nil, "", err
	}
	key, err := url.PathUnescape(r.key)
	if err != nil {
		return nil, "", godwit.Errorf(godwit.CodeInvalidKey, "Could not URL-decode key name")
	}
	return ns, key, nil
}

// listVersions answers a page of a key's versions, the newest first. A cursor is the
// revision of the last one.
func (h *Handler) listVersions(r *request) (any, error) {
	query, err := parseQuery(r.Request, "limit", "cursor")
	if err != nil {
		return nil, err
	}
	ns, key, err := h.keyIn(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	limit, err := parsePageLimit(query.Get("limit"), defaultVersions, godwit.MaxVersionsPage)
	if err != nil {
		return nil, err
	}
	var before godwit.Revision
	if text := query.Get("cursor"); text != "" {
		if before, err = godwit.ParseRevision(text); err != nil {
			return nil, godwit.ErrInvalidCursor
		}
	}
	page, err := h.cfg.Service.Versions(r.Context(), ns, key, before, limit)
	if err != nil {
		return nil, err
	}
	list := versionList{Versions: make([]versionDetails, len(page.Versions)), Since: page.Since.String(), ListComplete: !page.More}
	for i := range page.Versions {
		list.Versions[i] = versionOf(&page.Versions[i])
	}
	if page.More {
		list.Cursor = page.Versions[len(page.Versions)-1].Revision.String()
	}
	return list, nil
}

// parsePageLimit reads how much a page may have. Error: CodeInvalidLimit.
func parsePageLimit(text string, usual, most int) (int, error) {
	if text == "" {
		return usual, nil
	}
	n, ok := godwit.ParseInteger(text)
	if !ok || n < 1 || n > int64(most) {
		return 0, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", most)
	}
	return int(n), nil
}

// getVersion answers the version that a revision made.
func (h *Handler) getVersion(r *request) (any, error) {
	revision, err := godwit.ParseRevision(r.third)
	if err != nil {
		return nil, err
	}
	return h.oneVersion(r, func(ns *godwit.Namespace, key string) (*godwit.Version, error) {
		return h.cfg.Service.Version(r.Context(), ns, key, revision)
	})
}

// getAt answers what a key held at a moment.
func (h *Handler) getAt(r *request) (any, error) {
	text, err := url.PathUnescape(r.third)
	if err != nil {
		return nil, godwit.Errorf(godwit.CodeInvalidRequest, "The moment in the path is malformed.")
	}
	at, err := godwit.ParseMoment(text)
	if err != nil {
		return nil, err
	}
	return h.oneVersion(r, func(ns *godwit.Namespace, key string) (*godwit.Version, error) {
		return h.cfg.Service.VersionAt(r.Context(), ns, key, at)
	})
}

// oneVersion answers a version: its value, or its details where they are asked for.
func (h *Handler) oneVersion(r *request, find func(*godwit.Namespace, string) (*godwit.Version, error)) (any, error) {
	query, err := parseQuery(r.Request, "details")
	if err != nil {
		return nil, err
	}
	inWords, err := parseFlag(query, "details")
	if err != nil {
		return nil, err
	}
	ns, key, err := h.keyIn(r, godwit.PermissionRead)
	if err != nil {
		return nil, err
	}
	v, err := find(ns, key)
	if err != nil {
		return nil, err
	}
	if inWords {
		return versionOf(v), nil
	}
	value, err := h.cfg.Service.OpenValue(r.Context(), ns, &v.Entry)
	if err != nil {
		return nil, err
	}
	defer func() { _ = value.Close() }()
	r.answered = true
	if err := writeVersion(r, v, value); err != nil {
		h.cfg.Logger.ErrorContext(r.Context(), "send version", logPath, Prefix+r.path, logError, err.Error())
	}
	return nil, nil
}

// writeVersion sends a version's value. A damaged one ends short of its length, which
// cuts the connection.
func writeVersion(r *request, v *godwit.Version, value io.Reader) error {
	header := r.w.Header()
	header.Set("Content-Type", "application/octet-stream")
	header.Set("Content-Length", strconv.FormatInt(v.Value.Size(), 10))
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("ETag", `"`+v.Revision.String()+`"`)
	header.Set(headerModified, strconv.FormatInt(v.Modified, 10))
	if v.Expiration != 0 {
		header.Set("Expiration", strconv.FormatInt(v.Expiration, 10))
	}
	if v.Metadata != nil {
		header.Set(headerMetadata, url.PathEscape(string(v.Metadata)))
	}
	if v.Until != 0 {
		header.Set(headerUntil, v.Until.String())
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return sendWhole(r.w, value, v.Value.Size())
}

// sendWhole sends a value one piece behind what it reads: the last one goes out only
// once the reader has said that all was undamaged.
func sendWhole(w io.Writer, value io.Reader, size int64) error {
	var ready []byte
	pieces := [2][]byte{make([]byte, min(size+1, 64<<10)), make([]byte, min(size+1, 64<<10))}
	for i := 0; ; i ^= 1 {
		n, err := io.ReadFull(value, pieces[i])
		size -= int64(n)
		if _, gone := w.Write(ready); gone != nil {
			return nil
		}
		ready = pieces[i][:n]
		switch {
		case err == nil:
		case size != 0, !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("read value: %d bytes missing: %w", size, err)
		default:
			_, _ = w.Write(ready) // the client is gone
			return nil
		}
	}
}

type undeleted struct {
	Revision   string         `json:"revision"` // of the write
	Expiration int64          `json:"expiration,omitempty"`
	Version    versionDetails `json:"version"` // that was put back
}

// undelete puts back what an absent key held last.
func (h *Handler) undelete(r *request) (any, error) {
	ns, key, err := h.keyIn(r, godwit.PermissionWrite)
	if err != nil {
		return nil, err
	}
	u, err := h.cfg.Service.Undelete(r.Context(), ns, key, r.Header.Get(api.HeaderRequestID))
	if err != nil {
		return nil, err
	}
	r.revision = u.Revision
	return undeleted{u.Revision.String(), u.Expires, versionOf(u.Version)}, nil
}

// restoring is what is to be restored. To leave something out never means all.
type restoring struct {
	At     json.RawMessage `json:"at"`
	Prefix string          `json:"prefix"`
	All    bool            `json:"all"`
	DryRun bool            `json:"dry_run"`
	Limit  int             `json:"limit"`
	Cursor string          `json:"cursor"`
}

type restoredKey struct {
	Name     string `json:"name"`
	Outcome  string `json:"outcome"`
	Was      string `json:"was,omitempty"`      // its revision before
	From     string `json:"from,omitempty"`     // the revision of the version that was put back
	Size     int64  `json:"size,omitempty"`     // of that
	Revision string `json:"revision,omitempty"` // of the write
}

type restored struct {
	Keys     []restoredKey `json:"keys"`
	Complete bool          `json:"complete"`
	Cursor   string        `json:"cursor,omitempty"`
}

// restore puts a page of keys back to how they stood.
func (h *Handler) restore(r *request) (any, error) {
	ns, err := h.resolveNow(r, godwit.PermissionWrite)
	if err != nil {
		return nil, err
	}
	var b restoring
	if err := decode(r.Request, &b); err != nil {
		return nil, err
	}
	if b.All == (b.Prefix != "") {
		return nil, invalid(`Say which keys: {"prefix": "..."}, or {"all": true} for every key.`)
	}
	at, err := b.moment()
	if err != nil {
		return nil, err
	}
	if b.Limit < 0 {
		return nil, godwit.Errorf(godwit.CodeInvalidLimit, "Invalid limit: use 1 to %d.", godwit.MaxRestoreKeys)
	}
	page, err := h.cfg.Service.Restore(r.Context(), ns, api.Restore{
		ChangesQuery: godwit.ChangesQuery{At: at, Prefix: b.Prefix, Cursor: b.Cursor, Limit: b.Limit}, DryRun: b.DryRun,
	})
	if err != nil {
		return nil, err
	}
	return r.restored(page), nil
}

// moment reads at: a string, or a number of seconds.
func (b *restoring) moment() (godwit.Moment, error) {
	text := string(b.At)
	if len(b.At) > 0 && b.At[0] == '"' {
		if err := json.Unmarshal(b.At, &text); err != nil {
			return godwit.Moment{}, invalid("at is malformed.")
		}
	}
	if text == "" {
		return godwit.Moment{}, invalid(`Say which moment: "at" is a time like "2026-01-02T15:04:05Z", unix seconds or a revision.`)
	}
	return godwit.ParseMoment(text)
}

func (r *request) restored(page *api.Restored) restored {
	out := restored{Keys: make([]restoredKey, len(page.Keys)), Complete: !page.More, Cursor: page.Cursor}
	text := func(rev godwit.Revision) string {
		if rev == 0 {
			return ""
		}
		return rev.String()
	}
	for i, k := range page.Keys {
		out.Keys[i] = restoredKey{k.Key, string(k.Outcome), text(k.Was), text(k.From), k.Size, text(k.Revision)}
		r.revision = max(r.revision, k.Revision)
	}
	return out
}
