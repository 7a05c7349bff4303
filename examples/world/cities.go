package main

import "time"

// city is a node of the world and the link to its upstream.
type city struct {
	name   string        // as --location
	place  string        // for people
	via    string        // the upstream; "": the centre
	oneWay time.Duration // of the link, about what the fibre between the cities takes
}

// cities are the world: a centre, two relays and six edges, upstreams first.
func cities() []city {
	const ms = time.Millisecond
	return []city{
		{"fra", "Frankfurt", "", 0},
		{"iad", "Washington", "fra", 44 * ms},
		{"sin", "Singapore", "fra", 78 * ms},
		{"lhr", "London", "fra", 7 * ms},
		{"waw", "Warsaw", "fra", 9 * ms},
		{"sfo", "San Francisco", "iad", 31 * ms},
		{"gru", "Sao Paulo", "iad", 57 * ms},
		{"nrt", "Tokyo", "sin", 35 * ms},
		{"syd", "Sydney", "sin", 46 * ms},
	}
}

// distance is how long a byte takes from the centre to each city.
func distance(all []city) map[string]time.Duration {
	d := make(map[string]time.Duration, len(all))
	for _, c := range all {
		d[c.name] = d[c.via] + c.oneWay
	}
	return d
}
