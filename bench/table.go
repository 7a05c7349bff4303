//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is one figure of the table.
type row struct {
	Scenario  string  `json:"scenario"`
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Value     float64 `json:"value"`               // godwit's, the median
	Against   string  `json:"against,omitempty"`   // what it is compared with
	Reference float64 `json:"reference,omitempty"` // that one's value, the median
	// Ratio is the median of the rounds' ratios; Low and High are their range.
	Ratio  float64 `json:"ratio,omitempty"`
	Low    float64 `json:"low,omitempty"`
	High   float64 `json:"high,omitempty"`
	Target float64 `json:"target,omitempty"` // of the ratio, or without one of the value; 0: none
	AtMost bool    `json:"at_most,omitempty"`
	Note   string  `json:"note,omitempty"`
}

// verdict tells whether the row is what it should be; "" where nothing is asked.
func (r row) verdict() string {
	got := r.Value
	if r.Ratio != 0 {
		got = r.Ratio
	}
	switch {
	case r.Target == 0:
		return ""
	case r.AtMost == (got <= r.Target), got == r.Target:
		return "pass"
	}
	return "fell short"
}

// compare makes the row of two contestants that had their turns in the same
// rounds.
func compare(r row, of func(measure) float64, ours, theirs []measure) row {
	var values, references, ratios []float64
	for i := range ours {
		a, b := of(ours[i]), of(theirs[i])
		values, references, ratios = append(values, a), append(references, b), append(ratios, a/b)
	}
	r.Value, r.Reference, r.Ratio = median(values), median(references), median(ratios)
	r.Low, r.High = slices.Min(ratios), slices.Max(ratios)
	return r
}

// values is what one contestant's turns gave.
func values(of func(measure) float64, turns []measure) []float64 {
	all := make([]float64, len(turns))
	for i, m := range turns {
		all[i] = of(m)
	}
	return all
}

// median of v, NaN when there is none.
func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// headings are the table's; cells are what stands under them.
var headings = []string{"scenario", "figure", "godwit", "unit", "compared with", "its figure", "ratio", "range", "target", "verdict"}

func (r row) cells() []string {
	reference, ratio, spread, target := "", "", "", ""
	if r.Against != "" {
		reference = number(r.Reference)
	}
	if r.Ratio != 0 {
		ratio, spread = number(r.Ratio), number(r.Low)+" to "+number(r.High)
	}
	if r.Target != 0 {
		target = ">= " + number(r.Target)
		if r.AtMost {
			target = "<= " + number(r.Target)
		}
	}
	return []string{r.Scenario, r.Name, number(r.Value), r.Unit, r.Against, reference, ratio, spread, target, r.verdict()}
}

// printTable writes the rows in columns, or as a table of Markdown, and their
// notes after it.
func printTable(w io.Writer, rows []row, markdown bool) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	begin, between, end := "", "\t", "\n"
	if markdown {
		begin, between, end = "| ", "\t | ", "\t |\n"
	}
	fmt.Fprint(t, begin, strings.Join(headings, between), end)
	if markdown {
		fmt.Fprint(t, begin, strings.Repeat("---"+between, len(headings)-1), "---", end)
	}
	for _, r := range rows {
		fmt.Fprint(t, begin, strings.Join(r.cells(), between), end)
	}
	_ = t.Flush()
	if markdown {
		fmt.Fprintln(w)
		begin = "- "
	}
	for _, r := range rows {
		if r.Note != "" {
			fmt.Fprintf(w, "%s%s, %s: %s\n", begin, r.Scenario, r.Name, r.Note)
		}
	}
}

// number writes f with as many digits as mean something.
func number(f float64) string {
	switch {
	case math.Abs(f) >= 1000:
		return fmt.Sprintf("%.0f", f)
	case math.Abs(f) >= 10:
		return fmt.Sprintf("%.1f", f)
	}
	return fmt.Sprintf("%.2f", f)
}

func writeJSON(path string, rows []row) error {
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return fmt.Errorf("encode rows: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	return nil
}
