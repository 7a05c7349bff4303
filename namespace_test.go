package godwit_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

func TestParseNamespaceID(t *testing.T) {
	valid := "0f2ac74b498b48028cb68387c421e279"
	for text, want := range map[string]bool{
		valid:                               true,
		strings.Repeat("f", 32):             true,
		strings.Repeat("0", 31) + "1":       true,
		strings.Repeat("0", 32):             false, // the system namespace
		"":                                  false,
		valid[:31]:                          false,
		valid + "0":                         false,
		strings.ToUpper(valid):              false,
		"0f2ac74b-498b-4802-8cb6-8387c421e": false,
		"zz2ac74b498b48028cb68387c421e279":  false,
		strings.Repeat("é", 16):             false,
		strings.Repeat("x", 10_000):         false,
	} {
		id, err := godwit.ParseNamespaceID(text)
		if (err == nil) != want {
			t.Errorf("%q: %v", text, err)
		}
		if err == nil && id.String() != text {
			t.Errorf("%q became %q", text, id)
		}
		code := godwit.CodeInvalidNamespaceID
		if text == godwit.SystemNamespace.String() {
			code = godwit.CodeNamespaceNotFound
		}
		if err != nil && (godwit.CodeOf(err) != code || len(err.Error()) > 200) {
			t.Errorf("%.40q: code %d, %d bytes of message", text, godwit.CodeOf(err), len(err.Error()))
		}
	}
}

func TestNamespaceIDText(t *testing.T) {
	var got, want struct{ ID godwit.NamespaceID }
	want.ID = godwit.NamespaceID{1, 2, 0xff}
	b, err := json.Marshal(want)
	if err != nil || string(b) != `{"ID":"0102ff00000000000000000000000000"}` {
		t.Fatalf("%s %v", b, err)
	}
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%v %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"ID":"01"}`), &got); err == nil {
		t.Error("a short id was read")
	}
}

func FuzzParseNamespaceID(f *testing.F) {
	f.Add("0f2ac74b498b48028cb68387c421e279")
	f.Add(strings.Repeat("0", 32))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := godwit.ParseNamespaceID(s)
		if err == nil && (id.String() != s || id == godwit.SystemNamespace) {
			t.Errorf("%q became %q", s, id)
		}
	})
}

func TestSettingsValidate(t *testing.T) {
	whole := func(n int64) *int64 { return &n }
	rate := func(n float64) *float64 { return &n }
	for name, tc := range map[string]struct {
		settings godwit.Settings
		ok       bool
	}{
		"none":               {godwit.Settings{}, true},
		"ttl 1":              {godwit.Settings{MinExpirationTTL: whole(1)}, true},
		"ttl 0":              {godwit.Settings{MinExpirationTTL: whole(0)}, false},
		"ttl negative":       {godwit.Settings{MinExpirationTTL: whole(-1)}, false},
		"ttl largest":        {godwit.Settings{MinExpirationTTL: whole(math.MaxInt32)}, true},
		"ttl too large":      {godwit.Settings{MinExpirationTTL: whole(math.MaxInt32 + 1)}, false},
		"cache ttl 0":        {godwit.Settings{MinCacheTTL: whole(0)}, true},
		"cache ttl negative": {godwit.Settings{MinCacheTTL: whole(-1)}, false},
		"cache ttl large":    {godwit.Settings{MinCacheTTL: whole(math.MaxInt64)}, false},
		"rate 0":             {godwit.Settings{WritesPerKey: rate(0)}, true},
		"rate half":          {godwit.Settings{WritesPerKey: rate(0.5)}, true},
		"rate negative":      {godwit.Settings{WritesPerKey: rate(-1)}, false},
		"rate not a number":  {godwit.Settings{WritesPerKey: rate(math.NaN())}, false},
		"rate endless":       {godwit.Settings{WritesPerKey: rate(math.Inf(1))}, false},
		"no keys":            {godwit.Settings{MaxKeys: whole(0)}, false},
		"one key":            {godwit.Settings{MaxKeys: whole(1)}, true},
		"keys beyond count":  {godwit.Settings{MaxKeys: whole(math.MaxInt64)}, false},
		"bytes negative":     {godwit.Settings{MaxBytes: whole(-1)}, false},
		"one byte":           {godwit.Settings{MaxBytes: whole(1)}, true},
		"requests 0":         {godwit.Settings{RequestsPerSecond: rate(0)}, false},
		"requests 1":         {godwit.Settings{RequestsPerSecond: rate(1)}, true},
		"requests endless":   {godwit.Settings{RequestsPerSecond: rate(math.Inf(1))}, false},
		"requests no number": {godwit.Settings{RequestsPerSecond: rate(math.NaN())}, false},
		"eventual":           {godwit.Settings{Consistency: "eventual"}, true},
		"strong":             {godwit.Settings{Consistency: "strong"}, true},
		"Strong":             {godwit.Settings{Consistency: "Strong"}, false},
	} {
		err := tc.settings.Validate()
		if (err == nil) != tc.ok || err != nil && godwit.CodeOf(err) != godwit.CodeInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateTitle(t *testing.T) {
	for title, want := range map[string]godwit.Code{
		"a": 0, " ": 0, strings.Repeat("é", 512): 0,
		"":                       godwit.CodeMissingTitle,
		strings.Repeat("é", 513): godwit.CodeInvalidRequest,
		"\xff":                   godwit.CodeInvalidRequest,
	} {
		if err := godwit.ValidateTitle(title); (err == nil) != (want == 0) || err != nil && godwit.CodeOf(err) != want {
			t.Errorf("%.20q: %v, want code %d", title, err, want)
		}
	}
}

func TestValidateJurisdiction(t *testing.T) {
	for j, want := range map[string]bool{"": true, "eu": true, "us": true, "fedramp": true, "EU": false, "moon": false} {
		if err := godwit.ValidateJurisdiction(j); (err == nil) != want {
			t.Errorf("%q: %v", j, err)
		}
	}
}
