package watch

import (
	"strconv"
	"strings"

	"github.com/godwitkv/godwit"
)

// position is how far a watch has been told: of all changes up to a revision,
// and of what expired before a second.
type position struct {
	rev godwit.Revision
	sec int64 // unix seconds; 0: not known
}

// String is the position as an event's ID: "REVISION" or "REVISION.SECOND".
func (p position) String() string {
	b := strconv.AppendUint(make([]byte, 0, 32), uint64(p.rev), 10)
	if p.sec != 0 {
		b = strconv.AppendInt(append(b, '.'), p.sec, 10)
	}
	return string(b)
}

// ValidateID returns nil if id may be an event's. Error: CodeInvalidRequest.
func ValidateID(id string) error {
	_, err := parseID(id)
	return err
}

// parseID reads what position.String wrote. Error: CodeInvalidRequest.
func parseID(id string) (p position, err error) {
	revision, second, timed := strings.Cut(id, ".")
	if p.rev, err = godwit.ParseRevision(revision); err != nil {
		return position{}, errID(id)
	}
	if timed {
		p.sec, err = strconv.ParseInt(second, 10, 64)
		if err != nil || p.sec < 1 || p.sec > godwit.MaxExpiration || strconv.FormatInt(p.sec, 10) != second {
			return position{}, errID(id)
		}
	}
	return p, nil
}

func errID(id string) error {
	const most = 48
	return godwit.Errorf(godwit.CodeInvalidRequest, "%.*q is not the id of an event.", most, id)
}
