package feed

import (
	"slices"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/store"
)

func TestPlacesComeBack(t *testing.T) {
	one := godwit.NamespaceID{1}
	most := make([]store.Place, maxPlaces)
	for i := range most {
		most[i] = store.Place{Namespace: one, Key: string(rune('a'+i/26)) + strings.Repeat("k", godwit.MaxKeyBytes-4)}
		most[i].Key += string(rune('a' + i%26))
	}
	for _, places := range [][]store.Place{
		{},
		{{Key: "account"}},
		{{Key: "account"}, {Namespace: one, Key: ""}, {Namespace: one, Key: "\x00"}, {Namespace: godwit.NamespaceID{2}, Key: "a"}},
	} {
		got, err := decodePlaces(appendPlaces(nil, places))
		if err != nil || !slices.Equal(got, places) {
			t.Errorf("%v: got %v, %v", places, got, err)
		}
	}
	slices.SortFunc(most, comparePlaces)
	if body := appendPlaces(nil, most); len(body) > maxPlacesBytes {
		t.Errorf("%d places take %d bytes, over the bound of %d", len(most), len(body), maxPlacesBytes)
	}
}

func TestPlacesThatAreRefused(t *testing.T) {
	a, b := store.Place{Key: "a"}, store.Place{Key: "b"}
	for name, body := range map[string][]byte{
		"empty":        {},
		"out of order": appendPlaces(nil, []store.Place{b, a}),
		"twice":        appendPlaces(nil, []store.Place{a, a}),
		"cut":          appendPlaces(nil, []store.Place{a, b})[:20],
		"goes on":      append(appendPlaces(nil, []store.Place{a}), 0),
		"too many":     appendPlaces(nil, make([]store.Place, maxPlaces+1)),
		"long key":     appendPlaces(nil, []store.Place{{Key: strings.Repeat("k", godwit.MaxKeyBytes+1)}}),
	} {
		if got, err := decodePlaces(body); err == nil {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func FuzzPlaces(f *testing.F) {
	f.Add(appendPlaces(nil, []store.Place{{Key: "account"}, {Namespace: godwit.NamespaceID{1}, Key: "k"}}))
	f.Fuzz(func(t *testing.T, body []byte) {
		places, err := decodePlaces(body)
		if err != nil {
			return
		}
		again, err := decodePlaces(appendPlaces(nil, places))
		if err != nil || !slices.Equal(again, places) || len(places) > maxPlaces {
			t.Errorf("%x became %v, then %v, %v", body, places, again, err)
		}
	})
}
