package client_test

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/client"
)

func TestTransact(t *testing.T) {
	kv := namespace(t, serve(t))
	binary, text := randomBytes(100_000), strings.Repeat("<&>", 400_000) // an escape for each would be too much
	first, err := kv.Transact(t.Context(), client.Transaction{
		Puts: []client.Pair{
			{Key: "text", Value: []byte(text), Metadata: json.RawMessage(`{"a":"<"}`), ExpirationTTL: time.Hour},
			{Key: "binary", Value: binary},
		},
		Deletes: []string{"no such key"},
	})
	check(t, err)
	items, err := kv.BulkGet(t.Context(), []string{"text", "binary"}, client.MinRevision(first.Revision))
	check(t, err)
	if string(items["text"].Value) != text || string(items["text"].Metadata) != `{"a":"<"}` || items["text"].Expiration.IsZero() {
		t.Errorf("text: %d bytes, metadata %s, expiration %v", len(items["text"].Value), items["text"].Metadata, items["text"].Expiration)
	}
	if string(items["binary"].Value) != string(binary) {
		t.Error("binary: other bytes")
	}

	later, err := kv.Transact(t.Context(), client.Transaction{
		Conditions: []client.Condition{{Key: "binary", Revision: first.Revision}, {Key: "text", Revision: client.Exists}, {Key: "new"}},
		Puts:       []client.Pair{{Key: "new"}},
		Deletes:    []string{"binary", "text"},
	})
	check(t, err)
	_, err = kv.Get(t.Context(), "text", client.MinRevision(later.Revision))
	wantError(t, "a deleted key", err, client.ErrKeyNotFound)
}

func TestTransactFailedConditions(t *testing.T) {
	kv := namespace(t, serve(t))
	revision, err := kv.Put(t.Context(), "there", strings.NewReader("v"), client.PutOptions{})
	check(t, err)
	_, err = kv.Transact(t.Context(), client.Transaction{
		Conditions: []client.Condition{{Key: "there", Revision: client.Exists}, {Key: "there too", Revision: "1"}},
		Deletes:    []string{"there"},
	})
	wantError(t, "a condition that fails", err, client.ErrPrecondition)
	assertStanding(t, err, client.Condition{Key: "there too", Revision: client.Absent})
	_, err = kv.Transact(t.Context(), client.Transaction{
		Conditions: []client.Condition{{Key: "there"}}, Deletes: []string{"there"},
	})
	assertStanding(t, err, client.Condition{Key: "there", Revision: revision})
}

func assertStanding(t *testing.T, err error, want ...client.Condition) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(want, e.Conditions); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
}

func TestTransactRefused(t *testing.T) {
	c := serve(t)
	kv := namespace(t, c)
	big := make([]byte, 3<<20)
	for name, tt := range map[string]struct {
		t   client.Transaction
		err error
	}{
		"nothing":           {client.Transaction{}, client.ErrInvalid},
		"a key twice":       {client.Transaction{Puts: []client.Pair{{Key: "k"}}, Deletes: []string{"k"}}, client.ErrInvalid},
		"a bad key":         {client.Transaction{Puts: []client.Pair{{Key: ".."}}}, client.ErrInvalid},
		"a key in no text":  {client.Transaction{Deletes: []string{"\xff"}}, client.ErrInvalid},
		"bad metadata":      {client.Transaction{Puts: []client.Pair{{Key: "k", Metadata: json.RawMessage("{")}}}, client.ErrInvalid},
		"a bad revision":    {client.Transaction{Conditions: []client.Condition{{"k", "x"}}, Deletes: []string{"k"}}, client.ErrInvalid},
		"a bad request id":  {client.Transaction{Deletes: []string{"k"}, RequestID: "a b"}, client.ErrInvalid},
		"too much in all":   {client.Transaction{Puts: []client.Pair{{Key: "a", Value: big}, {Key: "b", Value: big}}}, client.ErrTooLarge},
		"too long a key":    {client.Transaction{Deletes: []string{strings.Repeat("k", 513)}}, client.ErrTooLarge},
		"too soon an end":   {client.Transaction{Puts: []client.Pair{{Key: "k", ExpirationTTL: time.Second}}}, client.ErrInvalid},
		"too many keys":     {client.Transaction{Deletes: make([]string, 1001)}, client.ErrInvalid},
		"too many, unequal": {client.Transaction{Conditions: make([]client.Condition, 1001)}, client.ErrInvalid},
	} {
		_, err := kv.Transact(t.Context(), tt.t)
		wantError(t, name, err, tt.err)
	}
	_, err := c.KV("no such title").Transact(t.Context(), client.Transaction{Deletes: []string{"k"}})
	wantError(t, "no namespace", err, client.ErrNamespaceNotFound)
}

func TestAdd(t *testing.T) {
	kv := namespace(t, serve(t))
	for _, tt := range []struct{ delta, want int64 }{{5, 5}, {-7, -2}, {math.MaxInt64, math.MaxInt64 - 2}} {
		sum, revision, err := kv.Add(t.Context(), client.Sum{Key: "n", Delta: tt.delta, Metadata: json.RawMessage(`"m"`), ExpirationTTL: time.Hour})
		check(t, err)
		e, err := kv.GetWithMetadata(t.Context(), "n", client.MinRevision(revision))
		check(t, err)
		value, err := io.ReadAll(e)
		check(t, err)
		if sum != tt.want || string(value) != strconv.FormatInt(tt.want, 10) || string(e.Metadata) != `"m"` || e.Expiration.IsZero() {
			t.Errorf("%+d came to %d, and the value is %q, metadata %s, expiration %v; want %d", tt.delta, sum, value, e.Metadata, e.Expiration, tt.want)
		}
	}
	_, _, err := kv.Add(t.Context(), client.Sum{Key: "n", Delta: 3})
	wantError(t, "a sum of 65 bits", err, client.ErrNotNumber)
	_, err = kv.Put(t.Context(), "text", strings.NewReader("seven"), client.PutOptions{})
	check(t, err)
	_, err = kv.Transact(t.Context(), client.Transaction{Adds: []client.Sum{{Key: "n", Delta: -1}, {Key: "text", Delta: 1}}})
	wantError(t, "text", err, client.ErrNotNumber)
	if !strings.Contains(err.Error(), "mutation 2") {
		t.Errorf("%v does not say which", err)
	}
	done, err := kv.Transact(t.Context(), client.Transaction{Adds: []client.Sum{{Key: "n", Delta: 1}, {Key: "m", Delta: 2}}})
	check(t, err)
	if diff := cmp.Diff(map[string]int64{"n": math.MaxInt64 - 1, "m": 2}, done.Sums); diff != "" {
		t.Errorf("sums (-want +got):\n%s", diff)
	}
}

func TestTransactIsRepeatedByItsRequestID(t *testing.T) {
	s, kv := scripted(t, answer{}, answer{status: 503}, answer{status: 504}, answer{status: 200, body: `{"revision":"9"}`})
	done, err := kv.Transact(t.Context(), client.Transaction{Deletes: []string{"k"}, RequestID: "mine"})
	if err != nil || done.Revision != "9" {
		t.Errorf("got revision %q, error %v", done.Revision, err)
	}
	want := seen{"mine", `{"mutations":[{"op":"delete","key":"k"}]}` + "\n"}
	if diff := cmp.Diff([]seen{want, want, want, want}, s.seen(), cmp.AllowUnexported(seen{})); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	_, kv = scripted(t, answer{status: 412, body: "<html>"})
	_, err = kv.Transact(t.Context(), client.Transaction{Deletes: []string{"k"}})
	wantError(t, "no envelope", err, client.ErrPrecondition)
}
