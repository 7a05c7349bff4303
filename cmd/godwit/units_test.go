package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "90": 90 * time.Second, "-5": -5 * time.Second, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"7d": 7 * 24 * time.Hour, "1d12h": 36 * time.Hour, "100ms": 100 * time.Millisecond,
	} {
		var d duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: got %v (%v), want %v", text, time.Duration(d), err, want)
		}
	}
	for _, text := range []string{"", "d", "soon", "1.5", "-1d", "99999999999d", "9223372036854775807", "1d2d", "1dd"} {
		var d duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken, as %v", text, time.Duration(d))
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	for text, want := range map[string]int64{
		"1893456000": 1893456000, "2030-01-01": 1893456000, "2030-01-01 00:00:00": 1893456000,
		"2030-01-01T01:00:00+01:00": 1893456000, "1d": 1_086_400,
	} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err != nil || m.unix(now) != want {
			t.Errorf("%s: got %d (%v), want %d", text, m.unix(now), err, want)
		}
	}
	if got := (moment{}).unix(now); got != 0 {
		t.Errorf("none given: got %d", got)
	}
	for _, text := range []string{"tomorrow", "", "0", "-1", "1970-01-01", "0s", "-1d"} {
		var m moment
		if err := m.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken, as %d", text, m.unix(now))
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "512": 512, "64k": 64 << 10, "64K": 64 << 10, "64KiB": 64 << 10, "64KB": 64_000, "1.5G": 3 << 29, "2TB": 2e12, "-1": -1, "7B": 7,
	} {
		var b size
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want {
			t.Errorf("%s: got %d (%v), want %d", text, b, err, want)
		}
	}
	for _, text := range []string{"", "x", "k", "1KK", "1iB", "1e300", "9999999T", "NaN", "1 K"} {
		var b size
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken, as %d", text, b)
		}
	}
}

func TestReserve(t *testing.T) {
	for text, want := range map[string]int64{"auto": 0, "0": -1, "1MiB": 1 << 20} {
		var r reserve
		if err := r.UnmarshalText([]byte(text)); err != nil || r.setting() != want {
			t.Errorf("%s: got %d (%v), want %d", text, r.setting(), err, want)
		}
	}
}

func TestCountBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 25 << 20: "25.0 MiB", 1 << 60: "1024.0 PiB"} {
		if got := countBytes(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestRootTokenGoesToThisMachineAlone(t *testing.T) {
	for url, want := range map[string]bool{
		"http://127.0.0.1:8787": true, "http://localhost": true, "http://[::1]:1": true, "https://127.9.9.9": true,
		"http://10.0.0.1": false, "http://localhost.example.com": false, "http://127.0.0.1.example.com": false, "%": false,
	} {
		if got := local(url); got != want {
			t.Errorf("%s: got %v", url, got)
		}
	}
}

func FuzzUnits(f *testing.F) {
	for _, seed := range []string{"90", "7d", "1d12h", "64KiB", "1.5G", "2030-01-01", "auto", "-1", "9223372036854775807", "1e308", "d", "iB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var (
			d duration
			m moment
			b size
			r reserve
		)
		if d.UnmarshalText([]byte(text)) == nil && strings.HasSuffix(text, "d") && d < 0 {
			t.Errorf("%q is %v", text, time.Duration(d))
		}
		if b.UnmarshalText([]byte(text)) == nil && (b > 1<<53 || b < -1<<53) {
			t.Errorf("%q is %d bytes", text, b)
		}
		_ = m.UnmarshalText([]byte(text))
		_ = m.unix(time.Unix(0, 0))
		_ = r.UnmarshalText([]byte(text))
		_ = r.setting()
	})
}

// FuzzItems feeds the decoder of bulk files: it ends, and an error stops it.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{"key":"a","value":"1"}]`, "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"\"}", `["a",{"name":"b"},{"key":"c"}]`,
		`[`, `[}`, `[]]`, `[] []`, `[{"key":"a","value":"/w==","base64":true}]`, `"a" "b"`, ``, ` `, `null`, `[null]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		pairs := 0
		err := eachItem(strings.NewReader(text), func(item bulkItem) error {
			p, err := item.pair()
			if err == nil && p.Key == "" {
				t.Errorf("a pair without a key from %q", text)
			}
			pairs++
			return err
		})
		if err == nil && pairs > len(text) {
			t.Errorf("%d pairs from %q", pairs, text)
		}
		stop := errors.New("stop")
		calls := 0
		err = eachItem(strings.NewReader(text), func(keyName) error {
			calls++
			return stop
		})
		if calls > 1 || calls == 1 && !errors.Is(err, stop) {
			t.Errorf("%d calls and error %v", calls, err)
		}
	})
}
