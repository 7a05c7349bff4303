package binding_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/apitest"
	"github.com/godwitkv/godwit/internal/api/binding"
)

// What a Worker sees of an error is "KV PUT failed: " and the status line.
func TestErrorTexts(t *testing.T) {
	w := newWorld(t, binding.Config{})
	now := w.Clock.Now().Unix()
	sec := func(d int64) string { return strconv.FormatInt(now+d, 10) }
	long := strings.Repeat("k", 513)
	keys := func(n int) string { return `"k"` + strings.Repeat(`,"k"`, n-1) }
	w.ask("PUT", "/text", "not json").must(t, 200)
	w.ask("PUT", "/big", strings.Repeat("x", 13<<20)).must(t, 200)
	w.ask("PUT", "/big2", strings.Repeat("x", 13<<20)).must(t, 200)

	p := w.dial()
	for _, c := range []struct {
		method, target, body string
		header               string
		want                 string
	}{
		{"PUT", "/?urlencoded=true", "v", "", `400 Key names must not be empty`},
		{"DELETE", "/", "", "", `400 Key names must not be empty`},
		{"GET", "/.?urlencoded=true", "", "", `400 Illegal key name ".". Please use a different name.`},
		{"GET", "/%2E?urlencoded=true", "", "", `400 Illegal key name ".". Please use a different name.`},
		{"PUT", "/..?urlencoded=true", "v", "", `400 Illegal key name "..". Please use a different name.`},
		{"DELETE", "/%2e.?urlencoded=true", "", "", `400 Illegal key name "..". Please use a different name.`},
		{"GET", "/" + long, "", "", `414 UTF-8 encoded length of 513 exceeds key length limit of 512.`},
		{"PUT", "/" + long, "v", "", `414 UTF-8 encoded length of 513 exceeds key length limit of 512.`},
		{"DELETE", "/" + strings.Repeat("%C3%A9", 257) + "?urlencoded=true", "", "", `414 UTF-8 encoded length of 514 exceeds key length limit of 512.`},
		{"GET", "/%zz?urlencoded=true", "", "", `400 Could not URL-decode key name`},
		{"PUT", "/%4?urlencoded=true", "v", "", `400 Could not URL-decode key name`},
		{"GET", "/%ED%A0%80x?urlencoded=true", "", "", `400 Could not URL-decode key name`},
		{"PUT", "/%ff?urlencoded=true", "v", "", `400 Could not URL-decode key name`},
		{"DELETE", "/%ff?urlencoded=true", "", "", `400 Could not URL-decode key name`},
		{"GET", "/absent?urlencoded=true", "", "", `404 Not Found`},
		{"HEAD", "/absent", "", "", `404 Not Found`},

		{"GET", "/k?cache_ttl=29", "", "", `400 Invalid cache_ttl of 29. Cache TTL must be at least 30.`},
		{"GET", "/k?cache_ttl=0", "", "", `400 Invalid cache_ttl of 0. Cache TTL must be at least 30.`},
		{"GET", "/k?cache_ttl=-2147483648", "", "", `400 Invalid cache_ttl of -2147483648. Cache TTL must be at least 30.`},
		{"GET", "/k?cache_ttl=%C3%A9", "", "", `400 Invalid cache_ttl of ??. Cache TTL must be at least 30.`},
		{"GET", "/.?cache_ttl=29", "", "", `400 Illegal key name ".". Please use a different name.`},
		{"GET", "/k?cache_ttl=31536000", "", "", `404 Not Found`},

		{"PUT", "/k?expiration_ttl=0", "v", "", `400 Invalid expiration_ttl of 0. Please specify integer greater than 0.`},
		{"PUT", "/k?expiration_ttl=-5", "v", "", `400 Invalid expiration_ttl of -5. Please specify integer greater than 0.`},
		{"PUT", "/k?expiration_ttl=60.5", "v", "", `400 Invalid expiration_ttl of 60.5. Please specify integer greater than 0.`},
		{"PUT", "/k?expiration_ttl=59", "v", "", `400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.`},
		{"PUT", "/k?expiration_ttl=59&expiration=1", "v", "", `400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.`},
		{"PUT", "/k?expiration=1", "v", "", `400 Invalid expiration of 1. Please specify integer greater than the current number of seconds since the UNIX epoch.`},
		{"PUT", "/k?expiration=" + sec(0), "v", "", `400 Invalid expiration of ` + sec(0) + `. Please specify integer greater than the current number of seconds since the UNIX epoch.`},
		{"PUT", "/k?expiration=soon", "v", "", `400 Invalid expiration of soon. Please specify integer greater than the current number of seconds since the UNIX epoch.`},
		{"PUT", "/k?expiration=" + sec(59), "v", "", `400 Invalid expiration of ` + sec(59) + `. Expiration times must be at least 60 seconds in the future.`},
		{"PUT", "/k?expiration=1&expiration_ttl=120", "v", "", `200 OK`},

		{"PUT", "/k", "v", "CF-KV-Metadata: " + `"` + strings.Repeat("m", 1023) + `"`, `413 Metadata length of 1025 exceeds limit of 1024.`},
		{"PUT", "/k", "v", "CF-KV-Metadata: " + `"` + strings.Repeat("m", 10_000) + `"`, `413 Metadata length of 10002 exceeds limit of 1024.`},
		{"PUT", "/k", "v", "CF-KV-Metadata: undefined", `400 Metadata is not valid JSON.`},
		{"PUT", "/.", strings.Repeat("x", 100), "CF-KV-Metadata: undefined", `400 Illegal key name ".". Please use a different name.`},

		{"GET", "/?key_count_limit=0", "", "", `400 Invalid key_count_limit of 0. Please specify an integer greater than 0.`},
		{"GET", "/?key_count_limit=-1", "", "", `400 Invalid key_count_limit of -1. Please specify an integer greater than 0.`},
		{"GET", "/?key_count_limit=abc", "", "", `400 Invalid key_count_limit of abc. Please specify an integer greater than 0.`},
		{"GET", "/?key_count_limit=%2B5", "", "", `400 Invalid key_count_limit of +5. Please specify an integer greater than 0.`},
		{"GET", "/?key_count_limit=1001", "", "", `400 Invalid key_count_limit of 1001. Please specify an integer less than 1000.`},
		{"GET", "/?key_count_limit=99999999999999999999", "", "", `400 Invalid key_count_limit of 99999999999999999999. Please specify an integer less than 1000.`},
		{"GET", "/?prefix=" + long, "", "", `414 UTF-8 encoded length of 513 exceeds key length limit of 512.`},
		{"GET", "/?cursor=nonsense", "", "", `400 Invalid cursor`},

		{"POST", "/bulk/get", `{"keys":[]}`, "", `400 You must request a minimum of 1 key`},
		{"POST", "/bulk/get", `{}`, "", `400 You must request a minimum of 1 key`},
		{"POST", "/bulk/get", `{"keys":[` + keys(101) + `]}`, "", `400 You can request a maximum of 100 keys`},
		{"POST", "/bulk/get", `{"keys":[` + keys(100) + `]}`, "", `200 OK`},
		{"POST", "/bulk/get", `{"keys":["k"],"type":"stream"}`, "", `400 "stream" is not a valid type. Use "json" or "text"`},
		{"POST", "/bulk/get", `{"keys":["text"],"type":"json"}`, "", `400 At least one of the requested keys corresponds to a non-json value`},
		{"POST", "/bulk/get", `{"keys":["."]}`, "", `400 Key name . is not legal`},
		{"POST", "/bulk/get", `{"keys":["k","` + long + `"]}`, "", `414 Encoded length of 513 is too long`},
		{"POST", "/bulk/get", `{"keys":["k"],"cacheTtl":"29"}`, "", `400 Invalid cache_ttl of 29. Cache TTL must be at least 30.`},
		{"POST", "/bulk/get", `{"keys":["big","big2"]}`, "", `413 Total size of request exceeds the limit of 25MB`},
		{"POST", "/bulk/get", `{"keys":"k"}`, "", `400 Request body is not a JSON object with an array of strings as keys.`},
		{"POST", "/bulk/get", "{\"keys\":[\"\xff\"]}", "", `400 Request body is not UTF-8.`},
		{"POST", "/bulk/get", strings.Repeat(" ", 5<<20), "", `413 Request body exceeds the limit of 4194304 bytes.`},

		{"PUT", "/text", "v", "If-None-Match: *", `412 Precondition Failed`},
		{"DELETE", "/text", "", `If-Match: "1"`, `412 Precondition Failed`},
		{"PUT", "/text", "v", `If-Match: `, `400 Malformed If-Match: use * or a list of quoted entity tags.`},
		{"DELETE", "/text", "", `If-None-Match: `, `400 Malformed If-None-Match: use * or a list of quoted entity tags.`},
		{"PUT", "/text", "v", `If-Match: W/"1"`, `400 If-Match of a write takes no weak entity tags.`},
		{"GET", "/text", "", "Godwit-Min-Revision: x", `400 Invalid revision "x".`},
		{"GET", "/text", "", "Godwit-Request-Id: a b", `400 Invalid Godwit-Request-Id: use 1 to 128 printable ASCII characters without spaces.`},

		{"GET", "/text", "", "Authorization: Bearer wrong", `401 Authentication error`},
		{"PUT", "/text", "v", "Authorization: ", `401 Authentication error`},
		{"GET", "/text", "", "Authorization: Basic abc", `401 Authentication error`},
		{"GET", "/text", "", "Godwit-Namespace: nothing", `400 namespace not found`},
		{"GET", "/text", "", "Godwit-Namespace: 00000000000000000000000000000000", `400 namespace not found`},
		{"GET", "/text", "", "Godwit-Namespace: ", `400 Missing Godwit-Namespace header: it names a namespace by its id or title.`},

		{"PATCH", "/text", "v", "", `405 Method Not Allowed`},
		{"POST", "/text", "v", "", `405 Method Not Allowed`},
		{"POST", "/", "v", "", `405 Method Not Allowed`},
		{"OPTIONS", "*", "", "", `405 Method Not Allowed`},
		{"GET", "/" + strings.Repeat("k", 9000), "", "", `414 Request URI Too Long`},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		res := p.ask(w, c.method, c.target, c.body, headers...)
		if res.Close {
			p = w.dial()
		}
		if res.Status != c.want {
			t.Errorf("%s %.80s %.40s %s: got %q, want %q", c.method, c.target, c.body, c.header, res.Status, c.want)
		}
		if res.StatusCode >= 400 && res.StatusCode != 404 && c.method != "HEAD" && res.body != res.reason() {
			t.Errorf("%s %.80s: the body is %q", c.method, c.target, res.body)
		}
		if authenticated := res.StatusCode != 401 && res.StatusCode != 405 && res.reason() != "Request URI Too Long"; (res.Header.Get("Godwit-Revision") != "") != authenticated {
			t.Errorf("%s %.80s: %s with Godwit-Revision %q", c.method, c.target, res.Status, res.Header.Get("Godwit-Revision"))
		}
		if (res.StatusCode == 405) != (res.Header.Get("Allow") != "") || (res.StatusCode == 401) != (res.Header.Get("WWW-Authenticate") != "") {
			t.Errorf("%s %.80s: %s with headers %v", c.method, c.target, res.Status, res.Header)
		}
	}
	if body := p.ask(w, "GET", "/text", "").body; body != "not json" {
		t.Errorf("a refused request changed the value to %q", body)
	}
}

// Whatever is refused after a body is told on a connection that stays open.
func TestTooManyWrites(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.WritesPerKey = 1
	w := newWorld(t, binding.Config{}, apitest.WithLimits(limits))
	p := w.dial()
	p.ask(w, "PUT", "/k", "1").must(t, 200)
	if res := p.ask(w, "PUT", "/k", "2"); res.Status != "429 Too Many Requests" || res.Header.Get("Retry-After") != "1" {
		t.Errorf("got %s, %v", res.Status, res.Header)
	}
	p.ask(w, "PUT", "/other", "1").must(t, 200)
}

func TestPermissions(t *testing.T) {
	w := newWorld(t, binding.Config{})
	other := w.Namespace(t, "other")
	w.ask("PUT", "/k", "v").must(t, 200)
	tokens := map[string]string{
		"none": "no-such-token", "root": w.RootToken,
	}
	for _, p := range godwit.Permissions() {
		tokens[string(p)] = w.Token(t, p)
		tokens[string(p)+" here"] = w.Token(t, p, w.ns)
		tokens[string(p)+" there"] = w.Token(t, p, other)
	}
	may := func(who string, writes bool) int {
		p, where, _ := strings.Cut(who, " ")
		switch {
		case p == "none":
			return 401
		case where == "there":
			return 403
		case writes && (p == "read" || p == "replicate"):
			return 403
		}
		return 200
	}
	p := w.dial()
	for who, secret := range tokens {
		for _, c := range []struct {
			method, target, body string
			writes               bool
		}{
			{"GET", "/k", "", false},
			{"HEAD", "/k", "", false},
			{"GET", "/", "", false},
			{"HEAD", "/", "", false},
			{"POST", "/bulk/get", `{"keys":["k"]}`, false},
			{"PUT", "/k", "v", true},
			{"DELETE", "/gone", "", true},
		} {
			want := may(who, c.writes)
			res := p.ask(w, c.method, c.target, c.body, "Authorization: bearer "+secret)
			if res.StatusCode != want {
				t.Errorf("%s: %s %s: got %s, want %d", who, c.method, c.target, res.Status, want)
			}
			if res.Close {
				p = w.dial()
			}
		}
	}
}

func TestNamespaceHeader(t *testing.T) {
	w := newWorld(t, binding.Config{})
	named := w.Namespace(t, "naïve titles/🤓")
	one, two := w.Token(t, godwit.PermissionWrite, named), w.Token(t, godwit.PermissionWrite, named, w.ns)
	w.ask("PUT", "/k", "by title", "Godwit-Namespace: "+named.Title).must(t, 200)
	for i, c := range []struct{ token, namespace, want string }{
		{w.RootToken, named.Title, "200 OK"},
		{w.RootToken, named.ID.String(), "200 OK"},
		{one, named.Title, "200 OK"},
		{one, "", "200 OK"},
		{one, w.ns.Title, "403 The token lacks the permission for this operation."},
		{one, "no such title", "403 The token lacks the permission for this operation."},
		{one, "00000000000000000000000000000000", "403 The token lacks the permission for this operation."},
		{w.Token(t, godwit.PermissionRead), "no such title", "400 namespace not found"},
		{two, "", "400 Missing Godwit-Namespace header: it names a namespace by its id or title."},
		{two, w.ns.Title, "404 Not Found"},
	} {
		res := w.ask("GET", "/k", "", "Authorization: Bearer "+c.token, "Godwit-Namespace: "+c.namespace)
		if res.Status != c.want {
			t.Errorf("%d: got %s, want %s", i, res.Status, c.want)
		}
	}
}
