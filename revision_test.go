package godwit_test

import (
	"testing"

	"github.com/godwitkv/godwit"
)

func TestParseRevision(t *testing.T) {
	for text, want := range map[string]godwit.Revision{
		"1": 1, "42": 42, "9007199254740991": godwit.MaxRevision,
		"": 0, "0": 0, "-1": 0, "+1": 0, "01": 0, " 1": 0, "1 ": 0, "1.0": 0, "1e3": 0, "0x1": 0,
		"9007199254740992": 0, "99999999999999999999": 0, "W/\"1\"": 0,
	} {
		got, err := godwit.ParseRevision(text)
		if got != want || (err == nil) != (want != 0) {
			t.Errorf("%q: %d %v, want %d", text, got, err, want)
		}
		if err != nil && godwit.CodeOf(err) != godwit.CodeInvalidRequest {
			t.Errorf("%q: code %d", text, godwit.CodeOf(err))
		}
	}
}

func FuzzParseRevision(f *testing.F) {
	for _, s := range []string{"1", "0", "9007199254740991", "9007199254740992", "01", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := godwit.ParseRevision(s)
		if err != nil {
			if r != 0 || len(godwit.MessageOf(err)) > 400 {
				t.Errorf("%d with %v", r, err)
			}
			return
		}
		text, _ := r.AppendText(nil)
		if r.String() != s || string(text) != s || r == 0 || r > godwit.MaxRevision {
			t.Errorf("%q became %q", s, r)
		}
	})
}

func TestLineageAt(t *testing.T) {
	first, second := godwit.Epoch{ID: godwit.EpochID{1}, First: 10}, godwit.Epoch{ID: godwit.EpochID{2}, First: 20}
	l := godwit.Lineage{first, second}
	for r, want := range map[godwit.Revision]godwit.Epoch{
		9: {}, 10: first, 19: first, 20: second, 1 << 50: second,
	} {
		got, ok := l.At(r)
		if got != want || ok != (want != godwit.Epoch{}) {
			t.Errorf("%d: %v %v, want %v", r, got, ok, want)
		}
		if p := l.Position(r); p.Epoch != want.ID || p.Revision != r {
			t.Errorf("%d: position %+v", r, p)
		}
	}
	if _, ok := godwit.Lineage(nil).At(1); ok {
		t.Error("an empty lineage has an epoch")
	}
}

func TestLineageHolds(t *testing.T) {
	l := godwit.Lineage{
		{ID: godwit.EpochID{1}, First: 10},
		{ID: godwit.EpochID{2}, First: 20},
		{ID: godwit.EpochID{3}, First: 90, After: 25}, // 26 to 89 are lost
	}
	for _, tc := range []struct {
		epoch    byte
		revision godwit.Revision
		want     bool
	}{
		{1, 9, false}, {1, 10, true}, {1, 19, true}, {1, 20, false},
		{2, 19, false}, {2, 20, true}, {2, 25, true}, {2, 26, false}, {2, 89, false}, {2, 90, false},
		{3, 89, false}, {3, 90, true}, {3, godwit.MaxRevision, true},
		{4, 15, false}, {0, 0, false},
	} {
		p := godwit.Position{Epoch: godwit.EpochID{tc.epoch}, Revision: tc.revision}
		if got := l.Holds(p); got != tc.want {
			t.Errorf("%v: %t", p, got)
		}
	}
}
