package godwit_test

import (
	"testing"
	"time"

	"github.com/godwitkv/godwit"
)

func TestParseHistory(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]godwit.HistoryPolicy{
		"":      {},
		"1":     {Versions: 1, Span: godwit.MaxHistorySpan},
		"1000":  {Versions: 1000, Span: godwit.MaxHistorySpan},
		"24h":   {Versions: godwit.MaxHistoryVersions, Span: day},
		"1h30m": {Versions: godwit.MaxHistoryVersions, Span: 90 * time.Minute},
		"1s":    {Versions: godwit.MaxHistoryVersions, Span: time.Second},
		"90d":   {Versions: godwit.MaxHistoryVersions, Span: 90 * day},
		"0":     {}, "-1": {}, "1001": {}, "01": {}, "+1": {}, "1.5": {}, "999ms": {}, "-24h": {},
		"2160h1s": {}, "91d": {}, "0d": {}, "-1d": {}, "9999999999999999999d": {}, "d": {}, "1w": {}, "1,24h": {}, "all": {},
	} {
		got, err := godwit.ParseHistory(text)
		if got != want || (err == nil) != (want.Versions > 0 || text == "") {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
		if err != nil && godwit.CodeOf(err) != godwit.CodeInvalidRequest {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestParseMoment(t *testing.T) {
	for text, want := range map[string]godwit.Moment{
		"1970-01-01T00:00:01.5Z":    {Time: 1500},
		"2026-01-02T15:04:05+02:00": {Time: 1767359045000},
		"1700000000":                {Time: 1_700_000_000_000},
		"99999999999":               {Time: 99_999_999_999_000},
		"100000000000":              {Revision: 100_000_000_000},
		"9007199254740991":          {Revision: godwit.MaxRevision},
		"9007199254740992":          {},
		"":                          {}, "0": {}, "-1": {}, "1e9": {}, "yesterday": {}, "1970-01-01T00:00:00Z": {}, "1900-01-01T00:00:00Z": {}, "2026-01-02": {},
	} {
		got, err := godwit.ParseMoment(text)
		if got != want || (err == nil) != (want != godwit.Moment{}) {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
}
