package store

import (
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// count is the entries of a namespace and the bytes of their keys, values and
// metadata.
type count struct{ keys, bytes int64 }

// counters are the namespaces' counts as they stand in the rows of c.
type counters struct {
	mu  sync.RWMutex
	all map[godwit.NamespaceID]count
}

func (c *counters) load(r pebble.Reader) error {
	c.all = make(map[godwit.NamespaceID]count)
	return scanPrefix(r, []byte{prefixCounter}, func(k, v []byte) error {
		keys, bytes, err := decodePair(v)
		if err != nil || len(k) != 1+nsLen {
			return fmt.Errorf("read counters: %w", ErrCorrupt)
		}
		c.all[godwit.NamespaceID(k[1:])] = count{int64(keys), int64(bytes)}
		return nil
	})
}

func (c *counters) of(ns godwit.NamespaceID) (keys, bytes int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n := c.all[ns]
	return n.keys, n.bytes
}

// total leaves out the system namespace, which is not the users'.
func (c *counters) total() (keys, bytes int64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for ns, n := range c.all {
		if ns != godwit.SystemNamespace {
			keys += n.keys
			bytes += n.bytes
		}
	}
	return keys, bytes
}

func (c *counters) put(ns godwit.NamespaceID, n count) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n == (count{}) {
		delete(c.all, ns)
		return
	}
	c.all[ns] = n
}
