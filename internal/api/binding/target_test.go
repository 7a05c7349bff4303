package binding_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/api/binding"
)

func TestSplitTarget(t *testing.T) {
	for _, c := range []struct{ target, path, query string }{
		{"/", "", ""},
		{"/?prefix=a/b", "", "prefix=a/b"},
		{"/a%2Fb?urlencoded=true", "a%2Fb", "urlencoded=true"},
		{"//a//", "/a//", ""},
		{"/a?b?c", "a", "b?c"},
		{"/a#b", "a#b", ""},
		{"http://host/key?x", "key", "x"},
		{"http://host", "", ""},
		{"http://host?prefix=/", "", "prefix=/"},
		{"*", "*", ""},
		{"", "", ""},
	} {
		if path, query := binding.SplitTarget(c.target); path != c.path || query != c.query {
			t.Errorf("SplitTarget(%q) = %q, %q; want %q, %q", c.target, path, query, c.path, c.query)
		}
	}
}

func TestRoute(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "", "list"},
		{"HEAD", "", "list"},
		{"GET", "k", "get"},
		{"HEAD", "k", "get"},
		{"GET", "bulk/get", "get"},
		{"POST", "bulk/get", "bulk_get"},
		{"POST", "bulk%2Fget", "none"},
		{"POST", "", "none"},
		{"PUT", "", "put"},
		{"PUT", "k", "put"},
		{"DELETE", "k", "delete"},
		{"PATCH", "k", "none"},
		{"OPTIONS", "*", "none"},
		{"get", "k", "none"},
	} {
		if got := binding.Route(c.method, c.path); got != c.want {
			t.Errorf("Route(%q, %q) = %s, want %s", c.method, c.path, got, c.want)
		}
	}
}

func TestQueryValue(t *testing.T) {
	for _, c := range []struct {
		query, name, want string
		ok                bool
	}{
		{"", "a", "", false},
		{"a", "a", "", true},
		{"a=", "a", "", true},
		{"a=1&a=2", "a", "1", true},
		{"b=1&a=2", "a", "2", true},
		{"ab=1", "a", "", false},
		{"a=x=y", "a", "x=y", true},
		{"a=a%2Fb+c%26%C3%A9", "a", "a/b c&é", true},
		{"cursor=C%2B%2F%3D", "cursor", "C+/=", true},
		{"a=%zz%4", "a", "%zz%4", true},
		{"%61=1", "a", "1", true},
		{"&&a=1&", "a", "1", true},
		{"=1", "a", "", false},
	} {
		if got, ok := binding.QueryValue(c.query, c.name); got != c.want || ok != c.ok {
			t.Errorf("QueryValue(%q, %q) = %q, %v; want %q, %v", c.query, c.name, got, ok, c.want, c.ok)
		}
	}
}

// FuzzPathDecoded compares with the standard library.
func FuzzPathDecoded(f *testing.F) {
	for _, seed := range []string{"", "a%2Fb", "plus+eq=", "%", "%4", "%zz", "%00%ff", "a%2fb%2F", "[]|^`", "é", "%ED%A0%80x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got, ok := binding.AppendPathDecoded([]byte("kept"), []byte(in))
		want, err := url.PathUnescape(in)
		if ok != (err == nil) {
			t.Fatalf("decode %q: ok is %v, want %v", in, ok, err)
		}
		if ok && string(got) != "kept"+want {
			t.Fatalf("decode %q: %q, want %q", in, got, want)
		}
	})
}

// FuzzTarget checks that no target can make its parts say what it does not.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"/", "/k?urlencoded=true&cache_ttl=60", "http://h/k?a=%2", "*", "?", "//?//", "/?prefix=%F0%9F%A4%93&cursor=+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		path, query := binding.SplitTarget(in)
		if strings.Contains(path, "?") || !strings.HasSuffix(in, query) {
			t.Fatalf("split %q: %q, %q", in, path, query)
		}
		for _, name := range []string{"urlencoded", "prefix"} {
			got, ok := binding.QueryValue(query, name)
			if strings.ContainsAny(query, ";%") {
				continue // the standard library drops what we keep
			}
			want, err := url.ParseQuery(query)
			if err == nil && (ok != want.Has(name) || got != want.Get(name)) {
				t.Fatalf("%q of %q: %q, %v; want %q", name, query, got, ok, want.Get(name))
			}
		}
	})
}
