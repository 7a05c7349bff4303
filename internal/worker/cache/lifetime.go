package cache

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxLifetime bounds what a response may ask for.
const maxLifetime = 365 * 24 * time.Hour

// defaultLifetime is for how long Cloudflare keeps a response that does not say.
var defaultLifetime = map[int]time.Duration{
	http.StatusOK: 2 * time.Hour, http.StatusMovedPermanently: 2 * time.Hour,
	http.StatusFound: 20 * time.Minute, http.StatusSeeOther: 20 * time.Minute,
	http.StatusNotFound: 3 * time.Minute, http.StatusGone: 3 * time.Minute,
}

var (
	errPartial   = errors.New("a partial response is not stored")
	errVary      = errors.New("a response that varies by everything is not stored")
	errForbidden = errors.New("the response's Cache-Control forbids it to be stored")
)

// lifetime is for how long a response may be answered again. The error says why it
// must not be.
func lifetime(res *http.Response, now time.Time) (time.Duration, error) {
	control := directives(res.Header.Values("Cache-Control"))
	_, noStore := control["no-store"]
	private, isPrivate := control["private"]
	switch {
	case res.StatusCode == http.StatusPartialContent:
		return 0, errPartial
	case strings.TrimSpace(res.Header.Get("Vary")) == "*":
		return 0, errVary
	case noStore || isPrivate && private == "":
		return 0, errForbidden
	case res.Header.Get("Set-Cookie") != "" && !strings.EqualFold(private, "set-cookie"):
		return 0, errForbidden
	}
	if strings.EqualFold(private, "set-cookie") {
		res.Header.Del("Set-Cookie")
	}
	if _, ok := control["no-cache"]; ok {
		return 0, nil
	}
	for _, name := range []string{"s-maxage", "max-age"} {
		if text, ok := control[name]; ok {
			return seconds(text), nil
		}
	}
	if text := res.Header.Get("Expires"); text != "" {
		at, err := http.ParseTime(text)
		if err != nil {
			return 0, nil // in the past, as HTTP has it
		}
		return min(at.Sub(now), maxLifetime), nil
	}
	return defaultLifetime[res.StatusCode], nil
}

func seconds(text string) time.Duration {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return time.Duration(min(n, int64(maxLifetime/time.Second))) * time.Second
}

// directives are those of Cache-Control, with their values or "".
func directives(headers []string) map[string]string {
	all := map[string]string{}
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
			if name != "" {
				all[strings.ToLower(name)] = strings.Trim(value, `"`)
			}
		}
	}
	return all
}
