package feed

import "io"

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
