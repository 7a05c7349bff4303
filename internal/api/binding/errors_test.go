package binding_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestAnswersAreComplete(t *testing.T) {
	for _, code := range godwit.Codes() {
		if _, _, ok := binding.Reply(code); !ok {
			t.Errorf("code %d has no answer", code)
		}
		status, reason := binding.Describe(godwit.Errorf(code, "the message"))
		if status < 400 || status > 599 || status == 410 {
			t.Errorf("code %d is told as %d", code, status)
		}
		if (status == 404) != (code == godwit.CodeKeyNotFound) {
			t.Errorf("code %d is told as %d: only an absent key is 404", code, status)
		}
		if reason == "" && status != 404 {
			t.Errorf("code %d has no reason", code)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		reason string
	}{
		{godwit.ErrKeyNotFound, 404, ""},
		{fmt.Errorf("get: %w", godwit.ErrKeyNotFound), 404, ""},
		{godwit.ErrPrecondition, 412, "Precondition Failed"},
		{godwit.ErrTooManyWrites, 429, "Too Many Requests"},
		{fmt.Errorf("put: %w", godwit.ErrDiskFull), 507, godwit.ErrDiskFull.Message},
		{godwit.ErrBusy, 503, godwit.ErrBusy.Message},
		{errors.New("secret"), 500, "Internal Server Error"},
		{godwit.Errorf(godwit.CodeInternal, "secret"), 500, "Internal Server Error"},
		{context.Canceled, 503, "Service Unavailable"},
		{godwit.Errorf(godwit.CodeInvalidKey, "Illegal key name %q\r\nX: y", "é\x00"), 400, "Illegal key name \"?\\x00\"??X: y"},
		{godwit.Errorf(godwit.CodeInvalidRequest, "%s", strings.Repeat("x", 5000)), 400, strings.Repeat("x", 512)},
	} {
		if status, reason := binding.Describe(c.err); status != c.status || reason != c.reason {
			t.Errorf("%v: %d %q, want %d %q", c.err, status, reason, c.status, c.reason)
		}
	}
}
