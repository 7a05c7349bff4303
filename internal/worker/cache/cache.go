// Package cache is the Cache API's other end: what workerd asks when a Worker calls
// caches.default or caches.open.
//
// It keeps responses in memory, up to a bound, as Cloudflare's cache does in one
// location: those used least lately go first. It must not import anything of the
// module.
package cache

import (
	"bytes"
	"container/list"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Bounds of a Cache.
const (
	DefaultBytes = 64 << 20
	maxOverhead  = 64 << 10 // of a response's head
)

// Cache answers workerd. Its zero value is not one: see New.
type Cache struct {
	most int64
	now  func() time.Time

	mu      sync.Mutex
	used    int64
	entries map[string]*list.Element
	recent  *list.List // of *entry, the last used first
}

type entry struct {
	key     string
	status  int
	header  http.Header
	body    []byte
	size    int64
	expires time.Time
}

// New returns an empty cache of up to most bytes.
func New(most int64, now func() time.Time) *Cache {
	return &Cache{most: most, now: now, entries: map[string]*list.Element{}, recent: list.New()}
}

// ServeHTTP implements http.Handler.
func (c *Cache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		c.match(w, r)
	case http.MethodPut:
		c.put(w, r)
	case "PURGE":
		if !c.remove(key(r)) {
			w.WriteHeader(http.StatusNotFound)
		}
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// key is what a response lies under: the cache's name and the URL.
func key(r *http.Request) string {
	return r.Header.Get("CF-Cache-Namespace") + "\n" + r.Header.Get("X-Forwarded-Proto") + "://" + r.Host + r.RequestURI
}

func (c *Cache) match(w http.ResponseWriter, r *http.Request) {
	e := c.find(key(r))
	if e == nil {
		w.Header().Set("CF-Cache-Status", "MISS")
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	h := w.Header()
	for name, values := range e.header {
		h[name] = values
	}
	h.Set("CF-Cache-Status", "HIT")
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else one would be guessed
	}
	if e.status == http.StatusOK { // ranges and conditions too
		modified, _ := http.ParseTime(h.Get("Last-Modified"))
		http.ServeContent(w, r, "", modified, bytes.NewReader(e.body))
		return
	}
	w.WriteHeader(e.status)
	_, _ = w.Write(e.body) // workerd is gone
}

func (c *Cache) find(key string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[key]
	if at == nil {
		return nil
	}
	e := at.Value.(*entry)
	if !c.now().Before(e.expires) {
		c.drop(at)
		return nil
	}
	c.recent.MoveToFront(at)
	return e
}

func (c *Cache) remove(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.entries[key]
	if at != nil {
		c.drop(at)
	}
	return at != nil
}

func (c *Cache) drop(at *list.Element) {
	e := c.recent.Remove(at).(*entry)
	delete(c.entries, e.key)
	c.used -= e.size
}

var errTooLarge = errors.New("the response is larger than the cache takes")

// put stores the response that is the request's body. The answer is 413 where it must not
// be stored, as Cloudflare's is; workerd does not tell the Worker.
func (c *Cache) put(w http.ResponseWriter, r *http.Request) {
	e, err := c.read(r)
	_, _ = io.Copy(io.Discard, r.Body) // workerd wants all of it to be taken
	if err != nil {
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	if e.expires.After(c.now()) {
		c.store(e)
	} else {
		c.remove(e.key)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (c *Cache) read(r *http.Request) (*entry, error) {
	res, err := readResponse(io.LimitReader(r.Body, c.most/2+maxOverhead))
	if err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	defer res.Body.Close()
	life, err := lifetime(res, c.now())
	if err != nil {
		return nil, err
	}
	e := &entry{key: key(r), status: res.StatusCode, header: res.Header, expires: c.now().Add(life)}
	if e.body, err = io.ReadAll(io.LimitReader(res.Body, c.most/2+1)); err != nil {
		return nil, fmt.Errorf("read response: %w", err)
	}
	for _, name := range []string{"Connection", "Transfer-Encoding", "Content-Length", "CF-Cache-Status"} {
		e.header.Del(name)
	}
	if e.size = int64(len(e.body) + len(e.key)); e.size > c.most/2 {
		return nil, errTooLarge
	}
	for name, values := range e.header {
		e.size += int64(len(name) + len(strings.Join(values, "")) + 64)
	}
	return e, nil
}

func (c *Cache) store(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.entries[e.key]; old != nil {
		c.drop(old)
	}
	c.entries[e.key] = c.recent.PushFront(e)
	c.used += e.size
	for c.used > c.most {
		c.drop(c.recent.Back())
	}
}
