package node

import (
	"net/http"
	"time"
)

// Paced serves by h for clients of some patience.
func Paced(stall time.Duration, rate int64, h http.Handler) http.Handler {
	return patience{stall, rate}.with(h)
}

// PacedUnlessStreamed is Paced, but for streams.
func PacedUnlessStreamed(stall time.Duration, rate int64, h http.Handler) http.Handler {
	return unlessStreamed(patience{stall, rate}, h)
}

// NewRootToken makes a root token.
func NewRootToken() string { return newRootToken() }
