package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Status is a node's account of itself.
type Status struct {
	ID            string `json:"id"`   // of the process
	Role          string `json:"role"` // "central" or "edge"
	Location      string `json:"location"`
	Account       string `json:"account"`
	ClusterID     string `json:"cluster_id"`
	Revision      string `json:"revision"`     // the last that the node holds
	Ready         bool   `json:"ready"`        // it serves reads
	StalenessMS   int64  `json:"staleness_ms"` // for how long it may have missed a write; below 0: unknown
	Keys          int64  `json:"keys"`
	Bytes         int64  `json:"bytes"`
	Followers     int    `json:"followers"`   // nodes that follow it directly
	BindingURL    string `json:"binding_url"` // where Workers' bindings connect
	DiskFull      bool   `json:"disk_full"`
	Version       string `json:"version"`
	UptimeSeconds int64  `json:"uptime_seconds"`
	Generation    uint64 `json:"generation"`          // of the log: it grows when a copy is made a centre
	FencedBy      uint64 `json:"fenced_by,omitempty"` // the later one that has taken over from this centre
	Problem       string `json:"problem,omitempty"`   // why a centre takes no writes, or an edge does not follow

	Jurisdictions []string `json:"jurisdictions,omitempty"` // whose namespaces the node may carry

	TimeMS           int64         `json:"time_ms"`                // by the machine's own clock, unix milliseconds; 0: an older version
	RetentionSeconds int64         `json:"retention_seconds"`      // how long deletions are remembered
	Disk             *Disk         `json:"disk,omitempty"`         // nil: it cannot be told
	Encryption       *Encryption   `json:"encryption,omitempty"`   // nil: nothing is encrypted
	Ports            []Port        `json:"ports,omitempty"`        // that it listens on
	Certificates     []Certificate `json:"certificates,omitempty"` // that it shows
	Audit            *Audit        `json:"audit,omitempty"`        // nil: there is no audit log
	Cluster          *Cluster      `json:"cluster,omitempty"`      // nil: it is a member of none
	Scrub            Scrub         `json:"scrub"`

	// Of an edge:

	ClockOffsetMS int64 `json:"clock_offset_ms,omitempty"` // what is added to the machine's clock, by the upstream's

	Upstream  string `json:"upstream,omitempty"` // the node that it follows
	Connected bool   `json:"connected"`          // it hears of it
	Lag       int64  `json:"lag"`                // revisions behind it
	Missing   int    `json:"missing,omitempty"`  // large values still to be fetched
	Progress  string `json:"progress,omitempty"` // of becoming a copy
}

// Scrub is how a node stands that reads all it has on its disk, and mends what is
// damaged. Times are unix seconds, 0 for none.
type Scrub struct {
	Running        bool  `json:"running"`
	EverySeconds   int64 `json:"every_seconds"` // 0: only when asked
	BytesPerSecond int64 `json:"bytes_per_second"`
	Began          int64 `json:"began,omitempty"` // the pass under way, with what it has come to
	Bytes          int64 `json:"bytes"`
	Found          int64 `json:"found"` // damaged values
	Mended         int64 `json:"mended"`
	Unmended       int64 `json:"unmended"` // known to be damaged now
	Next           int64 `json:"next,omitempty"`

	LastBegan  int64 `json:"last_began,omitempty"` // the last pass that came to its end
	LastEnded  int64 `json:"last_ended,omitempty"`
	LastBytes  int64 `json:"last_bytes"`
	LastFound  int64 `json:"last_found"`
	LastMended int64 `json:"last_mended"`
}

// StartScrub has the node that answers read all that is on its disk, unless it does so
// already, and returns at once how that stands. Errors: ErrUnauthenticated, ErrForbidden
// without an admin token.
func (c *Client) StartScrub(ctx context.Context) (*Scrub, error) {
	var s Scrub
	if err := c.native(ctx, call{method: http.MethodPost, path: "scrub", idempotent: true, reads: true}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Status asks the node for its status. Any token may. Errors:
// ErrUnauthenticated.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if err := c.native(ctx, call{method: http.MethodGet, path: "status", idempotent: true}, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// nativePrefix starts every path of godwit's own API.
const nativePrefix = "/godwit/v1/"

// native calls godwit's own API; q.path is relative to it.
func (c *Client) native(ctx context.Context, q call, v any) error {
	q.path = nativePrefix + q.path
	if q.body != nil {
		q.contentType = "application/json"
	}
	return c.json(ctx, q, v)
}

// Namespace is a namespace as the server tells of it.
type Namespace struct {
	ID           string   `json:"id"`
	Title        string   `json:"title"`
	Jurisdiction string   `json:"jurisdiction,omitempty"`
	Settings     Settings `json:"settings"`
	Keys         int64    `json:"keys"`
	Bytes        int64    `json:"bytes"`

	// Of earlier versions, at a central node:

	HistoryVersions int64 `json:"history_versions,omitempty"`
	HistoryBytes    int64 `json:"history_bytes,omitempty"`
}

// Settings are a namespace's own; a nil field leaves the server's value in
// force.
type Settings struct {
	MinExpirationTTL *int64   `json:"min_expiration_ttl,omitempty"` // seconds
	MinCacheTTL      *int64   `json:"min_cache_ttl,omitempty"`      // seconds
	WritesPerKey     *float64 `json:"writes_per_key,omitempty"`     // writes a second on one key; 0: no limit
	Consistency      string   `json:"consistency,omitempty"`        // "", "eventual" or "strong"
	History          string   `json:"history,omitempty"`            // earlier versions to keep: "10" of each key, or those of "24h"; "": none

	EraseWithin string `json:"erase_within,omitempty"` // within which time the bytes of what was deleted or replaced are gone from each disk, such as "24h"; "": when the database likes

	MaxKeys           *int64   `json:"max_keys,omitempty"`            // keys that it may hold
	MaxBytes          *int64   `json:"max_bytes,omitempty"`           // bytes of their names, metadata and values
	RequestsPerSecond *float64 `json:"requests_per_second,omitempty"` // reads and writes, at each node
}

// Namespaces returns those that the token is for, in order of their ids.
func (c *Client) Namespaces(ctx context.Context) ([]Namespace, error) {
	var list struct {
		Namespaces []Namespace `json:"namespaces"`
	}
	if err := c.native(ctx, call{method: http.MethodGet, path: "namespaces", idempotent: true}, &list); err != nil {
		return nil, err
	}
	return list.Namespaces, nil
}

// NamespaceOptions are what a new namespace may say beside its title.
type NamespaceOptions struct {
	Jurisdiction string // "", "eu", "us" or "fedramp"
}

// CreateNamespace makes a namespace. Errors: ErrNamespaceExists, ErrInvalid,
// ErrForbidden.
func (c *Client) CreateNamespace(ctx context.Context, title string, o NamespaceOptions) (*Namespace, error) {
	if err := checkText(title); err != nil {
		return nil, err
	}
	path, err := c.accountPath(ctx, "/namespaces")
	if err != nil {
		return nil, err
	}
	spec := struct {
		Title        string `json:"title"`
		Jurisdiction string `json:"jurisdiction,omitempty"`
	}{title, o.Jurisdiction}
	var ns Namespace
	err = c.rest(ctx, call{
		method: http.MethodPost, path: path, body: jsonBody(spec), contentType: "application/json",
		idempotent: true, // by its request id
	}, &ns)
	if err != nil {
		return nil, err
	}
	return &ns, nil
}

// EnsureNamespace returns the namespace with this title, and makes it if there is
// none; created tells which. Whoever asks at once, wherever, gets the same one. One
// that exists is answered as it stands. Errors: ErrInvalid, ErrForbidden;
// ErrNamespaceExists only if o asks for a jurisdiction and the one that exists has
// another.
func (c *Client) EnsureNamespace(ctx context.Context, title string, o NamespaceOptions) (ns *Namespace, created bool, err error) {
	if err := checkText(title); err != nil {
		return nil, false, err
	}
	spec := struct {
		Title        string `json:"title"`
		Jurisdiction string `json:"jurisdiction,omitempty"`
		IfNotExists  bool   `json:"if_not_exists"`
	}{title, o.Jurisdiction, true}
	ns = new(Namespace)
	status, err := c.jsonStatus(ctx, call{
		method: http.MethodPost, path: nativePrefix + "namespaces", body: jsonBody(spec), contentType: "application/json", idempotent: true,
		settled: ErrNamespaceExists,
	}, ns)
	if err != nil {
		return nil, false, err
	}
	return ns, status == http.StatusCreated, nil
}

// RenameNamespace gives the namespace with this id or title another title.
// Errors: ErrNamespaceNotFound, ErrNamespaceExists, ErrInvalid, ErrForbidden.
func (c *Client) RenameNamespace(ctx context.Context, ref, title string) (*Namespace, error) {
	if err := checkText(title); err != nil {
		return nil, err
	}
	path, err := c.namespacePath(ctx, ref)
	if err != nil {
		return nil, err
	}
	spec := struct {
		Title string `json:"title"`
	}{title}
	var ns Namespace
	err = c.rest(ctx, call{
		method: http.MethodPut, path: path, body: jsonBody(spec), contentType: "application/json", idempotent: true,
		settled: ErrNamespaceNotFound,
	}, &ns)
	c.forget(ref)
	if err != nil {
		return nil, err
	}
	return &ns, nil
}

// DeleteNamespace deletes the namespace with this id or title, and all its
// keys. Errors: ErrNamespaceNotFound, ErrForbidden.
func (c *Client) DeleteNamespace(ctx context.Context, ref string) error {
	path, err := c.namespacePath(ctx, ref)
	if err != nil {
		return err
	}
	err = c.rest(ctx, call{method: http.MethodDelete, path: path, idempotent: true, settled: ErrNamespaceNotFound}, nil)
	c.forget(ref)
	return err
}

// namespacePath is the path of the namespace that a change to itself is for, which is
// asked for anew.
func (c *Client) namespacePath(ctx context.Context, ref string) (string, error) {
	kv, err := c.KV(ref).asked(ctx)
	if err != nil {
		return "", err
	}
	return kv.path(ctx, "")
}

// Settings returns the settings of the namespace with this id or title.
// Errors: ErrNamespaceNotFound, ErrForbidden.
func (c *Client) Settings(ctx context.Context, ref string) (*Settings, error) {
	return c.settings(ctx, ref, call{method: http.MethodGet, idempotent: true})
}

// SetSettings changes those settings of a namespace that changes names, by the
// JSON names of the fields of [Settings]; nil takes one away. It returns all
// that are then in force. Errors: ErrNamespaceNotFound, ErrInvalid,
// ErrForbidden.
func (c *Client) SetSettings(ctx context.Context, ref string, changes map[string]any) (*Settings, error) {
	raw, err := json.Marshal(changes)
	if err != nil {
		return nil, invalid("encode settings: %v", err)
	}
	return c.settings(ctx, ref, call{method: http.MethodPatch, body: bytesBody(raw), idempotent: true, settled: ErrNamespaceNotFound})
}

func (c *Client) settings(ctx context.Context, ref string, q call) (*Settings, error) {
	id, err := c.NamespaceID(ctx, ref)
	if err != nil {
		return nil, err
	}
	q.path = "namespaces/" + id + "/settings"
	var s Settings
	if err := c.native(ctx, q, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Token is a credential as the server keeps it: without its secret.
type Token struct {
	ID         string   `json:"id"`
	Name       string   `json:"name,omitempty"`
	Permission string   `json:"permission"`           // "read", "write", "admin" or "replicate"
	Namespaces []string `json:"namespaces,omitempty"` // ids; empty: all
	Created    int64    `json:"created"`              // unix seconds
	Expires    int64    `json:"expires,omitempty"`    // unix seconds; 0: never

	RequestsPerSecond float64 `json:"requests_per_second,omitempty"` // at each node; 0: no limit
}

// TokenSpec is what a new token may do.
type TokenSpec struct {
	Name       string   `json:"name,omitempty"`
	Permission string   `json:"permission"`
	Namespaces []string `json:"namespaces,omitempty"` // ids or titles; empty: all
	Expires    int64    `json:"expires,omitempty"`    // unix seconds; 0: never

	RequestsPerSecond float64 `json:"requests_per_second,omitempty"` // at each node; 0: no limit
}

// NewToken is a token with its secret, which the server tells once and does not
// keep.
type NewToken struct {
	Token
	Secret string `json:"token"`
}

// Tokens returns all but the root token, oldest first. Errors: ErrForbidden.
func (c *Client) Tokens(ctx context.Context) ([]Token, error) {
	var list struct {
		Tokens []Token `json:"tokens"`
	}
	if err := c.native(ctx, call{method: http.MethodGet, path: "tokens", idempotent: true}, &list); err != nil {
		return nil, err
	}
	return list.Tokens, nil
}

// CreateToken makes a token. It is sent once. Errors: ErrInvalid,
// ErrNamespaceNotFound, ErrForbidden.
func (c *Client) CreateToken(ctx context.Context, spec TokenSpec) (*NewToken, error) {
	if err := checkText(append([]string{spec.Name}, spec.Namespaces...)...); err != nil {
		return nil, err
	}
	var t NewToken
	if err := c.native(ctx, call{method: http.MethodPost, path: "tokens", body: jsonBody(spec)}, &t); err != nil {
		return nil, err
	}
	return &t, nil
}

// RevokeToken deletes the token with this id. Errors: ErrTokenNotFound,
// ErrForbidden.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	if id == "" {
		return invalid("a token's id must not be empty")
	}
	return c.native(ctx, call{method: http.MethodDelete, path: "tokens/" + url.PathEscape(id)}, &struct{}{})
}

// RotateRootToken puts another root token in force and returns it; the one
// before, which the client must hold, is then worth nothing. It is sent once.
// Errors: ErrForbidden, ErrInvalid where the root token was given by flag.
func (c *Client) RotateRootToken(ctx context.Context) (string, error) {
	var t struct {
		Token string `json:"token"`
	}
	if err := c.native(ctx, call{method: http.MethodPost, path: "root-token/rotate"}, &t); err != nil {
		return "", err
	}
	return t.Token, nil
}
