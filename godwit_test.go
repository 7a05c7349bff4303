package godwit_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/godwitkv/godwit"
)

func TestLimitsFor(t *testing.T) {
	d := godwit.DefaultLimits()
	if d.MinExpirationTTL != time.Minute || d.MinCacheTTL != 30*time.Second || d.MaxValueBytes != 26_214_400 || d.WritesPerKey != 0 {
		t.Errorf("default limits are not Workers KV's: %+v", d)
	}
	if got := d.For(godwit.Settings{}); got != d {
		t.Errorf("no settings changed limits to %+v", got)
	}
	ttl, cache, rate := int64(5), int64(0), 2.5
	got := d.For(godwit.Settings{MinExpirationTTL: &ttl, MinCacheTTL: &cache, WritesPerKey: &rate})
	want := godwit.Limits{MinExpirationTTL: 5 * time.Second, MaxValueBytes: d.MaxValueBytes, WritesPerKey: 2.5}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestErrors(t *testing.T) {
	cause := io.ErrUnexpectedEOF
	e := &godwit.Error{Code: godwit.CodeDiskFull, Message: "full", Err: cause}
	wrapped := fmt.Errorf("put: %w", e)
	if !errors.Is(wrapped, godwit.ErrDiskFull) || errors.Is(wrapped, godwit.ErrBusy) || !errors.Is(wrapped, cause) {
		t.Error("errors are not told apart by their codes")
	}
	if godwit.CodeOf(wrapped) != godwit.CodeDiskFull || godwit.MessageOf(wrapped) != "full" {
		t.Errorf("code %d, message %q", godwit.CodeOf(wrapped), godwit.MessageOf(wrapped))
	}
	if wrapped.Error() != "put: full: unexpected EOF" {
		t.Errorf("%q", wrapped)
	}
	for _, err := range []error{cause, &godwit.Error{Code: godwit.CodeInternal, Message: "secret"}} {
		if godwit.CodeOf(err) != godwit.CodeInternal || godwit.MessageOf(err) != "Internal Server Error" {
			t.Errorf("%v: a client is told %q", err, godwit.MessageOf(err))
		}
	}
}

func TestCodes(t *testing.T) {
	codes := godwit.Codes()
	for i, c := range codes {
		if int(c) != i {
			t.Errorf("code %d stands at %d", c, i)
		}
	}
	if last := codes[len(codes)-1]; last != godwit.CodeDamaged {
		t.Errorf("the last code is %d", last)
	}
}

func TestValidateMetadata(t *testing.T) {
	for text, want := range map[string]godwit.Code{
		`{"a":1}`: 0, `[]`: 0, `0`: 0, `false`: 0, `""`: 0, `"é"`: 0, ` 1 `: 0, `1e400`: 0,
		`"` + strings.Repeat("x", 1022) + `"`: 0,
		`"` + strings.Repeat("x", 1023) + `"`: godwit.CodeMetadataTooLarge,
		``:                                    godwit.CodeInvalidMetadata,
		`{`:                                   godwit.CodeInvalidMetadata,
		`{'a':1}`:                             godwit.CodeInvalidMetadata,
		"\"\xff\"":                            godwit.CodeInvalidMetadata,
		`1 2`:                                 godwit.CodeInvalidMetadata,
	} {
		if err := godwit.ValidateMetadata([]byte(text)); (err == nil) != (want == 0) || err != nil && godwit.CodeOf(err) != want {
			t.Errorf("%.30q: %v, want code %d", text, err, want)
		}
	}
}

func FuzzValidateMetadata(f *testing.F) {
	f.Add([]byte(`{"a":[1,null,"x"]}`))
	f.Add([]byte("\"\xff\""))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v any
		if godwit.ValidateMetadata(text) == nil && json.Unmarshal(text, &v) != nil && !tooLargeNumber(text) {
			t.Errorf("%q is valid and cannot be read", text)
		}
	})
}

// tooLargeNumber tells of JSON that only a float64 cannot hold.
func tooLargeNumber(text []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v any
	return d.Decode(&v) == nil
}

func TestEntryExpired(t *testing.T) {
	e := godwit.Entry{Expiration: 100}
	if e.Expired(99) || !e.Expired(100) || !e.Expired(101) {
		t.Error("an entry is absent from its second on")
	}
	if (&godwit.Entry{}).Expired(1 << 62) {
		t.Error("an entry without expiration expired")
	}
}

func TestValueSize(t *testing.T) {
	if n := (godwit.Value{Inline: []byte("abc")}).Size(); n != 3 {
		t.Errorf("inline: %d", n)
	}
	if n := (godwit.Value{Blob: godwit.Blob{ID: godwit.BlobID{1}, Size: 9}}).Size(); n != 9 {
		t.Errorf("blob: %d", n)
	}
}

func TestPermissionIncludes(t *testing.T) {
	want := map[godwit.Permission]string{
		godwit.PermissionRead:      "read",
		godwit.PermissionWrite:     "read write",
		godwit.PermissionReplicate: "read replicate",
		godwit.PermissionAdmin:     "read replicate write admin",
		"":                         "",
		"root":                     "",
	}
	for p, includes := range want {
		for _, need := range godwit.Permissions() {
			if got := p.Includes(need); got != strings.Contains(includes, string(need)) {
				t.Errorf("%q includes %q: %v", p, need, got)
			}
		}
	}
}

func TestTokenCovers(t *testing.T) {
	a, b := godwit.NamespaceID{1}, godwit.NamespaceID{2}
	if !(&godwit.Token{}).Covers(a) {
		t.Error("a token without namespaces is for all")
	}
	limited := &godwit.Token{Namespaces: []godwit.NamespaceID{a}}
	if !limited.Covers(a) || limited.Covers(b) {
		t.Error("a limited token covers what it names")
	}
}

func TestCacheStatus(t *testing.T) {
	for s, want := range map[godwit.CacheStatus]string{
		godwit.StatusHit: "HIT", godwit.StatusMiss: "MISS", godwit.StatusStale: "STALE",
	} {
		if s.String() != want {
			t.Errorf("%d is %s, want %s", s, s, want)
		}
	}
}
