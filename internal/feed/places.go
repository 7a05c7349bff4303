package feed

import (
	"encoding/binary"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
	"github.com/godwitkv/godwit/internal/wire"
)

// maxPlaces bounds how many places one request names, and maxPlacesBytes the
// body that names them.
const (
	maxPlaces      = 1024
	maxPlacesBytes = 8 + maxPlaces*(len(godwit.NamespaceID{})+2+godwit.MaxKeyBytes)
)

// The body of a request for the entries at some places: their number, then each,
// in order of place, none twice:
//
//	count { namespace:16 length key }
func appendPlaces(b []byte, places []store.Place) []byte {
	b = binary.AppendUvarint(b, uint64(len(places)))
	for i := range places {
		b = append(b, places[i].Namespace[:]...)
		b = binary.AppendUvarint(b, uint64(len(places[i].Key)))
		b = append(b, places[i].Key...)
	}
	return b
}

// decodePlaces reads what appendPlaces wrote. Error: wire.ErrMalformed.
func decodePlaces(b []byte) ([]store.Place, error) {
	d := wire.NewDecoder(b)
	n := d.Int()
	if n > maxPlaces {
		return nil, wire.ErrMalformed
	}
	places := make([]store.Place, 0, n)
	for range n {
		var p store.Place
		copy(p.Namespace[:], d.Bytes(int64(len(p.Namespace))))
		p.Key = string(d.Counted(godwit.MaxKeyBytes))
		if d.Bad() || len(places) > 0 && comparePlaces(places[len(places)-1], p) >= 0 {
			return nil, wire.ErrMalformed
		}
		places = append(places, p)
	}
	return places, d.Err()
}
