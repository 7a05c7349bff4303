package api

import (
	"strings"

	"github.com/godwitkv/godwit"
)

// Preconditions are the raw values of If-Match and If-None-Match, "" where not
// given, and EmptyTags where given but empty.
type Preconditions struct {
	IfMatch     string
	IfNoneMatch string
}

// EmptyTags is the list of no tags. A write that has it is malformed: whoever sent it
// meant to guard the write.
const EmptyTags = ","

// AppendETag appends the entity tag of a revision, quotes included.
func AppendETag(b []byte, r godwit.Revision) []byte {
	b, _ = r.AppendText(append(b, '"'))
	return append(b, '"')
}

// NotModified tells whether a GET or HEAD of an entry at this revision is
// answered 304. Malformed tags match nothing.
func (p Preconditions) NotModified(r godwit.Revision) bool {
	tags := tagScanner{rest: p.IfNoneMatch}
	if tags.star() {
		return true
	}
	found := false
	for tags.next() {
		if tags.revision == r && r != 0 {
			found = true
		}
	}
	return found && !tags.malformed
}

// conditions turns p into what must hold of a key for a write to happen. Error:
// CodeInvalidRequest, for what is malformed, weak or too long.
func (p Preconditions) conditions(ns godwit.NamespaceID, key string) ([]godwit.Condition, error) {
	var out []godwit.Condition
	add := func(kind godwit.ConditionKind, revisions []godwit.Revision) {
		out = append(out, godwit.Condition{Kind: kind, Namespace: ns, Key: key, Revisions: revisions})
	}
	if p.IfMatch != "" {
		star, revisions, err := parseTags("If-Match", p.IfMatch)
		switch {
		case err != nil:
			return nil, err
		case star:
			add(godwit.MustExist, nil)
		case len(revisions) == 0: // none is ours: no entry can match
			add(godwit.MustMatch, []godwit.Revision{godwit.MaxRevision})
		default:
			add(godwit.MustMatch, revisions)
		}
	}
	if p.IfNoneMatch != "" {
		star, revisions, err := parseTags("If-None-Match", p.IfNoneMatch)
		switch {
		case err != nil:
			return nil, err
		case star:
			add(godwit.MustBeAbsent, nil)
		case len(revisions) != 0:
			add(godwit.MustNotMatch, revisions)
		}
	}
	return out, nil
}

// parseTags reads a write's list of entity tags: star for "*", else the
// revisions that the tags of ours name.
func parseTags(header, raw string) (star bool, revisions []godwit.Revision, err error) {
	tags := tagScanner{rest: raw}
	if tags.star() {
		return true, nil, nil
	}
	for tags.next() {
		switch {
		case tags.weak:
			return false, nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s of a write takes no weak entity tags.", header)
		case tags.revision != 0:
			revisions = append(revisions, tags.revision)
		}
	}
	switch {
	case tags.count > godwit.MaxETags:
		return false, nil, godwit.Errorf(godwit.CodeInvalidRequest, "%s takes at most %d entity tags.", header, godwit.MaxETags)
	case tags.malformed:
		return false, nil, godwit.Errorf(godwit.CodeInvalidRequest, "Malformed %s: use * or a list of quoted entity tags.", header)
	}
	return false, revisions, nil
}

// tagScanner walks a list of entity tags as RFC 9110 has it, without allocating.
type tagScanner struct {
	rest  string
	count int

	revision godwit.Revision // of the tag; 0 if it is not one of ours
	weak     bool

	malformed bool // also when there is no tag, or more than MaxETags
}

// star tells whether the list is "*".
func (t *tagScanner) star() bool { return strings.Trim(t.rest, " \t") == "*" }

// next moves to the next tag. After it returned false, malformed is valid.
func (t *tagScanner) next() bool {
	separated := t.skip()
	if t.malformed || t.rest == "" {
		t.malformed = t.malformed || t.count == 0
		return false
	}
	if t.count++; t.count > godwit.MaxETags || t.count > 1 && !separated || !t.tag() {
		t.malformed = true
		return false
	}
	return true
}

// skip moves past white space and commas, and tells whether there was a comma.
func (t *tagScanner) skip() (comma bool) {
	for t.rest != "" {
		switch t.rest[0] {
		case ',':
			comma = true
		case ' ', '\t':
		default:
			return comma
		}
		t.rest = t.rest[1:]
	}
	return comma
}

// tag reads the tag that rest begins with, and tells whether it is one.
func (t *tagScanner) tag() bool {
	rest, weak := strings.CutPrefix(t.rest, "W/")
	if rest == "" || rest[0] != '"' {
		return false
	}
	end := strings.IndexByte(rest[1:], '"') + 1
	if end == 0 {
		return false
	}
	opaque := rest[1:end]
	for i := range len(opaque) {
		if opaque[i] <= ' ' || opaque[i] == 0x7f {
			return false
		}
	}
	t.rest, t.weak, t.revision = rest[end+1:], weak, tagRevision(opaque)
	return true
}

// tagRevision is ParseRevision without its error, which would allocate: 0 for
// what is not a revision.
func tagRevision(s string) godwit.Revision {
	if len(s) > len("9007199254740991") || s == "" || s[0] == '0' {
		return 0
	}
	var n godwit.Revision
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = 10*n + godwit.Revision(s[i]-'0')
	}
	if n > godwit.MaxRevision {
		return 0
	}
	return n
}
