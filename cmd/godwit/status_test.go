package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

func TestTreeIsDrawn(t *testing.T) {
	root := client.Node{
		Role: "central", Location: "fra", Version: "v1", Ready: true, Keys: 12, Bytes: 3000, URL: "http://fra:8787",
		Followers: []client.Node{
			{Role: "edge", Location: "lhr", Version: "v1", Ready: true, Lag: 3, StalenessMS: 12, Jurisdictions: []string{"eu", "us"}, Followers: []client.Node{
				{Role: "edge", URL: "http://bhx:8787", Version: "v1", Progress: "40 % of the first copy", StalenessMS: -1},
				{Role: "edge", ID: "0a1b", Version: "v1", StalenessMS: 1500},
			}},
			{Role: "edge", Location: "evil\x1b[2J", Version: "v1", Ready: true},
		},
	}
	const want = `
NODE                   ROLE     LAG  STALENESS  KEYS  BYTES    VERSION  STATE                   JURISDICTIONS  URL
fra                    central  0    0s         12    2.9 KiB  v1       ready                   -              http://fra:8787
├─ lhr                 relay    3    12ms       0     0 B      v1       ready                   eu,us          -
│  ├─ http://bhx:8787  edge     0    -          0     0 B      v1       40 % of the first copy  -              http://bhx:8787
│  └─ 0a1b             edge     0    1.5s       0     0 B      v1       not ready               -              -
└─ "evil\x1b[2J"       edge     0    0s         0     0 B      v1       ready                   -              -
`
	var b bytes.Buffer
	if err := drawTree(&b, &root); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != strings.TrimPrefix(want, "\n") {
		t.Errorf("got:\n%s\nwant:%s", got, want)
	}
}
