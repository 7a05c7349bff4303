package client

import "io"

// ReadEvents reads a stream of events to its end, each as kind, id and data.
func ReadEvents(r io.Reader) (events [][3]string, err error) {
	reader := newEventReader(r, func() {})
	for {
		m, err := reader.next()
		if err != nil {
			return events, err
		}
		events = append(events, [3]string{m.kind, m.id, m.data})
		_, _ = m.event()
		_ = m.failure()
	}
}

// DecodePage is decodePage.
func DecodePage(text []byte) (*ScannedPage, error) { return decodePage(text) }
