package cloudflare

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// bulkQuery is the body of a bulk get.
type bulkQuery struct {
	keys         []string
	kind         string
	withMetadata bool
}

// bulkGet answers with the values of several keys.
func (c *call) bulkGet() error {
	c.body.limit = maxBulkGetBody
	q, err := readBulkQuery(newScanner(c.body, "keys"))
	if err != nil {
		return err
	}
	opts, err := c.readOptions("")
	if err != nil {
		return err
	}
	entries, served, err := c.h.service.BulkGet(c.ctx(), c.ns, api.BulkGet{Keys: q.keys, Type: q.kind, Read: opts})
	if err != nil {
		return err
	}
	c.served(served)
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(http.StatusOK)
	w := bufio.NewWriterSize(c.w, 32<<10)
	if err := writeValues(w, q, entries); err != nil {
		return err
	}
	_ = w.Flush()
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

// writeValues writes the envelope of a bulk get, its values in the order asked,
// one after another: together they may be large.
func writeValues(w *bufio.Writer, q bulkQuery, entries []*api.BulkEntry) error {
	_, _ = w.WriteString(`{"result":{"values":{`)
	seen := make(map[string]bool, len(q.keys))
	var b bytes.Buffer
	for i, key := range q.keys {
		if seen[key] {
			continue
		}
		b.Reset()
		if len(seen) > 0 {
			b.WriteByte(',')
		}
		seen[key] = true
		if err := text(&b, key); err != nil {
			return err
		}
		b.WriteByte(':')
		if err := writeValue(&b, q, entries[i]); err != nil {
			return err
		}
		if _, err := w.Write(b.Bytes()); err != nil {
			return nil // the client has gone
		}
	}
	_, _ = w.WriteString(`}},"success":true,"errors":[],"messages":[]}` + "\n")
	return nil
}

func writeValue(b *bytes.Buffer, q bulkQuery, e *api.BulkEntry) error {
	if e == nil {
		b.WriteString("null")
		return nil
	}
	if q.withMetadata {
		return writeWithMetadata(b, q, e)
	}
	return writeContent(b, q, e)
}

func writeContent(b *bytes.Buffer, q bulkQuery, e *api.BulkEntry) error {
	if q.kind == "json" {
		b.Write(bytes.ToValidUTF8(e.Text, []byte("\uFFFD")))
		return nil
	}
	return text(b, string(e.Text))
}

func writeWithMetadata(b *bytes.Buffer, q bulkQuery, e *api.BulkEntry) error {
	b.WriteString(`{"value":`)
	if err := writeContent(b, q, e); err != nil {
		return err
	}
	b.WriteString(`,"metadata":`)
	if e.Metadata == nil {
		b.WriteString("null")
	} else {
		b.Write(e.Metadata)
	}
	if e.Expiration != 0 {
		b.WriteString(`,"expiration":`)
		b.WriteString(strconv.FormatInt(e.Expiration, 10))
	}
	b.WriteByte('}')
	return nil
}
