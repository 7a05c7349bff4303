package wrangler

import (
	"maps"
	"slices"
	"strings"
)

// maxTypos is how many letters of a key may be wrong for it to be known again.
const maxTypos = 2

// didYouMean names the key that is spelt most like a wrong one.
func didYouMean(wrong string) string {
	plain := func(s string) string { return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(s)) }
	wrong = plain(wrong)
	likest, fewest := "", min(maxTypos, len(wrong)/3)+1 // of a short one nearly all could be wrong
	for _, keys := range []map[string]bool{understood, ofNoConsequence} {
		for _, name := range slices.Sorted(maps.Keys(keys)) {
			if n := typos(wrong, plain(name)); n < fewest {
				likest, fewest = name, n
			}
		}
	}
	if likest == "" {
		return ""
	}
	return ": did you mean " + likest + "?"
}

// typos is how many letters are wrong at least where a stands for b: another letter, one
// too many, one too few, or two in the wrong order. Beyond maxTypos it is not counted.
func typos(a, b string) int {
	if len(a)-len(b) > maxTypos || len(b)-len(a) > maxTypos {
		return maxTypos + 1
	}
	count := make([][]int, len(a)+1) // of the first i letters of a for the first j of b
	for i := range count {
		count[i] = make([]int, len(b)+1)
		count[i][0] = i
	}
	for j := range count[0] {
		count[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			another := count[i-1][j-1]
			if a[i-1] != b[j-1] {
				another++
			}
			n := min(another, count[i-1][j]+1, count[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				n = min(n, count[i-2][j-2]+1)
			}
			count[i][j] = n
		}
	}
	return count[len(a)][len(b)]
}
