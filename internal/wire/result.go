package wire

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

// What is set in a result's first byte, beside its outcome.
const (
	resultRepeated = 1 << 7
	resultSums     = 1 << 6 // sums are there
	resultFlags    = resultRepeated | resultSums
)

// AppendResults appends the number of results and each of them:
//
//	count { outcome:1 revision [count { sum }] }
//
// Numbers are uvarints, and sums varints.
func AppendResults(b []byte, results []godwit.Result) []byte {
	b = binary.AppendUvarint(b, uint64(len(results)))
	for _, r := range results {
		first := byte(r.Outcome)
		if r.Repeated {
			first |= resultRepeated
		}
		if len(r.Sums) > 0 {
			first |= resultSums
		}
		b = binary.AppendUvarint(append(b, first), uint64(r.Revision))
		if len(r.Sums) > 0 {
			b = AppendSums(b, r.Sums)
		}
	}
	return b
}

// AppendSums appends the number of sums and each of them.
func AppendSums(b []byte, sums []int64) []byte {
	b = binary.AppendUvarint(b, uint64(len(sums)))
	for _, n := range sums {
		b = binary.AppendVarint(b, n)
	}
	return b
}

// DecodeSums takes what AppendSums appended. None are not encoded.
func DecodeSums(d *Decoder) []int64 {
	n := d.count(1)
	if n == 0 {
		d.Fail()
		return nil
	}
	sums := make([]int64, n)
	for i := range sums {
		sums[i] = d.Signed()
	}
	return sums
}

// DecodeResults takes what AppendResults appended, most at the most.
func DecodeResults(d *Decoder, most int) []godwit.Result {
	n := d.count(2)
	if d.Bad() || n > most {
		d.Fail()
		return nil
	}
	results := make([]godwit.Result, n)
	for i := range results {
		first := d.Byte()
		r := godwit.Result{Outcome: godwit.Outcome(first &^ resultFlags), Repeated: first&resultRepeated != 0, Revision: d.Revision()}
		if first&resultSums != 0 {
			r.Sums = DecodeSums(d)
		}
		if r.Outcome < godwit.Applied || r.Outcome > godwit.NotNumber || d.Bad() || r.Sums != nil && r.Outcome != godwit.Applied {
			d.Fail()
			return nil
		}
		results[i] = r
	}
	return results
}
