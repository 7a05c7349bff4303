package jetstream

import (
	"time"

	"github.com/godwitkv/godwit"
)

// errands is the part of the board that is about the cluster's upkeep.
type errands struct {
	registry  string    // why it is not asked; "": it is
	trim      string    // why it failed
	missed    int       // times in a row that this member was not among the registered
	different string    // how members' data differs, "": it does not
	warned    time.Time // when one of the first two was logged last
}

// removedAfter is how many times a member must be missing from the registry before
// it says so: what was just registered may not have come everywhere.
const removedAfter = 2

// problem needs the board's lock held.
func (e *errands) problem() string {
	switch {
	case e.different != "":
		return e.different
	case e.missed >= removedAfter:
		return errRemoved.Error()
	case e.registry != "":
		return e.registry
	}
	return e.trim
}

// registering notes why the registry cannot be asked, nil if it can.
func (b *board) registering(err error) {
	b.errand(&b.registry, "cannot ask the cluster's registry", err)
}

// upkeep notes why the stream could not be trimmed.
func (b *board) upkeep(err error) { b.errand(&b.trim, "cannot keep the cluster's log short", err) }

func (b *board) errand(at *string, text string, err error) {
	b.mu.Lock()
	if err == nil {
		*at = ""
		b.mu.Unlock()
		return
	}
	again := *at == "" || time.Since(b.warned) >= repeatEvery
	*at = text + ": " + err.Error()
	if again {
		b.warned = time.Now()
	}
	b.mu.Unlock()
	if again {
		b.log.Warn(text, logError, err.Error())
	}
}

// removal notes whether this member is missing from those that are registered.
func (b *board) removal(is bool) {
	b.mu.Lock()
	if !is {
		b.missed = 0
	} else {
		b.missed++
	}
	tell := b.missed == removedAfter
	b.mu.Unlock()
	if tell {
		b.log.Error("this member is no member any more", logError, errRemoved.Error())
	}
}

// differs notes how members' data differs, "" if it does not.
func (b *board) differs(how string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.different = how
}

// logFull notes why writes are refused, where the stream holds as much as it may, and must
// go on to; nil: there is room.
func (b *board) logFull(why *godwit.Error) {
	if b.brims.Swap(why) == why {
		return
	}
	if why != nil {
		b.log.Warn("writes are refused", logReason, why.Message)
	} else {
		b.log.Info("there is room in the cluster's log: writes are taken")
	}
}
