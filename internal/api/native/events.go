package native

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/watch"
)

const (
	// eventStall is for how long a client may take nothing in.
	eventStall = 20 * time.Second
	// eventPiece is how much it must take in within that time.
	eventPiece = 8 << 10
	// eventBurst is how much is gathered before it is written, at most.
	eventBurst = 64 << 10
)

// eventStream writes server-sent events. Those that come together are written
// together.
type eventStream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf bytes.Buffer
	enc *json.Encoder
}

func newEventStream(w http.ResponseWriter) *eventStream {
	s := &eventStream{w: w, rc: http.NewResponseController(w)}
	s.enc = json.NewEncoder(&s.buf)
	s.enc.SetEscapeHTML(false)
	return s
}

// open writes the head.
func (s *eventStream) open() error {
	header := s.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	s.w.WriteHeader(http.StatusOK)
	return s.flush()
}

// tell writes an event, and all that were gathered before it unless more follow
// at once.
func (s *eventStream) tell(e watch.Event) error {
	if e.Kind == watch.Heartbeat {
		s.buf.WriteString(": heartbeat\n\n")
	} else {
		s.add(string(e.Kind), e.ID, eventData(&e))
	}
	if e.More && s.buf.Len() < eventBurst {
		return nil
	}
	return s.flush()
}

// fail writes the last event of a watch that ends for a reason of ours.
func (s *eventStream) fail(err error) {
	rep, _ := table(godwit.CodeOf(err))
	s.add("error", "", failureDetail{Code: rep.code, Message: godwit.MessageOf(err)})
	_ = s.flush() // the client is gone
}

// add gathers an event. data always encodes, in one line.
func (s *eventStream) add(kind, id string, data any) {
	s.buf.WriteString("event: ")
	s.buf.WriteString(kind)
	if id != "" {
		s.buf.WriteString("\nid: ")
		s.buf.WriteString(id)
	}
	s.buf.WriteString("\ndata: ")
	_ = s.enc.Encode(data)
	s.buf.WriteByte('\n')
}

// flush writes what was gathered, and moves the deadline along as it goes.
func (s *eventStream) flush() error {
	defer s.trim()
	for s.buf.Len() > 0 {
		s.patience()
		if _, err := s.w.Write(s.buf.Next(eventPiece)); err != nil {
			return err
		}
	}
	s.patience()
	return s.rc.Flush()
}

// patience gives the client anew the time that it has to take something in.
func (s *eventStream) patience() { _ = s.rc.SetWriteDeadline(time.Now().Add(eventStall)) }

// trim lets go of the memory that a large event took.
func (s *eventStream) trim() {
	s.buf.Reset()
	if s.buf.Cap() > eventPiece {
		s.buf = bytes.Buffer{}
	}
}

// changeData is what an event tells of a key.
type changeData struct {
	Key         string          `json:"key"`
	Revision    string          `json:"revision"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Expiration  int64           `json:"expiration,omitempty"`
	Size        *int64          `json:"size,omitempty"`
	Value       *string         `json:"value,omitempty"`
	ValueBase64 []byte          `json:"value_base64,omitempty"`
}

// positionData is what an event tells of the watch.
type positionData struct {
	Revision string `json:"revision"`
}

func eventData(e *watch.Event) any {
	revision := e.Revision.String()
	if e.Kind == watch.Ready || e.Kind == watch.Reset {
		return positionData{revision}
	}
	d := changeData{Key: e.Key, Revision: revision, Metadata: e.Metadata, Expiration: e.Expiration}
	if e.Kind != watch.Put {
		return d
	}
	d.Size = &e.Size
	switch {
	case e.Value == nil:
	case utf8.Valid(e.Value):
		text := string(e.Value)
		d.Value = &text
	default:
		d.ValueBase64 = e.Value
	}
	return d
}
