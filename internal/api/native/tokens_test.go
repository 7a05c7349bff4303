package native_test

import (
	"strings"
	"testing"
)

// TestTokenForNoNamespace: an empty list of namespaces is no token for all.
func TestTokenForNoNamespace(t *testing.T) {
	w := newWorld(t)
	for body, want := range map[string]int{
		`{"permission":"read","namespaces":[]}`:   400,
		`{"permission":"read","namespaces":null}`: 201,
		`{"permission":"read"}`:                   201,
	} {
		status, text := w.do("POST", "/godwit/v1/tokens", rootToken, body)
		if status != want || want == 400 && !strings.Contains(text, "namespaces is empty") {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if _, list := w.do("GET", "/godwit/v1/tokens", rootToken, ""); strings.Count(list, `"id"`) != 2 {
		t.Errorf("tokens: %s", list)
	}
}
