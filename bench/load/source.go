package load

import (
	"math/rand/v2"
	"strconv"
)

// Source makes the requests of one stream.
type Source interface {
	// Next appends one whole request to dst.
	Next(dst []byte) []byte
}

// KeyBytes is the length of every key that [AppendKey] makes.
const KeyBytes = 10

// AppendKey appends the name of key number n, below 10^9: a letter and nine
// digits, so that every request has the same length.
func AppendKey(dst []byte, n int64) []byte {
	dst = append(dst, "k000000000"...)
	for i := len(dst) - 1; n > 0; i-- {
		dst[i] = byte('0' + n%10)
		n /= 10
	}
	return dst
}

// Pick chooses the number of the next key.
type Pick func() int64

// Random picks among n keys, each as likely as the next, the same ones for the
// same seed.
func Random(n int64, seed uint64) Pick {
	r := rand.New(rand.NewPCG(seed, 0))
	return func() int64 { return r.Int64N(n) }
}

// Sequence picks first, first+1 and so on.
func Sequence(first int64) Pick {
	return func() int64 {
		first++
		return first - 1
	}
}

// Template is a Source whose requests differ in one key only. Without a Pick
// the request is Before and After alone.
type Template struct {
	Before []byte
	After  []byte
	Pick   Pick
}

// Next implements [Source].
func (t *Template) Next(dst []byte) []byte {
	dst = append(dst, t.Before...)
	if t.Pick != nil {
		dst = AppendKey(dst, t.Pick())
	}
	return append(dst, t.After...)
}

// HTTPRequest returns the template of an HTTP/1.1 request: method, the path up
// to the key, the query after it, header lines without their ends, and a body
// (nil: none).
func HTTPRequest(method, path, query string, headers []string, body []byte) Template {
	after := []byte(query + " HTTP/1.1\r\nHost: fake-host\r\n")
	for _, h := range headers {
		after = append(after, h+"\r\n"...)
	}
	if body != nil {
		after = append(after, "Content-Length: "+strconv.Itoa(len(body))+"\r\n"...)
	}
	after = append(after, "\r\n"...)
	return Template{Before: []byte(method + " " + path), After: append(after, body...)}
}

// RedisCommand returns the template of a Redis command: its name, a key, and a
// value (nil: none).
func RedisCommand(name string, value []byte) Template {
	words := "*2"
	if value != nil {
		words = "*3"
	}
	before := words + "\r\n$" + strconv.Itoa(len(name)) + "\r\n" + name + "\r\n$" + strconv.Itoa(KeyBytes) + "\r\n"
	after := []byte("\r\n")
	if value != nil {
		after = append(after, "$"+strconv.Itoa(len(value))+"\r\n"...)
		after = append(append(after, value...), "\r\n"...)
	}
	return Template{Before: []byte(before), After: after}
}
