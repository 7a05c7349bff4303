package workerd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit/internal/worker/workerd"
)

// TestWarningsOfTheStart are told once workerd listens, unless nobody is to be told. What is
// very long is cut between two lines.
func TestWarningsOfTheStart(t *testing.T) {
	rule := strings.Repeat("x", 99)
	long := "rules:" + strings.Repeat(`\n`+rule, 100)
	said := ""
	for _, l := range [][2]string{{"info", "busy"}, {"warn", `a rule\n  at _headers:1`}, {"debug", "so and so"}, {"warn", long}} {
		said += fmt.Sprintf(`{"level":"%s","source":"entry.rs:1","message":"%s"}`, l[0], l[1]) + "\n"
	}
	want := []workerd.Line{
		{Level: "warn", Text: "a rule\n  at _headers:1", Own: true},
		{Level: "warn", Text: "rules:" + strings.Repeat("\n"+rule, 20) + "\n[it goes on for 8000 bytes]", Own: true},
	}
	// What a Worker says is told at once.
	worker := `{"level":"log","message":"hello"}` + "\n"
	hello := workerd.Line{Level: "log", Text: "hello"}
	if diff := cmp.Diff(append([]workerd.Line{hello}, want...), workerd.Warnings(strings.NewReader(said+worker), false)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]workerd.Line{hello}, workerd.Warnings(strings.NewReader(said+worker), true)); diff != "" {
		t.Errorf("told quietly (-want +got):\n%s", diff)
	}
}
