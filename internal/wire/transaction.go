package wire

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
)

// A transaction:
//
//	request:16 count { condition } count { mutation }
//
// A condition:
//
//	kind:1 namespace:16 count key count { revision }
//
// A mutation, its shape as a record's, or shapeAdd beside what else there is of it:
//
//	shape:1 namespace:16 count key [expiration] [count metadata]
//	[count value | blob:16 size hash:32 | delta]
//
// Numbers are uvarints, and delta a varint.
const (
	shapeAdd = 1 << 7

	minTransactionBytes = len(godwit.RequestKey{}) + 2
	minConditionBytes   = 1 + len(godwit.NamespaceID{}) + 3
	minMutationBytes    = 1 + len(godwit.NamespaceID{}) + 2
)

// AppendTransaction appends an encoding of t to b.
func AppendTransaction(b []byte, t *godwit.Transaction) []byte {
	b = append(b, t.RequestKey[:]...)
	b = binary.AppendUvarint(b, uint64(len(t.Conditions)))
	for i := range t.Conditions {
		b = appendCondition(b, &t.Conditions[i])
	}
	b = binary.AppendUvarint(b, uint64(len(t.Mutations)))
	for i := range t.Mutations {
		b = appendMutation(b, &t.Mutations[i])
	}
	return b
}

func appendCondition(b []byte, c *godwit.Condition) []byte {
	b = append(b, byte(c.Kind))
	b = append(b, c.Namespace[:]...)
	b = AppendCounted(b, c.Key)
	b = binary.AppendUvarint(b, uint64(len(c.Revisions)))
	for _, r := range c.Revisions {
		b = binary.AppendUvarint(b, uint64(r))
	}
	return b
}

func appendMutation(b []byte, m *godwit.Mutation) []byte {
	shape := contentShape(m)
	if m.Op == godwit.OpAdd {
		shape = shape&(shapeExpires|shapeMetadata) | shapeAdd
	}
	b = append(b, shape)
	b = append(b, m.Namespace[:]...)
	b = AppendCounted(b, m.Key)
	b = appendContent(b, shape, m)
	if m.Op == godwit.OpAdd {
		b = binary.AppendVarint(b, m.Delta)
	}
	return b
}

// DecodeTransaction takes a transaction from d, which tells whether there was
// one. Values and metadata point into d's input.
func DecodeTransaction(d *Decoder, t *godwit.Transaction) {
	*t = godwit.Transaction{}
	copy(t.RequestKey[:], d.Bytes(int64(len(t.RequestKey))))
	if n := d.count(minConditionBytes); n > 0 {
		t.Conditions = make([]godwit.Condition, n)
	}
	for i := range t.Conditions {
		decodeCondition(d, &t.Conditions[i])
	}
	if n := d.count(minMutationBytes); n > 0 {
		t.Mutations = make([]godwit.Mutation, n)
	}
	for i := range t.Mutations {
		decodeMutation(d, &t.Mutations[i])
	}
}

func decodeCondition(d *Decoder, c *godwit.Condition) {
	c.Kind = godwit.ConditionKind(d.Byte())
	copy(c.Namespace[:], d.Bytes(int64(len(c.Namespace))))
	c.Key = string(d.Counted(godwit.MaxKeyBytes))
	n := d.count(1)
	if n > godwit.MaxETags || c.Key == "" || c.Kind < godwit.MustBeAbsent || c.Kind > godwit.MustNotMatch {
		d.Fail()
		return
	}
	if n > 0 {
		c.Revisions = make([]godwit.Revision, n)
	}
	for i := range c.Revisions {
		c.Revisions[i] = d.Revision()
	}
}

func decodeMutation(d *Decoder, m *godwit.Mutation) {
	shape := d.Byte()
	if m.Op = mutationOp(shape); m.Op == 0 {
		d.Fail()
		return
	}
	copy(m.Namespace[:], d.Bytes(int64(len(m.Namespace))))
	m.Key = string(d.Counted(godwit.MaxKeyBytes))
	if m.Key == "" {
		d.Fail()
		return
	}
	decodeContent(d, shape, m)
	if m.Op == godwit.OpAdd {
		m.Delta = d.Signed()
	}
}

// mutationOp is the operation of a mutation of a shape, 0 if none may have it.
func mutationOp(shape byte) godwit.Op {
	switch {
	case shape&shapeAdd != 0 && shape&^(shapeAdd|shapeExpires|shapeMetadata) == 0:
		return godwit.OpAdd
	case !possible(shape) || shape&(shapeSwept|shapeCreated) != 0:
		return 0
	case shape&shapeDelete != 0:
		return godwit.OpDelete
	}
	return godwit.OpPut
}

// AppendTransactions appends the number of transactions and each of them.
func AppendTransactions(b []byte, txs []godwit.Transaction) []byte {
	b = binary.AppendUvarint(b, uint64(len(txs)))
	for i := range txs {
		b = AppendTransaction(b, &txs[i])
	}
	return b
}

// DecodeTransactions takes what AppendTransactions appended, most at the most.
func DecodeTransactions(d *Decoder, most int) []godwit.Transaction {
	n := d.count(minTransactionBytes)
	if d.Bad() || n > most {
		d.Fail()
		return nil
	}
	txs := make([]godwit.Transaction, n)
	for i := range txs {
		DecodeTransaction(d, &txs[i])
		if d.Bad() {
			return nil
		}
	}
	return txs
}

// batchVersion is the first byte of a batch.
const batchVersion = 1

// AppendBatch appends an encoding of a batch to b:
//
//	version:1 time count { transaction }
func AppendBatch(b []byte, batch *godwit.Batch) []byte {
	b = append(b, batchVersion)
	b = binary.AppendUvarint(b, uint64(batch.Time))
	return AppendTransactions(b, batch.Transactions)
}

// DecodeBatch reads what AppendBatch appended, with most transactions at the
// most. Values and metadata point into b. Error: ErrMalformed, for another
// version too.
func DecodeBatch(b []byte, most int) (godwit.Batch, error) {
	d := NewDecoder(b)
	if d.Byte() != batchVersion {
		return godwit.Batch{}, ErrMalformed
	}
	batch := godwit.Batch{Time: d.Int()}
	batch.Transactions = DecodeTransactions(&d, most)
	if err := d.Err(); err != nil {
		return godwit.Batch{}, err
	}
	return batch, nil
}

// count takes a number of things that take at least size bytes each.
func (d *Decoder) count(size int) int {
	n := d.Int()
	if n > int64(d.Len()/size) {
		d.Fail()
		return 0
	}
	return int(n)
}
