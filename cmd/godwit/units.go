package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// duration is a time span on the command line: "90" (seconds), "1h30m", "7d".
type duration time.Duration

// UnmarshalText implements [encoding.TextUnmarshaler].
func (d *duration) UnmarshalText(text []byte) error {
	s := string(text)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		if n > math.MaxInt64/int64(time.Second) || n < -math.MaxInt64/int64(time.Second) {
			return fmt.Errorf("%q is too long", s)
		}
		*d = duration(time.Duration(n) * time.Second)
		return nil
	}
	days := time.Duration(0)
	if whole, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseInt(whole, 10, 32)
		if err != nil || n < 0 || n > 100_000 {
			return fmt.Errorf("%q is not a time span such as 90s, 12h or 7d", s)
		}
		days = time.Duration(n) * 24 * time.Hour
		if rest == "" {
			*d = duration(days)
			return nil
		}
		s = rest
	}
	span, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%q is not a time span such as 90s, 12h or 7d", text)
	}
	*d = duration(days + span)
	return nil
}

// moment is a point in time on the command line: unix seconds, RFC 3339, a
// date, or a time span from now.
type moment struct {
	at time.Time
	in time.Duration
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *moment) UnmarshalText(text []byte) error {
	s := string(text)
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return m.set(time.Unix(n, 0), s)
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if at, err := time.Parse(layout, s); err == nil {
			return m.set(at, s)
		}
	}
	var d duration
	if d.UnmarshalText(text) != nil || d <= 0 {
		return fmt.Errorf("%q is not unix seconds, a date, a time (2030-01-31T12:00:00Z) or a time span (30d)", s)
	}
	m.in = time.Duration(d)
	return nil
}

// set takes a time. 0 would be the same as none at all: a key, or a token, for ever.
func (m *moment) set(at time.Time, text string) error {
	if at.Unix() <= 0 {
		return fmt.Errorf("%q is no time to come", text)
	}
	m.at = at
	return nil
}

// unix is the moment in unix seconds; 0 if none was given.
func (m moment) unix(now time.Time) int64 {
	switch {
	case m.in != 0:
		return now.Add(m.in).Unix()
	case m.at.IsZero():
		return 0
	}
	return m.at.Unix()
}

// size is a number of bytes on the command line: "512", "64KiB", "1.5G".
type size int64

// UnmarshalText implements [encoding.TextUnmarshaler].
func (b *size) UnmarshalText(text []byte) error {
	number := strings.TrimRight(string(text), "kKMGTiBb")
	unit := strings.ToUpper(strings.TrimPrefix(string(text), number))
	factor, ok := map[string]float64{
		"": 1, "B": 1,
		"K": 1 << 10, "KIB": 1 << 10, "KB": 1e3,
		"M": 1 << 20, "MIB": 1 << 20, "MB": 1e6,
		"G": 1 << 30, "GIB": 1 << 30, "GB": 1e9,
		"T": 1 << 40, "TIB": 1 << 40, "TB": 1e12,
	}[unit]
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(math.Abs(n*factor) < 1<<53) {
		return fmt.Errorf("%q is not a size such as 65536, 64KiB or 1GB", text)
	}
	*b = size(n * factor)
	return nil
}

// reserve is a size, or "auto".
type reserve struct {
	auto  bool
	bytes size
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (r *reserve) UnmarshalText(text []byte) error {
	if string(text) == "auto" {
		*r = reserve{auto: true}
		return nil
	}
	if err := r.bytes.UnmarshalText(text); err != nil {
		return err
	}
	if r.bytes < 0 {
		return fmt.Errorf("%q is below 0, which is no reserve", text)
	}
	return nil
}

// setting is the reserve as a node is told it: 0 is its own choice, below 0 is
// none.
func (r reserve) setting() int64 {
	switch {
	case r.auto:
		return 0
	case r.bytes == 0:
		return -1
	}
	return int64(r.bytes)
}

// countBytes says n in units that people read.
func countBytes(n int64) string {
	const step = 1024
	if n < step {
		return strconv.FormatInt(n, 10) + " B"
	}
	value, unit := float64(n), -1
	for value >= step && unit < 4 {
		value, unit = value/step, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}
