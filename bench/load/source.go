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

// Values makes the values of writes, each Size bytes long.
type Values struct {
	Size   int
	Append func(dst []byte) []byte
}

// RandomValues are letters and digits that no compression makes much of, the
// same ones for the same seed.
func RandomValues(size int, seed uint64) *Values {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	r := rand.New(rand.NewPCG(seed, 1))
	text := make([]byte, 1<<20+size)
	for i := range text {
		text[i] = letters[r.IntN(len(letters))]
	}
	return &Values{Size: size, Append: func(dst []byte) []byte {
		from := r.IntN(len(text) - size + 1)
		return append(dst, text[from:from+size]...)
	}}
}

// Template is a Source whose requests differ in a key and a value only, where
// they have them: Before, key, Between, value, After.
type Template struct {
	Before  []byte
	Pick    Pick // nil: no key
	Between []byte
	Values  *Values // nil: no value
	After   []byte
}

// Next implements [Source].
func (t *Template) Next(dst []byte) []byte {
	dst = append(dst, t.Before...)
	if t.Pick != nil {
		dst = AppendKey(dst, t.Pick())
	}
	dst = append(dst, t.Between...)
	if t.Values != nil {
		dst = t.Values.Append(dst)
	}
	return append(dst, t.After...)
}

// HTTPRequest returns the template of an HTTP/1.1 request: method, the path up
// to the key (pick nil: the whole path), the query after it, header lines
// without their ends, and bodies (nil: none).
func HTTPRequest(method, path string, pick Pick, query string, headers []string, bodies *Values) *Template {
	head := []byte(query + " HTTP/1.1\r\nHost: fake-host\r\n")
	for _, h := range headers {
		head = append(head, h+"\r\n"...)
	}
	if bodies != nil {
		head = append(head, "Content-Length: "+strconv.Itoa(bodies.Size)+"\r\n"...)
	}
	head = append(head, "\r\n"...)
	return &Template{Before: []byte(method + " " + path), Pick: pick, Between: head, Values: bodies}
}

// RedisCommand returns the template of a Redis command: its name, a key, and
// values (nil: none).
func RedisCommand(name string, pick Pick, values *Values) *Template {
	words := "*2"
	if values != nil {
		words = "*3"
	}
	t := &Template{
		Before:  []byte(words + "\r\n$" + strconv.Itoa(len(name)) + "\r\n" + name + "\r\n$" + strconv.Itoa(KeyBytes) + "\r\n"),
		Pick:    pick,
		Between: []byte("\r\n"),
		Values:  values,
	}
	if values != nil {
		t.Between = append(t.Between, "$"+strconv.Itoa(values.Size)+"\r\n"...)
		t.After = []byte("\r\n")
	}
	return t
}
