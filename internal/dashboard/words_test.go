package dashboard_test

import (
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/dashboard"
)

// TestAway holds how times are said: in their largest unit, to the nearest, however far
// they are.
func TestAway(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0:                                "just now",
		-999 * time.Millisecond:          "just now",
		time.Second:                      "in 1 second",
		59 * time.Second:                 "in 59 seconds",
		59500 * time.Millisecond:         "in 1 minute",
		89 * time.Second:                 "in 1 minute",
		-90 * time.Second:                "2 minutes ago",
		59*time.Minute + 29*time.Second:  "in 59 minutes",
		59*time.Minute + 30*time.Second:  "in 1 hour",
		23*time.Hour + 29*time.Minute:    "in 23 hours",
		-23*time.Hour - 30*time.Minute:   "1 day ago",
		364*24*time.Hour + 12*time.Hour:  "in 1 year",
		290*365*24*time.Hour + time.Hour: "in 290 years",
		1<<63 - 2:                        "in 292 years",
	} {
		if got := dashboard.Away(now.Add(d), now); got != want {
			t.Errorf("%v: got %q, want %q", d, got, want)
		}
	}
	for unix, want := range map[int64]string{99_999_999_999: "in the far future", 9_999_999_999_999: "in the far future", -62_135_596_800: "long ago"} {
		if got := dashboard.Away(time.Unix(unix, 0), now); got != want {
			t.Errorf("%d: got %q, want %q", unix, got, want)
		}
	}
}
