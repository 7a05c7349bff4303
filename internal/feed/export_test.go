package feed

import (
	"context"
	"io"
	"net/url"

	"github.com/godwitkv/godwit"
)

// ReadFrame reads one frame.
func ReadFrame(r io.Reader) (Frame, error) { return new(frameReader).read(r) }

// Compress compresses an encoded frame if that pays.
func Compress(frame []byte) []byte { return newCompressor().compress(nil, frame) }

// DecodePayload decodes a payload of the kind that a number stands for.
func DecodePayload(k uint8, payload []byte) (Frame, error) { return Decode(kind(k), payload) }

// AppendPlaces encodes the body of a request for places.
var AppendPlaces = appendPlaces

// HeadBytes is how long a frame's head is.
const HeadBytes = headBytes

// NewPaces returns what the paces of one node share.
func NewPaces(requests func() uint64) *Paces { return &Paces{paces{requests: requests}} }

// Paces is shared by the paces of one node.
type Paces struct{ paces }

// Begin begins work.
func (p *Paces) Begin() *Pace {
	out := &Pace{pace{all: &p.paces}}
	out.begin()
	return out
}

// Pace is a pace.
type Pace struct{ pace }

// Record is told of a record.
func (p *Pace) Record(ctx context.Context) { p.record(ctx) }

// End ends the work.
func (p *Pace) End() { p.end() }

// Answered is how many requests walks know of.
func (s *Server) Answered() uint64 { return s.paces.answered() }

// SetScan writes a scan into a query.
func SetScan(query url.Values, s *godwit.Scan) { setScan(query, s) }

// ParseScan reads what SetScan wrote.
func ParseScan(query url.Values) (*godwit.Scan, error) { return parseScan(query) }

// MaxLimitedFollowers is how many streams a token that is limited to namespaces has.
const MaxLimitedFollowers = maxLimitedFollowers
