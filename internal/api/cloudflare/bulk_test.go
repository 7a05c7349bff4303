package cloudflare_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

const bulkNow = 1_800_000_000

func (s *shelf) bulk() cloudflare.Bulk {
	check := func(p *api.BulkPut) error {
		if err := godwit.ValidateKey(p.Key); err != nil {
			return err
		}
		if _, err := godwit.DefaultLimits().ParseExpiration(p.Expiration, p.ExpirationTTL, bulkNow); err != nil {
			return err
		}
		if p.Metadata == nil {
			return nil
		}
		return godwit.ValidateMetadata(p.Metadata)
	}
	return cloudflare.Bulk{Upload: s.upload, Check: check, Drop: s.drop}
}

// shownPair is a pair on one line.
func shownPair(p api.BulkPut) string {
	out := fmt.Sprintf("%q=%q", p.Key, p.Value.Inline)
	if p.Metadata != nil {
		out += " metadata=" + string(p.Metadata)
	}
	if p.Expiration != "" {
		out += " expiration=" + p.Expiration
	}
	if p.ExpirationTTL != "" {
		out += " ttl=" + p.ExpirationTTL
	}
	return out
}

func TestBulk(t *testing.T) {
	const parse = "400 10012 could not parse array of key-value pairs from request body: '"
	for _, tt := range []struct{ body, want string }{
		{`[]`, ``},
		{` [ { "key" : "a" , "value" : "1" } ] ` + "\n", `"a"="1"`},
		{`[{"value":"1","key":"a"},{"key":"a","value":""}]`, `"a"="1", "a"=""`},
		{`[{"key":"a","value":"aGk=","base64":true}]`, `"a"="hi"`},
		{`[{"base64":true,"key":"a","value":"aGk="}]`, `"a"="hi"`},
		{`[{"key":"a","value":"aG\nk=","base64":true}]`, `"a"="hi"`},
		{`[{"key":"a","value":"aGk=","base64":false}]`, `"a"="aGk="`},
		{`[{"key":"a","value":"aGk=","base64":null}]`, `"a"="aGk="`},
		{`[{"key":"a","value":"","base64":true}]`, `"a"=""`},
		{`[{"key":"a","value":"é\u00e9\ud83e\udd13"}]`, `"a"="éé🤓"`},
		{`[{"key":"a","value":"1","metadata":{ "b" : [1.10, "<>"] },"extra":{"x":[1,"\n"]}}]`, `"a"="1" metadata={"b":[1.10,"<>"]}`},
		{`[{"key":"a","value":"1","metadata":null}]`, `"a"="1"`},
		{`[{"key":"a","value":"1","metadata":0},{"key":"b","value":"1","metadata":""},{"key":"c","value":"1","metadata":false}]`, `"a"="1" metadata=0, "b"="1" metadata="", "c"="1" metadata=false`},
		{`[{"key":"a","value":"1","expiration":1900000000,"expiration_ttl":120.0}]`, `"a"="1" expiration=1900000000 ttl=120`},
		{`[{"key":"a","value":"1","expiration":1.9e9}]`, `"a"="1" expiration=1900000000`},
		{`[{"key":"a","value":"1","expiration":1,"expiration_ttl":120}]`, `"a"="1" expiration=1 ttl=120`},
		{`[{"key":"a","value":"1","expiration":null}]`, `"a"="1"`},

		{``, parse + `unexpected end of JSON input, at byte 0'`},
		{`{"key":"a"}`, parse + `expected an array, at byte 0'`},
		{`null`, parse + `expected an array, at byte 0'`},
		{`["a"]`, parse + `expected an object, at byte 1'`},
		{`[{"key":"a","value":"1"}`, parse + `unexpected end of JSON input, at byte 24'`},
		{`[{"key":"a","value":"1"}]]`, parse + `data after the end of the JSON, at byte 25'`},
		{`[{"key":"a","value":"1"},]`, parse + `expected an object, at byte 25'`},
		{`[{"key":"a","value":"1",}]`, parse + `expected a string, at byte 24'`},
		{`[{"key":"a","value":"1"} {}]`, parse + `expected a comma, at byte 26'`},
		{`[{"value":"1"}]`, parse + `an item without a key, at byte 14'`},
		{`[{"key":"a"}]`, parse + `an item without a value, at byte 12'`},
		{`[{"key":"a","value":1}]`, parse + `expected a string, at byte 20'`},
		{`[{"key":"a","value":null}]`, parse + `expected a string, at byte 20'`},
		{`[{"key":"a","value":"1","value":"2"}]`, parse + `an item with two values, at byte 32'`},
		{`[{"key":1,"value":"1"}]`, parse + `expected a string, at byte 8'`},
		{`[{"key":"a","value":"1","base64":1}]`, parse + `base64 is not a boolean, at byte 34'`},
		{`[{"key":"a","value":"1","expiration_ttl":"60"}]`, parse + `expiration_ttl is not a number, at byte 45'`},
		{`[{"key":"a","value":"1","metadata":{a}}]`, parse + `expected a string, at byte 37'`},
		{`[{"key":"a","value":"1","metadata":"\q"}]`, parse + `metadata is not valid JSON, at byte 39'`},
		{"[{\"key\":\"a\",\"value\":\"\xff\"}]", parse + `invalid UTF-8, at byte 21'`},
		{`[{"key":"b","value":"1"},{"key":".","value":"1"}]`, `400 10023 item 2: Illegal key name ".". Please use a different name.`},
		{`[{"key":"","value":"1"}]`, `400 10023 item 1: Key names must not be empty`},
		{`[{"key":"` + strings.Repeat("é", 257) + `","value":"1"}]`, `414 10030 item 1: UTF-8 encoded length of 514 exceeds key length limit of 512.`},
		{`[{"key":"` + strings.Repeat("k", 1<<20) + `","value":"1"}]`, `414 10030 item 1: UTF-8 encoded length of 1048576 exceeds key length limit of 512.`},
		{`[{"key":"a","value":"1","expiration_ttl":59}]`, `400 10034 item 1: Invalid expiration_ttl of 59. Expiration TTL must be at least 60.`},
		{`[{"key":"a","value":"1","expiration_ttl":60.5}]`, `400 10034 item 1: Invalid expiration_ttl of 60.5. Please specify integer greater than 0.`},
		{`[{"key":"a","value":"1","expiration_ttl":1e300}]`, `400 10034 item 1: Invalid expiration_ttl of 1e300. Please specify integer greater than 0.`},
		{`[{"key":"a","value":"1","metadata":"` + strings.Repeat("x", 1023) + `"}]`, `413 10047 item 1: Metadata length of 1025 exceeds limit of 1024.`},
		{`[{"key":"a","value":"1","metadata":"` + strings.Repeat("x", 1<<20) + `"}]`, `413 10047 item 1: Metadata length of over 65536 exceeds limit of 1024.`},
		{`[{"key":"a","value":"!","base64":true}]`, `400 10012 item 1: value is not valid base64`},
		{`[{"key":"a","value":"aGk","base64":true}]`, `400 10012 item 1: value is not valid base64`},
		{`[{"base64":true,"key":"a","value":"aGk=aGk="}]`, `400 10012 item 1: value is not valid base64`},
	} {
		for _, one := range []bool{false, true} {
			s := newShelf()
			pairs, err := s.bulk().Read(reader(tt.body, one && len(tt.body) < 2000))
			got := ""
			for i, p := range pairs {
				got += shownPair(p)
				if i < len(pairs)-1 {
					got += ", "
				}
			}
			if err != nil {
				got = told(err)
				if len(s.kept) > 0 {
					t.Errorf("%.200s: values left behind: %v", tt.body, s.kept)
				}
			}
			if got != tt.want {
				t.Errorf("%.200s:\ngot  %s\nwant %s", tt.body, got, tt.want)
			}
		}
	}
}

func TestBulkItemsLimit(t *testing.T) {
	items := func(n int, item string) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	const pair, key = `{"key":"a","value":"1"}`, `"a"`
	s := newShelf()
	if pairs, err := s.bulk().Read(strings.NewReader(items(10_000, pair))); err != nil || len(pairs) != 10_000 {
		t.Errorf("10,000 pairs: %d, %v", len(pairs), err)
	}
	if _, err := s.bulk().Read(strings.NewReader(items(10_001, pair))); err == nil || told(err) != "400 10012 You can write a maximum of 10000 keys at once" {
		t.Errorf("10,001 pairs: %v", err)
	}
	if keys, err := cloudflare.ReadKeys(strings.NewReader(items(10_000, key))); err != nil || len(keys) != 10_000 {
		t.Errorf("10,000 keys: %d, %v", len(keys), err)
	}
	if _, err := cloudflare.ReadKeys(strings.NewReader(items(10_001, key))); err == nil {
		t.Errorf("10,001 keys: no error")
	}
}

// TestBulkLargeValues, on a small scale, has values on both sides of what is kept of a text until
// it is known whether it is base64.
func TestBulkLargeValues(t *testing.T) {
	large := strings.Repeat("godwit! ", 2_000)
	encoded := base64.StdEncoding.EncodeToString([]byte(large))
	over := strings.Repeat("A", cloudflare.KeptBase64+4)
	item := func(value string, after string) string {
		return `[{"key":"a","value":"` + value + `"` + after + `}]`
	}
	for _, tt := range []struct{ name, body, want, problem string }{
		{"plain", item(large, ""), large, ""},
		{"plain, said so", item(large, `,"base64":false`), large, ""},
		{"plain, called base64", item(large, `,"base64":true`), "", "400 10012 item 1: value is not valid base64"},
		{"base64", item(encoded, `,"base64":true`), large, ""},
		{"base64, not called so", item(encoded, ""), encoded, ""},
		{"base64, said before", `[{"base64":true,` + item(encoded, "")[2:], large, ""},
		{"too large, base64", item(over, `,"base64":true`), "", "413 10024 item 1: Value length of 27651 exceeds limit of 25600."},
		{"too large, plain", item(over, ``), "", "413 10024 item 1: Value length of 36868 exceeds limit of 25600."},
		{"two flags", `[{"base64":true,` + item(encoded, `,"base64":false`)[2:], "", "400 10012 could not parse array of key-value pairs from request body: 'an item with two base64, at byte 21387'"},
		{"cut", item(large, "")[:2_000], "", "400 10012 could not parse array of key-value pairs from request body: 'unexpected end of JSON input, at byte 2000'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShelf()
			s.limit = cloudflare.MaxValue
			pairs, err := s.bulk().Read(strings.NewReader(tt.body))
			if err != nil {
				if got := told(err); got != tt.problem {
					t.Errorf("got  %s\nwant %s", got, tt.problem)
				}
				if len(s.kept) > 0 {
					t.Errorf("values left behind")
				}
				return
			}
			if tt.problem != "" || string(pairs[0].Value.Inline) != tt.want {
				t.Errorf("%d bytes, want %d and problem %q", len(pairs[0].Value.Inline), len(tt.want), tt.problem)
			}
		})
	}
}

func TestBulkBrokenConnection(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`[{"key":"a","value":"1"},{"key":"b","val`), iotest.ErrReader(errBroken))
	s := newShelf()
	if _, err := s.bulk().Read(body); err == nil || len(s.kept) > 0 {
		t.Errorf("error %v, left behind: %v", err, s.kept)
	}
}

func TestReadKeys(t *testing.T) {
	const parse = "400 10012 could not parse array of keys from request body: '"
	for _, tt := range []struct{ body, want string }{
		{`[]`, `[]`},
		{`["a","a","é/ "]`, `["a" "a" "é/ "]`},
		{`{"keys":["a"]}`, parse + `expected an array, at byte 0'`},
		{`[{"name":"a"}]`, parse + `expected a string, at byte 1'`},
		{`["a",null]`, parse + `expected a string, at byte 5'`},
		{`["a",".."]`, `400 10023 item 2: Illegal key name "..". Please use a different name.`},
		{`["` + strings.Repeat("x", 513) + `"]`, `414 10030 item 1: UTF-8 encoded length of 513 exceeds key length limit of 512.`},
		{`["a"`, parse + `unexpected end of JSON input, at byte 4'`},
	} {
		keys, err := cloudflare.ReadKeys(strings.NewReader(tt.body))
		got := fmt.Sprintf("%q", keys)
		if err != nil {
			got = told(err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
}

func TestReadBulkQuery(t *testing.T) {
	const parse = "400 10012 could not parse keys from request body: '"
	for _, tt := range []struct{ body, want string }{
		{`{"keys":["a","b"]}`, `["a" "b"] "" false`},
		{`{"withMetadata":true,"type":"json","keys":[],"x":[{}]}`, `[] "json" true`},
		{`{"keys":null,"type":null,"withMetadata":null}`, `[] "" false`},
		{`{}`, `[] "" false`},
		{`[]`, parse + `expected an object, at byte 0'`},
		{``, parse + `unexpected end of JSON input, at byte 0'`},
		{`{"keys":"a"}`, parse + `expected an array, at byte 8'`},
		{`{"keys":[1]}`, parse + `expected a string, at byte 9'`},
		{`{"keys":["a"],"type":1}`, parse + `expected a string, at byte 21'`},
		{`{"keys":["a"],"withMetadata":"true"}`, parse + `withMetadata is not a boolean, at byte 35'`},
		{`{"keys":["` + strings.Repeat("é", 400) + `"]}`, `414 10030 Encoded length of 800 is too long`},
		{`{"keys":["a"]}x`, parse + `data after the end of the JSON, at byte 14'`},
	} {
		keys, kind, withMetadata, err := cloudflare.ReadBulkQuery(strings.NewReader(tt.body))
		got := fmt.Sprintf("%q %q %v", keys, kind, withMetadata)
		if err != nil {
			got = told(err)
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.body, got, tt.want)
		}
	}
	many := `{"keys":["` + strings.Repeat(`k","`, 500) + `"]}`
	if keys, _, _, err := cloudflare.ReadBulkQuery(strings.NewReader(many)); err != nil || len(keys) != godwit.MaxBulkGetKeys+1 {
		t.Errorf("501 keys: kept %d, %v", len(keys), err)
	}
}

// FuzzBulk compares what is read of a bulk body with what the standard library
// reads.
func FuzzBulk(f *testing.F) {
	f.Add(`[{"key":"a","value":"1"}]`)
	f.Add(`[{"key":"a","value":"aGk=","base64":true,"metadata":{"a":[1]},"expiration_ttl":60,"x":1e3}]`)
	f.Add(`[{"key":"\u0061","value":"\ud83e\udd13","expiration":1.9e9}]`)
	f.Fuzz(func(t *testing.T, body string) {
		s := newShelf()
		pairs, err := s.bulk().Read(strings.NewReader(body))
		if err != nil {
			if status, _, _ := cloudflare.Problem(err, ""); status < 400 || status > 499 {
				t.Errorf("status %d for %v", status, err)
			}
			if len(s.kept) > 0 {
				t.Errorf("values left behind: %v", s.kept)
			}
			return
		}
		var want []map[string]any
		if err := json.Unmarshal([]byte(body), &want); err != nil || len(want) != len(pairs) {
			t.Fatalf("%d pairs of %s; the standard library: %v", len(pairs), body, err)
		}
		for i, p := range pairs {
			checkPair(t, p, want[i])
		}
	})
}

func checkPair(t *testing.T, p api.BulkPut, want map[string]any) {
	if p.Key != want["key"] {
		t.Errorf("key %q, want %q", p.Key, want["key"])
	}
	value, _ := want["value"].(string)
	if want["base64"] == true {
		b, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			t.Errorf("%q is not base64: %v", value, err)
		}
		value = string(b)
	}
	if string(p.Value.Inline) != value {
		t.Errorf("value %q, want %q", p.Value.Inline, value)
	}
	if (p.Metadata == nil) != (want["metadata"] == nil) {
		t.Errorf("metadata %q, want %v", p.Metadata, want["metadata"])
	}
}

func TestNumberText(t *testing.T) {
	for raw, want := range map[string]string{
		"120": "120", "120.0": "120", "1.2e+02": "120", "-5": "-5", "0": "0", "60.5": "60.5", "1e400": "1e400",
		"1e18": "1e18", "99999999999999999999": "99999999999999999999", "null": "",
	} {
		if got, ok := cloudflare.NumberText([]byte(raw)); !ok || got != want {
			t.Errorf("%s: %q %v, want %q", raw, got, ok, want)
		}
	}
	if i := slices.IndexFunc([]string{`"60"`, "true", "[]", ""}, func(raw string) bool {
		_, ok := cloudflare.NumberText([]byte(raw))
		return ok
	}); i >= 0 {
		t.Errorf("number %d is none", i)
	}
}
