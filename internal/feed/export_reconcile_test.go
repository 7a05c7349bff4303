package feed

// What a scripted upstream in the tests needs.
var (
	DecodePlaces = decodePlaces
	Withhold     = withheld
)

// The bodies of reads of several keys.
var (
	AppendKeys = appendKeys
	DecodeKeys = decodeKeys
)

// MaxPlacesBytes bounds a body that DecodePlaces reads.
const MaxPlacesBytes = maxPlacesBytes
