package transfer

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// maxSeed bounds a fixture, without the files that it names.
const maxSeed = 64 << 20

// Seed is a namespace of a fixture.
type Seed struct {
	Title string
	Items []Item // in order of their keys
}

// ReadSeeds reads a fixture: TOML, or JSON where the name ends in ".json". Files that it
// names are below its own directory.
func ReadSeeds(name string) ([]Seed, error) {
	text, err := readBounded(name)
	if err != nil {
		return nil, err
	}
	seeds, err := seedsOf(name, text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return seeds, nil
}

func seedsOf(name string, text []byte) ([]Seed, error) {
	tree, err := parseSeed(name, text)
	if err != nil {
		return nil, err
	}
	s := seedReader{dir: filepath.Dir(name)}
	return s.namespaces(tree)
}

func readBounded(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open fixture: %w", err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSeed+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read fixture: %w", err)
	case len(text) > maxSeed:
		return nil, fmt.Errorf("%s has over %d bytes, which is the limit", name, maxSeed)
	}
	return text, nil
}

func parseSeed(name string, text []byte) (tree map[string]any, err error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // with which some editors begin a file
	if !strings.EqualFold(filepath.Ext(name), ".json") {
		if err := toml.Unmarshal(text, &tree); err != nil {
			var wrong *toml.DecodeError
			if errors.As(err, &wrong) {
				line, _ := wrong.Position()
				return nil, fmt.Errorf("line %d: %s", line, clip(strings.TrimPrefix(wrong.Error(), "toml: ")))
			}
			return nil, fmt.Errorf("read TOML: %w", err)
		}
		return tree, nil
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // as they are written
	err = dec.Decode(&tree)
	if err == nil && dec.More() {
		err = errors.New("something follows the fixture")
	}
	at := int(dec.InputOffset())
	if err == nil {
		at, err = refuseTwice(text)
	}
	if err != nil {
		if wrong := new(json.SyntaxError); errors.As(err, &wrong) {
			at = int(wrong.Offset)
		}
		at = min(at, len(text))
		return nil, fmt.Errorf("line %d: %w", 1+bytes.Count(text[:at], []byte("\n")), err)
	}
	return tree, nil
}

// seedReader makes items of a tree.
type seedReader struct{ dir string }

func (s *seedReader) namespaces(tree map[string]any) (seeds []Seed, err error) {
	for field := range tree {
		if field != "namespaces" {
			return nil, fmt.Errorf("the field %q is not known", clip(field))
		}
	}
	all, ok := tree["namespaces"].(map[string]any)
	if !ok {
		return nil, errors.New(`there is no table "namespaces"`)
	}
	for _, title := range slices.Sorted(maps.Keys(all)) {
		seed, err := s.namespace(title, all[title])
		if err != nil {
			return nil, fmt.Errorf("namespace %q: %w", clip(title), err)
		}
		seeds = append(seeds, seed)
	}
	return seeds, nil
}

func (s *seedReader) namespace(title string, of any) (Seed, error) {
	seed := Seed{Title: title}
	table, ok := of.(map[string]any)
	if !ok {
		return seed, errors.New("it is no table")
	}
	for field := range table {
		if field != "keys" {
			return seed, fmt.Errorf("the field %q is not known", clip(field))
		}
	}
	keys, ok := table["keys"].(map[string]any)
	if !ok && table["keys"] != nil {
		return seed, errors.New(`"keys" is no table`)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		it, err := s.item(key, keys[key])
		if err == nil {
			err = it.check(DefaultMaxValue)
		}
		if err != nil {
			return seed, fmt.Errorf("key %q: %w", clip(key), err)
		}
		seed.Items = append(seed.Items, it)
	}
	return seed, nil
}

// item reads a key: a table, or the value as a string.
func (s *seedReader) item(key string, of any) (it Item, err error) {
	it.Key = key
	table, ok := of.(map[string]any)
	if text, isText := of.(string); isText {
		it.Value = []byte(text)
		return it, nil
	}
	if !ok {
		return it, errors.New("it is neither a table nor a string")
	}
	values := 0
	for field, v := range table {
		switch field {
		case "metadata":
			it.Metadata, err = plainJSON(v)
			it.Metadata = present(it.Metadata)
		case "ttl":
			it.TTL, err = seedTTL(v)
		case "value", "json", "base64", "file":
			values++
			it.Value, err = s.value(field, v)
		default:
			return it, fmt.Errorf("the field %q is not known", clip(field))
		}
		if err != nil {
			return it, fmt.Errorf("the field %q: %w", field, err)
		}
	}
	if values != 1 {
		return it, errors.New("it has not one of value, json, base64 and file")
	}
	return it, nil
}

// value reads a value in one of its forms.
func (s *seedReader) value(field string, v any) ([]byte, error) {
	if field == "json" {
		return plainJSON(v)
	}
	text, ok := v.(string)
	switch {
	case !ok:
		return nil, errors.New("it is not a string")
	case field == "value":
		return []byte(text), nil
	case field == "base64":
		value, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, errors.New("it is not base64")
		}
		return value, nil
	}
	f, err := os.OpenInRoot(s.dir, filepath.FromSlash(text))
	if err != nil {
		return nil, fmt.Errorf("open file: %w", err)
	}
	defer func() { _ = f.Close() }()
	value, err := io.ReadAll(io.LimitReader(f, DefaultMaxValue+1))
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return value, nil
}

// plainJSON is v as JSON in which nothing is escaped that need not be.
func plainJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, errors.New("it is nothing that JSON has")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// seedTTL reads a span of time: seconds, or "12h".
func seedTTL(v any) (int64, error) {
	var seconds int64
	switch v := v.(type) {
	case int64:
		seconds = v
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return 0, errors.New("it is not a whole number of seconds")
		}
		seconds = n
	case string:
		d, err := time.ParseDuration(v)
		if err != nil {
			return 0, errors.New(`it is not a span of time such as 90 or "12h"`)
		}
		seconds = int64(math.Ceil(d.Seconds()))
	default:
		return 0, errors.New(`it is not a span of time such as 90 or "12h"`)
	}
	if seconds <= 0 || seconds > maxSeconds/1000 {
		return 0, fmt.Errorf("%d seconds are out of range", seconds)
	}
	return seconds, nil
}
