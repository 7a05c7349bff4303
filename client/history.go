package client

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// What a Version's State may be.
const (
	StateCurrent  = "current"
	StateReplaced = "replaced"
	StateDeleted  = "deleted"
	StateExpired  = "expired"
	StateCleared  = "cleared" // deleted with all keys of a prefix
)

// Version is what a key holds, or held from one revision to another. Earlier ones are
// kept where the namespace's setting "history" says so.
type Version struct {
	Details
	State string
	Until string    // the revision that ended it; "": it stands
	Ended time.Time // zero: it stands
}

type versionJSON struct {
	detailsJSON
	State string `json:"state"`
	Until string `json:"until"`
	Ended int64  `json:"ended"`
}

func (v *versionJSON) version() Version {
	out := Version{Details: v.details(), State: v.State, Until: v.Until}
	if v.Ended != 0 {
		out.Ended = time.UnixMilli(v.Ended)
	}
	return out
}

// VersionPage is versions of a key, the newest first. Since is the revision from which
// on the key's history is whole: what was before it may be missing. Cursor continues
// the page; "": it is complete.
type VersionPage struct {
	Versions []Version
	Since    string
	Cursor   string
}

// VersionsPage returns one page of a key's versions, from behind a cursor (""; the
// newest), at most limit of them (0: 100). Errors: ErrHistoryGone if the namespace
// keeps none, ErrNamespaceNotFound, ErrInvalid.
func (kv *KV) VersionsPage(ctx context.Context, key, cursor string, limit int) (*VersionPage, error) {
	path, err := keyPath("keys", key)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	if limit != 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	var list struct {
		Versions []versionJSON `json:"versions"`
		Since    string        `json:"since"`
		Cursor   string        `json:"cursor"`
	}
	if err := kv.native(ctx, path+"/versions", query, nil, &list); err != nil {
		return nil, err
	}
	page := &VersionPage{Versions: make([]Version, len(list.Versions)), Since: list.Since, Cursor: list.Cursor}
	for i := range list.Versions {
		page.Versions[i] = list.Versions[i].version()
	}
	return page, nil
}

// Versions walks the versions of a key, the newest first. An error ends the walk.
func (kv *KV) Versions(ctx context.Context, key string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		kv, err := kv.pinned(ctx)
		if err != nil {
			yield(Version{}, err)
			return
		}
		for cursor := ""; ; {
			page, err := kv.VersionsPage(ctx, key, cursor, 0)
			if err != nil {
				yield(Version{}, err)
				return
			}
			for _, v := range page.Versions {
				if !yield(v, nil) {
					return
				}
			}
			if cursor = page.Cursor; cursor == "" {
				return
			}
		}
	}
}

// At is a moment: see AtTime and AtRevision.
type At struct{ text string }

// AtTime is the state at a time.
func AtTime(t time.Time) At { return At{t.UTC().Format(time.RFC3339Nano)} }

// AtRevision is the state with the write that had this revision, and all before it.
func AtRevision(revision string) At { return At{revision} }

// ParseAt reads a moment as people write it: a time by RFC 3339, unix seconds, or a
// revision. The server says if it is none of them.
func ParseAt(text string) At { return At{text} }

// GetAt opens what a key held at a moment. Errors: ErrKeyNotFound if it was absent,
// ErrHistoryGone if that is not known any more, ErrNamespaceNotFound, ErrInvalid.
func (kv *KV) GetAt(ctx context.Context, key string, at At) (*Value, error) {
	return kv.earlier(ctx, key, "/at/"+url.PathEscape(at.text))
}

// GetVersion opens the version of a key that a revision made. Errors: as GetAt.
func (kv *KV) GetVersion(ctx context.Context, key, revision string) (*Value, error) {
	return kv.earlier(ctx, key, "/versions/"+url.PathEscape(revision))
}

func (kv *KV) earlier(ctx context.Context, key, which string) (*Value, error) {
	path, err := keyPath("keys", key)
	if err != nil {
		return nil, err
	}
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return nil, err
	}
	res, err := kv.opened(ctx, nativePrefix+"namespaces/"+id+path+which, nil) //nolint:bodyclose // the caller closes the value
	if err != nil {
		return nil, err
	}
	v := valueOf(res)
	if text, err := url.PathUnescape(res.Header.Get("Godwit-Metadata")); err == nil && text != "" {
		v.Metadata = present(json.RawMessage(text))
	}
	return v, nil
}

// Undeleted is what Undelete put back.
type Undeleted struct {
	Revision   string    // of the write
	Expiration time.Time // zero: never
	Version    Version   // that was put back
}

// Undelete puts back what an absent key held last, whether it was deleted, cleared or
// has expired; without its expiration if that has passed. Errors: ErrPrecondition if
// the key is not absent, ErrKeyNotFound if it never held anything, ErrHistoryGone if
// that is not known any more, and as Put.
func (kv *KV) Undelete(ctx context.Context, key string) (*Undeleted, error) {
	path, err := keyPath("keys", key)
	if err != nil {
		return nil, err
	}
	var out struct {
		Revision   string      `json:"revision"`
		Expiration int64       `json:"expiration"`
		Version    versionJSON `json:"version"`
	}
	if err := kv.change(ctx, call{path: path + "/undelete"}, &out); err != nil {
		return nil, err
	}
	return &Undeleted{out.Revision, unixTime(out.Expiration), out.Version.version()}, nil
}

// RestoreOptions say what is to be put back to how it was.
type RestoreOptions struct {
	At     At
	Prefix string // only keys that start with it
	All    bool   // every key; to leave out Prefix does not mean that
	DryRun bool   // say what would be done, and do nothing
	Cursor string // from an earlier page of the same restore; "": from the start
	Limit  int    // keys in a page, 1 to 1000; 0: 100
}

// What a RestoredKey's Outcome may be.
const (
	RestorePut      = "put"      // it holds again what it held
	RestoreDeleted  = "deleted"  // it was absent then
	RestoreConflict = "conflict" // it was written meanwhile, and left alone
	RestoreLost     = "lost"     // what it held is not kept: it was left alone
)

// RestoredKey is one that did not stand as it did.
type RestoredKey struct {
	Name     string `json:"name"`
	Outcome  string `json:"outcome"`
	Was      string `json:"was,omitempty"`      // its revision before; "": it was absent
	From     string `json:"from,omitempty"`     // the revision of the version that was put back
	Size     int64  `json:"size,omitempty"`     // of that
	Revision string `json:"revision,omitempty"` // of the write
}

// RestoredPage is a part of a restore. Cursor continues it; "": all is done.
type RestoredPage struct {
	Keys   []RestoredKey
	Cursor string
}

// RestorePage does one page of a restore: each key by a write of its own, on the
// condition that it stands as it was seen. Keys that stand as they did are left out. A
// page may be asked for again. Errors: ErrHistoryGone if what stood then is not known
// any more, ErrInvalid, and as Put.
func (kv *KV) RestorePage(ctx context.Context, o RestoreOptions) (*RestoredPage, error) {
	if err := checkText(o.At.text, o.Prefix, o.Cursor); err != nil {
		return nil, err
	}
	body := map[string]any{"at": o.At.text, "dry_run": o.DryRun}
	if o.Prefix != "" {
		body["prefix"] = o.Prefix
	}
	if o.All {
		body["all"] = true
	}
	if o.Cursor != "" {
		body["cursor"] = o.Cursor
	}
	if o.Limit != 0 {
		body["limit"] = o.Limit
	}
	kv, err := kv.asked(ctx)
	if err != nil {
		return nil, err
	}
	var page RestoredPage
	if err := kv.change(ctx, call{path: "/restore", body: jsonBody(body), reads: o.DryRun}, &page); err != nil {
		return nil, err
	}
	return &page, nil
}

// Restore puts the keys with a prefix, or all, back to how they stood at a moment, and
// tells of each that changes. An error ends it; what was done stays, and the same
// restore may be begun again.
func (kv *KV) Restore(ctx context.Context, o RestoreOptions) iter.Seq2[RestoredKey, error] {
	return func(yield func(RestoredKey, error) bool) {
		kv, err := kv.asked(ctx)
		if err != nil {
			yield(RestoredKey{}, err)
			return
		}
		for {
			page, err := kv.RestorePage(ctx, o)
			if err != nil {
				yield(RestoredKey{}, err)
				return
			}
			for _, k := range page.Keys {
				if !yield(k, nil) {
					return
				}
			}
			if o.Cursor = page.Cursor; o.Cursor == "" {
				return
			}
		}
	}
}

// change posts to godwit's own API, q.path below the namespace. It may be sent again.
func (kv *KV) change(ctx context.Context, q call, v any) error {
	id, err := kv.namespaceID(ctx)
	if err != nil {
		return err
	}
	q.method, q.path, q.idempotent = http.MethodPost, "namespaces/"+id+q.path, true
	err = kv.c.native(ctx, q, v)
	if errors.Is(err, ErrNamespaceNotFound) {
		kv.c.forget(kv.ref)
	}
	return err
}
