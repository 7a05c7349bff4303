package client

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxEventBytes bounds an event: a value of 64 KiB, in the worst spelling of it,
// fits.
const maxEventBytes = 1 << 20

// message is a server-sent event.
type message struct {
	kind string
	id   string
	data string
}

// eventReader reads server-sent events.
type eventReader struct {
	lines *bufio.Scanner
	heard func() // called for each line
}

func newEventReader(r io.Reader, heard func()) *eventReader {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxEventBytes)
	return &eventReader{lines, heard}
}

// next returns the next event that says something. Error: io.EOF at the end.
func (r *eventReader) next() (message, error) {
	var m message
	var data []string
	size := 0
	for r.lines.Scan() {
		r.heard()
		line := r.lines.Text()
		if line == "" {
			if data == nil {
				m, size = message{}, 0
				continue
			}
			m.data = strings.Join(data, "\n")
			return m, nil
		}
		if size += len(line); size > maxEventBytes {
			return message{}, errors.New("an event is too long")
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch name {
		case "event":
			m.kind = value
		case "id":
			m.id = value
		case "data":
			data = append(data, value)
		}
	}
	if err := r.lines.Err(); err != nil {
		return message{}, err
	}
	return message{}, io.EOF // what was begun is not an event
}

// event is m as an event of a namespace.
func (m message) event() (Event, error) {
	var d struct {
		Key         string          `json:"key"`
		Revision    string          `json:"revision"`
		Metadata    json.RawMessage `json:"metadata"`
		Expiration  int64           `json:"expiration"`
		Size        int64           `json:"size"`
		Value       *string         `json:"value"`
		ValueBase64 []byte          `json:"value_base64"`
	}
	if err := json.Unmarshal([]byte(m.data), &d); err != nil {
		return Event{}, fmt.Errorf("read event %q: %w", m.kind, err)
	}
	e := Event{
		Kind: EventKind(m.kind), ID: m.id, Key: d.Key, Revision: d.Revision,
		Expiration: unixTime(d.Expiration), Metadata: present(d.Metadata), Size: d.Size, Value: d.ValueBase64,
	}
	if d.Value != nil {
		e.Value = []byte(*d.Value)
	}
	return e, nil
}

// failure is m as the error that ends a watch.
func (m message) failure() error {
	e := &Error{Status: http.StatusServiceUnavailable}
	if err := json.Unmarshal([]byte(m.data), e); err != nil {
		return fmt.Errorf("read error event: %w", err)
	}
	switch e.Code {
	case "unauthenticated":
		e.Status = http.StatusUnauthorized
	case "forbidden":
		e.Status = http.StatusForbidden
	case "namespace_not_found":
		e.Status = http.StatusNotFound
	}
	return e
}
