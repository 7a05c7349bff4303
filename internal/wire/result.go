package wire

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

// resultRepeated is set in a result's first byte, beside its outcome.
const resultRepeated = 1 << 7

// AppendResults appends the number of results and each of them:
//
//	count { outcome:1 revision }
func AppendResults(b []byte, results []godwit.Result) []byte {
	b = binary.AppendUvarint(b, uint64(len(results)))
	for _, r := range results {
		first := byte(r.Outcome)
		if r.Repeated {
			first |= resultRepeated
		}
		b = binary.AppendUvarint(append(b, first), uint64(r.Revision))
	}
	return b
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
		r := godwit.Result{Outcome: godwit.Outcome(first &^ resultRepeated), Repeated: first&resultRepeated != 0, Revision: d.Revision()}
		if r.Outcome < godwit.Applied || r.Outcome > godwit.NamespaceMissing {
			d.Fail()
			return nil
		}
		results[i] = r
	}
	return results
}
