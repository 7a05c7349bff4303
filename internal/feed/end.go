package feed

import (
	"fmt"
	"strings"
)

var endNames = [...]string{
	EndClosing:   "closing",
	EndTooOld:    "too old",
	EndDiverged:  "diverged",
	EndAhead:     "ahead",
	EndRevoked:   "revoked",
	EndRedirect:  "redirect",
	EndRefused:   "refused",
	EndSlow:      "slow",
	EndSuspended: "suspended",
	EndDone:      "done",
}

// String is the reason in a word.
func (r EndReason) String() string {
	if int(r) < len(endNames) && endNames[r] != "" {
		return endNames[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// Error implements error, for who cannot go on without the stream.
func (e *End) Error() string {
	return strings.TrimSuffix("the upstream ended the stream ("+e.Reason.String()+"): "+printable(e.Message), ": ")
}
