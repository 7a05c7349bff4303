// Command scale prints how far a deployment goes, by arithmetic from figures that
// bench has measured and written with -json. What was not measured is said to be so,
// and nothing is computed from it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

func main() { os.Exit(exitCode(os.Args[1:], os.Stdout, os.Stderr)) }

func exitCode(args []string, out, errs io.Writer) int {
	if len(args) == 0 {
		fmt.Fprintln(errs, "scale: name the files that bench -json has written")
		return 2
	}
	f, err := read(args)
	if err != nil {
		fmt.Fprintln(errs, "scale:", err)
		return 1
	}
	f.print(out)
	return 0
}

// What is asked for.
const (
	locations   = 330
	largest     = 1_000_000_000
	recordBytes = 360 // of a 288-byte value on the feed, before compression
	gigabit     = 1e9 / 8
)

// figures are measured values by name.
type figures map[string]float64

// The names that bench gives them.
const (
	clusterPuts = "three members, PUT over"
	singlePuts  = "PUT over"
	firstCopy   = "first copy, centre idle"
	diskOfKey   = "disk of a key with a value of 288 bytes"
	idle        = "300 idle followers, memory of the centre"
	edgeReads   = "GET hot at an edge"
)

func read(paths []string) (figures, error) {
	f := make(figures)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read figures: %w", err)
		}
		var rows []struct {
			Name  string
			Value float64
		}
		if err := json.Unmarshal(text, &rows); err != nil {
			return nil, fmt.Errorf("read figures of %s: %w", path, err)
		}
		for _, r := range rows {
			if _, ok := f[r.Name]; !ok { // the first row of a figure compares it with the target's contestant
				f[r.Name] = r.Value
			}
		}
	}
	return f, nil
}

// of is a figure, NaN if it was not measured.
func (f figures) of(name string) float64 {
	if v, ok := f[name]; ok {
		return v
	}
	return math.NaN()
}

func (f figures) print(w io.Writer) {
	fmt.Fprintln(w, "| keys | disk of a node | an edge's first copy |")
	fmt.Fprintln(w, "|---|---|---|")
	for keys := 1e6; keys <= largest; keys *= 10 {
		fmt.Fprintf(w, "| %.0f | %s | %s |\n", keys, size(keys*f.of(diskOfKey)), span(keys/f.of(firstCopy)))
	}
	fmt.Fprintln(w, "\n| writes a second | bytes a second to each follower | followers that one gigabit carries |")
	fmt.Fprintln(w, "|---|---|---|")
	for _, rate := range []float64{100, 1000, f.of(clusterPuts), f.of(singlePuts)} {
		each := rate * recordBytes
		fmt.Fprintf(w, "| %s | %s | %s |\n", plain(rate), size(each), plain(math.Floor(gigabit/each)))
	}
	fmt.Fprintf(w, "\n%d locations that follow one node take %s of its memory while nothing is written.\n",
		locations, size(f.of(idle)*(1<<20)/300*locations))
	fmt.Fprintf(w, "%d locations answer %s reads of hot keys a second for each core that they have.\n",
		locations, plain(locations*f.of(edgeReads)))
}

const notMeasured = "not measured"

func plain(v float64) string {
	if math.IsNaN(v) {
		return notMeasured
	}
	return fmt.Sprintf("%.0f", v)
}

func size(v float64) string {
	if math.IsNaN(v) {
		return notMeasured
	}
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if v < 1000 {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1000
	}
	return fmt.Sprintf("%.1f TB", v)
}

func span(seconds float64) string {
	if math.IsNaN(seconds) {
		return notMeasured
	}
	return (time.Duration(seconds * float64(time.Second))).Round(time.Second).String()
}
