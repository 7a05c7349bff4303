package godwit_test

import (
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

func TestMetadataFilter(t *testing.T) {
	for _, tt := range []struct {
		metadata, field, equals string
		want                    bool
	}{
		{`{"species":"godwit"}`, "species", "godwit", true},
		{` {"species" : "godwit" }`, "species", "godwit", true},
		{`{"sp\u0065cies":"g\u006fdwit"}`, "species", "godwit", true},
		{`{"species":"godwit"}`, "species", "owl", false},
		{`{"species":"godwit"}`, "Species", "godwit", false},
		{`{"species":"godwit"}`, "legs", "", false},
		{`{"legs":2}`, "legs", "2", true},
		{`{"legs":"2"}`, "legs", "2", true},
		{`{"legs":2.0}`, "legs", "2", false},
		{`{"rare":true}`, "rare", "true", true},
		{`{"rare":null}`, "rare", "null", true},
		{`{"name":""}`, "name", "", true},
		{`{"a":{"b":1}}`, "a", `{"b":1}`, false},
		{`{"a":{"b":1}}`, "b", "1", false},
		{`{"a":[1]}`, "a", "[1]", false},
		{`{"a":1,"a":2}`, "a", "2", true},
		{`{"a.b":1}`, "a.b", "1", true},
		{`["species"]`, "species", "", false},
		{`"species"`, "species", "", false},
		{`null`, "species", "", false},
		{``, "species", "", false},
		{`{`, "species", "", false},
		{`{"a\"b":"c\\d"}`, `a"b`, `c\d`, true},
		{`{"a":"\ud83e\udd86"}`, "a", "🦆", true},
	} {
		f := godwit.MetadataFilter{Field: tt.field, Equals: tt.equals}
		if got := f.Matches([]byte(tt.metadata)); got != tt.want {
			t.Errorf("%s, %s=%s: got %v", tt.metadata, tt.field, tt.equals, got)
		}
	}
}

func TestScanValidate(t *testing.T) {
	long := strings.Repeat("k", 513)
	for name, tt := range map[string]struct {
		scan godwit.Scan
		code godwit.Code
	}{
		"start": {godwit.Scan{Start: long}, godwit.CodeKeyTooLong},
		"end":   {godwit.Scan{End: long}, godwit.CodeKeyTooLong},
		"field": {godwit.Scan{Where: &godwit.MetadataFilter{}}, godwit.CodeInvalidRequest},
		"value": {godwit.Scan{Where: &godwit.MetadataFilter{Field: "f", Equals: strings.Repeat("v", 1025)}}, godwit.CodeInvalidRequest},
	} {
		if err := tt.scan.Validate(); err == nil || godwit.CodeOf(err) != tt.code {
			t.Errorf("%s: got %v", name, err)
		}
	}
	whole := godwit.Scan{Start: long[:512], End: long[:512], Where: &godwit.MetadataFilter{Field: "f"}}
	if err := whole.Validate(); err != nil {
		t.Error(err)
	}
}

func BenchmarkMetadataFilter(b *testing.B) {
	metadata := []byte(`{"type":"image/png","species":"avocet","legs":2,"tags":["wader","rare"],"seen":{"at":"Texel","by":"us"}}`)
	for _, value := range []string{"avocet", "godwit"} {
		f := godwit.MetadataFilter{Field: "species", Equals: value}
		b.Run(value, func(b *testing.B) {
			for b.Loop() {
				f.Matches(metadata)
			}
		})
	}
}
