package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/cockroachdb/datadriven"
)

// TestWrangler runs the transcripts in testdata/wrangler, each against a server
// of its own. <title> stands for the id of the namespace of that title, both in
// commands and in what is printed; see session.command for what may be said.
func TestWrangler(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/wrangler/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("find transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			s := &session{server: startServer(t, "--jurisdiction", "eu"), dir: t.TempDir(), home: t.TempDir(), titles: map[string]string{}}
			datadriven.RunTest(t, file, s.command)
		})
	}
}

// A session is a person at a terminal.
type session struct {
	server *server
	dir    string            // where wrangler is run
	home   string            // its home
	titles map[string]string // by id, as first seen
}

// command carries out one command of a transcript:
//
//	wrangler [without=ENV]   runs wrangler with the arguments below it
//	file name=F              writes what is below it to a file
//	bytes name=F             writes what a Go string literal below it says
//	items name=F n=N form=pair|name|object    writes N bulk items, as JSON
//	rest                     makes the request below it: METHOD PATH [BODY]
func (s *session) command(t *testing.T, d *datadriven.TestData) string {
	s.learn(t)
	d.Input = s.expand(d.Input)
	switch d.Cmd {
	case "wrangler":
		return s.wrangler(t, d)
	case "file":
		write(t, filepath.Join(s.dir, arg(t, d, "name")), []byte(d.Input))
	case "bytes":
		data, err := strconv.Unquote(d.Input)
		if err != nil {
			d.Fatalf(t, "%v", err)
		}
		write(t, filepath.Join(s.dir, arg(t, d, "name")), []byte(data))
	case "items":
		write(t, filepath.Join(s.dir, arg(t, d, "name")), items(t, d))
	case "rest":
		return s.rest(t, d.Input)
	default:
		d.Fatalf(t, "no command %s", d.Cmd)
	}
	return ""
}

func arg(t *testing.T, d *datadriven.TestData, name string) string {
	t.Helper()
	var v string
	d.ScanArgs(t, name, &v)
	return v
}

// items are N bulk items k00000, k00001, ... in one of the forms wrangler takes.
func items(t *testing.T, d *datadriven.TestData) []byte {
	t.Helper()
	n, err := strconv.Atoi(arg(t, d, "n"))
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	all := make([]any, n)
	for i := range all {
		key := fmt.Sprintf("k%05d", i)
		switch arg(t, d, "form") {
		case "pair":
			all[i] = map[string]any{"key": key, "value": "value " + key}
		case "object":
			all[i] = map[string]any{"name": key}
		default:
			all[i] = key
		}
	}
	data, err := json.Marshal(all)
	if err != nil {
		d.Fatalf(t, "%v", err)
	}
	return data
}

// learn looks up which namespaces there are.
func (s *session) learn(t *testing.T) {
	t.Helper()
	_, body, err := s.server.do(http.MethodGet, s.server.kv("/namespaces?per_page=1000"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var reply struct{ Result []struct{ ID, Title string } }
	if err := json.Unmarshal(body, &reply); err != nil {
		t.Fatalf("list namespaces: %v: %s", err, body)
	}
	for _, ns := range reply.Result {
		if _, ok := s.titles[ns.ID]; !ok {
			s.titles[ns.ID] = ns.Title
		}
	}
}

func (s *session) expand(text string) string {
	for id, title := range s.titles {
		text = strings.ReplaceAll(text, "<"+title+">", id)
	}
	return text
}

func (s *session) wrangler(t *testing.T, d *datadriven.TestData) string {
	t.Helper()
	args := append([]string{filepath.Join(clients.modules, "wrangler", "bin", "wrangler.js")}, split(d.Input)...)
	cmd := exec.CommandContext(t.Context(), clients.node, args...)
	cmd.Dir = s.dir
	for _, v := range s.server.environment(s.home) {
		if name, _, _ := strings.Cut(v, "="); !d.HasArg("without") || arg(t, d, "without") != name {
			cmd.Env = append(cmd.Env, v)
		}
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		d.Fatalf(t, "%v", err)
	}
	s.learn(t)
	out := s.tidy(stdout.String()) + s.tidy(stderr.String())
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		out += fmt.Sprintf("exit %d\n", code)
	}
	return out
}

// rest makes a request and returns status and body, tidied.
func (s *session) rest(t *testing.T, input string) string {
	t.Helper()
	method, rest, _ := strings.Cut(strings.TrimSpace(input), " ")
	path, body, _ := strings.Cut(rest, " ")
	res, got, err := s.server.do(method, s.server.kv(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	s.learn(t)
	var reply any
	if json.Unmarshal(got, &reply) == nil { // in one order
		if got, err = json.Marshal(reply); err != nil {
			t.Fatal(err)
		}
		got = append(got, '\n')
	}
	return fmt.Sprintf("%d\n%s", res.StatusCode, s.tidy(string(got)))
}

var (
	colour  = regexp.MustCompile("\x1b\\[[0-9;]*m")
	noise   = regexp.MustCompile(`If you think this is a bug|Logs were written to|^Resource location: remote`)
	seconds = regexp.MustCompile(`\b\d{10}\b`)
)

// tidy takes out of a program's output what differs from run to run: ids,
// addresses, files, colours, blank lines. An end without a newline is marked.
func (s *session) tidy(out string) string {
	out = colour.ReplaceAllString(out, "")
	if !utf8.ValidString(out) {
		return strconv.Quote(out) + "\n"
	}
	for id, title := range s.titles {
		out = strings.ReplaceAll(out, id, "<"+title+">")
	}
	out = strings.ReplaceAll(out, "http://"+s.server.api, "<server>")
	out = strings.ReplaceAll(out, account, "<account>")
	out = seconds.ReplaceAllStringFunc(out, func(text string) string {
		n, _ := strconv.ParseInt(text, 10, 64)
		if d := time.Until(time.Unix(n, 0)); d > 0 && d < 24*time.Hour {
			return "<within a day>"
		}
		return text
	})
	if out != "" && !strings.HasSuffix(out, "\n") {
		out += "<no newline>\n"
	}
	var kept []string
	for line := range strings.SplitSeq(out, "\n") {
		if line = strings.TrimRight(line, " "); line != "" && !noise.MatchString(line) {
			kept = append(kept, line)
		}
	}
	if len(kept) > 60 {
		kept = append(kept[:10:10], fmt.Sprintf("<%d lines more>", len(kept)-20), strings.Join(kept[len(kept)-10:], "\n"))
	}
	if len(kept) == 0 {
		return ""
	}
	return strings.Join(kept, "\n") + "\n"
}

// split cuts a command line at its blanks; '...' holds blanks together.
func split(line string) []string {
	var args []string
	var arg strings.Builder
	quoted, some := false, false
	for _, r := range strings.TrimSpace(line) {
		switch {
		case r == '\'':
			quoted, some = !quoted, true
		case (r == ' ' || r == '\n') && !quoted:
			if some {
				args = append(args, arg.String())
			}
			arg.Reset()
			some = false
		default:
			arg.WriteRune(r)
			some = true
		}
	}
	if some {
		args = append(args, arg.String())
	}
	return args
}
