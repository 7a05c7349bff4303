package api_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

func tags(n int) string { return strings.Repeat(`"1",`, n-1) + `"1"` }

func TestConditions(t *testing.T) {
	impossible := godwit.MaxRevision
	for name, tc := range map[string]struct {
		pre  api.Preconditions
		want []godwit.Condition
		bad  bool
	}{
		"none":                    {},
		"exist":                   {pre: api.Preconditions{IfMatch: "*"}, want: conditions(godwit.MustExist)},
		"absent":                  {pre: api.Preconditions{IfNoneMatch: " * "}, want: conditions(godwit.MustBeAbsent)},
		"match":                   {pre: api.Preconditions{IfMatch: `"7"`}, want: conditions(godwit.MustMatch, 7)},
		"match one of":            {pre: api.Preconditions{IfMatch: "\"7\" ,\t\"8\""}, want: conditions(godwit.MustMatch, 7, 8)},
		"empty elements":          {pre: api.Preconditions{IfMatch: `, "7",,"8",`}, want: conditions(godwit.MustMatch, 7, 8)},
		"match some foreign":      {pre: api.Preconditions{IfMatch: `"x,y", "8"`}, want: conditions(godwit.MustMatch, 8)},
		"match foreign":           {pre: api.Preconditions{IfMatch: `"x"`}, want: conditions(godwit.MustMatch, impossible)},
		"match empty tag":         {pre: api.Preconditions{IfMatch: `""`}, want: conditions(godwit.MustMatch, impossible)},
		"match other spelling":    {pre: api.Preconditions{IfMatch: `"07"`}, want: conditions(godwit.MustMatch, impossible)},
		"match too large":         {pre: api.Preconditions{IfMatch: `"9007199254740992"`}, want: conditions(godwit.MustMatch, impossible)},
		"match overflow":          {pre: api.Preconditions{IfMatch: `"18446744073709551623"`}, want: conditions(godwit.MustMatch, impossible)},
		"not match":               {pre: api.Preconditions{IfNoneMatch: `"7"`}, want: conditions(godwit.MustNotMatch, 7)},
		"not match foreign":       {pre: api.Preconditions{IfNoneMatch: `"x"`}},
		"most tags":               {pre: api.Preconditions{IfNoneMatch: tags(godwit.MaxETags)}, want: conditions(godwit.MustNotMatch, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
		"too many tags":           {pre: api.Preconditions{IfNoneMatch: tags(godwit.MaxETags + 1)}, bad: true},
		"weak match":              {pre: api.Preconditions{IfMatch: `W/"7"`}, bad: true},
		"weak none match":         {pre: api.Preconditions{IfNoneMatch: `W/"7"`}, bad: true},
		"unquoted":                {pre: api.Preconditions{IfMatch: `7`}, bad: true},
		"half quoted":             {pre: api.Preconditions{IfMatch: `"7`}, bad: true},
		"half quoted at the end":  {pre: api.Preconditions{IfMatch: `"7", "`}, bad: true},
		"not separated":           {pre: api.Preconditions{IfMatch: `"7""8"`}, bad: true},
		"separated by a space":    {pre: api.Preconditions{IfMatch: `"7" "8"`}, bad: true},
		"star in a list":          {pre: api.Preconditions{IfMatch: `"7", *`}, bad: true},
		"star, star":              {pre: api.Preconditions{IfMatch: `*, *`}, bad: true},
		"space in a tag":          {pre: api.Preconditions{IfMatch: `"7 8"`}, bad: true},
		"control in a tag":        {pre: api.Preconditions{IfMatch: "\"7\x7f\""}, bad: true},
		"only commas":             {pre: api.Preconditions{IfMatch: ` , ,`}, bad: true},
		"only space":              {pre: api.Preconditions{IfNoneMatch: ` `}, bad: true},
		"lower-case weak":         {pre: api.Preconditions{IfNoneMatch: `w/"7"`}, bad: true},
		"both, one of them wrong": {pre: api.Preconditions{IfMatch: "*", IfNoneMatch: `x`}, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := api.Conditions(tc.pre, godwit.NamespaceID{1}, "k")
			if tc.bad != (err != nil) || err != nil && godwit.CodeOf(err) != godwit.CodeInvalidRequest {
				t.Fatalf("got error %v, want one: %v", err, tc.bad)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
		})
	}
}

func conditions(kind godwit.ConditionKind, revisions ...godwit.Revision) []godwit.Condition {
	return []godwit.Condition{{Kind: kind, Namespace: godwit.NamespaceID{1}, Key: "k", Revisions: revisions}}
}

func TestNotModified(t *testing.T) {
	for raw, want := range map[string]bool{
		"": false, "*": true, `"7"`: true, `W/"7"`: true, `"6", W/"7"`: true, `"6"`: false, `"77"`: false,
		"7": false, `"7", x`: false, `"07"`: false, tags(16) + `,"7"`: false, `"7",`: true,
	} {
		if got := (api.Preconditions{IfNoneMatch: raw}).NotModified(7); got != want {
			t.Errorf("If-None-Match: %s: got %v, want %v", raw, got, want)
		}
	}
}

func TestNotModifiedDoesNotAllocate(t *testing.T) {
	pre := api.Preconditions{IfNoneMatch: `"6", W/"7"`}
	tag := make([]byte, 0, 32)
	if n := testing.AllocsPerRun(100, func() {
		if !pre.NotModified(7) {
			t.Fatal("want a match")
		}
		tag = api.AppendETag(tag[:0], 7)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPreconditions checks that whatever comes in is bounded, and that what
// AppendETag wrote is always understood.
func FuzzPreconditions(f *testing.F) {
	for _, raw := range []string{"", "*", `"7"`, `W/"7", "8"`, `"`, `,,"x"`, `"7""8"`, "W/", tags(17), "\"\xff\""} {
		f.Add(raw, raw, uint64(7))
	}
	f.Fuzz(func(t *testing.T, match, none string, n uint64) {
		pre := api.Preconditions{IfMatch: match, IfNoneMatch: none}
		got, err := api.Conditions(pre, godwit.NamespaceID{1}, "k")
		if err != nil && (godwit.CodeOf(err) != godwit.CodeInvalidRequest || got != nil) {
			t.Fatalf("error %v with %v", err, got)
		}
		for _, c := range got {
			if len(c.Revisions) > godwit.MaxETags {
				t.Fatalf("%d revisions", len(c.Revisions))
			}
			for _, r := range c.Revisions {
				if r == 0 || r > godwit.MaxRevision {
					t.Fatalf("revision %d", r)
				}
			}
		}
		r := godwit.Revision(n%uint64(godwit.MaxRevision)) + 1
		pre.NotModified(r)
		ours := fmt.Sprintf(`"other",%s`, api.AppendETag(nil, r))
		if !(api.Preconditions{IfNoneMatch: ours}).NotModified(r) {
			t.Fatalf("%s does not match %d", ours, r)
		}
	})
}
