package feed_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// TestScanPassedOn holds what comes of a scan that is passed on against that of the
// upstream's own store.
func TestScanPassedOn(t *testing.T) {
	s, ns := library(t)
	for i := range 25 {
		tx := put(ns.ID, fmt.Sprintf("p/%02d\x00é", i), "x")
		tx.Mutations[0].Metadata = fmt.Appendf(nil, `{"é&=":"%d"}`, i%3)
		s.propose(tx)
	}
	c := s.client(rootToken)
	for _, scan := range []godwit.Scan{
		{}, {Reverse: true}, {Values: true}, {Start: "p/05", End: "p/17\x00"}, {Start: "p/05\x00\xff", Reverse: true, Values: true},
		{Where: &godwit.MetadataFilter{Field: "é&=", Equals: "1"}}, {Where: &godwit.MetadataFilter{Field: "none", Equals: ""}},
		{Count: true}, {Count: true, End: "p/03"},
	} {
		q := godwit.ListQuery{Limit: 7, Scan: &scan}
		for more := true; more; {
			page, err := c.List(t.Context(), ns.ID, q, godwit.ReadOptions{})
			if err != nil {
				t.Fatalf("%+v: %v", scan, err)
			}
			own, err := s.store.List(t.Context(), ns.ID, q, godwit.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			own.Served.Status = godwit.StatusMiss
			if diff := cmp.Diff(own, page, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%+v after %q: %s", scan, q.Cursor, diff)
			}
			q.Cursor, more = page.Cursor, page.More
		}
	}
}

func TestScanRefusedByUpstream(t *testing.T) {
	s, ns := library(t)
	long := strings.Repeat("k", 513)
	for name, tt := range map[string]struct {
		query godwit.ListQuery
		code  godwit.Code
	}{
		"limit":  {godwit.ListQuery{Limit: 10_001, Scan: &godwit.Scan{}}, godwit.CodeInvalidLimit},
		"cursor": {godwit.ListQuery{Limit: 1, Cursor: "x", Scan: &godwit.Scan{}}, godwit.CodeInvalidCursor},
		"start":  {godwit.ListQuery{Limit: 1, Scan: &godwit.Scan{Start: long}}, godwit.CodeKeyTooLong},
		"end":    {godwit.ListQuery{Limit: 1, Scan: &godwit.Scan{End: long + long + long}}, godwit.CodeInvalidRequest},
		"field":  {godwit.ListQuery{Limit: 1, Scan: &godwit.Scan{Where: &godwit.MetadataFilter{}}}, godwit.CodeInvalidRequest},
	} {
		if _, err := s.client(rootToken).List(t.Context(), ns.ID, tt.query, godwit.ReadOptions{}); err == nil || godwit.CodeOf(err) != tt.code {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestCountWithoutNumbers: a page that does not say what was counted is no answer.
func TestCountWithoutNumbers(t *testing.T) {
	page := &feed.Page{Revision: 1, Heads: true, Done: true}
	c := client(t, answers(200, feed.ContentType, frames(t, page)))
	q := godwit.ListQuery{Limit: 1, Scan: &godwit.Scan{Count: true}}
	if got, err := c.List(t.Context(), godwit.NamespaceID{1}, q, godwit.ReadOptions{}); err == nil {
		t.Errorf("got %+v", got)
	}
}

// FuzzScan feeds queries to the decoder of scans: what it takes is valid and means
// the same once it was written again.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"", "scan=1", "scan=1&reverse=1&values=1&count=1&start=cC8&end=cA", "scan=1&field=YQ&equals=", "scan=1&field=", "scan=1&start=!",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		query, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		scan, err := feed.ParseScan(query)
		if err != nil || scan == nil {
			return
		}
		if err := scan.Validate(); err != nil {
			t.Errorf("%q gives %v", raw, err)
		}
		again := url.Values{}
		feed.SetScan(again, scan)
		got, err := feed.ParseScan(again)
		if diff := cmp.Diff(scan, got); err != nil || diff != "" {
			t.Errorf("%q: %v, %s", raw, err, diff)
		}
	})
}
