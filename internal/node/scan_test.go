package node_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestScanAtAnEdge holds what an edge answers, of a namespace that it carries and of
// one that it does not, against its centre, with a cursor of the other for each page.
func TestScanAtAnEdge(t *testing.T) {
	centre := openReady(t, config())
	root := connect(t, centre, rootToken)
	var last string
	for _, title := range []string{"carried", "elsewhere"} {
		_, err := root.CreateNamespace(t.Context(), title, client.NamespaceOptions{})
		must(t, err)
		var pairs []client.Pair
		for i := range 30 {
			pairs = append(pairs, client.Pair{Key: fmt.Sprintf("k%02d", i), Value: []byte("v"), Metadata: fmt.Appendf(nil, `{"mod":%d}`, i%2)})
		}
		_, err = root.KV(title).BulkPut(t.Context(), pairs)
		must(t, err)
		last, err = root.KV(title).Put(t.Context(), "k30", strings.NewReader(""), client.PutOptions{})
		must(t, err)
	}
	cfg := edgeConfig(centre.APIURL())
	cfg.Namespaces = []string{"carried"}
	edge := connect(t, openReady(t, cfg), rootToken)
	for _, title := range []string{"carried", "elsewhere"} {
		kvs := []*client.KV{edge.KV(title), root.KV(title)}
		if d, err := kvs[0].Details(t.Context(), "k30", client.MinRevision(last)); err != nil || title == "elsewhere" && d.Revision != last {
			t.Errorf("%s: details %+v, %v", title, d, err)
		}
		var names []string
		o := client.ScanOptions{Limit: 4, Reverse: true, Values: true, Start: "k02", Where: &client.MetadataFilter{Field: "mod", Equals: "1"}}
		for n := 0; n == 0 || o.Cursor != ""; n++ {
			page, err := kvs[n%2].ScanPage(t.Context(), o)
			must(t, err)
			for _, k := range page.Keys {
				if names = append(names, k.Name); string(k.Value) != "v" {
					t.Errorf("%s: %s has %q", title, k.Name, k.Value)
				}
			}
			o.Cursor = page.Cursor
		}
		if got := fmt.Sprint(names); got != "[k29 k27 k25 k23 k21 k19 k17 k15 k13 k11 k09 k07 k05 k03]" {
			t.Errorf("%s: got %s", title, got)
		}
		for _, o := range []client.CountOptions{{}, {Prefix: "k1"}} {
			want, err := kvs[1].Count(t.Context(), o)
			must(t, err)
			if got, err := kvs[0].Count(t.Context(), o); err != nil || got != want || got.Keys == 0 {
				t.Errorf("%s: count of %+v: got %+v, want %+v, %v", title, o, got, want, err)
			}
		}
	}
}

// TestScanOmitsWithheldValues: an edge that does not hold a value says so, and knows
// its size.
func TestScanOmitsWithheldValues(t *testing.T) {
	centre := openReady(t, config())
	root := connect(t, centre, rootToken)
	_, err := root.CreateNamespace(t.Context(), "ns", client.NamespaceOptions{})
	must(t, err)
	cfg := edgeConfig(centre.APIURL())
	cfg.MaxValue = 10
	edge := connect(t, openReady(t, cfg), rootToken).KV("ns")
	_, err = edge.Put(t.Context(), "long", strings.NewReader("more than ten bytes"), client.PutOptions{})
	must(t, err)
	revision, err := edge.Put(t.Context(), "short", strings.NewReader("ten bytes"), client.PutOptions{})
	must(t, err)
	page, err := edge.ScanPage(t.Context(), client.ScanOptions{Values: true}, client.MinRevision(revision))
	must(t, err)
	long, short := page.Keys[0], page.Keys[1]
	if !long.ValueOmitted || long.Size != 19 || short.ValueOmitted || string(short.Value) != "ten bytes" {
		t.Errorf("got %+v, %+v", long, short)
	}
}
