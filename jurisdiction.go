package godwit

import "slices"

// Jurisdictions are all that a namespace may be of, in order. A namespace of one is
// carried only by nodes that were started with it.
func Jurisdictions() []string { return []string{"eu", "fedramp", "us"} }

// ValidateJurisdiction returns nil for "" and for each of Jurisdictions. Error:
// [CodeInvalidRequest].
func ValidateJurisdiction(j string) error {
	if j == "" || slices.Contains(Jurisdictions(), j) {
		return nil
	}
	return Errorf(CodeInvalidRequest, "invalid jurisdiction %q: use eu, us or fedramp", clip(j))
}
