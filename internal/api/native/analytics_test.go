package native_test

import (
	"encoding/binary"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/analytics"
)

type counted struct{ Requests, Keys, Bytes, Failed uint64 }

// TestAnalytics asks each kind of thing of a namespace, and then what was asked.
func TestAnalytics(t *testing.T) {
	w := newWorld(t)
	for _, a := range []asked{
		{method: "POST", uri: "/godwit/v1/namespaces/one/transactions", body: `{"mutations":[{"op":"put","key":"a","value":"12345"},{"op":"put","key":"b","value":"12345"}]}`},
		{method: "POST", uri: "/godwit/v1/namespaces/one/transactions", body: `{"conditions":[{"key":"a","revision":null}],"mutations":[{"op":"put","key":"a","value":""}]}`},
		{method: "GET", uri: "/godwit/v1/namespaces/one/keys/a"},
		{method: "GET", uri: "/godwit/v1/namespaces/one/keys/none"},
		{method: "GET", uri: "/godwit/v1/namespaces/one/keys/.."},
		{method: "GET", uri: "/godwit/v1/namespaces/one/keys"},
		{method: "POST", uri: "/godwit/v1/namespaces/one/copy", body: `{"prefix":"","to_namespace":"two"}`},
	} {
		w.play("", a)
	}
	status, body := w.do("GET", "/godwit/v1/namespaces/one/analytics", rootToken, "")
	var got struct {
		Since, Keys, Bytes int64
		LastHour           map[string]counted `json:"last_hour"`
		LastDay            map[string]counted `json:"last_day"`
	}
	check(t, json.Unmarshal([]byte(body), &got))
	want := map[string]counted{
		"read": {Requests: 3, Keys: 3, Bytes: 5, Failed: 1}, "write": {Requests: 2, Keys: 3, Failed: 1}, "delete": {},
		"list": {Requests: 1, Keys: 2},
	}
	if diff := cmp.Diff(want, got.LastHour); diff != "" || status != 200 {
		t.Errorf("%d (-want +got):\n%s", status, diff)
	}
	if diff := cmp.Diff(got.LastHour, got.LastDay); diff != "" || got.Keys != 7 || got.Bytes != 70 || time.Since(time.Unix(got.Since, 0)) > time.Hour {
		t.Errorf("got %s", body)
	}
	_, body = w.do("GET", "/godwit/v1/namespaces/two/analytics", rootToken, "")
	got.LastHour = nil
	check(t, json.Unmarshal([]byte(body), &got))
	if write := (counted{Requests: 1, Keys: 2, Bytes: 10}); got.LastHour["write"] != write {
		t.Errorf("the copy's target: %s", body)
	}
}

// TestAnalyticsOfOneTooMany asks for a namespace that there is no room for.
func TestAnalyticsOfOneTooMany(t *testing.T) {
	w := newWorld(t)
	service := w.config.Service
	for i := range analytics.MaxNamespaces {
		ns := new(godwit.Namespace)
		binary.BigEndian.PutUint32(ns.ID[:], uint32(i+1))
		service.CountTransaction(ns, time.Now(), 1, nil)
	}
	if status, body := w.do("GET", "/godwit/v1/namespaces/one/analytics", rootToken, ""); status != 503 {
		t.Errorf("got %d %s", status, body)
	}
}
