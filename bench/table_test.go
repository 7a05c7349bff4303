//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func turns(perSecond ...float64) (all []measure) {
	for _, v := range perSecond {
		all = append(all, measure{perSecond: v})
	}
	return all
}

func TestCompareTakesTheMedianOfTheRoundsRatios(t *testing.T) {
	got := compare(row{Name: "x"}, perSecond, turns(10, 20, 90), turns(10, 40, 30))
	want := row{Name: "x", Value: 20, Reference: 30, Ratio: 1, Low: 0.5, High: 3}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		of   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.of); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.of, got, c.want)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, c := range []struct {
		row  row
		want string
	}{
		{row{Value: 1}, ""},
		{row{Value: 1, Ratio: 0.9, Target: 0.9}, "pass"},
		{row{Value: 5, Ratio: 0.8, Target: 0.9}, "fell short"},
		{row{Value: 0.4, Target: 0.5, AtMost: true}, "pass"},
		{row{Value: 0.6, Target: 0.5, AtMost: true}, "fell short"},
		{row{Value: -3, Target: 40, AtMost: true}, "pass"},
		{row{Value: 1, Ratio: 1.6, Target: 1.5, AtMost: true}, "fell short"},
	} {
		if got := c.row.verdict(); got != c.want {
			t.Errorf("%+v: %q, want %q", c.row, got, c.want)
		}
	}
}

func TestPrintTable(t *testing.T) {
	rows := []row{{
		Scenario: "get", Name: "GET", Unit: "req/s", Value: 98765.4, Against: "nginx", Reference: 100000,
		Ratio: 0.98765, Low: 0.9, High: 1, Target: 0.9, Note: "measured",
	}}
	for _, markdown := range []bool{false, true} {
		var out bytes.Buffer
		printTable(&out, rows, markdown)
		for _, want := range []string{"98765 ", "100000", "0.99", "0.90 to 1.00", ">= 0.90", "pass", "get, GET: measured"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
		if got := strings.Count(out.String(), "|"); markdown != (got == 3*(len(headings)+1)) {
			t.Errorf("as Markdown: %v, but %d bars", markdown, got)
		}
	}
}

func TestParseRefusesWhatMakesNoSense(t *testing.T) {
	for _, args := range [][]string{{"x"}, {"-rounds", "0"}, {"-window", "0s"}, {"-keys", "1"}, {"-only", "("}} {
		if _, err := parse(args); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if o, err := parse([]string{"-only", "get-.*", "-large"}); err != nil || !o.large || !o.only.MatchString("get-hot") {
		t.Errorf("options %+v, error %v", o, err)
	}
}

func TestEveryScenarioHasAName(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range append(scenarios(options{}), scenarios(options{large: true})...) {
		if s.name == "" || s.about == "" || s.run == nil || seen[s.name] {
			t.Errorf("scenario %q has no name of its own, no words or nothing to run", s.name)
		}
		seen[s.name] = true
	}
}
