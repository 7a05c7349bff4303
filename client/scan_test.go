package client_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
)

// scanNames walks a scan.
func scanNames(t *testing.T, kv *client.KV, o client.ScanOptions) (names []string) {
	t.Helper()
	for k, err := range kv.Scan(t.Context(), o) {
		check(t, err)
		names = append(names, k.Name)
	}
	return names
}

// fill writes keys k00 to k24.
func fill(t *testing.T, kv *client.KV) {
	t.Helper()
	var pairs []client.Pair
	for i := range 25 {
		pairs = append(pairs, client.Pair{
			Key: fmt.Sprintf("k%02d", i), Value: []byte{0xff, byte(i)}, Metadata: fmt.Appendf(nil, `{"mod &=":"%d"}`, i%5),
		})
	}
	_, err := kv.BulkPut(t.Context(), pairs)
	check(t, err)
}

func TestScan(t *testing.T) {
	kv := namespace(t, serve(t))
	fill(t, kv)
	for name, tt := range map[string]struct {
		o    client.ScanOptions
		want []string
	}{
		"range":    {client.ScanOptions{Start: "k03", End: "k06"}, []string{"k03", "k04", "k05"}},
		"reverse":  {client.ScanOptions{Prefix: "k2", Reverse: true}, []string{"k24", "k23", "k22", "k21", "k20"}},
		"metadata": {client.ScanOptions{Where: &client.MetadataFilter{Field: "mod &=", Equals: "3"}}, []string{"k03", "k08", "k13", "k18", "k23"}},
		"nothing":  {client.ScanOptions{Prefix: "none"}, nil},
	} {
		for _, limit := range []int{0, 1, 2, 10_000} {
			tt.o.Limit = limit
			if diff := cmp.Diff(tt.want, scanNames(t, kv, tt.o)); diff != "" {
				t.Errorf("%s, limit %d (-want +got):\n%s", name, limit, diff)
			}
		}
	}
	for range kv.Scan(t.Context(), client.ScanOptions{Limit: 1}) {
		break // the loop may be left
	}
}

func TestScanTellsAll(t *testing.T) {
	kv := namespace(t, serve(t))
	expiration := time.Now().Add(time.Hour).Truncate(time.Second)
	revision, err := kv.Put(t.Context(), "k", bytes.NewReader([]byte{0xff, 0}), client.PutOptions{Metadata: []byte(`{"a":1}`), Expiration: expiration})
	check(t, err)
	_, err = kv.Put(t.Context(), "long", strings.NewReader(strings.Repeat("x", 100<<10)), client.PutOptions{})
	check(t, err)
	_, err = kv.Put(t.Context(), "empty", strings.NewReader(""), client.PutOptions{})
	check(t, err)
	page, err := kv.ScanPage(t.Context(), client.ScanOptions{Values: true})
	check(t, err)
	if len(page.Keys) != 3 || page.Cursor != "" {
		t.Fatalf("got %+v", page)
	}
	empty, k, long := page.Keys[0], page.Keys[1], page.Keys[2]
	if k.Name != "k" || k.Revision != revision || k.Size != 2 || string(k.Metadata) != `{"a":1}` || !k.Expiration.Equal(expiration) {
		t.Errorf("got %+v", k)
	}
	if age := time.Since(k.Created); age < -time.Second || age > time.Minute || !k.Created.Equal(k.Modified) {
		t.Errorf("created %v, modified %v", k.Created, k.Modified)
	}
	if !bytes.Equal(k.Value, []byte{0xff, 0}) || empty.Value == nil || len(empty.Value) != 0 {
		t.Errorf("values %q, %v", k.Value, empty.Value)
	}
	if !long.ValueOmitted || long.Value != nil || long.Size != 100<<10 || long.Metadata != nil || !long.Expiration.IsZero() {
		t.Errorf("got %+v", long)
	}
	details, err := kv.Details(t.Context(), "k")
	check(t, err)
	if diff := cmp.Diff(k.Details, *details); diff != "" {
		t.Errorf("details (-list +got):\n%s", diff)
	}
}

func TestCount(t *testing.T) {
	kv := namespace(t, serve(t))
	fill(t, kv)
	each := int64(len(`k00{"mod &=":"0"}`) + 2)
	for name, tt := range map[string]struct {
		o    client.CountOptions
		keys int64
	}{
		"all":      {client.CountOptions{}, 25},
		"prefix":   {client.CountOptions{Prefix: "k1"}, 10},
		"range":    {client.CountOptions{Start: "k03", End: "k06"}, 3},
		"metadata": {client.CountOptions{Where: &client.MetadataFilter{Field: "mod &=", Equals: "3"}}, 5},
	} {
		got, err := kv.Count(t.Context(), tt.o)
		check(t, err)
		if want := (client.Count{Keys: tt.keys, Bytes: tt.keys * each}); got != want {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

func TestScanErrors(t *testing.T) {
	c := serve(t)
	kv := namespace(t, c)
	_, err := kv.Details(t.Context(), "none")
	wantError(t, "details", err, client.ErrKeyNotFound)
	_, err = kv.Details(t.Context(), "..")
	wantError(t, "details of ..", err, client.ErrInvalid)
	_, err = c.KV("none").Details(t.Context(), "k")
	wantError(t, "details elsewhere", err, client.ErrNamespaceNotFound)
	_, err = kv.ScanPage(t.Context(), client.ScanOptions{Limit: 10_001})
	wantError(t, "limit", err, client.ErrInvalid)
	_, err = kv.ScanPage(t.Context(), client.ScanOptions{Cursor: "x"})
	wantError(t, "cursor", err, client.ErrInvalid)
	_, err = kv.ScanPage(t.Context(), client.ScanOptions{Where: &client.MetadataFilter{}})
	wantError(t, "filter", err, client.ErrInvalid)
	_, err = kv.Count(t.Context(), client.CountOptions{Start: strings.Repeat("k", 513)})
	wantError(t, "start", err, client.ErrTooLarge)
}
