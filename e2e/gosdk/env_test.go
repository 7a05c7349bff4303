package gosdk_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// oddKeys are keys that some part of HTTP likes to change.
var oddKeys = []string{
	"a/b/c", "/lead", "trail/", "a//b", "../x", "a/../b", "a/.", "...", "sp ace", "pct%41", "%zz", "q?x=1&y", "h#ash", "plus+eq=",
	"a:b!c@d$e,f;g", "[]{}|^`", `quote"<>`, `back\slash`, "tab\t", "new\nline", "nul\x00", "uni-é-漢-🤓", "it's(*)~", "bulk/get", "123",
}

// A target is the server under test.
type target struct{ base, token, account string }

func environment(t *testing.T) target {
	t.Helper()
	e := target{os.Getenv("CLOUDFLARE_BASE_URL"), os.Getenv("CLOUDFLARE_API_TOKEN"), os.Getenv("CLOUDFLARE_ACCOUNT_ID")}
	if e.base == "" || e.token == "" || e.account == "" {
		t.Fatal("the environment names no server, token or account")
	}
	return e
}

// wait is the context of a test, bounded.
func wait(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

// refused wants an error that shows all of texts.
func refused(t *testing.T, what string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %q", what, texts)
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: got %v, want %q", what, err, text)
		}
	}
}

func sorted(keys []string) []string {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	return keys
}

// numbered are n keys in order.
func numbered(n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("k%04d", i)
	}
	return keys
}
