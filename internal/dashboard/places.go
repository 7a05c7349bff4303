package dashboard

import (
	"embed"
	"fmt"
	"strings"
	"sync"
)

// geo holds the coasts and the places that static/geo/generate.mjs makes.
//
//go:embed static/geo/*.txt
var geo embed.FS

// What is drawn of the world: mapWidth wide, from 84 degrees north to 58 south.
const (
	mapWidth  = 1000
	mapHeight = 394
	mapDegree = 0.36 // degrees in one unit
	mapNorth  = 84
)

// site is where an airport is.
type site struct {
	Name     string // city and country
	Lat, Lon float64
}

// At is where the place is on the map.
func (p site) At() point { return point{(p.Lon + 180) / mapDegree, (mapNorth - p.Lat) / mapDegree} }

// world is what maps are drawn of.
type world struct {
	land   string // a path of SVG
	places map[string]site
}

// theWorld reads the embedded files when they are first needed.
var theWorld = sync.OnceValue(func() *world {
	w := &world{land: strings.TrimSpace(geoFile("land.txt")), places: make(map[string]site)}
	for line := range strings.Lines(geoFile("places.txt")) {
		var code string
		var p site
		if _, err := fmt.Sscanf(line, "%3s %f %f", &code, &p.Lat, &p.Lon); err != nil {
			panic(fmt.Sprintf("read places: %q: %v", line, err)) // it is in the binary
		}
		p.Name = strings.SplitN(strings.TrimSpace(line), " ", 4)[3]
		w.places[code] = p
	}
	return w
})

func geoFile(name string) string {
	text, err := geo.ReadFile("static/geo/" + name)
	if err != nil {
		panic(fmt.Sprintf("read embedded files: %v", err)) // they are in the binary
	}
	return string(text)
}

// placeOf finds the place that a location is named by: an airport's code of three
// letters, perhaps with more behind it, as in "lhr", "LHR-2" or "lhr1".
func placeOf(location string) (site, bool) {
	end := strings.IndexFunc(location, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })
	if end < 0 {
		end = len(location)
	}
	p, ok := theWorld().places[strings.ToUpper(location[:end])]
	return p, ok
}
