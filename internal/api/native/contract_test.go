package native_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"

	"github.com/godwitkv/godwit/docs"
	"github.com/godwitkv/godwit/internal/api/native"
)

// contract holds every request and every answer of a test against the description
// of the API: what was carried out must be a request that it knows, and whatever was
// answered one of its answers.
type contract struct {
	t   *testing.T
	doc *openapi3.T

	mu   sync.Mutex
	seen map[string]bool // statuses, parameters and fields, by operation
}

func newContract(t *testing.T) *contract {
	t.Helper()
	doc, err := description()
	check(t, err)
	return &contract{t: t, doc: doc, seen: make(map[string]bool)}
}

// description is the file, with objects that may have no other fields than it says:
// to clients it leaves room for later ones.
var description = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData([]byte(docs.OpenAPI()))
	if err != nil {
		return nil, err
	}
	raw, err := doc.MarshalJSON()
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	closeObjects(tree)
	if raw, err = json.Marshal(tree); err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(raw)
})

func closeObjects(tree any) {
	switch node := tree.(type) {
	case map[string]any:
		if node["type"] == "object" && node["additionalProperties"] == nil {
			node["additionalProperties"] = false
		}
		for _, child := range node {
			closeObjects(child)
		}
	case []any:
		for _, child := range node {
			closeObjects(child)
		}
	}
}

// operation is one of the description's, as a request has asked for it.
type operation struct {
	*openapi3.Operation
	name       string // method and path
	route      *routers.Route
	parameters map[string]string // of the path
}

// find returns the operation of a request, nil if there is none.
func (c *contract) find(r *http.Request) *operation {
	raw, _, _ := strings.Cut(r.RequestURI, "?")
	segments := strings.Split(raw, "/")
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for path, item := range c.doc.Paths.Map() {
		parameters, ok := matches(strings.Split(path, "/"), segments)
		o := item.GetOperation(method)
		if !ok || o == nil {
			continue
		}
		return &operation{
			Operation: o, name: method + " " + path, parameters: parameters,
			route: &routers.Route{Spec: c.doc, Path: path, PathItem: item, Method: method, Operation: o},
		}
	}
	return nil
}

func matches(pattern, segments []string) (map[string]string, bool) {
	if len(pattern) != len(segments) {
		return nil, false
	}
	parameters := make(map[string]string)
	for i, p := range pattern {
		name, variable := strings.CutPrefix(p, "{")
		if !variable && p != segments[i] || variable && segments[i] == "" {
			return nil, false
		}
		if variable {
			parameters[strings.TrimSuffix(name, "}")], _ = url.PathUnescape(segments[i])
		}
	}
	return parameters, true
}

// over serves by h, and holds it to the contract.
func (c *contract) over(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.RequestURI, native.Prefix+"feed") {
			h.ServeHTTP(w, r)
			return
		}
		var body bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &body), r.Body}
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(rec, r)
		if err := c.judge(r, body.Bytes(), rec); err != nil {
			c.t.Errorf("%s %.200s %.200s was answered %d %.300s: %v", r.Method, r.RequestURI, body.Bytes(), rec.status, rec.body.Bytes(), err)
		}
	})
}

// recorder keeps what was answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	r.body.Write(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (c *contract) judge(r *http.Request, body []byte, rec *recorder) error {
	o := c.find(r)
	if o == nil {
		if rec.status != http.StatusNotFound && rec.status != http.StatusMethodNotAllowed && rec.status != http.StatusUnauthorized {
			return fmt.Errorf("there is no such operation")
		}
		return c.judgeData("Error", rec.body.Bytes(), r.Method)
	}
	c.note(o.name, fmt.Sprint(rec.status))
	in := &openapi3filter.RequestValidationInput{
		Request: again(r, body), PathParams: o.parameters, Route: o.route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if rec.status < 300 {
		if err := c.judgeRequest(o, in, body); err != nil {
			return err
		}
	}
	return c.judgeAnswer(o, in, rec)
}

// again is a request to be read once more.
func again(r *http.Request, body []byte) *http.Request {
	q := r.Clone(r.Context())
	q.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) > 0 && q.Header.Get("Content-Type") == "" {
		q.Header.Set("Content-Type", "application/json") // nobody asks for it
	}
	return q
}

// judgeRequest holds a request that was carried out.
// Those that take cache_ttl refuse query parameters that they do not know.
func (c *contract) judgeRequest(o *operation, in *openapi3filter.RequestValidationInput, body []byte) error {
	if err := openapi3filter.ValidateRequest(in.Request.Context(), in); err != nil {
		return fmt.Errorf("no valid request was carried out: %w", err)
	}
	in.Request.Body = io.NopCloser(bytes.NewReader(body))
	for name := range in.Request.URL.Query() {
		if !strings.HasPrefix(name, "metadata.") && !o.takes("query", name) && o.takes("query", "cache_ttl") {
			return fmt.Errorf("the query parameter %s is not described", name)
		}
		c.note(o.name, "query "+name)
	}
	for name := range in.Request.Header {
		if strings.HasPrefix(name, "Godwit-") && !o.takes("header", name) {
			return fmt.Errorf("the header %s is not described", name)
		}
		c.note(o.name, "header "+name)
	}
	var fields map[string]any
	if len(body) > 0 && o.RequestBody != nil {
		if err := json.Unmarshal(body, &fields); err != nil {
			return err
		}
	}
	for name := range fields {
		c.note(o.name, "field "+name)
	}
	return nil
}

// takes tells whether the operation has a parameter.
func (o *operation) takes(in, name string) bool {
	for _, list := range []openapi3.Parameters{o.Parameters, o.route.PathItem.Parameters} {
		for _, p := range list {
			if p.Value.In == in && http.CanonicalHeaderKey(p.Value.Name) == http.CanonicalHeaderKey(name) {
				return true
			}
		}
	}
	return false
}

func (c *contract) judgeAnswer(o *operation, in *openapi3filter.RequestValidationInput, rec *recorder) error {
	answer := o.Responses.Status(rec.status)
	if answer == nil {
		return fmt.Errorf("the status is not described")
	}
	header := rec.Header()
	for name := range answer.Value.Headers {
		if header.Get(name) == "" && name != "CF-Cache-Status" {
			return fmt.Errorf("the header %s is not there", name)
		}
	}
	kind, _, _ := strings.Cut(header.Get("Content-Type"), ";")
	if answer.Value.Content[kind] == nil {
		return fmt.Errorf("the content type %q is not described", kind)
	}
	switch {
	case in.Request.Method == http.MethodHead:
		return nil
	case kind == "text/event-stream":
		return c.judgeEvents(rec.body.String())
	case kind != "application/json":
		return nil
	}
	return openapi3filter.ValidateResponse(in.Request.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: rec.status, Header: header,
		Body: io.NopCloser(bytes.NewReader(rec.body.Bytes())), Options: in.Options,
	})
}

// judgeEvents holds the events of a stream that have come whole.
func (c *contract) judgeEvents(stream string) error {
	events := strings.Split(stream, "\n\n")
	for _, event := range events[:len(events)-1] {
		var kind, data string
		for line := range strings.Lines(event) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "event":
				kind = value
			case "data":
				data = value
			}
		}
		schema, ok := map[string]string{
			"put": "Change", "delete": "Change", "expire": "Change", "ready": "WatchPosition", "reset": "WatchPosition", "error": "ErrorDetail",
		}[kind]
		if kind == "" && strings.HasPrefix(event, ": ") {
			continue
		}
		if !ok {
			return fmt.Errorf("the event %q is not described", event)
		}
		if err := c.judgeData(schema, []byte(data), ""); err != nil {
			return err
		}
		c.note("watch", "event "+kind)
	}
	return nil
}

// judgeData holds JSON against one of the description's schemas.
func (c *contract) judgeData(schema string, raw []byte, method string) error {
	if method == http.MethodHead {
		return nil
	}
	var data any
	if err := json.Unmarshal(raw, &data); err != nil {
		return fmt.Errorf("no JSON: %w", err)
	}
	return c.doc.Components.Schemas[schema].Value.VisitJSON(data, openapi3.EnableJSONSchema2020())
}

func (c *contract) note(operation, what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[operation+" "+what] = true
}
