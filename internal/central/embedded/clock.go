package embedded

import (
	"fmt"
	"time"

	"github.com/godwitkv/godwit/internal/state"
)

// tellEvery is how often a clock that stays wrong is logged again.
const tellEvery = time.Minute

// lead is by how much the log's time is ahead of the clock, where that is too much; 0: it is
// not. The log's time never goes back: what a clock that was ahead made of it, it stays until
// the clock is there too, over restarts as well. By it writes take keys for expired that reads
// still show, which go by the clock.
func (l *Log) lead() time.Duration {
	ahead := time.UnixMilli(l.cfg.Store.Time()).Sub(l.cfg.Now())
	if ahead <= state.MaxAhead {
		return 0
	}
	return ahead
}

// Problem says why the log is not as it should be, "" if it is.
func (l *Log) Problem() string {
	if ahead := l.lead(); ahead > 0 {
		return fmt.Sprintf("the log's time is %v ahead of this machine's clock: it takes keys for absent that expire until then", ahead.Round(time.Second))
	}
	return ""
}

// tellLead logs a clock that is behind the log, at once, and again each minute while
// something is written. It is for the committer, and for Open before there is one.
func (l *Log) tellLead() {
	ahead := l.lead()
	if ahead == 0 {
		return
	}
	if l.told.IsZero() || time.Since(l.told) >= tellEvery {
		l.told = time.Now()
		l.cfg.Logger.Warn("the log's time is ahead of this machine's clock", "ahead", ahead)
	}
}
