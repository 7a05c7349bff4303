package e2e_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// The kinds of operation that a history has.
const (
	opPut    = "put"
	opSwap   = "put if"
	opDelete = "delete"
	opRead   = "strong read"
)

// operation is what a client asked of a key, and what it was answered.
type operation struct {
	kind  string
	key   string
	value string // that was written, or read; "" is absent
	match string // revision that a swap asks for; "" asks for absence
}

// outcome is an answer. One that is unknown may have taken effect at any time
// since, or never will.
type outcome struct {
	unknown  bool
	failed   bool // the condition did not hold
	revision string
	value    string
}

// register is what a key holds. A revision that nobody was told is "?".
type register struct{ value, revision string }

// registers is a map of registers with compare-and-set, each on its own.
func registers() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			keys := make(map[string][]porcupine.Operation)
			for _, o := range history {
				key := o.Input.(operation).key
				keys[key] = append(keys[key], o)
			}
			var parts [][]porcupine.Operation
			for _, part := range keys {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return register{} },
		Step: func(state, input, output any) (bool, any) {
			return state.(register).step(input.(operation), output.(outcome))
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
	}
}

func (r register) step(in operation, out outcome) (bool, any) {
	revision := out.revision
	if out.unknown {
		revision = "?"
	}
	switch in.kind {
	case opRead:
		same := out.value == r.value && (r.revision == "?" || out.revision == r.revision)
		return same, register{out.value, out.revision}
	case opPut:
		return true, register{in.value, revision}
	case opDelete:
		return true, register{}
	default:
		may := in.match == r.revision || r.revision == "?"
		must := in.match == r.revision
		switch {
		case out.unknown && may:
			return true, register{in.value, "?"}
		case out.unknown:
			return true, r
		case out.failed:
			return !must, r
		}
		return may, register{in.value, revision}
	}
}

// recorder is clients that work on a cluster, and what they were answered.
type recorder struct {
	t         testing.TB
	namespace string
	began     time.Time // its keys are its own by that
	http      *http.Client

	mu           sync.Mutex
	operations   []porcupine.Operation
	acknowledged int
	slowest      time.Duration // of all answers
	lastWrite    time.Time     // that was acknowledged
	pause        time.Duration // the longest without one
}

func newRecorder(t testing.TB, namespace string) *recorder {
	return &recorder{
		t: t, namespace: namespace, began: time.Now(),
		http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}, Timeout: answerBound},
	}
}

// client asks one of the servers after the other until ctx ends.
func (r *recorder) client(ctx context.Context, number int, servers []*server) {
	rng := rand.New(rand.NewPCG(uint64(number), 7))
	known := make(map[string]string) // by key: the revision last seen
	for n := 0; ctx.Err() == nil; n++ {
		s := servers[rng.IntN(len(servers))]
		op := operation{key: fmt.Sprint(r.began.UnixNano(), "/", rng.IntN(5)), value: fmt.Sprintf("%d/%d", number, n)}
		switch rng.IntN(6) {
		case 0, 1:
			op.kind = opPut
		case 2, 3:
			op.kind, op.match = opSwap, known[op.key]
		case 4:
			op.kind, op.value = opRead, ""
		default:
			op.kind, op.value = opDelete, ""
		}
		if rng.IntN(3) > 0 && op.kind == opDelete {
			op.kind = opRead
		}
		out, tells := r.do(number, s, op)
		if tells && !out.unknown && !out.failed {
			known[op.key] = out.revision
		}
		select { // a key has so many operations that the order of them can still be found
		case <-time.After(time.Duration(5+rng.IntN(20)) * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// do makes one operation and records it, unless it was refused.
func (r *recorder) do(number int, s *server, op operation) (out outcome, recorded bool) {
	call := time.Since(r.began)
	res, body, err := r.ask(s, op)
	back := time.Since(r.began)
	switch {
	case err != nil && strings.Contains(err.Error(), "connection refused"):
		return out, false
	case err != nil, res.StatusCode == http.StatusGatewayTimeout:
		out.unknown = true
		back = 1 << 60 // it may take effect at any time
	case res.StatusCode == http.StatusOK:
		out.revision, out.value = strings.Trim(res.Header.Get("Etag"), `"`), string(body)
		if op.kind != opRead && op.kind != opDelete && out.revision == "" {
			out.revision = res.Header.Get("Godwit-Revision")
		}
	case res.StatusCode == http.StatusNotFound && op.kind == opRead:
	case res.StatusCode == http.StatusPreconditionFailed:
		out.failed = true
	case res.StatusCode == http.StatusServiceUnavailable, res.StatusCode == http.StatusInsufficientStorage:
		r.took(back - call)
		return out, false
	default:
		r.t.Errorf("%s of %s at %s: %s: %s", op.kind, op.key, s.name(), res.Status, body)
		return out, false
	}
	if op.kind == opRead && out.unknown {
		return out, false // it changed nothing
	}
	if op.kind == opDelete {
		out.value, out.revision = "", ""
	}
	if !out.unknown {
		r.took(back - call)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.operations = append(r.operations, porcupine.Operation{ClientId: number, Input: op, Call: int64(call), Output: out, Return: int64(back)})
	if !out.unknown && op.kind != opRead {
		r.acknowledged++
		if now := time.Now(); !r.lastWrite.IsZero() {
			r.pause = max(r.pause, now.Sub(r.lastWrite))
		}
		r.lastWrite = time.Now()
	}
	return out, true
}

func (r *recorder) took(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slowest = max(r.slowest, d)
}

func (r *recorder) ask(s *server, op operation) (*http.Response, []byte, error) {
	method, body := http.MethodPut, op.value
	switch op.kind {
	case opRead:
		method = http.MethodGet
	case opDelete:
		method = http.MethodDelete
	}
	req, err := http.NewRequest(method, "http://"+s.binding+"/"+url.PathEscape(op.key)+"?urlencoded=true", strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+rootToken)
	req.Header.Set("Godwit-Namespace", r.namespace)
	switch {
	case op.kind == opRead:
		req.Header.Set("Godwit-Consistency", "strong")
	case op.kind == opSwap && op.match == "":
		req.Header.Set("If-None-Match", "*")
	case op.kind == opSwap:
		req.Header.Set("If-Match", strconv.Quote(op.match))
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	return res, got, err
}

// check holds the history to be one that a single machine could have.
func (r *recorder) check() {
	r.t.Helper()
	r.mu.Lock()
	history := r.operations
	r.mu.Unlock()
	r.http.CloseIdleConnections()
	result, info := porcupine.CheckOperationsVerbose(registers(), history, time.Minute)
	switch result {
	case porcupine.Illegal:
		name := r.t.TempDir() + "/history.html"
		_ = porcupine.VisualizePath(registers(), info, name)
		r.t.Errorf("the history of %d operations is not linearizable", len(history))
		for _, part := range info.PartialLinearizationsOperations() {
			if len(part) > 0 {
				r.t.Logf("a key's longest possible order ends with %+v", part[0][max(0, len(part[0])-5):])
			}
		}
	case porcupine.Unknown:
		r.t.Errorf("whether the history of %d operations is linearizable was not found out", len(history))
	}
	r.t.Logf("%d operations, %d writes acknowledged, the slowest answer took %v, the longest pause of writes %v",
		len(history), r.acknowledged, r.slowest, r.pause)
}

// TestRegisters: the model finds what is wrong in small histories.
func TestRegisters(t *testing.T) {
	put := operation{kind: opPut, key: "k", value: "a"}
	swap := operation{kind: opSwap, key: "k", value: "b", match: "1"}
	read := operation{kind: opRead, key: "k"}
	at := func(client int, in operation, out outcome, from, to int64) porcupine.Operation {
		return porcupine.Operation{ClientId: client, Input: in, Output: out, Call: from, Return: to}
	}
	for name, tt := range map[string]struct {
		history []porcupine.Operation
		want    bool
	}{
		"in order":        {[]porcupine.Operation{at(0, put, outcome{revision: "1"}, 0, 1), at(0, read, outcome{value: "a", revision: "1"}, 2, 3)}, true},
		"lost write":      {[]porcupine.Operation{at(0, put, outcome{revision: "1"}, 0, 1), at(0, read, outcome{}, 2, 3)}, false},
		"swapped twice":   {[]porcupine.Operation{at(0, put, outcome{revision: "1"}, 0, 1), at(0, swap, outcome{revision: "2"}, 2, 3), at(1, swap, outcome{revision: "3"}, 4, 5)}, false},
		"unknown, seen":   {[]porcupine.Operation{at(0, put, outcome{unknown: true}, 0, 1<<60), at(1, read, outcome{value: "a", revision: "9"}, 2, 3)}, true},
		"unknown, absent": {[]porcupine.Operation{at(0, put, outcome{unknown: true}, 0, 1<<60), at(1, read, outcome{}, 2, 3)}, true},
		"seen, then gone": {[]porcupine.Operation{at(0, put, outcome{revision: "1"}, 0, 9), at(1, read, outcome{value: "a", revision: "1"}, 1, 2), at(1, read, outcome{}, 3, 4)}, false},
	} {
		if got := porcupine.CheckOperations(registers(), tt.history); got != tt.want {
			t.Errorf("%s: linearizable %t", name, got)
		}
	}
}
