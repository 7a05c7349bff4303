package feed

import (
	"encoding/binary"
	"io"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/wire"
)

// The body of a request that proposes transactions: their encoding and its
// length, then the content of each blob that they name, in order. How long each
// is they say themselves.
//
//	length:8 transactions { content }
//
// The answer: the results, and the error of those transactions that have none,
// by the name that it travels under, "" if there is none.
//
//	results length name length message
const (
	proposalHead = 8

	// maxProposalBytes bounds the encoding of the transactions that one request
	// proposes: their inline values, and what else there is of so many.
	maxProposalBytes = godwit.MaxBulkBytes + godwit.MaxBulkItems*(godwit.MaxKeyBytes+godwit.MaxMetadataBytes)

	// maxAnswerBytes bounds the answer.
	maxAnswerBytes = 16 + godwit.MaxBulkItems*(1+binary.MaxVarintLen64) + maxErrorBytes
)

func appendProposal(b []byte, txs []godwit.Transaction) []byte {
	from := len(b)
	b = append(b, make([]byte, proposalHead)...)
	b = wire.AppendTransactions(b, txs)
	binary.BigEndian.PutUint64(b[from:], uint64(len(b)-from-proposalHead))
	return b
}

// readProposal reads the transactions at the start of a body. take is told how
// long they are before there is room for them; its error ends it. Errors:
// wire.ErrMalformed, r's.
func readProposal(r io.Reader, take func(n int64) error) ([]godwit.Transaction, error) {
	var head [proposalHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint64(head[:])
	if n > maxProposalBytes {
		return nil, godwit.Errorf(godwit.CodeBodyTooLarge, "Transactions of %d bytes exceed the limit of %d.", n, maxProposalBytes)
	}
	if err := take(int64(n)); err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, err
	}
	d := wire.NewDecoder(b)
	txs := wire.DecodeTransactions(&d, godwit.MaxBulkItems)
	return txs, d.Err()
}

func appendOutcome(b []byte, results []godwit.Result, err error) []byte {
	b = wire.AppendResults(b, results)
	name, message := "", ""
	if err != nil {
		name, message = replyTo(err).name, godwit.MessageOf(err)
	}
	b = wire.AppendCounted(b, name)
	return wire.AppendCounted(b, message)
}

// decodeOutcome reads what appendOutcome wrote of n transactions: a result for
// each, or an error for the rest. bad is wire.ErrMalformed.
func decodeOutcome(b []byte, n int) (results []godwit.Result, err, bad error) {
	d := wire.NewDecoder(b)
	results = wire.DecodeResults(&d, n)
	name, message := d.Counted(maxMessageBytes), d.Counted(maxErrorBytes)
	if d.Err() != nil || len(results) < n && len(name) == 0 {
		return nil, nil, wire.ErrMalformed
	}
	if len(name) == 0 {
		return results, nil, nil
	}
	says, err := namedError(string(name), string(message))
	if !says {
		err = unknown(err)
	}
	return results, err, nil
}

// unknown is the error of transactions that may have been applied.
func unknown(err error) error {
	return &godwit.Error{Code: godwit.CodeOutcomeUnknown, Message: godwit.ErrOutcomeUnknown.Message, Err: err}
}
