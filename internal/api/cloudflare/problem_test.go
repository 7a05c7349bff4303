package cloudflare_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
)

func TestEveryCodeHasARule(t *testing.T) {
	for _, code := range godwit.Codes() {
		if _, _, ok := cloudflare.Reply(code); !ok {
			t.Errorf("code %d is not in the table", code)
			continue
		}
		status, number, message := cloudflare.Problem(&godwit.Error{Code: code, Message: "text"}, "")
		if status < 400 || status > 599 || number < 1000 {
			t.Errorf("code %d: status %d, number %d", code, status, number)
		}
		if want := "text"; code != godwit.CodeInternal && message != want {
			t.Errorf("code %d: message %q, want %q", code, message, want)
		}
	}
}

func TestProblem(t *testing.T) {
	secret := errors.New("open /var/lib/kv/000123.sst: input/output error")
	for _, tt := range []struct {
		err       error
		operation string
		want      string
	}{
		{godwit.ErrKeyNotFound, "get", "404 10009 get: 'key not found'"},
		{godwit.ErrNamespaceNotFound, "put", "404 10013 put: 'namespace not found'"},
		{fmt.Errorf("commit: %w", godwit.ErrNamespaceNotFound), "list keys", "404 10013 list keys: 'namespace not found'"},
		{godwit.Errorf(godwit.CodeInvalidTTL, "Invalid expiration_ttl of 1."), "put", "400 10034 Invalid expiration_ttl of 1."},
		{godwit.ErrPrecondition, "put", "412 10412 Precondition Failed"},
		{secret, "get", "500 10500 Internal Server Error"},
		{&godwit.Error{Code: godwit.CodeInternal, Message: "bad sector", Err: secret}, "get", "500 10500 Internal Server Error"},
		{&godwit.Error{Code: godwit.CodeUnavailable, Message: "try again", Err: secret}, "put", "503 10001 try again"},
	} {
		status, code, message := cloudflare.Problem(tt.err, tt.operation)
		got := fmt.Sprintf("%d %d %s", status, code, message)
		if got != tt.want {
			t.Errorf("%v: %s, want %s", tt.err, got, tt.want)
		}
		if strings.Contains(got, "/var") {
			t.Errorf("%v: internals leak: %s", tt.err, got)
		}
	}
}
