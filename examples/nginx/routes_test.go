package main

import (
	"regexp"
	"strings"
	"testing"
)

// line is all that nginx may ever read: two words that mean nothing to it.
var line = regexp.MustCompile(`^[a-z0-9-]+(\.[a-z0-9-]+)+ [a-z][a-z0-9-]*;$`)

// hostile are pairs of a key and a value that want to be more than a route.
var hostile = [][2]string{
	{"default", "blue"},
	{"include", "blue"},
	{"include /etc/passwd", "blue"},
	{"~^.*$", "blue"},
	{"*.example", "blue"},
	{".example", "blue"},
	{"a.example blue; } server { listen 81; } #", "blue"},
	{"a.example\nb.example", "blue"},
	{"a.example\n", "blue"},
	{`\a.example`, "blue"},
	{"a..example", "blue"},
	{"-a.example", "blue"},
	{"A.example", "blue"},
	{"a.example:80", "blue"},
	{"bücher.example", "blue"},
	{"a.example", ""},
	{"a.example", "blue;"},
	{"a.example", "blue\n"},
	{"a.example", "$http_x"},
	{"a.example", `"blue"`},
	{"a.example", "169.254.169.254"},
	{"a.example", "127.0.0.1:8788"},
	{"a.example", "[::1]:8788"},
	{"a.example", "unix:/run/docker.sock"},
	{"a.example", "blue:81/admin"},
	{"a.example", "localhost.example"},
	{"a.example", "blue@green"},
	{"a.example", strings.Repeat("b", 64)},
	{"maintenance/", ""},
	{"maintenance/a.example; b", ""},
	{"maintenance/maintenance/a.example", ""},
	{strings.Repeat("a.", 126) + "aa", "blue"},
}

func TestWhatIsNoRouteIsLeftOut(t *testing.T) {
	for _, pair := range hostile {
		r := routes{}
		r.add(pair[0], []byte(pair[1]))
		if len(r) != 0 {
			t.Errorf("key %q with value %q makes %q", pair[0], pair[1], r.text())
		}
	}
}

func TestMaintenanceGoesBeforeTheRoute(t *testing.T) {
	keys := []string{"a.example", "maintenance/a.example", "b.example", "10.0.0.1"}
	want := "10.0.0.1 blue;\na.example maintenance;\nb.example blue;\n"
	for range keys { // in any order
		keys = append(keys[1:], keys[0])
		r := routes{}
		for _, key := range keys {
			r.add(key, []byte("blue"))
		}
		if _, got, _ := strings.Cut(string(r.text()), "\n"); got != want {
			t.Errorf("%q make %q, want %q", keys, got, want)
		}
	}
}

func FuzzAdd(f *testing.F) {
	for _, pair := range hostile {
		f.Add(pair[0], []byte(pair[1]))
	}
	f.Add("a.example", []byte("blue"))
	f.Add("maintenance/a.example", []byte("x"))
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		r := routes{}
		r.add(key, value)
		_, text, _ := strings.Cut(string(r.text()), "\n")
		for l := range strings.Lines(text) {
			if !line.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Errorf("key %q with value %q makes the line %q", key, value, l)
			}
		}
		if len(r) > 1 || strings.Count(text, "\n") != len(r) {
			t.Errorf("key %q with value %q makes %q", key, value, text)
		}
	})
}
