package godwit_test

import (
	"math"
	"math/big"
	"testing"

	"github.com/godwitkv/godwit"
)

func TestParseNumber(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "7": 7, "+7": 7, "007": 7, "-12": -12,
		"9223372036854775807": math.MaxInt64, "-9223372036854775808": math.MinInt64,
	} {
		if got, ok := godwit.ParseNumber([]byte(text)); !ok || got != want {
			t.Errorf("%q is %d, %t; want %d", text, got, ok, want)
		}
	}
	for _, text := range []string{"", " 7", "7 ", "7\n", "1.0", "1e3", "0x10", "1_000", "-", "+", "--1", "seven", "\x00", "\u0667",
		"9223372036854775808", "-9223372036854775809", "000000000000000000007"} {
		if got, ok := godwit.ParseNumber([]byte(text)); ok {
			t.Errorf("%q was taken for %d", text, got)
		}
	}
}

func TestParseInteger(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int64
		ok   bool
	}{
		{"0", 0, true}, {"-5", -5, true}, {"007", 7, true}, {"9223372036854775807", math.MaxInt64, true},
		{"9223372036854775808", math.MaxInt64, false}, {"-9223372036854775809", math.MinInt64, false},
		{"", 0, false}, {"+5", 0, false}, {"+99999999999999999999", 0, false}, {" 5", 0, false}, {"5.0", 0, false},
		{"1e3", 0, false}, {"five", 0, false},
	} {
		if got, ok := godwit.ParseInteger(tt.text); got != tt.want || ok != tt.ok {
			t.Errorf("%q is %d, %t; want %d, %t", tt.text, got, ok, tt.want, tt.ok)
		}
	}
}

func TestAddNumbers(t *testing.T) {
	edges := []int64{math.MinInt64, math.MinInt64 + 1, -7, -1, 0, 1, 7, math.MaxInt64 - 1, math.MaxInt64}
	for _, a := range edges {
		for _, b := range edges {
			want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
			got, ok := godwit.AddNumbers(a, b)
			if ok != want.IsInt64() || ok && got != want.Int64() {
				t.Errorf("%d + %d is %d, %t; want %s", a, b, got, ok, want)
			}
			if back, is := godwit.ParseNumber(godwit.FormatNumber(a)); !is || back != a {
				t.Errorf("%d comes back as %d, %t", a, back, is)
			}
		}
	}
}
