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

// Bounds that tests and the specification go by.
const (
	MaxPlaces       = maxPlaces
	MaxPlacesBytes  = maxPlacesBytes
	MaxEntriesBytes = maxEntriesBytes
)

// Paths are those that a server answers, below Prefix, by method.
func Paths() map[string][]string {
	paths := make(map[string][]string)
	for path, methods := range endpoints() {
		for method := range methods {
			paths[method] = append(paths[method], path)
		}
	}
	return paths
}
