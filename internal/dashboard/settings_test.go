package dashboard_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var (
	settingShown = regexp.MustCompile(`name="(was\.[a-z_]+)" value="([^"]*)"`)
	settingField = regexp.MustCompile(`<input type="text"[^>]* name="([a-z_]+)" value="([^"]*)"`)
)

// settingsFields are the fields of a settings form as a browser sends them, with some
// filled in by hand, given as names and values in turn.
func settingsFields(page string, filled ...string) []string {
	var fields []string
	for _, found := range append(settingShown.FindAllStringSubmatch(page, -1), settingField.FindAllStringSubmatch(page, -1)...) {
		byHand := false
		for i := 0; i < len(filled); i += 2 {
			byHand = byHand || filled[i] == found[1]
		}
		if !byHand {
			fields = append(fields, found[1], found[2])
		}
	}
	return append(fields, filled...)
}

// TestSettingsKeepWhatOthersSet holds that a form which was opened before others changed
// settings changes those that are changed in it, and no other.
func TestSettingsKeepWhatOthersSet(t *testing.T) {
	n := openNode(t)
	ns := namespace(t, n, "birds")
	settings := "/godwit/v1/namespaces/" + ns + "/settings"
	b := signedIn(t, n, rootToken)
	opened := b.get("/dashboard/namespace" + q(ns)).body
	set := func(body string) {
		t.Helper()
		if status := api(t, n, http.MethodPatch, settings, []byte(body), nil); status != 200 {
			t.Fatalf("set %s: %d", body, status)
		}
	}
	holds := func(what, want string) {
		t.Helper()
		var got string
		if api(t, n, http.MethodGet, settings, nil, &got); strings.TrimSpace(got) != want {
			t.Errorf("%s: got %s, want %s", what, got, want)
		}
	}
	set(`{"history":"30d","max_keys":1000}`)
	if got := b.post("/dashboard/namespace/settings"+q(ns), settingsFields(opened, "consistency", "strong")...); got.status != 303 {
		t.Errorf("save: %d %s", got.status, got.body)
	}
	holds("another setting was changed", `{"consistency":"strong","history":"30d","max_keys":1000}`)

	// What both have changed is not decided by who is last.
	conflict := b.post("/dashboard/namespace/settings"+q(ns), settingsFields(opened, "history", "10", "max_keys", "1000")...)
	b.contains(conflict, http.StatusConflict, "history is 30d now", `name="history" value="10"`, `name="max_keys" value="1000"`, `value="strong" selected`)
	if strings.Contains(conflict.body, "max_keys is") {
		t.Error("what both have set to the same is told to be a conflict")
	}
	holds("both have changed the history", `{"consistency":"strong","history":"30d","max_keys":1000}`)
	if got := b.post("/dashboard/namespace/settings"+q(ns), settingsFields(conflict.body, "consistency", "strong")...); got.status != 303 {
		t.Errorf("save again: %d %s", got.status, got.body)
	}
	holds("it was saved again", `{"consistency":"strong","history":"10","max_keys":1000}`)

	set(`{"max_keys":null}`)
	b.contains(b.post("/dashboard/namespace/settings"+q(ns), settingsFields(conflict.body, "consistency", "strong", "max_keys", "5")...),
		http.StatusConflict, "max_keys is not set now")
}
