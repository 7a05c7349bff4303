package load

import "bytes"

// partial is a line of which only a part has come. The zero value is ready.
type partial []byte

// take returns the line that b ends, its end with it and good until the next call, and how
// many bytes of b it took; a nil line: there is more to come.
func (p *partial) take(b []byte) (line []byte, n int, err error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		*p = append(*p, b...)
		if len(*p) > maxHeadBytes {
			return nil, len(b), errHeadTooLong
		}
		return nil, len(b), nil
	}
	line = b[:i+1]
	if len(*p) > 0 {
		line = append(*p, line...)
		*p = line[:0]
	}
	return line, i + 1, nil
}
