package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync/atomic"

	"github.com/godwitkv/godwit"
)

// requestIDs makes request ids: random for the process, then counted.
type requestIDs struct {
	prefix string
	last   atomic.Uint64
}

func newRequestIDs() *requestIDs {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process first
	return &requestIDs{prefix: hex.EncodeToString(b[:]) + "-"}
}

// RequestID appends to dst the client's request id if it gave a valid one, else
// a new one; the response carries it as Godwit-Request-Id. Error, upon which a
// new one is appended all the same: CodeInvalidRequest, if the client gave one
// that is not valid.
func (s *Service) RequestID(dst []byte, given []byte) ([]byte, error) {
	if len(given) == 0 {
		return s.ids.append(dst), nil
	}
	if !validRequestID(given) {
		return s.ids.append(dst), errRequestID()
	}
	return append(dst, given...), nil
}

func (r *requestIDs) append(dst []byte) []byte {
	return strconv.AppendUint(append(dst, r.prefix...), r.last.Add(1), 16)
}

// validRequestID tells whether id is 1 to MaxRequestIDBytes printable ASCII
// characters without spaces.
func validRequestID[T string | []byte](id T) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= godwit.MaxRequestIDBytes
}

// CheckRequestID validates what a client names its request by; "" is nothing. Error:
// CodeInvalidRequest.
func CheckRequestID(id string) error {
	if id != "" && !validRequestID(id) {
		return errRequestID()
	}
	return nil
}

func errRequestID() error {
	return godwit.Errorf(godwit.CodeInvalidRequest, "Invalid %s: use 1 to %d printable ASCII characters without spaces.",
		HeaderRequestID, godwit.MaxRequestIDBytes)
}

// asked is all that a write asks for. Two writes with one request id are the
// same if they ask for the same: expirations count as they were given, not as
// what they came to at that moment.
type asked struct {
	requestID  string // "": none was given
	item       int    // index in a bulk request
	mutation   *godwit.Mutation
	expiration string
	ttl        string
	conditions []godwit.Condition
}

// key is the digest of a, or zero if the client gave no request id.
func (a *asked) key() (k godwit.RequestKey) {
	if a.requestID == "" {
		return k
	}
	d := make(digest, 0, digestRoom)
	d.text(a.requestID)
	d.number(uint64(a.item))
	d.mutation(a)
	for i := range a.conditions {
		d.condition(&a.conditions[i])
	}
	return d.key()
}

// digestRoom is as many bytes as a write of one key without metadata takes in, or so.
const digestRoom = 256

// digest is fields, written so that no two lists of fields look alike.
type digest []byte

// mutation takes in what a asks for, but its conditions.
func (d *digest) mutation(a *asked) {
	m := a.mutation
	d.number(uint64(m.Op))
	d.bytes(m.Namespace[:])
	d.text(m.Key)
	d.bytes(m.Metadata)
	d.text(a.expiration)
	d.text(a.ttl)
	value := m.Value.Blob.Hash
	if m.Value.Blob.IsZero() {
		value = sha256.Sum256(m.Value.Inline)
	}
	d.bytes(value[:])
	if m.Op == godwit.OpAdd {
		d.number(uint64(m.Delta))
	}
}

// condition takes in what is asked of a key, but which key.
func (d *digest) condition(c *godwit.Condition) {
	d.number(uint64(c.Kind))
	d.number(uint64(len(c.Revisions)))
	for _, r := range c.Revisions {
		d.number(uint64(r))
	}
}

func (d *digest) text(s string) {
	d.number(uint64(len(s)))
	*d = append(*d, s...)
}

func (d *digest) bytes(b []byte) {
	d.number(uint64(len(b)))
	*d = append(*d, b...)
}

func (d *digest) number(n uint64) { *d = binary.BigEndian.AppendUint64(*d, n) }

func (d digest) key() (k godwit.RequestKey) {
	sum := sha256.Sum256(d)
	copy(k[:], sum[:])
	return k
}
