package native_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
)

const ofOne = "/godwit/v1/namespaces/one/transactions"

// transact sends a transaction of namespace one, by the root.
func (w *world) transact(body string) (status int, reply string) {
	return w.do("POST", ofOne, rootToken, body)
}

// value is what a key of namespace one holds, "absent" for none.
func (w *world) value(key string) string {
	w.t.Helper()
	e, _, err := w.reader.Get(w.t.Context(), w.one.ID, []byte(key), godwit.ReadOptions{})
	if godwit.CodeOf(err) == godwit.CodeKeyNotFound {
		return "absent"
	}
	check(w.t, err)
	if e.Value.Blob.IsZero() {
		return string(e.Value.Inline)
	}
	r, err := w.reader.OpenValue(w.t.Context(), w.one.ID, e)
	check(w.t, err)
	defer func() { check(w.t, r.Close()) }()
	text, err := io.ReadAll(r)
	check(w.t, err)
	return string(text)
}

// blobs is how many large values are kept.
func (w *world) blobs() int {
	w.t.Helper()
	files, err := w.fs.List("data/blobs")
	check(w.t, err)
	return len(files)
}

// written is the revision that a reply tells.
func written(t *testing.T, status int, reply string) string {
	t.Helper()
	var out struct{ Revision string }
	if err := json.Unmarshal([]byte(reply), &out); status != 200 || err != nil || out.Revision == "" {
		t.Fatalf("got %d %s", status, reply)
	}
	return out.Revision
}

// putOf is a body that puts one key.
func putOf(key, rest string) string {
	return fmt.Sprintf(`{"mutations":[{"op":"put","key":%q,%s}]}`, key, rest)
}

func TestTransactionTakesEffectWhole(t *testing.T) {
	w := newWorld(t)
	large := strings.Repeat("large ", 50_000)
	first := written(t, 200, mustTransact(w, `{"mutations":[
		{"op":"put","key":"a","value":"1","metadata":{"n": 1.0},"expiration_ttl":60},
		{"op":"put","key":"b","value":"aGk=","base64":true,"metadata":null,"expiration":null},
		{"op":"put","key":"é/ ","value":""},
		{"op":"put","key":"large","value":"`+large+`"},
		{"op":"delete","key":"not there"}]}`))
	for key, want := range map[string]string{"a": "1", "b": "hi", "é/ ": "", "large": large, "not there": "absent"} {
		if got := w.value(key); got != want {
			t.Errorf("%s: got %.20q, want %.20q", key, got, want)
		}
	}
	e, _, err := w.reader.Get(t.Context(), w.one.ID, []byte("a"), godwit.ReadOptions{})
	check(t, err)
	if string(e.Metadata) != `{"n": 1.0}` || e.Expiration == 0 {
		t.Errorf("metadata %s, expiration %d", e.Metadata, e.Expiration)
	}
	second := written(t, 200, mustTransact(w, `{"mutations":[{"op":"delete","key":"a"},{"op":"put","key":"b","value":"2"}]}`))
	if w.value("a") != "absent" || w.value("b") != "2" || first >= second {
		t.Errorf("a is %s, b is %s; revisions %s, %s", w.value("a"), w.value("b"), first, second)
	}
}

func mustTransact(w *world, body string) string {
	w.t.Helper()
	res := w.response("POST", ofOne, rootToken, body)
	if res.Code != 200 {
		w.t.Fatalf("%.80s: got %d %s", body, res.Code, res.Body)
	}
	if got := res.Header().Get("Godwit-Revision"); got != written(w.t, 200, res.Body.String()) {
		w.t.Errorf("the header says %s, the body %s", got, res.Body)
	}
	return res.Body.String()
}

func TestTransactionConditions(t *testing.T) {
	w := newWorld(t)
	r := written(t, 200, mustTransact(w, putOf("there", `"value":"1"`)))
	absent, stands := `{"key":"gone","revision":null}`, `{"key":"there","revision":"`+r+`"}`
	for _, tt := range []struct {
		conditions string
		failed     string // "": all hold
	}{
		{``, ``},
		{`{"key":"there","revision":"` + r + `"},{"key":"gone","revision":null}`, ``},
		{`{"key":"there","revision":"any"}`, ``},
		{`{"key":"there","revision":null}`, stands},
		{`{"key":"there","revision":"1"}`, stands},
		{`{"key":"gone","revision":"any"}`, absent},
		{`{"key":"gone","revision":"1"}`, absent},
		{`{"key":"gone","revision":"any"},{"key":"there","revision":"any"}`, absent},
		{`{"key":"gone","revision":"any"},{"key":"there","revision":null}`, absent + "," + stands},
	} {
		before := w.value("done")
		status, reply := w.transact(`{"conditions":[` + tt.conditions + `],"mutations":[{"op":"put","key":"done","value":"` + fmt.Sprint(len(before)) + `"}]}`)
		if tt.failed == "" {
			written(t, status, reply)
			continue
		}
		want := `{"error":{"code":"precondition_failed","message":"Precondition Failed","conditions":[` + tt.failed + `]}}`
		if status != 412 || reply != want || w.value("done") != before {
			t.Errorf("%s:\ngot  %d %s\nwant 412 %s", tt.conditions, status, reply, want)
		}
	}
}

func TestTransactionOfManyConditionsTellsAllThatFail(t *testing.T) {
	w := newWorld(t)
	conditions := make([]string, 250)
	for i := range conditions {
		conditions[i] = fmt.Sprintf(`{"key":"k%d","revision":"any"}`, i)
	}
	status, reply := w.transact(`{"conditions":[` + strings.Join(conditions, ",") + `],"mutations":[{"op":"delete","key":"k0"}]}`)
	if n := strings.Count(reply, `"revision":null`); status != 412 || n != len(conditions) {
		t.Errorf("got %d with %d conditions, want 412 with %d", status, n, len(conditions))
	}
}

// TestTransactionsRefused holds that what is wrong is told, and that nothing of
// it is written.
func TestTransactionsRefused(t *testing.T) {
	w := newWorld(t)
	many := func(n int, element string) string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf(element, i)
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	const put, condition = `{"op":"put","key":"k%d","value":""}`, `{"key":"c%d","revision":null}`
	good := `{"op":"put","key":"good","value":"1"},`
	over := strings.Repeat("A", 3<<20)
	for _, tt := range []struct {
		body   string
		status int
		want   string
	}{
		{``, 400, `The body is empty`},
		{`[]`, 400, `not a JSON object`},
		{`{`, 400, `not a JSON object`},
		{`{} {}`, 400, `more than one JSON object`},
		{`{}`, 400, `at least one mutation`},
		{`{"mutations":[]}`, 400, `at least one mutation`},
		{`{"conditions":[{"key":"a","revision":null}]}`, 400, `at least one mutation`},
		{`{"mutations":null}`, 400, `mutations must be an array`},
		{`{"mutations":{}}`, 400, `mutations must be an array`},
		{`{"mutations":[],"mutations":[]}`, 400, `mutations is given twice`},
		{`{"mutation":[]}`, 400, `Unknown field \"mutation\"`},
		{`{"mutations":[1]}`, 400, `mutation 1: Must be a JSON object, not a JSON number`},
		{`{"mutations":[` + good + `null]}`, 400, `mutation 2: Must be a JSON object, not a JSON null`},
		{`{"mutations":[` + good + `[]]}`, 400, `mutation 2: Must be a JSON object, not a JSON array`},
		{`{"mutations":[` + good + `{"op":"delete"}]}`, 400, `mutation 2: key is missing`},
		{`{"mutations":[` + good + `{"op":"delete","key":null}]}`, 400, `mutation 2: key is missing`},
		{`{"mutations":[` + good + `{"op":"delete","key":"a","key":"b"}]}`, 400, `mutation 2: key is given twice.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":null,"value":"1"}]}`, 400, `mutation 2: value is given twice.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","Value":"2"}]}`, 400, `mutation 2: Unknown field \"Value\"`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","metadata":1,"m\u0065tadata":2}]}`, 400, `mutation 2: metadata is given twice.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a" "value":"1"}]}`, 400, `mutation 2: The body is not a JSON object as expected.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","metadata":{]}]}`, 400, `mutation 2: The body is not a JSON object as expected.`},
		{`{"conditions":[{"key":"a","revision":null,"revision":"any"}],"mutations":[]}`, 400, `condition 1: revision is given twice.`},
		{`{"conditions":[{"key":"a","revison":null}],"mutations":[]}`, 400, `condition 1: Unknown field \"revison\"`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","valeu":"1"}]}`, 400, `mutation 2: Unknown field \"valeu\"`},
		{`{"mutations":[` + good + `{"op":"put","key":1,"value":"1"}]}`, 400, `mutation 2: key must not be a JSON number`},
		{`{"mutations":[` + good + `{"key":"a","value":"1"}]}`, 400, `mutation 2: op is missing`},
		{`{"mutations":[` + good + `{"op":"get","key":"a"}]}`, 400, `mutation 2: Unknown op \"get\"`},
		{`{"mutations":[` + good + `{"op":"put","key":"a"}]}`, 400, `mutation 2: value is missing`},
		{`{"mutations":[` + good + `{"op":"delete","key":"a","value":""}]}`, 400, `mutation 2: A delete takes a key and nothing else`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","delta":1}]}`, 400, `mutation 2: A put takes a value and no delta`},
		{`{"mutations":[` + good + `{"op":"delete","key":"a","delta":1}]}`, 400, `mutation 2: A delete takes a key and nothing else`},
		{`{"mutations":[` + good + `{"op":"add","key":"a"}]}`, 400, `mutation 2: delta is missing`},
		{`{"mutations":[` + good + `{"op":"add","key":"a","delta":1,"value":"1"}]}`, 400, `mutation 2: An add takes a delta and no value`},
		{`{"mutations":[` + good + `{"op":"add","key":"a","delta":"1"}]}`, 400, `mutation 2: delta must not be a JSON string`},
		{`{"mutations":[` + good + `{"op":"add","key":"a","delta":0.5}]}`, 400, `mutation 2: delta must not be`},
		{`{"mutations":[` + good + `{"op":"add","key":"a","delta":9223372036854775808}]}`, 400, `mutation 2: delta must not be`},
		{`{"mutations":[` + good + `{"op":"add","key":"good","delta":1}]}`, 400, `mutation 2: The key \"good\" is named twice.`},
		{`{"mutations":[` + good + `{"op":"add","key":"a","delta":1,"expiration_ttl":59}]}`, 400, `mutation 2: Invalid expiration_ttl of 59.`},
		{`{"mutations":[` + good + `{"op":"delete","key":"a","metadata":1}]}`, 400, `mutation 2: A delete takes a key and nothing else`},
		{`{"mutations":[` + good + `{"op":"put","key":"","value":"1"}]}`, 400, `mutation 2: Key names must not be empty`},
		{`{"mutations":[` + good + `{"op":"delete","key":".."}]}`, 400, `"invalid_key"`},
		{`{"mutations":[` + good + `{"op":"put","key":"` + strings.Repeat("k", 513) + `","value":"1"}]}`, 414, `mutation 2: UTF-8 encoded length of 513`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"!","base64":true}]}`, 400, `mutation 2: value is not valid base64`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","expiration_ttl":59}]}`, 400, `mutation 2: Invalid expiration_ttl of 59. Expiration TTL must be at least 60.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","expiration":1}]}`, 400, `"invalid_expiration"`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","expiration_ttl":"60"}]}`, 400, `mutation 2: expiration_ttl must not be a JSON string`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","expiration_ttl":60.5}]}`, 400, `mutation 2: expiration_ttl must not be`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1","metadata":"` + strings.Repeat("m", 1023) + `"}]}`, 413, `mutation 2: Metadata length of 1025`},
		{`{"mutations":[` + good + `{"op":"put","key":"good","value":"2"}]}`, 400, `mutation 2: The key \"good\" is named twice.`},
		{`{"mutations":[` + good + `{"op":"delete","key":"good"}]}`, 400, `mutation 2: The key \"good\" is named twice.`},
		{"{\"mutations\":[" + good + "{\"op\":\"put\",\"key\":\"a\",\"value\":\"\xff\"}]}", 400, `The body is not UTF-8.`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"1"}`, 400, `not a JSON object`},
		{`{"conditions":[{"key":"a"}],"mutations":[` + good[:len(good)-1] + `]}`, 400, `condition 1: revision must be a revision as text`},
		{`{"conditions":[{"key":"a","revision":1}],"mutations":[]}`, 400, `condition 1: revision must be a revision as text`},
		{`{"conditions":[{"key":"a","revision":""}],"mutations":[]}`, 400, `condition 1: Invalid revision`},
		{`{"conditions":[{"revision":null}],"mutations":[]}`, 400, `condition 1: key is missing`},
		{`{"conditions":[{"key":"","revision":null}],"mutations":[` + good[:len(good)-1] + `]}`, 400, `condition 1: Key names must not be empty`},
		{`{"conditions":[{"key":"a","revision":null},{"key":"a","revision":"any"}],"mutations":[` + good[:len(good)-1] + `]}`, 400, `condition 2: The key \"a\" is named twice.`},
		{`{"mutations":` + many(1001, put) + `}`, 400, `at most 1000 keys`},
		{`{"conditions":` + many(1001, condition) + `,"mutations":[]}`, 400, `at most 1000 keys`},
		{`{"conditions":` + many(500, condition) + `,"mutations":` + many(501, put) + `}`, 400, `at most 1000 keys`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"` + over + `"},{"op":"put","key":"b","value":"` + over + `"}]}`, 413, `exceed the limit of 4194304 bytes`},
		{`{"mutations":[` + good + `{"op":"put","key":"a","value":"` + over + over + over + `"}]}`, 413, `The body is over the limit of 8388608 bytes.`},
	} {
		status, reply := w.transact(tt.body)
		if status != tt.status || !strings.Contains(reply, tt.want) {
			t.Errorf("%.120s:\ngot  %d %s\nwant %d %s", tt.body, status, reply, tt.status, tt.want)
		}
	}
	if got := w.value("good"); got != "absent" {
		t.Errorf("a refused transaction wrote %q", got)
	}
	if left := w.blobs(); left != 0 {
		t.Errorf("%d values are left behind", left)
	}
}

func TestTransactionOfAThousandKeys(t *testing.T) {
	w := newWorld(t)
	var b bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&b, `%c{"op":"put","key":"k%d","value":"%s","base64":true}`, ",["[max(0, 1-i)], i, base64.StdEncoding.EncodeToString([]byte{byte(i)}))
	}
	conditions := `[{"key":"k7","revision":null}]`
	mustTransact(w, `{"conditions":`+conditions+`,"mutations":`+b.String()+`]}`)
	if w.value("k0") != "\x00" || w.value("k999") != "\xe7" {
		t.Errorf("k0 is %q, k999 is %q", w.value("k0"), w.value("k999"))
	}
}

func TestTransactionSentAgainIsAppliedOnce(t *testing.T) {
	w := newWorld(t)
	send := func(id, body string) (int, string) {
		res := w.ask("POST", ofOne, rootToken, body, http.Header{api.HeaderRequestID: {id}})
		return res.Code, strings.TrimSpace(res.Body.String())
	}
	large := strings.Repeat("l", 100_000)
	body := `{"conditions":[{"key":"k","revision":null}],"mutations":[{"op":"put","key":"k","value":"` + large + `"},{"op":"delete","key":"x"}]}`
	status, reply := send("id-1", body)
	first := written(t, status, reply)
	mustTransact(w, putOf("k", `"value":"later"`))
	status, reply = send("id-1", body)
	if again := written(t, status, reply); again != first || w.value("k") != "later" {
		t.Errorf("sent again: revision %s, want %s; k is %.20q", again, first, w.value("k"))
	}
	for name, other := range map[string]string{
		"another id":        body,
		"another value":     strings.Replace(body, "lll", "l", 1),
		"another condition": strings.Replace(body, `null`, `"1"`, 1),
		"another key":       strings.Replace(body, `"x"`, `"y"`, 1),
	} {
		id := "id-1"
		if name == "another id" {
			id = "id-2"
		}
		if status, reply := send(id, other); status != 412 {
			t.Errorf("%s: got %d %s, want 412", name, status, reply)
		}
	}
	if status, reply := send("not one", body); status != 400 || !strings.Contains(reply, "Invalid Godwit-Request-Id") {
		t.Errorf("a bad id: got %d %s", status, reply)
	}
	if left := w.blobs(); left != 1 {
		t.Errorf("%d values are kept, want the first one", left)
	}
}

func TestTransactionLimitsOfANamespace(t *testing.T) {
	w := newWorld(t)
	settings := "/godwit/v1/namespaces/" + w.one.ID.String() + "/settings"
	if status, body := w.do("PATCH", settings, rootToken, `{"min_expiration_ttl":5,"writes_per_key":0.001}`); status != 200 {
		t.Fatal(body)
	}
	mustTransact(w, putOf("busy", `"value":"1","expiration_ttl":5`))
	const both = `{"mutations":[{"op":"put","key":"free","value":"1"},{"op":"put","key":"busy","value":"2"}]}`
	res := w.response("POST", ofOne, rootToken, both)
	if !strings.Contains(res.Body.String(), "mutation 2: Too Many Requests") || res.Code != 429 || res.Header().Get("Retry-After") == "" {
		t.Errorf("a key that was just written: got %d %s", res.Code, res.Body)
	}
	if w.value("free") != "absent" {
		t.Error("the other key was written")
	}
	mustTransact(w, putOf("free", `"value":"1"`)) // what was refused did not count
}

// TestTransactionAdds holds what an add makes of a key, and that one which cannot be
// changes nothing.
func TestTransactionAdds(t *testing.T) {
	w := newWorld(t)
	add := func(key, rest string) (int, string) {
		return w.transact(fmt.Sprintf(`{"mutations":[{"op":"add","key":%q,%s}]}`, key, rest))
	}
	entry := func(key string) *godwit.Entry {
		e, _, err := w.reader.Get(t.Context(), w.one.ID, []byte(key), godwit.ReadOptions{})
		check(t, err)
		return e
	}
	for _, tt := range []struct{ rest, sum, metadata string }{
		{`"delta":5,"metadata":{"n":1},"expiration_ttl":60`, "5", `{"n":1}`},
		{`"delta":-7,"expiration_ttl":6000`, "-2", ``}, // metadata is as a put's, and when it ends stays
		{`"delta":9223372036854775807,"metadata":[]`, "9223372036854775805", `[]`},
	} {
		before := int64(0)
		if tt.sum != "5" {
			before = entry("n").Expiration
		}
		status, reply := add("n", tt.rest)
		if written(t, status, reply); !strings.Contains(reply, `"sums":{"n":"`+tt.sum+`"}`) {
			t.Errorf("%s: %s", tt.rest, reply)
		}
		if e := entry("n"); string(e.Value.Inline) != tt.sum || string(e.Metadata) != tt.metadata || e.Expiration == 0 || before != 0 && e.Expiration != before {
			t.Errorf("%s: then %q, metadata %s, expiration %d (%d before)", tt.rest, e.Value.Inline, e.Metadata, e.Expiration, before)
		}
	}
	mustTransact(w, `{"mutations":[{"op":"put","key":"text","value":"seven"},{"op":"put","key":"long","value":"`+strings.Repeat("1", 100_000)+`"},{"op":"put","key":"empty","value":""}]}`)
	for _, key := range []string{"n", "text", "long", "empty"} {
		status, reply := w.transact(`{"mutations":[{"op":"put","key":"other","value":"1"},{"op":"add","key":"` + key + `","delta":3}]}`)
		if status != 409 || !strings.Contains(reply, `"not_a_number"`) || !strings.Contains(reply, "mutation 2: The value is not an integer") {
			t.Errorf("%s: got %d %s", key, status, reply)
		}
	}
	if got := w.value("other"); got != "absent" {
		t.Errorf("what could not be added to wrote %q", got)
	}
}

// TestTransactionAddSentAgain: the sum is told again, and nothing is added.
func TestTransactionAddSentAgain(t *testing.T) {
	w := newWorld(t)
	send := func(id, delta string) string {
		res := w.ask("POST", ofOne, rootToken, `{"mutations":[{"op":"add","key":"n","delta":`+delta+`},{"op":"add","key":"m","delta":1}]}`, http.Header{api.HeaderRequestID: {id}})
		return res.Body.String()
	}
	first := send("a", "1")
	if again := send("a", "1"); again != first || !strings.Contains(first, `"n":"1"`) || !strings.Contains(first, `"m":"1"`) {
		t.Errorf("sent again: %s, and first %s", again, first)
	}
	send("a", "2") // another add, whatever its id
	send("b", "1")
	if again := send("a", "1"); again != first || w.value("n") != "4" || w.value("m") != "3" {
		t.Errorf("then n is %s and m %s; sent again: %s, and first %s", w.value("n"), w.value("m"), again, first)
	}
}

func TestTransactionPaths(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		method, uri string
		status      int
		code        string
	}{
		{"POST", ofOne, 200, "revision"},
		{"POST", "/godwit/v1/namespaces/" + w.two.ID.String() + "/transactions", 200, "revision"},
		{"POST", "/godwit/v1/namespaces/o%6Ee/transactions", 200, "revision"},
		{"POST", "/godwit/v1/namespaces/three/transactions", 404, "namespace_not_found"},
		{"GET", ofOne, 405, "method_not_allowed"},
		{"PUT", ofOne, 405, "method_not_allowed"},
		{"POST", ofOne + "/", 404, "not_found"},
	} {
		if status, reply := w.do(tt.method, tt.uri, rootToken, putOf("k", `"value":"v"`)); status != tt.status || !strings.Contains(reply, tt.code) {
			t.Errorf("%s %s: got %d %s, want %d %s", tt.method, tt.uri, status, reply, tt.status, tt.code)
		}
	}
}

// failing is a log that decides nothing.
type failing struct {
	godwit.Log
	err error
}

// Propose implements godwit.Log.
func (f failing) Propose(context.Context, []godwit.Transaction) ([]godwit.Result, error) {
	return nil, f.err
}

// TestTransactionThatIsNotDecided holds what is told, and that the values of one
// that may yet be applied are kept.
func TestTransactionThatIsNotDecided(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		code   string
		left   int
	}{
		{godwit.ErrNoUpstream, 503, "unavailable", 0},
		{godwit.ErrDiskFull, 507, "disk_full", 0},
		{godwit.ErrOutcomeUnknown, 504, "outcome_unknown", 1},
	} {
		w := newWorld(t)
		w.service.Log = failing{w.log, tt.err}
		w.service.Metrics = prometheus.NewRegistry()
		w.config.Service = api.New(w.service)
		w.handler = w.contract.over(native.New(w.config))
		status, reply := w.transact(putOf("k", `"value":"`+strings.Repeat("v", 100_000)+`"`))
		if status != tt.status || !strings.Contains(reply, tt.code) || w.blobs() != tt.left {
			t.Errorf("%v: got %d %s, %d values left; want %d %s, %d", tt.err, status, reply, w.blobs(), tt.status, tt.code, tt.left)
		}
	}
}

// FuzzTransaction feeds bodies to the decoder: what it takes is within bounds,
// and what it refuses is the client's doing.
func FuzzTransaction(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"mutations":[{"op":"put","key":"a","value":"aGk=","base64":true,"metadata":{"a":[1]},"expiration_ttl":60}]}`,
		`{"conditions":[{"key":"a","revision":null},{"key":"b","revision":"any"},{"key":"c","revision":"12"}],"mutations":[{"op":"delete","key":"a"}]}`,
		`{"mutations":[null]}`, `{"mutations":[{}],"mutations":[]}`, `[]`, `{"mutations":[{"op":"put","key":"\ud800","value":"\u0000"}]}x`, "{\"a\xff\":1}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) > 1<<16 {
			t.Skip("more than the decoder needs to show what it does")
		}
		got, err := native.DecodeTransaction(body)
		if err != nil {
			if code := godwit.CodeOf(err); code != godwit.CodeInvalidRequest {
				t.Errorf("code %d: %v", code, err)
			}
			return
		}
		if !json.Valid(body) || len(got.Conditions) > godwit.MaxTransactionKeys || len(got.Mutations) > godwit.MaxTransactionKeys {
			t.Errorf("%q was taken: %d conditions, %d mutations", body, len(got.Conditions), len(got.Mutations))
		}
		for _, m := range got.Mutations {
			if (m.Op == godwit.OpPut) != (m.Body != nil) || m.Op != godwit.OpPut && m.Op != godwit.OpDelete {
				t.Errorf("%q: operation %d with value %v", body, m.Op, m.Body)
			}
		}
		for _, c := range got.Conditions {
			if (c.Kind == godwit.MustMatch) != (len(c.Revisions) == 1) {
				t.Errorf("%q: condition %+v", body, c)
			}
		}
	})
}

// TestTransactionsOfALimitedToken: with one that sends as many large bodies as there may
// be, and sends them slowly, half of the room is taken, and others have theirs.
func TestTransactionsOfALimitedToken(t *testing.T) {
	w := newWorld(t)
	limited := w.token(godwit.PermissionWrite, w.one.ID)
	large := func(ctx context.Context, secret string, body io.Reader) (status int, reply string) {
		r := httptest.NewRequestWithContext(ctx, "POST", "http://node.example:1"+ofOne, body)
		r.RequestURI, r.ContentLength = ofOne, -1
		r.Header.Set("Authorization", "Bearer "+secret)
		res := httptest.NewRecorder()
		w.handler.ServeHTTP(res, r)
		return res.Code, res.Body.String()
	}
	const body = `{"mutations":[{"op":"put","key":"k","value":"v"}]}`
	var slow sync.WaitGroup
	defer slow.Wait()
	for range 4 {
		r, send := io.Pipe()
		defer send.Close()
		slow.Go(func() { _, _ = large(t.Context(), limited, r) })
		if _, err := send.Write([]byte("{")); err != nil { // returns once there is room
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if status, reply := large(ctx, limited, strings.NewReader(body)); status != 503 || !strings.Contains(reply, "too many large transactions") {
		t.Errorf("more than half: got %d %s", status, reply)
	}
	for _, secret := range []string{rootToken, w.token(godwit.PermissionWrite, w.one.ID)} {
		if status, reply := large(t.Context(), secret, strings.NewReader(body)); status != 200 {
			t.Errorf("another's: got %d %s", status, reply)
		}
	}
}
