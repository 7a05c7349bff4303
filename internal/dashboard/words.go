package dashboard

import (
	"fmt"
	"html/template"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/audit"
)

// functions are what templates can call.
func functions(a *assets) template.FuncMap {
	return template.FuncMap{
		"asset":   a.path,
		"address": address,
		"bytes":   bytesInWords,
		"count":   count,
		"plural":  plural,
		"len64":   func(rows []tokenRow) int64 { return int64(len(rows)) },
		"shown":   shown,
		"seen":    seen,
		"clip":    clip,
		"escaped": url.QueryEscape,
		"span":    func(seconds int64) string { return span(time.Duration(seconds) * time.Second) },
		"stale":   staleness,
		"outcomes": func() []string {
			return []string{audit.OutcomeOK, audit.OutcomeRefused, audit.OutcomeFailed, audit.OutcomeUnknown, audit.OutcomeAsked}
		},
		"units": func() []string { return []string{"minutes", "hours", "days", "seconds"} },
	}
}

// bytesInWords is a size as people read it.
func bytesInWords(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), 0
	for f >= 1024 && unit < 5 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.1f %ciB", f, " KMGTP"[unit])
}

// count groups a number's digits: "12 345 678", with thin spaces.
func count(n int64) string {
	digits := strconv.FormatInt(n, 10)
	var b strings.Builder
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteRune('\u202f')
		}
		b.WriteRune(c)
	}
	return b.String()
}

// plural is a number of things.
func plural(n int64, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return count(n) + " " + thing + "s"
}

// span is a duration in its largest unit, to the nearest: three days that began a moment
// ago are three.
func span(d time.Duration) string {
	units := []struct {
		d, next time.Duration // next is the smaller unit
		name    string
	}{
		{365 * 24 * time.Hour, 24 * time.Hour, "year"}, {24 * time.Hour, time.Hour, "day"},
		{time.Hour, time.Minute, "hour"}, {time.Minute, time.Second, "minute"}, {time.Second, 0, "second"},
	}
	for _, u := range units {
		if d >= u.d-u.next/2 {
			n := d / u.d
			if d%u.d >= u.d/2 {
				n++
			}
			return plural(int64(n), u.name)
		}
	}
	return "less than a second"
}

// moment is a time with how far it is away.
type moment struct {
	At   string // in UTC
	Away string
}

func momentOf(t, now time.Time) moment {
	m := moment{At: t.UTC().Format("2006-01-02 15:04:05 UTC")}
	switch d := t.Sub(now); {
	case d == math.MaxInt64: // or more than that: Sub goes no further
		m.Away = "in the far future"
	case d == math.MinInt64:
		m.Away = "long ago"
	case d >= time.Second:
		m.Away = "in " + span(d)
	case d > -time.Second:
		m.Away = "just now"
	default:
		m.Away = span(-d) + " ago"
	}
	return m
}

// shown is a key or a title as it can be looked at: what is invisible, or changes how
// other text looks, and spaces at either end, stand as their codes.
func shown(s string) string {
	inner := strings.Trim(s, " ")
	if len(inner) == len(s) && !strings.ContainsFunc(s, invisible) && utf8.ValidString(s) {
		return s
	}
	start := strings.Index(s, inner)
	return coded(s, func(i int, r rune) bool { return invisible(r) || i < start || i >= start+len(inner) })
}

// seen is a value as it can be looked at: white space stays, and what changes how other
// text looks stands as its code.
func seen(s string) string {
	if !strings.ContainsFunc(s, tricky) {
		return s
	}
	return coded(s, func(_ int, r rune) bool { return tricky(r) })
}

// coded is text with some of its characters, by where they begin, as their codes.
func coded(s string, which func(i int, r rune) bool) string {
	var b strings.Builder
	for i, r := range s {
		if which(i, r) {
			fmt.Fprintf(&b, "\\u{%x}", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// invisible tells whether a character cannot be seen, but for those that join others
// into what can.
func invisible(r rune) bool {
	const joiner, emojiStyle = '\u200d', '\ufe0f'
	return r != joiner && r != emojiStyle && r != ' ' &&
		(!unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
}

// tricky tells of a character that has no look of its own and may change that of others,
// but for those that scripts and emoji are joined by.
func tricky(r rune) bool {
	const nonJoiner, joiner = '\u200c', '\u200d'
	switch r {
	case '\t', '\n', '\r', nonJoiner, joiner:
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf)
}

// clip bounds a text's length in characters.
func clip(most int, s string) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
