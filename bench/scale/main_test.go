package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScale(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rows.json")
	rows := `[{"name":"disk of a key with a value of 288 bytes","value":400},{"name":"first copy, centre idle","value":200000},
		{"name":"PUT over","value":30000},{"name":"PUT over","value":31000},{"name":"300 idle followers, memory of the centre","value":10}]`
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := exitCode([]string{file}, &out, &errs); code != 0 || errs.Len() > 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	for _, want := range []string{
		"| 1000000000 | 400.0 GB | 1h23m20s |", "| 30000 | 10.8 MB | 11 |", "| not measured | not measured | not measured |",
		"330 locations that follow one node take 11.5 MB",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, out.String())
		}
	}
	for _, args := range [][]string{nil, {"none.json"}, {os.Args[0]}} {
		if code := exitCode(args, &out, &errs); code == 0 {
			t.Errorf("%v is taken", args)
		}
	}
}
