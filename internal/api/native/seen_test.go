package native_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/native"
	"github.com/godwitkv/godwit/internal/catalog"
)

// asked is a request, with the root token where token is "".
type asked struct {
	method, uri, body string
	header            http.Header
	token             string
}

// samples are a good request of each operation.
func samples() map[string]asked {
	const one = "/godwit/v1/namespaces/one"
	return map[string]asked{
		"GET /godwit/v1/openapi.yaml":                         {uri: "/godwit/v1/openapi.yaml"},
		"GET /godwit/v1/status":                               {uri: "/godwit/v1/status?tree=1"},
		"GET /godwit/v1/cluster":                              {uri: "/godwit/v1/cluster"},
		"POST /godwit/v1/scrub":                               {uri: "/godwit/v1/scrub"},
		"DELETE /godwit/v1/cluster/members/{member}":          {uri: "/godwit/v1/cluster/members/b"},
		"GET /godwit/v1/tokens":                               {uri: "/godwit/v1/tokens"},
		"POST /godwit/v1/tokens":                              {uri: "/godwit/v1/tokens", body: `{"name":"n","permission":"read","namespaces":["one"],"expires":4000000000}`},
		"DELETE /godwit/v1/tokens/{token}":                    {uri: "/godwit/v1/tokens/TOKEN"},
		"POST /godwit/v1/root-token/rotate":                   {uri: "/godwit/v1/root-token/rotate"},
		"GET /godwit/v1/namespaces":                           {uri: "/godwit/v1/namespaces"},
		"POST /godwit/v1/namespaces":                          {uri: "/godwit/v1/namespaces", body: `{"title":"three","jurisdiction":"eu","if_not_exists":true}`},
		"GET /godwit/v1/namespaces/{namespace}":               {uri: one, header: http.Header{"Godwit-Consistency": {"strong"}}},
		"PATCH /godwit/v1/namespaces/{namespace}":             {uri: one, body: `{"title":"one"}`},
		"DELETE /godwit/v1/namespaces/{namespace}":            {uri: "/godwit/v1/namespaces/gone?title=gone"},
		"GET /godwit/v1/namespaces/{namespace}/settings":      {uri: one + "/settings"},
		"PATCH /godwit/v1/namespaces/{namespace}/settings":    {uri: one + "/settings", body: `{"min_expiration_ttl":1,"min_cache_ttl":null,"writes_per_key":0,"consistency":"eventual","history":"10","erase_within":"24h","max_keys":null,"max_bytes":null,"requests_per_second":null}`},
		"POST /godwit/v1/namespaces/{namespace}/transactions": {uri: one + "/transactions", body: `{"conditions":[{"key":"none","revision":null}],"mutations":[{"op":"put","key":"t","value":"v"}]}`},
		"GET /godwit/v1/namespaces/{namespace}/analytics":     {uri: one + "/analytics"},
		"POST /godwit/v1/namespaces/{namespace}/clear":        {uri: "/godwit/v1/namespaces/one/clear", body: `{"prefix":"x"}`},
		"POST /godwit/v1/namespaces/{namespace}/copy":         {uri: one + "/copy", body: `{"prefix":"","to_namespace":"two","to_prefix":"x/","if_absent":false,"limit":1}`},
		"GET /godwit/v1/namespaces/{namespace}/watch":         {method: "HEAD", uri: one + "/watch?prefix=k&values=1&after=1", header: http.Header{"Last-Event-Id": {"1"}}},
		"GET /godwit/v1/namespaces/{namespace}/count":         {uri: one + "/count?prefix=k&start=a&end=z&cache_ttl=30"},
		"GET /godwit/v1/namespaces/{namespace}/keys":          {uri: one + "/keys?prefix=k&start=a&end=z&cache_ttl=30&limit=1&values=1&reverse=0"},
		"GET /godwit/v1/namespaces/{namespace}/keys/{key}":    {uri: one + "/keys/k?cache_ttl=30"},

		"GET /godwit/v1/namespaces/{namespace}/keys/{key}/versions":            {uri: one + "/keys/k/versions?limit=10"},
		"GET /godwit/v1/namespaces/{namespace}/keys/{key}/versions/{revision}": {uri: one + "/keys/undone/versions/REVISION?details=1"},
		"GET /godwit/v1/namespaces/{namespace}/keys/{key}/at/{moment}":         {uri: one + "/keys/undone/at/REVISION?details=1"},
		"POST /godwit/v1/namespaces/{namespace}/keys/{key}/undelete":           {uri: one + "/keys/undone/undelete", header: http.Header{"Godwit-Request-Id": {"undelete"}}},
		"POST /godwit/v1/namespaces/{namespace}/restore":                       {uri: one + "/restore", body: `{"at":"REVISION","prefix":"undone","dry_run":false,"limit":10}`},
	}
}

// requests are what provokes the answers that no sample and no fault does.
func requests() []asked {
	const all, one = "/godwit/v1/namespaces", "/godwit/v1/namespaces/one"
	long := strings.Repeat("k", 513)
	strong := http.Header{"Godwit-Consistency": {"strong"}, "Godwit-Min-Revision": {"1"}, "Godwit-Request-Id": {"an-id"}}
	return []asked{
		{method: "DELETE", uri: "/godwit/v1/cluster/members/nobody"},
		{method: "POST", uri: "/godwit/v1/tokens", body: `{}`},
		{method: "POST", uri: "/godwit/v1/tokens", body: `{"permission":"read","requests_per_second":5}`},
		{method: "POST", uri: "/godwit/v1/tokens", body: `{"permission":"read","namespaces":["none"]}`},
		{method: "DELETE", uri: "/godwit/v1/tokens/none"},
		{method: "POST", uri: all, body: `{"title":"four"}`, header: http.Header{"Godwit-Request-Id": {"an-id"}}},
		{method: "POST", uri: all, body: `{}`},
		{method: "POST", uri: all, body: `{"title":"one"}`},
		{method: "PATCH", uri: one, body: `{"title":"one"}`, header: http.Header{"Godwit-Request-Id": {"an-id"}}},
		{method: "PATCH", uri: one, body: `{}`},
		{method: "PATCH", uri: one, body: `{"title":"two"}`},
		{method: "DELETE", uri: all + "/three", header: http.Header{"Godwit-Request-Id": {"an-id"}}},
		{method: "DELETE", uri: one, header: http.Header{"Godwit-Request-Id": {"an id"}}},
		{method: "DELETE", uri: one + "?title=two"},
		{method: "PATCH", uri: one + "/settings", body: `{"min_cache_ttl":-1}`},
		{method: "POST", uri: one + "/transactions", body: `{"mutations":[{"op":"delete","key":"t"}]}`, header: http.Header{"Godwit-Request-Id": {"an-id"}}},
		{method: "POST", uri: one + "/transactions", body: `{}`},
		{method: "POST", uri: one + "/transactions", body: `{"mutations":[{"op":"add","key":"k","delta":1}]}`},
		{method: "POST", uri: one + "/transactions", body: `{"mutations":[{"op":"delete","key":"` + long + `"}]}`},
		{method: "POST", uri: one + "/transactions", body: `{"conditions":[{"key":"none","revision":"any"}],"mutations":[{"op":"delete","key":"t"}]}`},
		{method: "POST", uri: one + "/transactions", body: strings.Repeat(" ", 9<<20)},
		{method: "POST", uri: one + "/copy", body: `{"key":"k","to_namespace":"two","to_key":"k2"}`, header: strong},
		{method: "POST", uri: one + "/copy", body: `{"prefix":"k","cursor":"a2s","to_namespace":"two"}`, header: http.Header{}},
		{method: "POST", uri: one + "/copy", body: `{}`},
		{method: "POST", uri: one + "/clear", body: `{}`},
		{method: "POST", uri: one + "/clear", body: `{"prefix":"` + long + `"}`},
		{method: "POST", uri: one + "/copy", body: `{"key":"` + long + `","to_namespace":"two"}`},
		{method: "GET", uri: one + "/watch?values=2"},
		{method: "HEAD", uri: one + "/watch"},
		{method: "GET", uri: one + "/watch?prefix=" + long},
		{method: "GET", uri: one + "/count?cursor=x"},
		{method: "GET", uri: one + "/count?cursor=CURSOR", header: readHeaders(strong)},
		{method: "GET", uri: one + "/count?prefix=" + long},
		{method: "GET", uri: one + "/keys?limit=0"},
		{method: "GET", uri: one + "/keys?cursor=CURSOR&metadata.n=1", header: readHeaders(strong)},
		{method: "GET", uri: one + "/keys?prefix=" + long},
		{method: "GET", uri: one + "/keys/k?x=1"},
		{method: "GET", uri: one + "/keys/k", header: readHeaders(strong)},
		{method: "GET", uri: one + "/keys/none"},
		{method: "GET", uri: one + "/keys/" + long},
		{method: "GET", uri: one + "/keys/" + long + "/versions"},
		{method: "GET", uri: one + "/keys/k/versions?cursor=1"},
		{method: "GET", uri: one + "/keys/" + long + "/versions/1"},
		{method: "GET", uri: one + "/keys/" + long + "/at/1"},
		{method: "POST", uri: one + "/keys/" + long + "/undelete"},
		{method: "POST", uri: all + "/two/keys/k/undelete"},
		{method: "POST", uri: one + "/keys/k/undelete"},
		{method: "GET", uri: all + "/two/keys/k/versions"},
		{method: "GET", uri: all + "/two/keys/k/versions/1"},
		{method: "GET", uri: all + "/two/keys/k/at/1"},
		{method: "POST", uri: all + "/two/restore", body: `{"at":1,"all":true}`},
		{method: "POST", uri: one + "/restore", body: `{"at":1,"prefix":"` + long + `"}`},
		{method: "POST", uri: one + "/clear", body: `{"all":true}`, header: http.Header{"Godwit-Request-Id": {"an-id"}}},
	}
}

// readHeaders are those of header that a read takes.
func readHeaders(header http.Header) http.Header {
	header = header.Clone()
	header.Del("Godwit-Request-Id")
	return header
}

// TestEveryAnswerIsSeen provokes each answer of each operation that the description
// names, and uses each parameter and field. All go through the contract, which knows
// no other answers.
func TestEveryAnswerIsSeen(t *testing.T) {
	seen := make(map[string]bool)
	for _, play := range []func(*world, map[string]asked){
		playSamples, playRequests, playStrangers, playAnywhere, playFaults, playUnknownOutcomes, playFullDisk, playAlone, playForNone,
	} {
		w := newWorld(t)
		play(w, w.furnished())
		maps.Copy(seen, w.contract.seen)
	}
	doc, err := description()
	check(t, err)
	for path, item := range doc.Paths.Map() {
		for method, o := range item.Operations() {
			name := method + " " + path
			if _, ok := samples()[name]; !ok {
				t.Errorf("%s has no sample", name)
			}
			var want []string
			for status := range o.Responses.Map() {
				want = append(want, status)
			}
			for _, p := range o.Parameters {
				if p.Value.In == "path" {
					continue
				}
				want = append(want, p.Value.In+" "+http.CanonicalHeaderKey(p.Value.Name))
			}
			if o.RequestBody != nil {
				for field := range o.RequestBody.Value.Content["application/json"].Schema.Value.Properties {
					want = append(want, "field "+field)
				}
			}
			for _, what := range want {
				if !seen[name+" "+what] && !seen[name+" "+strings.ToLower(what)] {
					t.Errorf("%s: %s was not seen", name, what)
				}
			}
		}
	}
}

// furnished puts what the samples are about into the world, and returns them.
func (w *world) furnished() map[string]asked {
	w.t.Helper()
	if status, body := w.do("PATCH", "/godwit/v1/namespaces/one/settings", rootToken, `{"history":"10"}`); status != 200 {
		w.t.Fatal(body)
	}
	w.put("k", "v")
	w.put("k2", "v")
	revision := written(w.t, 200, mustTransact(w, putOf("undone", `"value":"v"`)))
	mustTransact(w, `{"mutations":[{"op":"delete","key":"undone"}]}`)
	all := samples()
	for name, a := range all {
		a.uri, a.body = strings.Replace(a.uri, "REVISION", revision, 1), strings.Replace(a.body, "REVISION", revision, 1)
		all[name] = a
	}
	return all
}

// play makes a request, and returns what was answered.
func (w *world) play(operation string, a asked) *httptest.ResponseRecorder {
	method, _, _ := strings.Cut(operation, " ")
	if a.method != "" {
		method = a.method
	}
	if a.token == "" {
		a.token = rootToken
	}
	return w.ask(method, a.uri, a.token, a.body, a.header)
}

// playSamples makes each good request. What they are about is there.
func playSamples(w *world, all map[string]asked) {
	_, err := w.catalog.CreateNamespace(w.t.Context(), "gone", "", godwit.RequestKey{})
	check(w.t, err)
	_, token, err := w.catalog.CreateToken(w.t.Context(), godwit.Token{Permission: godwit.PermissionRead})
	check(w.t, err)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		a := all[name]
		a.uri = strings.Replace(a.uri, "TOKEN", token.ID, 1)
		for range 2 { // once it makes a namespace, and once it does not
			if res := w.play(name, a); res.Code >= 300 && res.Code != 404 {
				w.t.Errorf("%s: %d %s", name, res.Code, res.Body)
			}
		}
	}
}

func playRequests(w *world, furnished map[string]asked) {
	_, err := w.catalog.CreateNamespace(w.t.Context(), "three", "", godwit.RequestKey{})
	check(w.t, err)
	page, err := w.store.List(w.t.Context(), w.one.ID, godwit.ListQuery{Limit: 1, Scan: new(godwit.Scan)}, godwit.ReadOptions{})
	check(w.t, err)
	for _, a := range requests() {
		a.uri = strings.Replace(a.uri, "CURSOR", page.Cursor, 1)
		w.play("", a)
	}
	playRestore(w, furnished["POST /godwit/v1/namespaces/{namespace}/restore"])
}

// playRestore restores everything in two pages.
func playRestore(w *world, a asked) {
	w.put("k3", "v")
	w.put("k4", "v")
	all := strings.Replace(a.body, `"prefix":"undone"`, `"all":true`, 1)
	a.method, a.body = "POST", strings.Replace(all, `"limit":10`, `"limit":1`, 1)
	var page struct{ Cursor string }
	check(w.t, json.Unmarshal(w.play("", a).Body.Bytes(), &page))
	a.body = strings.Replace(all, `"limit":10`, fmt.Sprintf(`"cursor":%q`, page.Cursor), 1)
	if res := w.play("", a); res.Code != 200 || page.Cursor == "" {
		w.t.Errorf("the page behind %q: %d %s", page.Cursor, res.Code, res.Body)
	}
}

// playStrangers asks without a token, and with one that is for something else.
func playStrangers(w *world, all map[string]asked) {
	other := w.token(godwit.PermissionRead, w.two.ID)
	for name, a := range all {
		if res := w.ask(strings.Fields(name)[0], a.uri, "", a.body, a.header); res.Code != 401 && !strings.HasSuffix(a.uri, ".yaml") {
			w.t.Errorf("%s without a token: %d", name, res.Code)
		}
		a.token = other
		w.play(name, a)
	}
}

// playAnywhere asks for namespaces that there are not, by malformed titles, and with
// bodies that are too long.
func playAnywhere(w *world, all map[string]asked) {
	for name, a := range all {
		if a.body != "" {
			long := a
			long.body = strings.Repeat(" ", 2<<20) + a.body
			w.play(name, long)
		}
		if !strings.Contains(a.uri, "/one") {
			continue
		}
		none := a
		none.uri = strings.Replace(a.uri, "/one", "/none", 1)
		w.play(name, none)
		r := httptest.NewRequestWithContext(w.t.Context(), strings.Fields(name)[0], "http://node.example", strings.NewReader(a.body))
		r.RequestURI = strings.Replace(a.uri, "/one", "/%zz", 1)
		r.Header.Set("Authorization", "Bearer "+rootToken)
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
	}
}

// refusing does not find out who is asking.
type refusing struct {
	native.Service
	err error
}

func (r refusing) Authenticate(context.Context, netip.Addr, []byte) (*catalog.Principal, error) {
	return nil, r.err
}

// playFaults has a node that cannot tell who is asking, or is asked too often.
func playFaults(w *world, all map[string]asked) {
	service := w.config.Service
	for _, err := range []error{fmt.Errorf("a fault"), godwit.ErrBusy, godwit.Errorf(godwit.CodeTooManyRequests, "Too many failed requests.")} {
		w.config.Service = refusing{service, err}
		w.handler = w.contract.over(native.New(w.config))
		for name, a := range all {
			w.play(name, a)
		}
	}
}

// playUnknownOutcomes is an edge that does not hear what became of what it passed on.
func playUnknownOutcomes(w *world, all map[string]asked) {
	w.config.PassOn = func(http.ResponseWriter, *http.Request) error { return godwit.ErrOutcomeUnknown }
	playLog(w, all, godwit.ErrOutcomeUnknown, "POST", "PATCH", "DELETE")
}

func playFullDisk(w *world, all map[string]asked) {
	playLog(w, all, godwit.ErrDiskFull, "POST", "PATCH")
}

// playLog has a log that fails.
func playLog(w *world, all map[string]asked, err error, methods ...string) {
	log := failing{w.log, err}
	c, oerr := catalog.Open(w.t.Context(), catalog.Config{Source: w.store, Log: log, RootToken: rootToken, Now: w.service.Now})
	check(w.t, oerr)
	w.service.Log, w.service.Catalog, w.service.Metrics = log, c, prometheus.NewRegistry()
	w.config.Service = api.New(w.service)
	w.handler = w.contract.over(native.New(w.config))
	for name, a := range all {
		if slices.Contains(methods, strings.Fields(name)[0]) {
			w.play(name, a)
		}
	}
}

// playAlone is a node that shares its log with nobody, and whose root token was given
// to it.
func playAlone(w *world, all map[string]asked) {
	w.config.Cluster = func() *native.Cluster { return nil }
	w.config.RotateRoot = func(context.Context) (string, error) {
		return "", godwit.Errorf(godwit.CodeInvalidRequest, "The root token was given by --root-token.")
	}
	w.handler = w.contract.over(native.New(w.config))
	for name, a := range all {
		w.play(name, a)
	}
}

// playForNone asks for what was deleted already.
func playForNone(w *world, all map[string]asked) {
	for name, a := range all {
		if strings.HasPrefix(name, "DELETE ") {
			w.play(name, a)
		}
	}
}
