package feed

import (
	"errors"
	"fmt"
	"time"
)

// nowhere is for how long an upstream may answer without getting any further.
const nowhere = 30 * time.Second

// ErrNowhere is the error of an upstream that answers, and gets nowhere.
var ErrNowhere = errors.New("the upstream answers, and gets no further")

// Headway tells an upstream that gets further from one that only goes on answering.
// The zero value is ready.
type Headway struct{ waited time.Duration }

// Heard takes for how long a frame was waited for, and whether it is of something
// further than those before it. What this node itself takes long for is not the
// upstream's, and a long frame on a slow line is not known before it is in. Error:
// ErrNowhere.
func (h *Headway) Heard(waited time.Duration, further bool) error {
	if h.waited += waited; further {
		h.waited = 0
	}
	if h.waited < nowhere {
		return nil
	}
	return fmt.Errorf("%w, for %s", ErrNowhere, nowhere)
}
