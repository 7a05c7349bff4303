package transfer_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/transfer"
)

const seedTOML = `
[namespaces.birds.keys]
"short" = "Limosa"

[namespaces.birds.keys."waders/godwit"]
value = "Limosa"
metadata = { legs = 2, "a<b" = [1.5, true, "x"] }
ttl = "1h30m"

[namespaces.birds.keys.doc]
json = { b = 1, a = "<é>" }
ttl = 90

[namespaces.birds.keys.bytes]
base64 = "/wA="

[namespaces.birds.keys.photo]
file = "below/photo.jpg"
metadata = 0

[namespaces.empty]
`

const seedJSON = `{"namespaces": {
  "birds": {"keys": {
    "short": "Limosa",
    "waders/godwit": {"value": "Limosa", "metadata": {"legs": 2, "a<b": [1.5, true, "x"]}, "ttl": 5400},
    "doc": {"json": {"b": 1, "a": "<é>"}, "ttl": "90s"},
    "bytes": {"base64": "/wA="},
    "photo": {"file": "below/photo.jpg", "metadata": 0}
  }},
  "empty": {}
}}`

// seed writes a fixture, with a file beside it, and reads it.
func seed(t *testing.T, name, text string) ([]transfer.Seed, error) {
	t.Helper()
	dir := t.TempDir()
	check(t, os.MkdirAll(filepath.Join(dir, "project", "below"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "project", "below", "photo.jpg"), []byte("\xff\xd8"), 0o600))
	check(t, os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600))
	file := filepath.Join(dir, "project", name)
	check(t, os.WriteFile(file, []byte(text), 0o600))
	return transfer.ReadSeeds(file)
}

func TestReadSeeds(t *testing.T) {
	want := []transfer.Seed{{Title: "birds", Items: []transfer.Item{
		{Key: "bytes", Value: []byte("\xff\x00")},
		{Key: "doc", Value: []byte(`{"a":"<é>","b":1}`), TTL: 90},
		{Key: "photo", Value: []byte("\xff\xd8"), Metadata: []byte("0")},
		{Key: "short", Value: []byte("Limosa")},
		{Key: "waders/godwit", Value: []byte("Limosa"), Metadata: []byte(`{"a<b":[1.5,true,"x"],"legs":2}`), TTL: 5400},
	}}, {Title: "empty"}}
	for name, text := range map[string]string{
		"fixture.toml": seedTOML, "fixture.json": seedJSON,
		"marked.toml": "\ufeff" + seedTOML, "marked.json": "\ufeff" + seedJSON,
	} {
		got, err := seed(t, name, text)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func TestReadSeedsRefuses(t *testing.T) {
	const ns = "[namespaces.n.keys.k]\n"
	for text, want := range map[string]string{
		"x = 1":                       `fixture.toml: the field "x" is not known`,
		"":                            `fixture.toml: there is no table "namespaces"`,
		"\n\n[namespaces":             `fixture.toml: line 3: `,
		"[namespaces.n]\nkey = {}":    `fixture.toml: namespace "n": the field "key" is not known`,
		"[namespaces.n]\nkeys = 1":    `fixture.toml: namespace "n": "keys" is no table`,
		"namespaces.n = 1":            `fixture.toml: namespace "n": it is no table`,
		ns + "valeu = 'v'":            `fixture.toml: namespace "n": key "k": the field "valeu" is not known`,
		ns:                            `fixture.toml: namespace "n": key "k": it has not one of value, json, base64 and file`,
		ns + "value = ''\njson = 1":   `fixture.toml: namespace "n": key "k": it has not one of value, json, base64 and file`,
		ns + "value = 1":              `fixture.toml: namespace "n": key "k": the field "value": it is not a string`,
		ns + "base64 = '!'":           `fixture.toml: namespace "n": key "k": the field "base64": it is not base64`,
		ns + "value = ''\nttl = 0":    `fixture.toml: namespace "n": key "k": the field "ttl": 0 seconds are out of range`,
		ns + "value = ''\nttl = 1.5":  `fixture.toml: namespace "n": key "k": the field "ttl": it is not a span of time such as 90 or "12h"`,
		ns + "value = ''\nttl = 'x'":  `fixture.toml: namespace "n": key "k": the field "ttl": it is not a span of time such as 90 or "12h"`,
		ns + "json = nan":             `fixture.toml: namespace "n": key "k": the field "json": it is nothing that JSON has`,
		ns + "file = 'none'":          `fixture.toml: namespace "n": key "k": the field "file": open file: `,
		ns + "file = '../secret'":     `fixture.toml: namespace "n": key "k": the field "file": open file: `,
		ns + "file = '/etc/hostname'": `fixture.toml: namespace "n": key "k": the field "file": open file: `,
		"namespaces.n.keys.'..' = ''": `fixture.toml: namespace "n": key "..": ".." is not allowed as a key`,
		"namespaces.n.keys.k = 1":     `fixture.toml: namespace "n": key "k": it is neither a table nor a string`,
	} {
		_, err := seed(t, "fixture.toml", text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret\"") {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"{\n\"namespaces\": }":      "fixture.json: line 2: ",
		"{\"namespaces\":{}} {}":    "fixture.json: line 1: something follows the fixture",
		"[]":                        "fixture.json: line 1: ",
		strings.Repeat("[", 100000): "fixture.json: line 1: ",
		"{\"namespaces\":{\"n\":{\"keys\":{\"k\":\"1\",\n\"l\":\"k\",\n\"\\u006b\":\"2\"}}}}":  `fixture.json: line 3: "k" is there twice`,
		"{\"namespaces\":{}, \"namespaces\":{}}":                                               `fixture.json: line 1: "namespaces" is there twice`,
		"{\"namespaces\":{\"n\":{\"keys\":{\"k\":{\"json\":[{\"a\":1},{\"a\":1,\"a\":2}]}}}}}": `fixture.json: line 1: "a" is there twice`,
	} {
		if _, err := seed(t, "fixture.json", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: got %v, want %s", text, err, want)
		}
	}
}

// FuzzSeed holds that no fixture does worse than being refused.
func FuzzSeed(f *testing.F) {
	f.Add(seedTOML, false)
	f.Add(seedJSON, true)
	f.Fuzz(func(t *testing.T, text string, isJSON bool) {
		name := "fixture.toml"
		if isJSON {
			name = "fixture.json"
		}
		seeds, err := transfer.SeedsOf(filepath.Join("testdata", "none", name), []byte(text))
		for _, s := range seeds {
			for _, it := range s.Items {
				if it.Key == "" || err != nil {
					t.Errorf("%q: %+v, %v", text, it, err)
				}
			}
		}
	})
}
