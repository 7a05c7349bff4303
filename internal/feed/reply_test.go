package feed

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
)

// TestErrorsTravel: each code arrives as it was sent, but those that are not for
// others.
func TestErrorsTravel(t *testing.T) {
	names := make(map[string]godwit.Code)
	for _, code := range godwit.Codes() {
		r, ok := replies()[code]
		if !ok {
			t.Fatalf("code %d has no reply", code)
		}
		if other, taken := names[r.name]; taken || r.name == replaced.name {
			t.Errorf("codes %d and %d are both %q", code, other, r.name)
		}
		names[r.name] = code
		w := httptest.NewRecorder()
		w.Header().Set("Content-Length", "12")
		writeError(w, &godwit.Error{Code: code, Message: "what is wrong", Err: errors.New("hidden")})
		if w.Code != r.status || strings.Contains(w.Body.String(), "hidden") || w.Header().Get("Content-Length") != "" {
			t.Errorf("code %d: %d %s %v", code, w.Code, w.Body, w.Header())
		}
		err := errorOf(w.Result())
		if code == godwit.CodeInternal {
			if godwit.CodeOf(err) != godwit.CodeUnavailable || strings.Contains(err.Error(), "what is wrong") {
				t.Errorf("internal: got %v", err)
			}
			continue
		}
		if godwit.CodeOf(err) != code || godwit.MessageOf(err) != "what is wrong" {
			t.Errorf("code %d: got %v", code, err)
		}
	}
}

// TestReplacedIsToldApart: it shares its code with others, and is acted upon.
func TestReplacedIsToldApart(t *testing.T) {
	for _, sent := range []error{godwit.ErrReplaced, &godwit.Error{Code: godwit.CodeUnavailable, Message: godwit.ErrReplaced.Message, Err: errors.New("no file")}} {
		w := httptest.NewRecorder()
		writeError(w, sent)
		if err := errorOf(w.Result()); w.Code != http.StatusConflict || err != error(godwit.ErrReplaced) {
			t.Errorf("%v: %d, %v", sent, w.Code, err)
		}
	}
	w := httptest.NewRecorder()
	writeError(w, godwit.ErrBusy)
	if err := errorOf(w.Result()); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || err == error(godwit.ErrReplaced) {
		t.Errorf("busy: %d, %v", w.Code, err)
	}
}
