package wrangler

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// cronField is what one of the five parts of a cron trigger may hold.
type cronField struct {
	name     string
	min, max int
	names    []string // of values, from min on
}

var (
	cronMinute  = cronField{name: "minute", max: 59}
	cronHour    = cronField{name: "hour", max: 23}
	cronDay     = cronField{name: "day of month", min: 1, max: 31}
	cronMonth   = cronField{"month", 1, 12, strings.Fields("jan feb mar apr may jun jul aug sep oct nov dec")}
	cronWeekday = cronField{"day of week", 1, 7, strings.Fields("sun mon tue wed thu fri sat")}
)

// checkCron tells what is wrong with a cron trigger. It takes what workerd's own cron.js
// takes, and says the same: that is what runs it, and it would fail as workerd starts.
func checkCron(expression string) error {
	parts := strings.FieldsFunc(expression, isJSSpace)
	if len(parts) != 5 {
		return fmt.Errorf("%d fields, not 5", max(len(parts), 1))
	}
	for i, f := range []cronField{cronMinute, cronHour} {
		if _, err := f.list(parts[i]); err != nil {
			return err
		}
	}
	needs, err := daysNeeded(parts[2])
	if err != nil {
		return err
	}
	months, err := cronMonth.list(parts[3])
	if err != nil {
		return err
	}
	if err := checkWeekday(parts[4]); err != nil {
		return err
	}
	if parts[4] == "*" && needs > longest(months) { // a weekday comes in any month
		return errors.New("it never matches")
	}
	return nil
}

// isJSSpace tells what JavaScript takes for white space.
func isJSSpace(r rune) bool {
	return r >= '\t' && r <= '\r' || r >= 0x2000 && r <= 0x200a ||
		slices.Contains([]rune{' ', 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff}, r)
}

// longest is how many days the longest of some months has in some year.
func longest(months cronSet) int {
	const february, shorter = 1 << 2, 1<<2 | 1<<4 | 1<<6 | 1<<9 | 1<<11
	switch {
	case months&^shorter != 0:
		return 31
	case months&^february != 0:
		return 30
	}
	return 29
}

// daysNeeded is how many days a month must have for a day of it to be meant.
func daysNeeded(text string) (int, error) {
	if text == "*" || text == "L" || text == "LW" {
		return 1, nil
	}
	if n, ok := beforeLast(text); ok {
		if n < 1 || n > 30 {
			return 0, fmt.Errorf("day of month field has %.80s", text)
		}
		return n + 1, nil
	}
	if day, ok := strings.CutSuffix(text, "W"); ok {
		return cronDay.value(day)
	}
	days, err := cronDay.list(text)
	if err != nil {
		return 0, err
	}
	return bits.TrailingZeros64(uint64(days)), nil
}

// beforeLast reads L-3 and L-3W: days before a month's last.
func beforeLast(text string) (n int, ok bool) {
	if text, ok = strings.CutPrefix(text, "L-"); !ok {
		return 0, false
	}
	return cronNumber(strings.TrimSuffix(text, "W"))
}

func checkWeekday(text string) error {
	if text == "*" || text == "L" {
		return nil
	}
	if day, ok := strings.CutSuffix(text, "L"); ok {
		_, err := cronWeekday.value(day)
		return err
	}
	day, nth, ok := strings.Cut(text, "#")
	if !ok {
		_, err := cronWeekday.list(text)
		return err
	}
	if _, err := cronWeekday.value(day); err != nil {
		return err
	}
	if n, ok := cronNumber(nth); !ok || n < 1 || n > 5 {
		return fmt.Errorf("day of week field has %.80s", text)
	}
	return nil
}

// cronSet has the bit of each value that is meant.
type cronSet uint64

// list reads values, ranges and steps.
func (f cronField) list(text string) (set cronSet, err error) {
	items := strings.Split(text, ",")
	for _, item := range items {
		if item == "*" && len(items) > 1 {
			return 0, fmt.Errorf("%s field has * inside a list", f.name)
		}
		spec, stepText, stepped := strings.Cut(item, "/")
		step := 1
		if stepped {
			var ok bool
			if step, ok = cronNumber(stepText); !ok || step < 1 || step > f.max-f.min {
				return 0, fmt.Errorf("%s field has a bad step in %.80s", f.name, item)
			}
		}
		first, last, err := f.span(spec, stepped)
		if err != nil {
			return 0, err
		}
		if first > last {
			return 0, fmt.Errorf("%s field has a descending range in %.80s", f.name, item)
		}
		for v := first; v <= last; v += step {
			set |= 1 << v
		}
	}
	return set, nil
}

// span reads a value or a range. With a step a single value is where it begins.
func (f cronField) span(spec string, stepped bool) (first, last int, err error) {
	if spec == "*" {
		return f.min, f.max, nil
	}
	from, to, ranged := strings.Cut(spec, "-")
	if strings.Contains(to, "-") {
		return 0, 0, fmt.Errorf("%s field has %.80s", f.name, spec)
	}
	if first, err = f.value(from); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		last, err = f.value(to)
	case stepped:
		last = f.max
	default:
		last = first
	}
	return first, last, err
}

func (f cronField) value(text string) (int, error) {
	for i, name := range f.names {
		if isASCII(text) && strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	v, ok := cronNumber(text)
	if !ok {
		return 0, fmt.Errorf("%s field has %.80s", f.name, text)
	}
	if v < f.min || v > f.max {
		return 0, fmt.Errorf("%s field has %.80s outside %d-%d", f.name, text, f.min, f.max)
	}
	return v, nil
}

// isASCII keeps letters out that fold to those of English.
func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7f })
}

// cronNumber reads digits and nothing else. What is too large for a number is larger
// than all that may stand anywhere.
func cronNumber(text string) (n int, ok bool) {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' }) {
		return 0, false
	}
	if n, err := strconv.Atoi(text); err == nil {
		return n, true
	}
	return 1 << 30, true
}
