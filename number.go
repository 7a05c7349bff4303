package godwit

import (
	"math"
	"strconv"
	"strings"
)

// MaxNumberBytes is how long the text of a number may be: that of the lowest is.
const MaxNumberBytes = 20

// ParseNumber reads a value that can be added to: a decimal integer of 64 bits,
// with a sign or without. It tells whether it is one.
func ParseNumber(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > MaxNumberBytes {
		return 0, false
	}
	if c := value[0]; c > '9' || c < '0' && c != '-' && c != '+' {
		return 0, false // most values are told apart here
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	return n, err == nil
}

// ParseInteger reads a parameter that is a decimal integer: "+5", " 5", "5.0" and
// "1e3" are none. ok is false for those, with n 0, and for one that 64 bits do not
// hold, with n the nearest that they do.
func ParseInteger(text string) (n int64, ok bool) {
	if strings.HasPrefix(text, "+") { // which strconv takes
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// AddNumbers returns a+b, and whether 64 bits hold it.
func AddNumbers(a, b int64) (sum int64, ok bool) {
	if b > 0 && a > math.MaxInt64-b || b < 0 && a < math.MinInt64-b {
		return 0, false
	}
	return a + b, true
}

// FormatNumber is how a number stands in a value: what [ParseNumber] reads.
func FormatNumber(n int64) []byte { return strconv.AppendInt(nil, n, 10) }
