package feed

// What a scripted upstream in the tests needs.
var (
	DecodePlaces = decodePlaces
	Withhold     = withheld
)

// MaxPlacesBytes bounds a body that DecodePlaces reads.
const MaxPlacesBytes = maxPlacesBytes
