package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
)

// Bounds of what Redis may say that it is about to send. Its client makes room for it
// before any of it comes.
const (
	maxRedisBulk   = 512 << 20 // Redis's own limit, unless it was raised
	maxRedisItems  = 1 << 20
	maxRedisLine   = 64 << 10
	maxRedisNested = 8
)

// redisConn fails when what comes over it goes beyond the bounds.
type redisConn struct {
	net.Conn

	line   []byte // the beginning of the line that is being read
	length int    // of that line so far
	skip   int64  // bytes of a string to come, with its end of line
	nested int    // arrays that began one right in another
	wrong  error  // what went beyond the bounds
}

// Read implements net.Conn.
func (c *redisConn) Read(p []byte) (int, error) {
	if c.wrong != nil {
		return 0, c.wrong
	}
	n, err := c.Conn.Read(p)
	if c.wrong = c.look(p[:n]); c.wrong != nil {
		return 0, c.wrong
	}
	return n, err //nolint:wrapcheck // it stands for the connection
}

// look follows what has come.
func (c *redisConn) look(p []byte) error {
	for len(p) > 0 {
		if n := min(c.skip, int64(len(p))); n > 0 {
			c.skip -= n
			p = p[n:]
			continue
		}
		part, rest, whole := bytes.Cut(p, []byte("\n"))
		c.line = append(c.line, part[:min(len(part), 32-len(c.line))]...)
		if c.length += len(part); c.length > maxRedisLine {
			return errors.New("a line of the answer is too long")
		}
		if p = rest; !whole {
			return nil
		}
		if err := c.header(bytes.TrimSuffix(c.line, []byte("\r"))); err != nil {
			return err
		}
		c.line, c.length = c.line[:0], 0
	}
	return nil
}

// header bounds what a line says is to come.
func (c *redisConn) header(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	n, err := strconv.ParseInt(string(line[1:]), 10, 64)
	outOfRange := errors.Is(err, strconv.ErrRange)
	switch line[0] {
	case '$', '=', '!':
		if outOfRange || n > maxRedisBulk {
			return fmt.Errorf("a string of the answer is over %d bytes", maxRedisBulk)
		}
		if err == nil && n >= 0 {
			c.skip = n + int64(len("\r\n"))
		}
	case '*', '%', '~', '>', '|':
		if c.nested++; outOfRange || n > maxRedisItems || c.nested > maxRedisNested {
			return fmt.Errorf("an array of the answer is over %d elements, or too deep", maxRedisItems)
		}
		return nil
	}
	c.nested = 0
	return nil
}
