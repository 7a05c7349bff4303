package jetstream

import (
	"fmt"
	"time"
)

// formatAgain is when a message that switches a format on is sent again if it did
// not come.
const formatAgain = 10 * time.Second

// form is the format that messages are written in: the log's own word.
func (p *proposer) form() byte { return byte(p.format.Load()) }

// useFormat notes the log's format. Error: this version does not read it.
func (m *Member) useFormat(format int) error {
	if format > m.cfg.Formats {
		return unreadable(format, m.cfg.Formats)
	}
	m.proposer.format.Store(int32(max(format, firstFormat)))
	return nil
}

// unreadable tells that the log has a format that is not read, and what to do.
func unreadable(format, reads int) error {
	return fmt.Errorf("%w: format %d, and it reads up to %d. Start this member with the version that the others run", ErrFormat, format, reads)
}

// raiseFormat switches on the highest format that all members read, if that falls
// to this one.
func (m *Member) raiseFormat(members []peer) {
	if !duty(members, m.cfg.Self.Name) || time.Since(m.formatSent) < formatAgain {
		return
	}
	format := m.cfg.Formats
	for i := range members {
		format = min(format, members[i].info.Formats)
	}
	if format <= int(m.proposer.form()) {
		return
	}
	m.formatSent = time.Now()
	m.log.Info("all members read a new format of messages: switching it on", "format", format)
	m.cfg.Stream.Send(appendFormat(nil, m.proposer.form(), format), func(error) {}) // if it is lost, another is sent
}
