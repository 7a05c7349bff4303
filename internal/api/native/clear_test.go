package native_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

const clearOne = "/godwit/v1/namespaces/one/clear"

func TestClear(t *testing.T) {
	w := newWorld(t)
	mustTransact(w, `{"mutations":[{"op":"put","key":"a/1","value":"v"},{"op":"put","key":"a/2","value":"`+strings.Repeat("v", 100_000)+`"},{"op":"put","key":"b","value":"v"}]}`)
	res := w.response("POST", clearOne, rootToken, `{"prefix":"a/"}`)
	if got := written(t, res.Code, res.Body.String()); res.Header().Get(api.HeaderRevision) != got {
		t.Errorf("the header says %s, the body %s", res.Header().Get(api.HeaderRevision), got)
	}
	if w.value("a/1") != "absent" || w.value("a/2") != "absent" || w.value("b") != "v" {
		t.Errorf("then a/1 is %s, a/2 is %s, b is %s", w.value("a/1"), w.value("a/2"), w.value("b"))
	}
	mustTransact(w, putOf("a/1", `"value":"new"`))
	if w.value("a/1") != "new" {
		t.Error("a key that was cleared cannot be put again")
	}
	if status, reply := w.do("POST", clearOne, rootToken, `{"all":true}`); status != 200 || w.value("a/1") != "absent" || w.value("b") != "absent" {
		t.Errorf("all: got %d %s", status, reply)
	}
}

func TestClearSentAgain(t *testing.T) {
	w := newWorld(t)
	send := func(id string) string {
		return w.ask("POST", clearOne, rootToken, `{"prefix":"a"}`, http.Header{api.HeaderRequestID: {id}}).Body.String()
	}
	first := send("one")
	mustTransact(w, putOf("a", `"value":"v"`))
	if again := send("one"); again != first || w.value("a") != "v" {
		t.Errorf("sent again: %s, and first %s; a is %s", again, first, w.value("a"))
	}
	if send("two"); w.value("a") != "absent" {
		t.Error("another request cleared nothing")
	}
}

func TestClearRefused(t *testing.T) {
	w := newWorld(t)
	mustTransact(w, putOf("k", `"value":"v"`))
	for _, tt := range []struct {
		uri, body string
		status    int
		want      string
	}{
		{clearOne, ``, 400, "The body is empty"},
		{clearOne, `{}`, 400, "Say which keys"},
		{clearOne, `{"prefix":""}`, 400, "Say which keys"},
		{clearOne, `{"all":false}`, 400, "Say which keys"},
		{clearOne, `{"prefix":"k","all":true}`, 400, "Say which keys"},
		{clearOne, `{"prefx":"k"}`, 400, "Unknown field"},
		{clearOne, "{\"prefix\":\"\xff\"}", 400, "not UTF-8"},
		{clearOne, `{"all":"true"}`, 400, "all must not be a JSON string"},
		{clearOne, `{"prefix":"` + strings.Repeat("k", godwit.MaxClearPrefixBytes+1) + `"}`, 414, "449 bytes"},
		{"/godwit/v1/namespaces/three/clear", `{"all":true}`, 404, "namespace_not_found"},
	} {
		if status, reply := w.do("POST", tt.uri, rootToken, tt.body); status != tt.status || !strings.Contains(reply, tt.want) {
			t.Errorf("%s %.60s: got %d %s, want %d %s", tt.uri, tt.body, status, reply, tt.status, tt.want)
		}
	}
	if status, reply := w.do("POST", clearOne, rootToken, `{"prefix":"`+strings.Repeat("k", godwit.MaxClearPrefixBytes)+`"}`); status != 200 {
		t.Errorf("the longest prefix: %d %s", status, reply)
	}
	if w.value("k") != "v" {
		t.Error("what was refused cleared a key")
	}
}
