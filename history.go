package godwit

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Bounds of the history of keys.
const (
	MaxHistoryVersions = 1000                // earlier versions of one key, whatever the setting
	MaxHistorySpan     = 90 * 24 * time.Hour // for which an earlier version is kept at most
	MaxVersionsPage    = 1000                // versions in one page of a list
	MaxRestoreKeys     = 1000                // changes in one page of a restore
)

// HistoryPolicy is which earlier versions of its keys a namespace keeps: as many of
// each, and none that was replaced or deleted longer ago. Zero: none at all.
type HistoryPolicy struct {
	Versions int
	Span     time.Duration
}

// Off tells that nothing is kept.
func (p HistoryPolicy) Off() bool { return p.Versions == 0 }

// ParseHistory reads the setting: "" for none, "10" for the last ten earlier versions
// of each key, "24h" or "30d" for those replaced or deleted within that time. Error:
// [CodeInvalidRequest].
func ParseHistory(text string) (HistoryPolicy, error) {
	if text == "" {
		return HistoryPolicy{}, nil
	}
	if n, err := strconv.Atoi(text); err == nil && n > 0 && n <= MaxHistoryVersions && strconv.Itoa(n) == text {
		return HistoryPolicy{Versions: n, Span: MaxHistorySpan}, nil
	}
	if span, ok := parseSpan(text); ok && span >= time.Second && span <= MaxHistorySpan {
		return HistoryPolicy{Versions: MaxHistoryVersions, Span: span}, nil
	}
	return HistoryPolicy{}, Errorf(CodeInvalidRequest,
		"history must be a number of versions from \"1\" to \"%d\", or a time like \"24h\" or \"30d\" of at most 90 days, not %q", MaxHistoryVersions, clip(text))
}

// Bounds of the setting erase_within.
const (
	MinEraseWithin = 10 * time.Minute
	MaxEraseWithin = 3650 * 24 * time.Hour
)

// ParseEraseWithin reads the setting: "" for none (0), or a time like "24h" or "30d". Error:
// [CodeInvalidRequest].
func ParseEraseWithin(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	span, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		span = time.Duration(min(max(n, 0), 3651)) * 24 * time.Hour
	}
	if err != nil || span < MinEraseWithin || span > MaxEraseWithin {
		return 0, Errorf(CodeInvalidRequest, "erase_within must be a time like \"24h\" or \"30d\" from 10 minutes to 3650 days, not %q", clip(text))
	}
	return span, nil
}

// parseSpan reads a duration as Go spells it, or a number of days.
func parseSpan(text string) (time.Duration, bool) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil && n > 0 && n <= int(MaxHistorySpan/(24*time.Hour))
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// VersionEnd is how a version of a key ended.
type VersionEnd uint8

// The ends. Zero: it stands.
const (
	VersionReplaced VersionEnd = 1
	VersionDeleted  VersionEnd = 2
	VersionExpired  VersionEnd = 3
	VersionCleared  VersionEnd = 4 // deleted with all keys of a prefix
)

// String is the end in a word, "current" for none.
func (e VersionEnd) String() string {
	switch e {
	case VersionReplaced:
		return "replaced"
	case VersionDeleted:
		return "deleted"
	case VersionExpired:
		return "expired"
	case VersionCleared:
		return "cleared"
	default:
		return "current"
	}
}

// Version is what a key held from one revision to another.
type Version struct {
	Entry
	Until Revision // the revision that ended it; of one that expired, the first that did not see it; 0: it stands
	Ended int64    // unix milliseconds; 0: it stands
	End   VersionEnd
}

// Moment is a state of a namespace: the one with all up to a revision, or that at a
// time in unix milliseconds. One of them is zero.
type Moment struct {
	Revision Revision
	Time     int64
}

// minMomentRevision tells revisions from seconds: a log gives none below it, and it
// is a second of the year 5138.
const minMomentRevision = 100_000_000_000

// ParseMoment reads a moment: a time by RFC 3339, unix seconds, or a revision. Error:
// [CodeInvalidRequest].
func ParseMoment(text string) (Moment, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil && t.UnixMilli() > 0 {
		return Moment{Time: t.UnixMilli()}, nil
	}
	r, err := ParseRevision(text)
	switch {
	case err != nil:
		return Moment{}, Errorf(CodeInvalidRequest, "Invalid moment %q: use a time like 2026-01-02T15:04:05Z, unix seconds or a revision.", clip(text))
	case r < minMomentRevision:
		return Moment{Time: int64(r) * 1000}, nil
	}
	return Moment{Revision: r}, nil
}

// VersionPage is versions of a key, the newest first, without their values (see
// [SizeOnly]). More tells that there are earlier ones; Since is the revision from which
// on the key's history is whole: what was before may be missing.
type VersionPage struct {
	Versions []Version
	More     bool
	Since    Revision
}

// ChangesQuery asks what differs between a moment and now, of the keys with a prefix.
type ChangesQuery struct {
	At     Moment
	Prefix string
	Cursor string
	Limit  int
}

// Change is a key that does not stand as it did.
type Change struct {
	Key     string
	Current Revision // 0: there is none
	Version *Version // as it stood; nil: it was absent
	Lost    bool     // what stood is not kept any more
}

// ChangePage is a part of the changes, in order of their keys. More tells that Cursor
// continues it; a page may be empty all the same.
type ChangePage struct {
	Changes []Change
	More    bool
	Cursor  string
}

// History reads earlier versions of keys. Methods may be called from many goroutines.
type History interface {
	// Versions returns versions of a key from before a revision (0: the newest).
	Versions(ctx context.Context, ns NamespaceID, key string, before Revision, limit int) (*VersionPage, error)

	// Version returns the version that a revision made, with its value.
	// Errors: ErrKeyNotFound, CodeHistoryGone.
	Version(ctx context.Context, ns NamespaceID, key string, r Revision) (*Version, error)

	// VersionAt returns what stood at a moment, with its value. Errors: ErrKeyNotFound,
	// CodeHistoryGone, CodeInvalidRequest for one that is yet to come.
	VersionAt(ctx context.Context, ns NamespaceID, key string, at Moment) (*Version, error)

	// LastVersion returns the one of a key that is absent which ended last, with its
	// value. Errors: as Version.
	LastVersion(ctx context.Context, ns NamespaceID, key string) (*Version, error)

	// Changes compares a moment with now. Errors: CodeHistoryGone, CodeInvalidRequest,
	// CodeInvalidCursor.
	Changes(ctx context.Context, ns NamespaceID, q ChangesQuery) (*ChangePage, error)
}
