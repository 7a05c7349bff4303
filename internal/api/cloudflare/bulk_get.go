package cloudflare

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// bulkQuery is the body of a bulk get.
type bulkQuery struct {
	keys         []string
	kind         string
	withMetadata bool
}

// bulkGet answers with the values of several keys. It takes cache_ttl as a single
// get does; Cloudflare's has no such parameter.
func (c *call) bulkGet() error {
	query, err := c.query()
	if err != nil {
		return err
	}
	c.body.limit = maxBulkGetBody
	q, err := readBulkQuery(newScanner(c.body, "keys"))
	if err != nil {
		return err
	}
	opts, err := c.readOptions(query.Get("cache_ttl"))
	if err != nil {
		return err
	}
	values, err := c.h.service.BulkGet(c.ctx(), c.ns, api.BulkGet{Keys: q.keys, Type: q.kind, Read: opts, Limited: c.principal.Limited()})
	if err != nil {
		return err
	}
	defer func() { _ = values.Close() }()
	c.served(values.Served)
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	w := valuesWriter{Writer: bufio.NewWriterSize(c.w, 32<<10), q: q}
	w.all(values.Entries)
	_ = w.Flush() // a client that has gone is nobody's error
	return nil
}

// readBulkQuery reads {"keys": [...], "type": ..., "withMetadata": ...}; other
// fields are ignored. Of too many keys it keeps just so many that they are.
func readBulkQuery(s *scanner) (q bulkQuery, err error) {
	err = s.object(func(name string) error {
		switch name {
		case "keys":
			q.keys, err = readRequested(s)
		case "type":
			q.kind, err = readType(s)
		case "withMetadata":
			q.withMetadata, err = readBool(s, name)
		default:
			err = s.skip(0)
		}
		return err
	})
	if err == nil {
		err = s.end()
	}
	return q, err
}

func readRequested(s *scanner) ([]string, error) {
	if c, err := s.peek(); err != nil {
		return nil, err
	} else if c == 'n' {
		return nil, s.skip(0)
	}
	var keys []string
	err := s.array(func(int) error {
		key, n, err := s.str()
		if err == nil && n > godwit.MaxKeyBytes {
			err = godwit.Errorf(godwit.CodeKeyTooLong, "Encoded length of %d is too long", n)
		}
		if len(keys) <= godwit.MaxBulkGetKeys {
			keys = append(keys, key)
		}
		return err
	})
	return keys, err
}

func readType(s *scanner) (string, error) {
	if c, err := s.peek(); err != nil {
		return "", err
	} else if c == 'n' {
		return "", s.skip(0)
	}
	kind, _, err := s.str()
	return kind, err
}

func readBool(s *scanner, name string) (bool, error) {
	raw, _, err := s.raw(maxWord)
	if err != nil {
		return false, err
	}
	switch string(raw) {
	case "true":
		return true, nil
	case "false", "null":
		return false, nil
	}
	return false, s.malformed(name + " is not a boolean")
}

// valuesWriter writes the envelope of a bulk get, its values in the order asked,
// piece by piece: they may be large. Its errors are the client's, which has gone.
type valuesWriter struct {
	*bufio.Writer
	q     bulkQuery
	piece bytes.Buffer
}

func (w *valuesWriter) all(entries []*api.BulkEntry) {
	_, _ = w.WriteString(`{"result":{"values":{`)
	seen := make(map[string]bool, len(w.q.keys))
	for i, key := range w.q.keys {
		if seen[key] {
			continue
		}
		if len(seen) > 0 {
			_ = w.WriteByte(',')
		}
		seen[key] = true
		w.text([]byte(key))
		_ = w.WriteByte(':')
		w.entry(entries[i])
	}
	_, _ = w.WriteString(`}},"success":true,"errors":[],"messages":[]}` + "\n")
}

func (w *valuesWriter) entry(e *api.BulkEntry) {
	if e == nil {
		_, _ = w.WriteString("null")
		return
	}
	if w.q.withMetadata {
		_, _ = w.WriteString(`{"value":`)
	}
	switch {
	case w.q.kind != "json":
		w.text(e.Text)
	case utf8.Valid(e.Text):
		_, _ = w.Write(e.Text)
	default:
		_, _ = w.Write(bytes.ToValidUTF8(e.Text, []byte("\uFFFD")))
	}
	if w.q.withMetadata {
		w.metadata(e)
	}
}

func (w *valuesWriter) metadata(e *api.BulkEntry) {
	_, _ = w.WriteString(`,"metadata":`)
	if e.Metadata == nil {
		_, _ = w.WriteString("null")
	} else {
		_, _ = w.Write(e.Metadata)
	}
	if e.Expiration != 0 {
		_, _ = w.WriteString(`,"expiration":`)
		_, _ = w.WriteString(strconv.FormatInt(e.Expiration, 10))
	}
	_ = w.WriteByte('}')
}

// text writes s as a JSON string.
func (w *valuesWriter) text(s []byte) {
	const most = 16 << 10
	_ = w.WriteByte('"')
	for len(s) > 0 {
		n := len(s)
		if n > most {
			n = most
			for n > most-utf8.UTFMax && !utf8.RuneStart(s[n]) {
				n--
			}
		}
		w.piece.Reset()
		_ = text(&w.piece, string(s[:n])) // a string always can be encoded
		_, _ = w.Write(w.piece.Bytes()[1 : w.piece.Len()-1])
		s = s[n:]
	}
	_ = w.WriteByte('"')
}
