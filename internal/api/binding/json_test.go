package binding_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestAppendPage(t *testing.T) {
	for _, c := range []struct {
		name string
		page godwit.Page
		want string
	}{
		{"empty", godwit.Page{}, `{"keys":[],"list_complete":true}`},
		{"a cursor that is not for use", godwit.Page{Cursor: "c"}, `{"keys":[],"list_complete":true}`},
		{
			"everything",
			godwit.Page{
				More: true, Cursor: "C+/=",
				Entries: []godwit.Entry{
					{Key: "a"},
					{Key: "b", Expiration: 1999999999},
					{Key: "c\"<", Metadata: []byte(`{"a": "é"}`)},
					{Key: "d", Metadata: []byte(`"str"`), Expiration: 1},
					{Key: "e", Metadata: []byte(`0`)},
				},
			},
			`{"keys":[{"name":"a"},{"name":"b","expiration":1999999999},` +
				`{"name":"c\"<","metadata":"{\"a\": \"é\"}"},` +
				`{"name":"d","expiration":1,"metadata":"\"str\""},` +
				`{"name":"e","metadata":"0"}],"list_complete":false,"cursor":"C+/="}`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := string(binding.AppendPage(nil, &c.page))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if !json.Valid([]byte(got)) {
				t.Error("not JSON")
			}
		})
	}
}

func TestParseBulk(t *testing.T) {
	type query struct {
		Keys         []string
		Kind, TTL    string
		WithMetadata bool
	}
	many := `"k"` + strings.Repeat(`,"k"`, 5000)
	for _, c := range []struct {
		body string
		want *query // nil: an error
	}{
		{`{"keys":["a","b"]}`, &query{Keys: []string{"a", "b"}}},
		{`{"keys":["a"],"type":"json","withMetadata":true,"cacheTtl":"60"}`, &query{[]string{"a"}, "json", "60", true}},
		{`{"cacheTtl":60,"keys":["é\n"],"type":"x"}`, &query{[]string{"é\n"}, "x", "60", false}},
		{`{"cacheTtl":null,"type":null,"withMetadata":null,"keys":[]}`, &query{}},
		{` { "keys" : [ "a" ] , "more" : {"keys":[1,[2]]} } `, &query{Keys: []string{"a"}}},
		{`{}`, &query{}},
		{`{"Keys":["a"]}`, &query{}},
		{`{"keys":["a"],"keys":["b"]}`, &query{Keys: []string{"b"}}},
		{`{"keys":[` + many + `]}`, &query{Keys: strings.Split(strings.Repeat("k,", 100)+"k", ",")}},
		{``, nil},
		{`[]`, nil},
		{`null`, nil},
		{`{`, nil},
		{`{"keys":["a"]`, nil},
		{`{"keys":["a"]}x`, nil},
		{`{"keys":["a"]}{}`, nil},
		{`{"keys":"a"}`, nil},
		{`{"keys":["a",1]}`, nil},
		{`{"keys":["a",["b"]]}`, nil},
		{`{"keys":null}`, nil},
		{`{"keys":["a"`, nil},
		{`{"keys":["a"],"type":{}}`, nil},
		{`{"keys":["a"],"withMetadata":"yes"}`, nil},
		{`{"keys":["a"],"cacheTtl":true}`, nil},
		{strings.Repeat(`{"a":`, 100_000), nil},
		{strings.Repeat(`[`, 100_000), nil},
	} {
		keys, kind, ttl, withMetadata, err := binding.ParseBulk([]byte(c.body))
		name := c.body[:min(60, len(c.body))]
		if c.want == nil {
			if godwit.CodeOf(err) != godwit.CodeInvalidRequest {
				t.Errorf("%s: error %v, want CodeInvalidRequest", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(*c.want, query{keys, kind, ttl, withMetadata}); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
	}
}

// FuzzBulkBody checks that whatever comes is taken or refused for good reason,
// and that what is taken is what the standard library reads.
func FuzzBulkBody(f *testing.F) {
	for _, seed := range []string{
		`{"keys":["a","b"],"type":"json","withMetadata":true,"cacheTtl":"60"}`, `{"keys":["\ud800"]}`, `{"cacheTtl":6e1}`,
		`{"keys":[]}`, `{"keys":[1]}`, `{"a":{"b":[null]}}`, `[`, `{"keys":["a"]}}`, `{"keys" "a"}`, `{"keys":["a" "b"]}`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, _, _, _, err := binding.ParseBulk(body)
		if err != nil {
			if godwit.CodeOf(err) != godwit.CodeInvalidRequest {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("took %q, which is not JSON", body)
		}
		if len(keys) > godwit.MaxBulkGetKeys+1 {
			t.Fatalf("kept %d keys", len(keys))
		}
	})
}
