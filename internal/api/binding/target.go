package binding

import "bytes"

// op is what a request asks for.
type op uint8

const (
	opNone op = iota // nothing that there is
	opGet
	opList
	opBulkGet
	opPut
	opDelete
	opCount
)

// String is the op as logs and metrics name it.
func (o op) String() string {
	return [opCount]string{"none", "get", "list", "bulk_get", "put", "delete"}[o]
}

// route tells what method asks for at path, which is raw: a key named
// "bulk/get" comes as bulk%2Fget and so is no bulk get. allow is the Allow
// header where there is no such op.
func route(method, path []byte) (o op, allow string) {
	switch string(method) {
	case "GET", "HEAD":
		if len(path) == 0 {
			return opList, ""
		}
		return opGet, ""
	case "PUT":
		return opPut, ""
	case "DELETE":
		return opDelete, ""
	case "POST":
		if string(path) == "bulk/get" {
			return opBulkGet, ""
		}
	}
	if len(path) == 0 {
		return opNone, "GET, HEAD"
	}
	if string(path) == "bulk/get" {
		return opNone, "GET, HEAD, PUT, DELETE, POST"
	}
	return opNone, "GET, HEAD, PUT, DELETE"
}

// splitTarget splits a request target, raw, into the path after its first
// slash and the query after its first question mark. Of an absolute URI the
// authority is dropped.
func splitTarget(target []byte) (path, query []byte) {
	path = target
	if len(path) > 0 && path[0] != '/' {
		if _, rest, ok := bytes.Cut(path, []byte("://")); ok {
			path = rest[authorityLen(rest):]
		}
	}
	if i := bytes.IndexByte(path, '?'); i >= 0 {
		path, query = path[:i], path[i+1:]
	}
	if len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	return path, query
}

func authorityLen(rest []byte) int {
	if i := bytes.IndexAny(rest, "/?"); i >= 0 {
		return i
	}
	return len(rest)
}

// queryValue returns the first value of name in a query, form-decoded, and
// whether there is one. The value is a part of query or, where something had
// to be decoded, of what was appended to buf, which is returned too.
func queryValue(query []byte, name string, buf []byte) (value, grown []byte, ok bool) {
	for len(query) > 0 {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte{'&'})
		k, v, _ := bytes.Cut(pair, []byte{'='})
		if string(k) != name && !sameDecoded(k, name) {
			continue
		}
		if !isEncoded(v) {
			return v, buf, true
		}
		from := len(buf)
		buf = appendFormDecoded(buf, v)
		return buf[from:], buf, true
	}
	return nil, buf, false
}

func isEncoded(b []byte) bool {
	for _, c := range b {
		if c == '%' || c == '+' {
			return true
		}
	}
	return false
}

// sameDecoded tells whether k, which may be encoded, decodes to name. Every
// name is short, so that a long k is no copy of it.
func sameDecoded(k []byte, name string) bool {
	if len(k) > 3*len(name) || !isEncoded(k) {
		return false
	}
	return string(appendFormDecoded(make([]byte, 0, 64), k)) == name
}

// appendFormDecoded appends b decoded as a form's value is: a plus is a space,
// and a percent sign that starts no escape is itself.
func appendFormDecoded(dst, b []byte) []byte {
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			if v, ok := unhex2(b[i+1:]); ok {
				dst = append(dst, v)
				i += 2
				continue
			}
			dst = append(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendPathDecoded appends b decoded as a path segment is: a plus is a plus.
// It is false when a percent sign starts no escape.
func appendPathDecoded(dst, b []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return append(dst, b...), true
		}
		v, ok := unhex2(b[i+1:])
		if !ok {
			return dst, false
		}
		dst = append(append(dst, b[:i]...), v)
		b = b[i+3:]
	}
}

// unhex2 reads the two hexadecimal digits that b starts with.
func unhex2(b []byte) (byte, bool) {
	if len(b) < 2 {
		return 0, false
	}
	hi, lo := unhex(b[0]), unhex(b[1])
	return hi<<4 | lo&15, hi|lo < 16
}

// unhex returns a digit's value, or 255.
func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}
