//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwitkv/godwit/bench/load"
)

// Any will do; they are known to nobody else.
const (
	rootToken = "bench-root-token-0123456789abcdef"
	account   = "0123456789abcdef0123456789abcdef"
	bulkItems = 10_000
)

// node is a godwit under test.
type node struct {
	*process
	api     string // host:port of the REST API
	binding string // host:port of the binding port
	hot     string // id of a namespace with hotKeys keys
	large   string // id of one with lab.keys keys; "": not filled yet
	opened  time.Duration
}

// startNode starts a godwit on the data in dir/name, new or old, on the servers'
// core.
func (l *lab) startNode(ctx context.Context, name string) (*node, error) {
	return l.startNodeOn(ctx, l.serverOn, name)
}

func (l *lab) startNodeOn(ctx context.Context, cpu int, name string, more ...string) (*node, error) {
	return l.startNodeBy(ctx, nil, cpu, name, more...)
}

// startNodeBy starts it by way of another command, which may be none.
func (l *lab) startNodeBy(ctx context.Context, by []string, cpu int, name string, more ...string) (*node, error) {
	if l.pprof != "" && !slices.Contains(more, "--upstream") {
		more = append(more, "--pprof-listen", l.pprof)
	}
	began := time.Now()
	n, err := l.launchNodeBy(by, name, cpu, more...)
	if err != nil {
		return nil, err
	}
	err = n.until(ctx, n.isReady(ctx))
	n.opened = time.Since(began)
	return n, err
}

// launchNode starts a node and does not wait for it.
func (l *lab) launchNode(name string, cpu int, more ...string) (*node, error) {
	return l.launchNodeBy(nil, name, cpu, more...)
}

func (l *lab) launchNodeBy(by []string, name string, cpu int, more ...string) (*node, error) {
	api, err := freeAddr()
	if err != nil {
		return nil, err
	}
	binding, err := freeAddr()
	if err != nil {
		return nil, err
	}
	return l.launch(by, name, cpu, api, binding, more...)
}

func (l *lab) launchNodeAt(name string, cpu int, api, binding string, more ...string) (*node, error) {
	return l.launch(nil, name, cpu, api, binding, more...)
}

func (l *lab) launch(by []string, name string, cpu int, api, binding string, more ...string) (*node, error) {
	args := append([]string{"serve", "--data", filepath.Join(l.dir, name), "--listen", api, "--binding-listen", binding,
		"--root-token", rootToken, "--account", account}, more...)
	command := slices.Concat(by, []string{l.godwit}, args)
	p, err := start(cpu, l.dir, name, nil, command[0], command[1:]...)
	if err != nil {
		return nil, err
	}
	l.processes = append(l.processes, p)
	return &node{process: p, api: api, binding: binding}, nil
}

// isReady asks the node whether it serves reads.
func (n *node) isReady(ctx context.Context) func() bool {
	return func() bool {
		status, err := n.do(ctx, http.MethodGet, "/readyz")
		return err == nil && status == http.StatusOK
	}
}

// do makes a request whose answer does not matter.
func (n *node) do(ctx context.Context, method, path string) (int, error) {
	return n.call(ctx, method, path, nil, nil)
}

// native reads a path of godwit's own API.
func (n *node) native(ctx context.Context, path string, result any) error {
	return n.askNative(ctx, http.MethodGet, path, "", result)
}

// nativePost sends a body to a path of godwit's own API.
func (n *node) nativePost(ctx context.Context, path, body string, result any) error {
	return n.askNative(ctx, http.MethodPost, path, body, result)
}

func (n *node) askNative(ctx context.Context, method, path, body string, result any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.api+"/godwit/v1/"+path, strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	return json.NewDecoder(res.Body).Decode(result)
}

// call makes one request of the API port and decodes the answer's result.
func (n *node) call(ctx context.Context, method, path string, body []byte, result any) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+n.api+path, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return res.StatusCode, fmt.Errorf("read answer: %w", err)
	}
	if result == nil || res.StatusCode != http.StatusOK {
		return res.StatusCode, nil
	}
	envelope := struct{ Result any }{result}
	if err := json.Unmarshal(text, &envelope); err != nil {
		return res.StatusCode, fmt.Errorf("decode answer: %w", err)
	}
	return res.StatusCode, nil
}

// mallocs is how many objects the node has allocated so far.
func (n *node) mallocs(ctx context.Context) (float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.api+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			return strconv.ParseFloat(rest, 64)
		}
	}
	return 0, errors.Join(errors.New("no count of allocations in the metrics"), lines.Err())
}

const namespaces = "/client/v4/accounts/" + account + "/storage/kv/namespaces"

// createNamespace makes a namespace and returns its id.
func (n *node) createNamespace(ctx context.Context, title string) (string, error) {
	var made struct{ ID string }
	status, err := n.call(ctx, http.MethodPost, namespaces, []byte(`{"title":"`+title+`"}`), &made)
	if err != nil {
		return "", fmt.Errorf("create namespace %s: %w", title, err)
	}
	if status != http.StatusOK {
		return "", fmt.Errorf("create namespace %s: status %d", title, status)
	}
	return made.ID, nil
}

// fill makes a namespace with keys numbered from 0, by bulk writes, and waits
// for what goes on after them.
func (n *node) fill(ctx context.Context, title string, keys int64) (id string, err error) {
	id, err = n.createNamespace(ctx, title)
	if err != nil {
		return "", err
	}
	vals := load.RandomValues(valueBytes, 2)
	var body []byte
	for first := int64(0); first < keys; first += bulkItems {
		body = appendBulk(body[:0], first, min(bulkItems, keys-first), vals)
		if err := n.bulk(ctx, id, body); err != nil {
			return "", err
		}
		if first%1_000_000 == 0 && first > 0 {
			fmt.Fprintf(os.Stderr, "bench: filled %d keys\n", first)
		}
	}
	return id, n.settle(ctx)
}

func (n *node) bulk(ctx context.Context, id string, body []byte) error {
	status, err := n.call(ctx, http.MethodPut, namespaces+"/"+id+"/bulk", body, nil)
	if err != nil {
		return fmt.Errorf("bulk put: %w", err)
	}
	if status != http.StatusOK {
		return fmt.Errorf("bulk put: status %d", status)
	}
	return nil
}

// appendBulk appends the body of a bulk write of count keys from first on.
func appendBulk(dst []byte, first, count int64, vals *load.Values) []byte {
	return appendBulkOf(dst, first, count, func(i int64) int64 { return i }, vals)
}

// appendBulkOf does it for the keys that numbers stand for.
func appendBulkOf(dst []byte, first, count int64, key func(int64) int64, vals *load.Values) []byte {
	dst = append(dst, '[')
	for i := range count {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"key":"`...)
		dst = load.AppendKey(dst, key(first+i))
		dst = append(dst, `","value":"`...)
		dst = vals.Append(dst)
		dst = append(dst, `"}`...)
	}
	return append(dst, ']')
}

// headers are what workerd is configured to add for a namespace.
func (n *node) headers(id string) []string {
	return []string{"Authorization: Bearer " + rootToken, "Godwit-Namespace: " + id}
}

// get is the stream of a binding's reads, as workerd sends them.
func (n *node) get(id string, conns int, pick load.Pick) load.Stream {
	return httpStream(n.binding, conns, load.HTTPRequest("GET", "/", pick, "?urlencoded=true", n.headers(id), nil))
}

// put is the stream of a binding's writes.
func (n *node) put(id string, conns int, pick load.Pick) load.Stream {
	headers := append(n.headers(id), "Content-Type: text/plain;charset=UTF-8")
	return httpStream(n.binding, conns, load.HTTPRequest("PUT", "/", pick, "?urlencoded=true", headers, load.RandomValues(valueBytes, 3)))
}

// shared returns the node that most scenarios use, with its hot namespace.
func (l *lab) shared(ctx context.Context) (*node, error) {
	if l.node != nil {
		return l.node, nil
	}
	n, err := l.startNode(ctx, "godwit-"+strconv.Itoa(len(l.processes)))
	if err != nil {
		return nil, err
	}
	if n.hot, err = n.fill(ctx, "hot", hotKeys); err != nil {
		return nil, err
	}
	l.node = n
	return n, nil
}

// filled returns the shared node with its large namespace.
func (l *lab) filled(ctx context.Context) (*node, error) {
	n, err := l.shared(ctx)
	if err != nil || n.large != "" {
		return n, err
	}
	n.large, err = n.fill(ctx, "large", l.keys)
	return n, err
}
