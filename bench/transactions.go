//go:build linux

package main

import (
	"context"
	"strconv"

	"github.com/godwitkv/godwit/bench/load"
)

// transactionKeys is how many keys each transaction that is measured writes.
const transactionKeys = 10

// transactions compares transactions over several keys, and adds to one, with single
// writes of as many connections.
func transactions(ctx context.Context, l *lab) ([]row, error) {
	n, err := l.filled(ctx)
	if err != nil {
		return nil, err
	}
	several := &transactionSource{node: n, pick: load.Random(l.keys/transactionKeys, 5), values: load.RandomValues(valueBytes, 6)}
	one := &addSource{node: n}
	all, err := l.rounds(ctx,
		l.loaded(httpStream(n.api, clients, several), n.process),
		l.loaded(httpStream(n.api, clients, one), n.process),
		l.loaded(n.put(n.large, clients, load.Random(l.keys, 5)), n.process))
	if err != nil {
		return nil, err
	}
	return []row{
		compare(row{Name: "transactions of 10 keys", Unit: "tx/s", Against: "single PUTs", Target: 0.15}, perSecond, all[0], all[2]),
		compare(row{Name: "transactions of 10 keys, p99", Unit: "us", Against: "single PUTs"}, p99micros, all[0], all[2]),
		compare(row{Name: "adds to one key", Unit: "adds/s", Against: "single PUTs"}, perSecond, all[1], all[2]),
	}, nil
}

// post appends a request of a transaction.
func (n *node) post(dst, body []byte) []byte {
	dst = append(dst, "POST /godwit/v1/namespaces/"+n.large+"/transactions HTTP/1.1\r\nHost: fake-host\r\nAuthorization: Bearer "+rootToken+
		"\r\nContent-Type: application/json\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	return append(append(dst, "\r\n\r\n"...), body...)
}

// transactionSource makes transactions that put keys beside each other.
type transactionSource struct {
	node   *node
	pick   load.Pick // of the first tenth of the keys
	values *load.Values
	body   []byte
}

// Next implements [load.Source].
func (s *transactionSource) Next(dst []byte) []byte {
	b := s.body[:0]
	b = append(b, `{"mutations":[`...)
	first := s.pick() * transactionKeys
	for i := range int64(transactionKeys) {
		if i > 0 {
			b = append(b, ',')
		}
		b = load.AppendKey(append(b, `{"op":"put","key":"`...), first+i)
		b = s.values.Append(append(b, `","value":"`...))
		b = append(b, `"}`...)
	}
	b = append(b, `]}`...)
	s.body = b
	return s.node.post(dst, b)
}

// addSource adds to one key.
type addSource struct{ node *node }

// Next implements [load.Source].
func (s *addSource) Next(dst []byte) []byte {
	return s.node.post(dst, []byte(`{"mutations":[{"op":"add","key":"counter","delta":1}]}`))
}
