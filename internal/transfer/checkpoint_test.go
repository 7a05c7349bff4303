package transfer_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/transfer"
)

func TestCheckpoint(t *testing.T) {
	name := t.TempDir() + "/checkpoint"
	ends := transfer.Ends{Names: "a to b", Source: "1"}
	c, m, err := transfer.OpenCheckpoint(name, ends)
	check(t, err)
	if m != (transfer.Mark{}) {
		t.Errorf("begins at %+v", m)
	}
	want := transfer.Mark{File: 1, Line: 7, Sum: 9, Key: "k\x00", Cursor: "c"}
	c.Made("2")
	c.Note(transfer.Mark{Line: 3})
	c.Note(want)
	check(t, c.Close(false))
	ends.Target = "2"
	if _, m, err = transfer.OpenCheckpoint(name, ends); err != nil || m != want {
		t.Errorf("got %+v, %v", m, err)
	}
	for of, text := range map[transfer.Ends]string{
		{Names: "a to c", Source: "1", Target: "2"}: "something else: a to b",
		{Names: "a to b", Source: "3", Target: "2"}: "what was read from is not there any more, or was made anew: remove the checkpoint",
		{Names: "a to b", Source: "1", Target: "3"}: "what was written to is not there any more, or was made anew: remove the checkpoint",
		{Names: "a to b", Source: "1"}:              "what was written to is not there any more, or was made anew: remove the checkpoint",
	} {
		if _, _, err := transfer.OpenCheckpoint(name, of); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: got %v", of, err)
		}
	}
	c, _, err = transfer.OpenCheckpoint(name, ends)
	check(t, err)
	check(t, c.Close(true))
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the checkpoint is there: %v", err)
	}
	for _, text := range []string{"", "{", `{"of":"a to b","mark":{"line":-1}}`, `{"of":"a to b","other":1}`} {
		check(t, os.WriteFile(name, []byte(text), 0o600))
		if _, _, err := transfer.OpenCheckpoint(name, ends); err == nil || !strings.Contains(err.Error(), "is no checkpoint") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// TestLinesGoOn stops at a bad line of the second of two files, and goes on with files
// that are other than they were.
func TestLinesGoOn(t *testing.T) {
	const bad = `{"key":"bad"` + "\n"
	const first, second = `{"key":"a","value":"1"}`, `{"key":"b","value":"2"}` + "\r\n\n" + `{"key":"c","value":"3"}` + "\n"
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	read := func(from transfer.Mark, texts ...string) (keys string, mark transfer.Mark, err error) {
		check(t, os.WriteFile(one, []byte(texts[0]), 0o600))
		check(t, os.WriteFile(two, []byte(texts[1]), 0o600))
		l := &transfer.Lines{Files: []string{one, two}, MaxValue: 100, From: from}
		for b, e := range l.Batches(t.Context()) {
			if err = e; e == nil {
				mark = b.Mark
			}
			for _, it := range b.Items {
				keys += it.Key
			}
		}
		return keys, mark, err
	}
	keys, mark, err := read(transfer.Mark{}, first, second+bad)
	if keys != "abc" || mark.File != 1 || mark.Line != 3 || mark.Sum == 0 || !errors.As(err, new(*transfer.ItemError)) {
		t.Fatalf("read %q up to %+v, %v", keys, mark, err)
	}
	const mended = `{"key":"d","value":"4"}`
	for _, texts := range [][]string{{first, second + mended}, {first + "\n", second + mended}} {
		if keys, _, err := read(mark, texts...); keys != "d" || err != nil {
			t.Errorf("%q: read %q, %v", texts, keys, err)
		}
	}
	for _, texts := range [][]string{
		{"", second + mended}, {first + "\n" + mended, second + mended}, {strings.Replace(first, "1", "7", 1), second + mended},
		{first, mended}, {first, mended + "\n" + second + mended}, {first, strings.Replace(second, "2", "7", 1) + mended},
	} {
		keys, _, err := read(mark, texts...)
		if keys != "" || !errors.Is(err, transfer.ErrNotTheSame) || !strings.Contains(err.Error(), two+": the lines up to 3 are not those that were written") {
			t.Errorf("%q: read %q, %v", texts, keys, err)
		}
	}
}

// TestDirTargetID tells a directory from one that was made anew under its name.
func TestDirTargetID(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	id := func() string {
		t.Helper()
		target := &transfer.DirTarget{Name: dir, Progress: new(transfer.Progress)}
		check(t, target.Open())
		check(t, target.Close())
		return target.ID()
	}
	first := id()
	if again := id(); first == "" || again != first {
		t.Errorf("%q, and then %q", first, again)
	}
	check(t, os.RemoveAll(dir))
	if anew := id(); anew == "" || anew == first {
		t.Errorf("%q, and made anew %q", first, anew)
	}
}
