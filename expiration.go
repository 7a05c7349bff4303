package godwit

import (
	"math"
	"time"
)

// ParseExpiration turns a put's two inputs, as text and "" where not given,
// into an absolute expiration in unix seconds (0: never). expiration_ttl wins
// and expiration is then not even looked at. now is unix seconds at the
// receipt. Errors, with Cloudflare's texts: [CodeInvalidTTL],
// [CodeInvalidExpiration].
func (l Limits) ParseExpiration(expiration, ttl string, now int64) (int64, error) {
	switch {
	case ttl != "":
		return l.parseTTL(ttl, now)
	case expiration != "":
		return l.parseAbsolute(expiration, now)
	}
	return 0, nil
}

func (l Limits) parseTTL(raw string, now int64) (int64, error) {
	n, ok := parseSeconds(raw)
	least := seconds(l.MinExpirationTTL)
	switch {
	case !ok || n <= 0:
		return 0, Errorf(CodeInvalidTTL, "Invalid expiration_ttl of %s. Please specify integer greater than 0.", ascii(raw))
	case n < least:
		return 0, Errorf(CodeInvalidTTL, "Invalid expiration_ttl of %s. Expiration TTL must be at least %d.", ascii(raw), least)
	case n > MaxExpiration-now:
		return 0, Errorf(CodeInvalidTTL, "Invalid expiration_ttl of %s. Expiration TTL is too large.", ascii(raw))
	}
	return now + n, nil
}

func (l Limits) parseAbsolute(raw string, now int64) (int64, error) {
	n, ok := parseSeconds(raw)
	least := seconds(l.MinExpirationTTL)
	switch {
	case !ok || n <= now:
		return 0, Errorf(CodeInvalidExpiration, "Invalid expiration of %s. Please specify integer greater than the current number of seconds since the UNIX epoch.", ascii(raw))
	case n < now+least:
		return 0, Errorf(CodeInvalidExpiration, "Invalid expiration of %s. Expiration times must be at least %d seconds in the future.", ascii(raw), least)
	case n > MaxExpiration:
		return 0, Errorf(CodeInvalidExpiration, "Invalid expiration of %s. The time is too far in the future.", ascii(raw))
	}
	return n, nil
}

// ParseCacheTTL reads a read's cache_ttl, "" where not given. Error, with
// Cloudflare's text: [CodeInvalidCacheTTL].
func (l Limits) ParseCacheTTL(raw string) (time.Duration, error) {
	if raw == "" {
		return DefaultCacheTTL, nil
	}
	n, ok := parseSeconds(raw)
	if least := seconds(l.MinCacheTTL); !ok || n < least {
		return 0, Errorf(CodeInvalidCacheTTL, "Invalid cache_ttl of %s. Cache TTL must be at least %d.", ascii(raw), least)
	}
	return time.Duration(min(n, math.MaxInt32)) * time.Second, nil
}

// parseSeconds reads a decimal integer of at most 18 digits; "1e3", "60.5" and
// " 60" are not integers.
func parseSeconds(raw string) (int64, bool) {
	n, ok := ParseInteger(raw)
	return n, ok && n < 1e18 && n > -1e18
}

// seconds rounds up, so that a limit below a second is still one.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// ascii makes input fit to be repeated in a reason phrase.
func ascii(raw string) string {
	b := []byte(clip(raw))
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
