package godwit_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
)

const testNow = 1_800_000_000

func TestParseExpiration(t *testing.T) {
	const (
		notTTL   = ". Please specify integer greater than 0."
		shortTTL = ". Expiration TTL must be at least 60."
		notAbs   = ". Please specify integer greater than the current number of seconds since the UNIX epoch."
		nearAbs  = ". Expiration times must be at least 60 seconds in the future."
	)
	for _, tc := range []struct {
		expiration, ttl string
		want            int64
		message         string
	}{
		{},
		{ttl: "60", want: testNow + 60},
		{ttl: "61", want: testNow + 61},
		{ttl: "060", want: testNow + 60},
		{ttl: "31536000", want: testNow + 31536000},
		{expiration: "1800000060", want: testNow + 60},
		{expiration: "1800000061", want: testNow + 61},
		{expiration: "1099511627776", want: godwit.MaxExpiration},
		{expiration: "1", ttl: "120", want: testNow + 120},
		{expiration: "nonsense", ttl: "120", want: testNow + 120},
		{ttl: "59", message: "Invalid expiration_ttl of 59" + shortTTL},
		{ttl: "1", message: "Invalid expiration_ttl of 1" + shortTTL},
		{ttl: "0", message: "Invalid expiration_ttl of 0" + notTTL},
		{ttl: "-1", message: "Invalid expiration_ttl of -1" + notTTL},
		{ttl: "60.5", message: "Invalid expiration_ttl of 60.5" + notTTL},
		{ttl: "1e3", message: "Invalid expiration_ttl of 1e3" + notTTL},
		{ttl: "+60", message: "Invalid expiration_ttl of +60" + notTTL},
		{ttl: " 60", message: "Invalid expiration_ttl of  60" + notTTL},
		{ttl: "0x40", message: "Invalid expiration_ttl of 0x40" + notTTL},
		{ttl: "1_000", message: "Invalid expiration_ttl of 1_000" + notTTL},
		{ttl: "NaN", message: "Invalid expiration_ttl of NaN" + notTTL},
		{ttl: "six\r\nty\u00e9", message: "Invalid expiration_ttl of six??ty??" + notTTL},
		{ttl: "99999999999999999999", message: "Invalid expiration_ttl of 99999999999999999999" + notTTL},
		{ttl: "999999999999999999", message: "Invalid expiration_ttl of 999999999999999999. Expiration TTL is too large."},
		{expiration: "1800000059", message: "Invalid expiration of 1800000059" + nearAbs},
		{expiration: "1800000001", message: "Invalid expiration of 1800000001" + nearAbs},
		{expiration: "1800000000", message: "Invalid expiration of 1800000000" + notAbs},
		{expiration: "1", message: "Invalid expiration of 1" + notAbs},
		{expiration: "-5", message: "Invalid expiration of -5" + notAbs},
		{expiration: "soon", message: "Invalid expiration of soon" + notAbs},
		{expiration: "1099511627777", message: "Invalid expiration of 1099511627777. The time is too far in the future."},
		{expiration: strings.Repeat("9", 100), message: "Invalid expiration of " + strings.Repeat("9", 64) + "..." + notAbs},
	} {
		got, err := godwit.DefaultLimits().ParseExpiration(tc.expiration, tc.ttl, testNow)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != tc.want || message != tc.message {
			t.Errorf("expiration %q, ttl %q: %d %q, want %d %q", tc.expiration, tc.ttl, got, message, tc.want, tc.message)
		}
		want := godwit.CodeInvalidTTL
		if tc.ttl == "" {
			want = godwit.CodeInvalidExpiration
		}
		if err != nil && godwit.CodeOf(err) != want {
			t.Errorf("expiration %q, ttl %q: code %d", tc.expiration, tc.ttl, godwit.CodeOf(err))
		}
	}
}

func TestParseExpirationWithOtherLimits(t *testing.T) {
	l := godwit.DefaultLimits()
	for _, tc := range []struct {
		least time.Duration
		ttl   string
		ok    bool
	}{
		{time.Second, "1", true}, {time.Millisecond, "1", true}, {1500 * time.Millisecond, "1", false},
		{1500 * time.Millisecond, "2", true}, {time.Hour, "3599", false}, {time.Hour, "3600", true},
	} {
		l.MinExpirationTTL = tc.least
		if _, err := l.ParseExpiration("", tc.ttl, testNow); (err == nil) != tc.ok {
			t.Errorf("least %v, ttl %s: %v", tc.least, tc.ttl, err)
		}
		at := strconv.FormatInt(testNow+mustInt(t, tc.ttl), 10)
		if _, err := l.ParseExpiration(at, "", testNow); (err == nil) != tc.ok {
			t.Errorf("least %v, expiration %s: %v", tc.least, at, err)
		}
	}
}

func mustInt(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestParseCacheTTL(t *testing.T) {
	for _, tc := range []struct {
		raw     string
		want    time.Duration
		message string
	}{
		{raw: "", want: time.Minute},
		{raw: "30", want: 30 * time.Second},
		{raw: "31536000", want: 31536000 * time.Second},
		{raw: "9007199254740991", want: 2147483647 * time.Second},
		{raw: "29", message: "Invalid cache_ttl of 29. Cache TTL must be at least 30."},
		{raw: "0", message: "Invalid cache_ttl of 0. Cache TTL must be at least 30."},
		{raw: "-30", message: "Invalid cache_ttl of -30. Cache TTL must be at least 30."},
		{raw: "30.5", message: "Invalid cache_ttl of 30.5. Cache TTL must be at least 30."},
		{raw: "x", message: "Invalid cache_ttl of x. Cache TTL must be at least 30."},
	} {
		got, err := godwit.DefaultLimits().ParseCacheTTL(tc.raw)
		message := ""
		if err != nil {
			message = err.Error()
		}
		if got != tc.want || message != tc.message {
			t.Errorf("%q: %v %q, want %v %q", tc.raw, got, message, tc.want, tc.message)
		}
		if err != nil && godwit.CodeOf(err) != godwit.CodeInvalidCacheTTL {
			t.Errorf("%q: code %d", tc.raw, godwit.CodeOf(err))
		}
	}
}

func FuzzParseExpiration(f *testing.F) {
	f.Add("1800000060", "", int64(testNow))
	f.Add("", "60", int64(testNow))
	f.Add("x", "-0", int64(0))
	f.Fuzz(func(t *testing.T, expiration, ttl string, now int64) {
		now &= 1<<40 - 1
		at, err := godwit.DefaultLimits().ParseExpiration(expiration, ttl, now)
		switch {
		case err != nil && at != 0:
			t.Errorf("%d with %v", at, err)
		case err == nil && at != 0 && (at < now+60 || at > godwit.MaxExpiration):
			t.Errorf("%d at %d", at, now)
		case err == nil && at == 0 && (expiration != "" || ttl != ""):
			t.Errorf("%q, %q: never", expiration, ttl)
		case err != nil && !printable(godwit.MessageOf(err)):
			t.Errorf("message %q does not fit a reason phrase", godwit.MessageOf(err))
		}
	})
}

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) && len(s) < 300
}
