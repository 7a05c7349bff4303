package dashboard

import "github.com/godwitkv/godwit/internal/api"

// Samples returns the times of the samples that are kept behind the first n, and of how
// many.
func (d *Dashboard) Samples(n uint64) (times []int64, count uint64) {
	all, count, _ := d.samples.after(n)
	for _, s := range all {
		times = append(times, s.At)
	}
	return times, count
}

// Quantile is quantile.
func Quantile(o api.Operations, q float64) float64 { return quantile(o, q) }

// Compare is compare, each line with its mark before it.
func Compare(theirs, mine string) []string {
	var lines []string
	for _, line := range compare(theirs, mine) {
		lines = append(lines, line.Mark+line.Text)
	}
	return lines
}

// IndentedSize is indentedSize.
func IndentedSize(text string) int64 { return indentedSize(text) }
