package worker_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/godwitkv/godwit/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestSender holds whom a Worker is told of: what a client says of itself counts for
// nothing, unless a proxy that is trusted has passed it on.
func TestSender(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for name, test := range map[string]struct {
		peer, forwarded, proto string
		client, scheme         string
	}{
		"a client":            {"203.0.113.9:1", "", "", "203.0.113.9", "http"},
		"a client that lies":  {"203.0.113.9:1", "198.51.100.1", "https", "203.0.113.9", "http"},
		"a proxy here":        {"127.0.0.1:1", "198.51.100.1", "https", "198.51.100.1", "https"},
		"a proxy in between":  {"127.0.0.1:1", "198.51.100.1, 10.1.1.1", "https", "198.51.100.1", "https"},
		"a lie before it":     {"10.1.1.1:1", "1.2.3.4, 198.51.100.1", "http", "198.51.100.1", "http"},
		"a proxy of IPv6":     {"[::1]:1", "2001:db8::1", "", "2001:db8::1", "http"},
		"mapped":              {"[::ffff:127.0.0.1]:1", "198.51.100.1", "", "198.51.100.1", "http"},
		"rubbish":             {"127.0.0.1:1", "1.2.3.4, rubbish", "gopher", "127.0.0.1", "http"},
		"nothing but proxies": {"127.0.0.1:1", "10.2.2.2, 10.1.1.1", "", "10.2.2.2", "http"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = test.peer
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-For", test.forwarded)
			}
			r.Header.Set("X-Forwarded-Proto", test.proto)
			if client, scheme := worker.Sender(trusted, r); client != test.client || scheme != test.scheme {
				t.Errorf("got %s over %s, want %s over %s", client, scheme, test.client, test.scheme)
			}
		})
	}
}

// TestForward holds that a Worker is told nothing that Cloudflare alone says of a client,
// unless a trusted proxy does.
func TestForward(t *testing.T) {
	for peer, believed := range map[string]bool{"203.0.113.9:1": false, "127.0.0.1:1": true} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		for _, name := range []string{"CF-IPCountry", "Cf-Access-Authenticated-User-Email", "X-Real-IP", "True-Client-IP"} {
			r.Header.Set(name, "liar")
		}
		r.Header.Set("Accept", "*/*")
		got := worker.Forward(nil, r)
		for name := range r.Header {
			if want := believed || name == "Accept"; (got[name] != nil) != want {
				t.Errorf("of %s, %s arrives: %v, want %v", peer, name, !want, want)
			}
		}
		if want := strings.TrimSuffix(peer, ":1"); got.Get("CF-Connecting-IP") != want {
			t.Errorf("of %s, the client is %s", peer, got.Get("CF-Connecting-IP"))
		}
	}
}

// TestIncluded holds which files are a site's. Each answer is that of the package ignore
// 5.3.1, which wrangler asks.
func TestIncluded(t *testing.T) {
	for _, test := range []struct {
		include, exclude, path string
		want                   bool
	}{
		{"", "", "a/b.html", true},
		{"", "*.draft", "a/b.draft", false},
		{"", "*.draft", "a/b.html", true},
		{"", "*.draft", "a/B.DRAFT", false},
		{"", "*.draft", "a/x.draft/b.html", false},
		{"", "DRÄFT", "dräft", false},
		{"", "a", "a/b/c.html", false},
		{"", "a", "b/a", false},
		{"", "a/", "a", true},
		{"", "a/", "b/a/c", false},
		{"", "b/a/", "c/b/a/d", true},
		{"", "/b", "a/b", true},
		{"", "/b", "b/a", false},
		{"", "a/*.html", "a/b.html", false},
		{"", "a/*.html", "c/a/b.html", true},
		{"", "a/*.html", "a/b/c.html", true},
		{"", "a**b", "axyb", false},
		{"", "a**b", "ax/yb", true},
		{"", "a/*/b", "a/x/b", false},
		{"", "a/*/b", "a/x/y/b", true},
		{"", "**/b", "b", false},
		{"", "**/b", "a/x/b", false},
		{"", "/**/b", "a/b", false},
		{"", "a/**/b", "a/b", false},
		{"", "a/**/b", "a/x/y/b", false},
		{"", "a/**/b", "a/xb", true},
		{"", "a/**", "a/x/b", false},
		{"", "a/**", "b/a/x", true},
		{"", "a/**/", "a/x", false},
		{"", "*", "a/b", false},
		{"", "**", "a/b", false},
		{"", "**/", "a", true},
		{"", "**/", "a/b", false},
		{"", "/", "a", true},
		{"", "?.html", "a.html", false},
		{"", "?.html", "ab.html", true},
		{"", "a?b", "a/b", true},
		{"", "[a-c].html", "B.html", false},
		{"", "[a-c].html", "d.html", true},
		{"", "[!a].html", "b.html", true}, // "!" and "^" negate nothing in brackets
		{"", "[!a].html", "a.html", false},
		{"", "[^a].html", "b.html", true},
		{"", "[^a].html", "^.html", false},
		{"", "[z-a].html", "z.html", true},
		{"", "[a].html]", "a.html]", false},
		{"", "a].html", "a].html", false},
		{"", "a.html", "axhtml", true},
		{"", "a(b)|c+$", "a(b)|c+$", false},
		{"", "{a,b}", "a", true},
		{"", "{a,b}", "{a,b}", false},
		{"", `a\*b`, "axb", true},
		{"", `a\*b`, "a*b", false},
		{"", `a\*`, "ab", false}, // a backslash before the last character "*"
		{"", `\!a`, "!a", false},
		{"", `\#a`, "#a", false},
		{"", `a\\`, `a\`, false},
		{"", "#a", "#a", true},
		{"", "\ufeffa", "a", false},
		{"", "a ", "a", false}, // patterns stand between ","
		{"", `a\ `, "a ", false},
		{"", `a\ b`, "a b", false},
		{"", "*.html,!b.html", "a.html", false},
		{"", "*.html,!b.html", "b.html", true},
		{"", "!b.html,*.html", "b.html", false},
		{"", "a,!a/b", "a/b", false},   // what is in a directory cannot be taken back
		{"", "a/*,!a/b", "a/b", true},  // but for itself
		{"", "a/**,!a/b", "a/b", true}, //
		{"", "/*,!/a", "a/b", true},
		{"a/", "", "a/b.html", true},
		{"a/", "", "b/c.html", false},
		{"a/", "", "b/a.html", false},
		{"*.html,!b.html", "", "a.html", true},
		{"*.html,!b.html", "", "b.html", false},
		{"a", "a/b", "a/b", false},
		{"a", "a/b", "a/c", true},
		{"a", "a/b", "c", false},
		{"#", "", "a", false},
	} {
		split := func(patterns string) []string {
			return strings.FieldsFunc(patterns, func(c rune) bool { return c == ',' && patterns != "{a,b}" })
		}
		got, err := worker.Included(split(test.include), split(test.exclude), test.path)
		if err != nil || got != test.want {
			t.Errorf("%+v: got %t, %v", test, got, err)
		}
	}
}

// TestWatch changes files in every way, and wants each to be noticed: with the system's
// help, and without.
func TestWatch(t *testing.T) {
	for name, deaf := range map[string]bool{"told": false, "looking": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			file, absent, sub := filepath.Join(dir, "a"), filepath.Join(dir, "absent"), filepath.Join(dir, "sub", "b")
			put := func(path, text string) {
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Error(err)
				}
			}
			must := func(err error) {
				if err != nil {
					t.Error(err)
				}
			}
			must(os.Mkdir(filepath.Dir(sub), 0o700))
			put(file, "1")
			put(sub, "1")
			wait, end := worker.Watch([]string{file, absent, sub}, deaf)
			defer end()
			for what, change := range []func(){
				func() { put(file, "22") },
				func() { put(file+".new", "33"); must(os.Rename(file+".new", file)) },
				func() { put(absent, "1") },
				func() { must(os.Rename(filepath.Dir(sub), filepath.Join(dir, "aside"))) },
				func() { must(os.Mkdir(filepath.Dir(sub), 0o700)); put(sub, "22") },
				func() { put(sub, "333") },
				func() { put(filepath.Join(dir, "new"), "") }, // a file that may win over another
				func() { must(os.Remove(file)) },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				change()
				if err := wait(ctx); err != nil {
					t.Errorf("change %d was not noticed", what)
				}
				cancel()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if err := wait(ctx); err == nil {
				t.Error("a change was noticed that there was none of")
			}
		})
	}
}

// TestWatchOfAFileThatIsWrittenInPlace holds that a file is not taken for empty between
// the two steps in which it is written, and is if it stays so.
func TestWatchOfAFileThatIsWrittenInPlace(t *testing.T) {
	const most = 400 * time.Millisecond // less than what a file may be empty for
	for name, deaf := range map[string]bool{"told": false, "looking": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range 10 { // while the machine is too busy to write the file in time
				text, took := writeInPlace(t, deaf)
				if text == "22" {
					return
				}
				if took < most {
					t.Fatalf("got %q while the file was being written, for %v", text, took)
				}
			}
			t.Errorf("the file could not be written within %v", most)
		})
	}
}

// writeInPlace returns what a file holds when it is told to have changed, and for how long
// it was empty. Then it leaves it empty.
func writeInPlace(t *testing.T, deaf bool) (text string, took time.Duration) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a")
	put := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Error(err)
		}
	}
	put("1")
	wait, end := worker.Watch([]string{file}, deaf)
	defer end()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	began := time.Now()
	put("")
	written := make(chan time.Duration, 1)
	time.AfterFunc(60*time.Millisecond, func() { put("22"); written <- time.Since(began) })
	if err := wait(ctx); err != nil {
		t.Fatal(err)
	}
	now, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	took = <-written
	put("")
	if err := wait(ctx); err != nil {
		t.Errorf("that the file stays empty was not noticed: %v", err)
	}
	return string(now), took
}

// TestPlain holds that what a client has sent plays no tricks on a terminal.
func TestPlain(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\tb ü": "a\n\tb ü", "\x1b[2Jx": `\x1b[2Jx`, "a\rb": `a\x0db`, "\u009b1m": `\x9b1m`,
	} {
		if got := worker.Plain(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// TestTempForSockets holds that a directory for sockets is made whose paths are short enough,
// however long TMPDIR is.
func TestTempForSockets(t *testing.T) {
	for _, length := range []int{60, 70, 90, 120} {
		long := filepath.Join(t.TempDir(), strings.Repeat("d", 120))[:length]
		if err := os.MkdirAll(long, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", long)
		dir, err := worker.MakeTemp()
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("unix", dir+"/g4294967295/63/s")
		if err == nil {
			t.Error("a socket without its directory")
			_ = l.Close()
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a socket below a TMPDIR of %d bytes: %v", length, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}
}
