package api_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

// TestAnalyticsOfEachOperation carries each operation out and holds what is counted.
func TestAnalyticsOfEachOperation(t *testing.T) {
	env := apitest.Open(t)
	s, ctx := env.Service, t.Context()
	type counts struct{ Requests, Keys, Bytes, Failed uint64 }
	for name, tc := range map[string]struct {
		do   func(ns *godwit.Namespace) error
		want [4]counts // read, write, delete, list
	}{
		"put": {func(ns *godwit.Namespace) error {
			_, err := s.Put(ctx, ns, api.Put{Key: []byte("k"), Body: strings.NewReader("12345")})
			return err
		}, [4]counts{1: {1, 1, 5, 0}}},
		"refused put": {func(ns *godwit.Namespace) error {
			_, err := s.Put(ctx, ns, api.Put{Key: []byte("k"), Body: strings.NewReader("12345"), Preconditions: api.Preconditions{IfMatch: "*"}})
			return err
		}, [4]counts{1: {1, 1, 0, 1}}},
		"value": {func(ns *godwit.Namespace) error {
			v, err := s.Upload(ctx, ns, strings.NewReader("123"))
			if err == nil {
				_, err = s.PutValue(ctx, ns, api.Put{Key: []byte("k")}, v)
			}
			return err
		}, [4]counts{1: {1, 1, 3, 0}}},
		"get": {func(ns *godwit.Namespace) error {
			put(t, env, ns, "k", "12345")
			_, _, err := s.Get(ctx, ns, []byte("k"), godwit.ReadOptions{})
			return err
		}, [4]counts{{1, 1, 5, 0}, {1, 1, 5, 0}}},
		"absent get": {func(ns *godwit.Namespace) error {
			_, _, err := s.Get(ctx, ns, []byte("k"), godwit.ReadOptions{})
			return err
		}, [4]counts{{1, 1, 0, 0}}},
		"list": {func(ns *godwit.Namespace) error {
			_, err := s.List(ctx, ns, godwit.ListQuery{}, godwit.ReadOptions{})
			return err
		}, [4]counts{3: {1, 0, 0, 0}}},
		"delete": {func(ns *godwit.Namespace) error {
			_, err := s.Delete(ctx, ns, api.Delete{Key: []byte("k")})
			return err
		}, [4]counts{2: {1, 1, 0, 0}}},
		"bulk": {func(ns *godwit.Namespace) error {
			_, err := s.BulkPut(ctx, ns, []api.BulkPut{{Key: "a", Value: godwit.Value{Inline: []byte("12")}}, {Key: "b"}}, "")
			if err == nil {
				var values *api.BulkValues
				if values, err = s.BulkGet(ctx, ns, api.BulkGet{Keys: []string{"a", "b", "c"}}); err == nil {
					err = values.Close()
				}
			}
			if err == nil {
				_, err = s.BulkDelete(ctx, ns, []string{"a", "b"}, "")
			}
			return err
		}, [4]counts{{1, 3, 2, 0}, {1, 2, 2, 0}, {1, 2, 0, 0}}},
		"broken body": {func(ns *godwit.Namespace) error {
			_, err := s.Put(ctx, ns, api.Put{Key: []byte("k"), Body: &broken{io.ErrUnexpectedEOF}})
			return err
		}, [4]counts{1: {1, 1, 0, 1}}},
	} {
		ns := env.Namespace(t, name)
		if err := tc.do(ns); err != nil && godwit.CodeOf(err) == godwit.CodeInternal {
			t.Errorf("%s: %v", name, err)
		}
		a, err := s.Analytics(ns)
		if err != nil {
			t.Fatal(err)
		}
		var got [4]counts
		for i, c := range a.Hour {
			got[i] = counts{c.Requests, c.Keys, c.Bytes, c.Failed}
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if _, _, err := s.Get(ctx, env.Namespace(t, "other"), []byte("k"), godwit.ReadOptions{}); !errors.Is(err, godwit.ErrKeyNotFound) {
		t.Error(err)
	}
}
