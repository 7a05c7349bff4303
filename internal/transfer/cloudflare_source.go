package transfer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwitkv/godwit/internal/pause"
)

// CloudflareSource reads a namespace at Cloudflare, in order of its keys' bytes.
type CloudflareSource struct {
	*Cloudflare
	Prefix string
	From   Mark // go on behind it
}

var _ Source = (*CloudflareSource)(nil)

// listedKey is a row of a list.
type listedKey struct {
	Name       string          `json:"name"`
	Expiration int64           `json:"expiration"`
	Metadata   json.RawMessage `json:"metadata"`
}

// codeInvalidCursor is what Cloudflare says of a cursor that is no good any more.
const codeInvalidCursor = 10041

// Batches implements [Source]. A mark is the cursor of the page that is being read, and
// the last key of it that is done. Where the cursor is no good any more, keys are listed
// from the first on, and read behind that one.
func (s *CloudflareSource) Batches(ctx context.Context) iter.Seq2[Batch, error] {
	return func(yield func(Batch, error) bool) {
		cursor, behind := s.From.Cursor, s.From.Key
		var ahead circle
		for {
			keys, next, err := s.list(ctx, cursor)
			if e := new(CloudflareError); errors.As(err, &e) && e.Code == codeInvalidCursor && cursor != "" && cursor == s.From.Cursor {
				cursor = ""
				keys, next, err = s.list(ctx, cursor)
			}
			if err != nil {
				yield(Batch{}, fmt.Errorf("list keys: %w", err))
				return
			}
			for len(keys) > 0 && behind != "" && keys[0].Name <= behind {
				keys = keys[1:]
			}
			if !s.page(ctx, cursor, keys, yield) || next == "" {
				return
			}
			if ahead.closes(next) { // it would be for ever
				yield(Batch{}, errors.New("list keys: the cursors of pages lead in a circle"))
				return
			}
			cursor = next
		}
	}
}

// circle finds out when cursors come round again. It holds one of them, for twice as long
// each time: sooner or later that is one of the circle, and for longer than it is long.
type circle struct {
	held  string
	since int // cursors ago
	until int // how long it is held
}

func (c *circle) closes(next string) bool {
	if next == c.held {
		return true
	}
	if c.since++; c.since > c.until {
		c.held, c.since, c.until = next, 0, 2*c.until+1
	}
	return false
}

func (s *CloudflareSource) list(ctx context.Context, cursor string) (keys []listedKey, next string, err error) {
	q := url.Values{"limit": {strconv.Itoa(listLimit)}}
	if s.Prefix != "" {
		q.Set("prefix", s.Prefix)
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	next, err = s.ask(ctx, http.MethodGet, "/keys?"+q.Encode(), nil, &keys)
	return keys, next, err
}

// page reads the values of a page's keys, and tells whether to go on.
func (s *CloudflareSource) page(ctx context.Context, cursor string, keys []listedKey, yield func(Batch, error) bool) bool {
	for len(keys) > 0 {
		n := min(bulkGetKeys, len(keys))
		items, err := s.items(ctx, keys[:n])
		if err != nil {
			yield(Batch{}, err)
			return false
		}
		if !yield(Batch{Items: items, Mark: Mark{Cursor: cursor, Key: keys[n-1].Name}}, nil) {
			return false
		}
		keys = keys[n:]
	}
	return true
}

// bulkValue is a key as bulk get tells of it.
type bulkValue struct {
	Value      *string         `json:"value"`
	Metadata   json.RawMessage `json:"metadata"`
	Expiration int64           `json:"expiration"`
}

// items reads keys. Those that are gone by now are left out.
func (s *CloudflareSource) items(ctx context.Context, keys []listedKey) ([]Item, error) {
	values, err := s.bulkGet(ctx, keys)
	if err != nil {
		return nil, err
	}
	var items []Item
	for _, k := range keys {
		v, ok := values[k.Name]
		if ok && (v == nil || v.Value == nil) {
			continue
		}
		it := Item{Key: k.Name, Metadata: present(k.Metadata), Expiration: k.Expiration}
		if !ok || strings.ContainsRune(*v.Value, utf8.RuneError) {
			// It is too large for a bulk get, or what is told as text stands for
			// bytes that are none.
			found, err := s.single(ctx, &it)
			if err != nil {
				return nil, err
			}
			if !found {
				continue
			}
		} else {
			it.Value, it.Metadata, it.Expiration = []byte(*v.Value), present(v.Metadata), v.Expiration
		}
		if err := it.check(MaxValue); err != nil {
			return nil, it.fault(err)
		}
		items = append(items, it)
	}
	return items, nil
}

// present is metadata as it is kept, nil if it is JSON's null: white space in between is
// the answer's, not the metadata's.
func present(raw json.RawMessage) json.RawMessage {
	var text bytes.Buffer
	switch {
	case string(raw) == "null":
		return nil
	case json.Compact(&text, raw) != nil:
		return raw // it is refused where all else is checked
	}
	return text.Bytes()
}

// bulkGet reads the values of keys, by halves if they are too large together. One that
// is too large by itself is left out.
func (s *CloudflareSource) bulkGet(ctx context.Context, keys []listedKey) (map[string]*bulkValue, error) {
	q := struct {
		Keys         []string `json:"keys"`
		Type         string   `json:"type"`
		WithMetadata bool     `json:"withMetadata"`
	}{Type: "text", WithMetadata: true}
	for _, k := range keys {
		q.Keys = append(q.Keys, k.Name)
	}
	body, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encode keys: %w", err)
	}
	var got struct {
		Values map[string]*bulkValue `json:"values"`
	}
	_, err = s.ask(ctx, http.MethodPost, "/bulk/get", body, &got)
	var e *CloudflareError
	switch {
	case err == nil:
		return got.Values, nil
	case !errors.As(err, &e) || e.Status != http.StatusRequestEntityTooLarge:
		return nil, fmt.Errorf("get values: %w", err)
	case len(keys) == 1:
		return nil, nil
	}
	half := len(keys) / 2
	first, err := s.bulkGet(ctx, keys[:half])
	if err != nil {
		return nil, err
	}
	second, err := s.bulkGet(ctx, keys[half:])
	if err != nil {
		return nil, err
	}
	all := make(map[string]*bulkValue, len(keys))
	for _, part := range []map[string]*bulkValue{first, second} {
		for key, v := range part {
			all[key] = v
		}
	}
	return all, nil
}

// single reads one value as bytes. Its metadata is what the list said: the API has no
// request that tells both.
func (s *CloudflareSource) single(ctx context.Context, it *Item) (found bool, err error) {
	for attempt := 1; ; attempt++ {
		err := s.value(ctx, it)
		var e *CloudflareError
		switch {
		case err == nil:
			return true, nil
		case errors.As(err, &e) && e.Status == http.StatusNotFound:
			return false, nil
		case attempt == attempts, ctx.Err() != nil, e != nil && !e.slowDown():
			return false, it.fault(err)
		}
		if !pause.For(ctx, time.Second<<(attempt-1)) {
			return false, context.Cause(ctx)
		}
	}
}

// value reads a value and its expiration. An answer that is JSON by its type is no
// value, but something in between that speaks of an error, though it says 200.
func (s *CloudflareSource) value(ctx context.Context, it *Item) error {
	res, err := s.do(ctx, http.MethodGet, "/values/"+url.PathEscape(it.Key), nil)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if it.Value, err = io.ReadAll(io.LimitReader(res.Body, MaxValue+1)); err != nil {
		return fmt.Errorf("read value: %w", err)
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		var r reply
		if json.Unmarshal(it.Value, &r) == nil && !r.Success && len(r.Errors) > 0 {
			return cloudflareError(res.StatusCode, it.Value)
		}
	}
	it.Expiration, _ = strconv.ParseInt(res.Header.Get("Expiration"), 10, 64) // none: never
	return nil
}
