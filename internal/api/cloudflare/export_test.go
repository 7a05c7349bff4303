package cloudflare

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/parts"
)

// Route is what a method and a raw request URI lead to.
type Route struct {
	Endpoint, Account, Namespace, Script, Key string
	Status                                    int // of the error where there is no endpoint
}

// FindRoute routes a request.
func FindRoute(method, uri string) Route {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = uri
	c := newCall(&Handler{routes: newRoutes()}, httptest.NewRecorder(), r)
	if err := c.route(); err != nil {
		return Route{Status: problemOf(err, "").status}
	}
	return Route{
		Endpoint: c.endpoint.name,
		Account:  c.params.account, Namespace: c.params.namespace,
		Script: c.params.script, Key: c.params.key,
	}
}

// Endpoints are the methods and patterns of all endpoints, with what they need.
func Endpoints() map[string]godwit.Permission {
	all := map[string]godwit.Permission{}
	for _, r := range newRoutes() {
		for _, e := range r.endpoints {
			all[e.method+" "+strings.Join(r.pattern, "/")] = e.need
		}
	}
	return all
}

// Problem is how an error is told.
func Problem(err error, operation string) (status, code int, message string) {
	p := problemOf(err, operation)
	return p.status, p.code, p.message
}

// ReadString reads a JSON string and nothing else.
func ReadString(r io.Reader, size int) (string, error) {
	s := newScanner(r, "string")
	sr, err := s.openString()
	if err != nil {
		return "", err
	}
	var out []byte
	p := make([]byte, size)
	for {
		n, err := sr.Read(p)
		out = append(out, p[:n]...)
		if errors.Is(err, io.EOF) {
			return string(out), s.end()
		}
		if err != nil {
			return "", err
		}
	}
}

// SkipJSON reads any JSON and nothing else.
func SkipJSON(r io.Reader) error {
	s := newScanner(r, "JSON")
	if err := s.skip(0); err != nil {
		return err
	}
	return s.end()
}

// ReadKeys reads the body of a bulk delete.
func ReadKeys(r io.Reader) ([]string, error) { return readKeys(newScanner(r, "array of keys")) }

// ReadBulkQuery reads the body of a bulk get.
func ReadBulkQuery(r io.Reader) (keys []string, kind string, withMetadata bool, err error) {
	q, err := readBulkQuery(newScanner(r, "keys"))
	return q.keys, q.kind, q.withMetadata, err
}

// Bulk reads the body of a bulk write.
type Bulk struct {
	Upload func(io.Reader) (godwit.Value, error)
	Check  func(*api.BulkPut) error
	Drop   func(godwit.Value)
}

// Read reads r.
func (b Bulk) Read(r io.Reader) ([]api.BulkPut, error) {
	br := bulkReader{
		s: newScanner(r, "array of key-value pairs"), upload: b.Upload, check: b.Check, drop: b.Drop,
		grow: func(int) error { return nil }, kept: KeptText, most: KeptBase64, limit: MaxValue,
	}
	br.text.grow = br.grow
	return br.read()
}

// KeptText and KeptBase64 are how much of a value's text is kept to see whether
// it is base64, and MaxValue how long a value may be then, in tests.
const (
	KeptText   = 1 << 10
	KeptBase64 = 36 << 10
	MaxValue   = 25 << 10
)

// SetMaxBulk changes how long a bulk body may be.
func SetMaxBulk(h *Handler, n int64) { h.maxBulk = n }

// Form is what a multipart body said.
type Form struct {
	Value    godwit.Value
	HasValue bool
	Metadata []byte
}

// ReadForm reads a multipart body.
func ReadForm(r io.Reader, boundary string, upload func(io.Reader) (godwit.Value, error)) (Form, error) {
	f := form{upload: upload}
	if err := f.read(parts.NewReader(r, boundary)); err != nil {
		return Form{}, err
	}
	metadata, err := f.metadata()
	return Form{f.value, f.hasValue, metadata}, err
}

// FormBoundary reads a Content-Type.
var FormBoundary = formBoundary

// Rebuild puts flattened metadata together: name, text, name, text.
func Rebuild(fields ...string) (string, error) {
	var t tree
	for i := 0; i+1 < len(fields); i += 2 {
		if path, ok := fieldPath(fields[i]); ok {
			if err := t.set(path, fields[i+1]); err != nil {
				return "", err
			}
		}
	}
	if t.empty() {
		return "", nil
	}
	b, err := t.json()
	return string(b), err
}

// NumberText reads a JSON number.
var NumberText = numberText

// Rooms is the memory that bulk bodies share.
type Rooms struct{ rooms *rooms }

// NewRooms returns Rooms of size bytes.
func NewRooms(size int64) Rooms { return Rooms{newRooms(size)} }

// Enter makes a Room.
func (r Rooms) Enter(ctx context.Context) *Room { return (*Room)(r.rooms.enter(ctx, "")) }

// EnterAs is Enter with a token that is limited to namespaces.
func (r Rooms) EnterAs(ctx context.Context, who string) *Room {
	return (*Room)(r.rooms.enter(ctx, who))
}

// Owners is how many have a share.
func (r Rooms) Owners() int { return len(r.rooms.owners) }

// Room is one body's share.
type Room share

// Grow takes more bytes.
func (r *Room) Grow(bytes int) error { return (*share)(r).grow(bytes) }

// Leave gives all back.
func (r *Room) Leave() { (*share)(r).leave() }

// RoomStep is how many bytes are taken at once; the first are free.
const RoomStep = roomStep
