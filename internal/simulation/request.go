package simulation

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit"
)

// timeout is how long a client waits for an answer.
const timeout = 8 * time.Second

// request is what a client sends to a node.
type request struct {
	method string
	path   string // below the namespace
	query  url.Values
	header map[string]string
	body   []byte
	kind   string // of the body
}

// answer is what came back.
type answer struct {
	err      error // no answer, and why
	sent     bool  // without an answer: it may have arrived all the same
	status   int
	code     int // of the first error in a JSON answer
	body     []byte
	header   http.Header
	from, to time.Time
	boot     int     // the node's, when it was asked
	sums     []int64 // of a transaction's adds
}

// ask sends a request to a node, and waits for its answer.
func (c *caller) ask(ctx context.Context, m *machine, ns godwit.NamespaceID, q request) *answer {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	a := &answer{from: time.Now(), boot: m.started()}
	defer func() {
		a.to = time.Now()
		if err := c.refused(m, &q, a); err != nil {
			c.world.report(c.plan.name, err)
		}
	}()
	target := m.url() + "/client/v4/accounts/" + account + "/storage/kv/namespaces/" + ns.String() + q.path
	if q.path[0] != '/' {
		target = m.url() + "/" + q.path
	}
	if len(q.query) > 0 {
		target += "?" + q.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, q.method, target, bytes.NewReader(q.body))
	if err != nil {
		a.err = err
		return a
	}
	req.Header.Set("Authorization", "Bearer "+c.world.write)
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	if q.kind != "" {
		req.Header.Set("Content-Type", q.kind)
	}
	res, err := c.http.Do(req)
	if err == nil {
		a.status, a.header = res.StatusCode, res.Header
		a.body, err = io.ReadAll(res.Body)
		_ = res.Body.Close()
	}
	if err != nil {
		var op *net.OpError
		a.err, a.sent = err, !errors.As(err, &op) || op.Op != "dial"
		return a
	}
	a.code = firstError(a.body)
	return a
}

func firstError(body []byte) int {
	var envelope struct{ Errors []struct{ Code int } }
	if json.Unmarshal(body, &envelope) != nil || len(envelope.Errors) == 0 {
		return 0
	}
	return envelope.Errors[0].Code
}

// String is the answer in short.
func (a *answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("no answer after %v: %v", time.Since(a.from).Round(time.Millisecond), a.err)
	}
	text := ""
	if a.status >= 300 && a.status != http.StatusNotFound {
		text = " " + strings.TrimSpace(string(a.body))
	}
	return fmt.Sprintf("%d %s %s after %v%s", a.status, a.header.Get("CF-Cache-Status"), a.header.Get("Godwit-Revision"),
		a.to.Sub(a.from).Round(time.Millisecond), text)
}

// revision is what the answer tells of the log.
func (a *answer) revision() godwit.Revision {
	r, _ := godwit.ParseRevision(a.header.Get("Godwit-Revision"))
	return r
}

// form is the body of a put with metadata.
func form(value, metadata string) (body []byte, kind string) {
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.SetBoundary("------------------------world")
	_ = w.WriteField("value", value)
	_ = w.WriteField("metadata", metadata)
	_ = w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// value is what a write puts under a key: its tag, over and over.
func value(tag string, size int) string {
	text := tag + ";"
	return strings.Repeat(text, max(size/len(text), 1))
}

// tagOf reads a value's tag. Error: it is not whole.
func tagOf(text string) (string, error) {
	tag, _, ok := strings.Cut(text, ";")
	if !ok || len(text)%(len(tag)+1) != 0 || strings.Repeat(tag+";", len(text)/(len(tag)+1)) != text {
		return "", fmt.Errorf("a value of %d bytes is not as it was written: %.40q", len(text), text)
	}
	return tag, nil
}

func quote(s string) string { return strconv.Quote(s) }
