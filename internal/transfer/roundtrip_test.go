package transfer_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/transfer"
)

// TestRoundTrip exports all that a namespace may hold and imports it, at a centre and
// at an edge.
func TestRoundTrip(t *testing.T) {
	centre := open(t)
	c := connect(t, centre)
	for _, title := range []string{"from", "centre", "edge"} {
		_, err := c.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		check(t, err)
	}
	fillOdd(t, c.KV("from"))
	edge := connect(t, open(t, centre.APIURL()))
	roundTrip(t, c, edge, "edge", int64(len(oddKeys)+many))
	fillLargest(t, c.KV("from"))
	roundTrip(t, c, c, "centre", int64(len(oddKeys)+many+1))
}

// roundTrip exports and imports at one node, and looks at what came of it at the centre.
func roundTrip(t *testing.T, centre, at *client.Client, name string, keys int64) {
	t.Helper()
	file, counts := write(t, &transfer.Server{KV: at.KV("from"), Strong: true})
	if counts.Keys.Load() != keys || counts.Bytes.Load() < 4<<20 {
		t.Errorf("%s: exported %d keys of %d bytes, want %d", name, counts.Keys.Load(), counts.Bytes.Load(), keys)
	}
	text, err := os.ReadFile(file)
	check(t, err)
	for line := range bytes.Lines(text) {
		if len(line) > 34<<20 || line[len(line)-1] != '\n' {
			t.Errorf("%s: a line of %d bytes, %.40s", name, len(line), line)
		}
	}
	source := &transfer.Lines{Files: []string{file}, MaxValue: transfer.DefaultMaxValue}
	if _, err := runTo(t.Context(), source, at.KV(name), transfer.Options{}); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	sameContents(t, centre.KV("from"), centre.KV(name))
}

// TestValuesOverTheLimit takes values that are held by no one in memory.
func TestValuesOverTheLimit(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<21+1) // what an export holds, and a little
	source := fixed{{Items: []transfer.Item{{Key: "large", Open: opens(large)}, {Key: "gone", Open: gone}, {Key: "small", Value: []byte("v")}}}}
	file, counts := write(t, source)
	if counts.Keys.Load() != 2 || counts.Bytes.Load() != int64(len(large)+len("large")+len("smallv")) {
		t.Errorf("%d keys, %d bytes", counts.Keys.Load(), counts.Bytes.Load())
	}
	l := &transfer.Lines{Files: []string{file}, MaxValue: transfer.MaxValue}
	for b, err := range l.Batches(t.Context()) {
		check(t, err)
		if len(b.Items) > 0 && b.Items[0].Key == "large" && !bytes.Equal(b.Items[0].Value, large) {
			t.Errorf("%d bytes came back", len(b.Items[0].Value))
		}
	}
}

// TestOrder holds that the last item of a key wins, however many are written at once.
func TestOrder(t *testing.T) {
	c := serve(t, "to")
	var text strings.Builder
	const keys, rounds = 50, 400
	for round := range rounds {
		for k := range keys {
			fmt.Fprintf(&text, `{"key":"k%d","value":"%d"}`+"\n", k, round)
		}
	}
	marks := 0
	last := transfer.Mark{}
	counts, err := runTo(t.Context(), lines(t, text.String()), c.KV("to"), transfer.Options{Concurrency: 16, OnMark: func(m transfer.Mark) {
		if m.Line <= last.Line {
			t.Errorf("line %d is marked behind line %d", m.Line, last.Line)
		}
		last = m
		marks++
	}})
	check(t, err)
	if counts.Keys.Load() != keys*rounds || last.Line != keys*rounds || marks < 3 {
		t.Errorf("%d keys, %d marks, the last %d", counts.Keys.Load(), marks, last.Line)
	}
	for key, e := range contents(t, c.KV("to")) {
		if e.Value != fmt.Sprint(rounds-1) {
			t.Errorf("%s is %s", key, e.Value)
		}
	}
}

// TestExpired leaves out what has ended, and what is about to so soon that the server
// refuses it.
func TestExpired(t *testing.T) {
	c := serve(t, "to")
	at := now()
	text := fmt.Sprintf(`{"key":"past","value":"1","expiration":1}
{"key":"kept","value":"1","expiration":%d}
{"key":"soon","value":"1","expiration":%d}
{"key":"ttl","value":"1","expiration":1,"expiration_ttl":3600}
{"key":"never","value":"1","expiration":null}
`, at+3600, at+5)
	counts, err := runTo(t.Context(), lines(t, text), c.KV("to"), transfer.Options{})
	check(t, err)
	got := contents(t, c.KV("to"))
	if len(got) != 3 || got["kept"].Expiration != at+3600 || got["ttl"].Expiration < at+3600 || got["never"].Expiration != 0 {
		t.Errorf("got %v", got)
	}
	if counts.Keys.Load() != 3 || counts.Expired.Load() != 2 {
		t.Errorf("%d keys, %d expired", counts.Keys.Load(), counts.Expired.Load())
	}
}

// TestRefusedByTheServer names the line of an item that only the server can judge.
func TestRefusedByTheServer(t *testing.T) {
	c := serve(t, "to")
	var text strings.Builder
	for i := range 5000 {
		ttl := 3600
		if i == 4321 {
			ttl = 30
		}
		fmt.Fprintf(&text, `{"key":"k%d","value":"v","expiration_ttl":%d}`+"\n", i, ttl)
	}
	_, err := runTo(t.Context(), lines(t, text.String()), c.KV("to"), transfer.Options{})
	var stopped *transfer.StoppedError
	if !errors.As(err, &stopped) || !errors.Is(err, client.ErrInvalid) {
		t.Fatalf("got %v", err)
	}
	if want := `line 4322: key "k4321": `; !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "expiration_ttl of 30") {
		t.Errorf("got %q, want %q", err, want)
	}
	written := contents(t, c.KV("to"))
	for i := range int(stopped.Done.Line) {
		if _, ok := written[fmt.Sprintf("k%d", i)]; !ok {
			t.Fatalf("k%d is not written, and all is said to be up to line %d", i, stopped.Done.Line)
		}
	}
	if stopped.Done.Line == 0 || len(written) >= 5000 {
		t.Errorf("line %d, %d written", stopped.Done.Line, len(written))
	}
}

// TestBadLineChangesNothingBehindIt writes all before a bad line and nothing after it.
func TestBadLineChangesNothingBehindIt(t *testing.T) {
	c := serve(t, "to")
	var text strings.Builder
	const bad = 6000
	for i := 1; i <= 7000; i++ {
		if i == bad {
			text.WriteString(`{"key":"bad","valeu":"1"}` + "\n")
			continue
		}
		fmt.Fprintf(&text, `{"key":"k%d","value":"v"}`+"\n", i)
	}
	from := lines(t, text.String())
	_, err := runTo(t.Context(), from, c.KV("to"), transfer.Options{Concurrency: 8})
	var stopped *transfer.StoppedError
	if !errors.As(err, &stopped) || err.Error() != `line 6000: the field "valeu" is not known` || stopped.Done.Line != bad-1 {
		t.Fatalf("got %v, %+v", err, stopped)
	}
	if got := contents(t, c.KV("to")); len(got) != bad-1 {
		t.Errorf("%d keys are written, want %d", len(got), bad-1)
	}
	from = lines(t, strings.Replace(text.String(), "valeu", "value", 1))
	from.From = stopped.Done
	counts, err := runTo(t.Context(), from, c.KV("to"), transfer.Options{})
	check(t, err)
	if counts.Keys.Load() != 7000-bad+1 || len(contents(t, c.KV("to"))) != 7000 {
		t.Errorf("%d keys were written when it went on", counts.Keys.Load())
	}
}

// TestGoOnWithAnExport cuts a file off at every place of its last lines and goes on.
func TestGoOnWithAnExport(t *testing.T) {
	c := serve(t, "from")
	kv := c.KV("from")
	fillOdd(t, kv)
	file, _ := write(t, &transfer.Server{KV: kv, Prefix: ""})
	whole, err := os.ReadFile(file)
	check(t, err)
	cuts := []int{0, 1, 100, len(whole) / 2, len(whole) - 1, len(whole)}
	for i := range whole {
		if whole[i] == '\n' && len(cuts) < 20 {
			cuts = append(cuts, i, i+1, i+2)
		}
	}
	for _, cut := range cuts {
		check(t, os.WriteFile(file, whole[:cut], 0o600))
		f, last, err := transfer.OpenOutput(file, true)
		check(t, err)
		check(t, transfer.Write(t.Context(), &transfer.Server{KV: kv, From: transfer.Mark{Key: last}}, f, new(transfer.Progress), now))
		check(t, f.Close())
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, whole) {
			t.Fatalf("cut off at %d: %d bytes, want %d: %v", cut, len(got), len(whole), err)
		}
	}
}

func TestOpenOutputRefuses(t *testing.T) {
	file := t.TempDir() + "/out"
	for text, want := range map[string]string{
		"some text\n":                   "the last line is not one that an export has written",
		"{\"value\":1,\"key\":\"k\"}\n": "the last line is not one that an export has written",
		"{\"key\":\"..\",\"value\"}\n":  "the last line is not one that an export has written",
	} {
		check(t, os.WriteFile(file, []byte(text), 0o600))
		if _, _, err := transfer.OpenOutput(file, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", text, err)
		}
		if _, _, err := transfer.OpenOutput(file, false); !errors.Is(err, transfer.ErrNotEmpty) {
			t.Errorf("%q: got %v", text, err)
		}
		if got, err := os.ReadFile(file); err != nil || string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

// TestTargetFails ends a transfer and tells of the first failure.
func TestTargetFails(t *testing.T) {
	c := serve(t, "to")
	_, err := runTo(t.Context(), lines(t, strings.Repeat(`{"key":"k","value":"v"}`+"\n", 20_000)), c.KV("none"), transfer.Options{})
	if !errors.Is(err, client.ErrNamespaceNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestEnsureNamespace(t *testing.T) {
	c := serve(t, "there")
	for _, tt := range []struct {
		ref   string
		there bool
		err   error
	}{
		{"there", true, nil}, {"new", false, nil}, {"new", true, nil}, {"14106a8eaaef0ee5d24baf017fc91f36", false, client.ErrNamespaceNotFound},
		{strings.Repeat("x", 600), false, client.ErrInvalid},
	} {
		found, err := transfer.FindNamespace(t.Context(), c, tt.ref)
		if (found != "") != tt.there || err != nil {
			t.Errorf("%.40s: found %q, %v", tt.ref, found, err)
		}
		id, err := transfer.EnsureNamespace(t.Context(), c, tt.ref)
		if !errors.Is(err, tt.err) || (id == "") != (err != nil) || found != "" && id != found {
			t.Errorf("%.40s: %q, %v", tt.ref, id, err)
		}
		if err != nil {
			continue
		}
		if again, err := transfer.EnsureNamespace(t.Context(), c, id); again != id || err != nil {
			t.Errorf("%s: %q, %v", id, again, err)
		}
	}
}
