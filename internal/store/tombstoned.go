package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/godwitkv/godwit"
)

// maxTombstoned is how many namespaces are told apart.
const maxTombstoned = 1 << 14

// tombstoned are the namespaces in which there may be tombstones. Where there are none a
// new key's is not looked for, which otherwise costs as much as looking for its entry. It
// belongs to the one transaction that is open.
type tombstoned struct {
	in  map[godwit.NamespaceID]struct{}
	all bool // there are too many to tell
}

// load looks at one tombstone of each namespace.
func (t *tombstoned) load(r pebble.Reader) (err error) {
	t.in = make(map[godwit.NamespaceID]struct{})
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixTombstone}, UpperBound: []byte{prefixTombstone + 1}})
	if err != nil {
		return fmt.Errorf("read tombstones: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for more := it.First(); more && !t.all; {
		ns, _, ok := cutNSKey(it.Key()[1:])
		if !ok { // fsck tells of damage
			t.all = true
			break
		}
		t.add(ns)
		more = it.SeekGE(successor(appendNS(nil, prefixTombstone, ns)))
	}
	return it.Error()
}

func (t *tombstoned) add(ns godwit.NamespaceID) {
	if t.all {
		return
	}
	t.in[ns] = struct{}{}
	if len(t.in) > maxTombstoned {
		t.in, t.all = nil, true
	}
}

func (t *tombstoned) has(ns godwit.NamespaceID) bool {
	_, is := t.in[ns]
	return is || t.all
}
