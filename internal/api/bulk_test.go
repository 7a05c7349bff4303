package api_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

func TestBulkGet(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	large := `"` + strings.Repeat("a", 100_000) + `"`
	for key, value := range map[string]string{"a": "1", "b": "text", "empty": "", "large": large} {
		put(t, env, ns, key, value)
	}
	for name, tc := range map[string]struct {
		query api.BulkGet
		want  []string // "absent" where there is none
	}{
		"in order":      {api.BulkGet{Keys: []string{"b", "absent", "a", "empty"}}, []string{"text", "absent", "1", ""}},
		"duplicates":    {api.BulkGet{Keys: []string{"a", "b", "a"}, Type: "text"}, []string{"1", "text", "1"}},
		"large":         {api.BulkGet{Keys: []string{"large", "large"}, Type: "json"}, []string{large, large}},
		"json, absent":  {api.BulkGet{Keys: []string{"absent", "a"}, Type: "json"}, []string{"absent", "1"}},
		"all are there": {api.BulkGet{Keys: slicesOf("x", 100)}, strings.Split(strings.Repeat("absent,", 99)+"absent", ",")},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := env.Service.BulkGet(t.Context(), ns, tc.query)
			if err != nil {
				t.Fatal(err)
			}
			defer values.Close()
			got := make([]string, len(values.Entries))
			for i, e := range values.Entries {
				if got[i] = "absent"; e != nil {
					got[i] = string(e.Text)
				}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if values.Served.Revision == 0 {
				t.Error("no revision")
			}
		})
	}
}

// slicesOf returns prefix0, prefix1 and so on.
func slicesOf(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = prefix + strconv.Itoa(i)
	}
	return keys
}

func TestBulkGetRefused(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	put(t, env, ns, "text", "text")
	put(t, env, ns, "empty", "")
	half := strings.Repeat("v", godwit.MaxBulkGetBytes/2)
	put(t, env, ns, "half1", half)
	put(t, env, ns, "half2", half)
	put(t, env, ns, "byte", "1")
	for name, tc := range map[string]struct {
		query api.BulkGet
		want  string
	}{
		"no key":          {api.BulkGet{}, "You must request a minimum of 1 key"},
		"too many":        {api.BulkGet{Keys: slicesOf("k", 101)}, "You can request a maximum of 100 keys"},
		"too many first":  {api.BulkGet{Keys: slicesOf("", 101), Type: "x"}, "You can request a maximum of 100 keys"},
		"type":            {api.BulkGet{Keys: []string{"k"}, Type: "stream"}, `"stream" is not a valid type. Use "json" or "text"`},
		"type before key": {api.BulkGet{Keys: []string{"."}, Type: "x\né"}, `"x???" is not a valid type. Use "json" or "text"`},
		"empty key":       {api.BulkGet{Keys: []string{"k", ""}}, "Key name  is not legal"},
		"dots":            {api.BulkGet{Keys: []string{"k", ".."}}, "Key name .. is not legal"},
		"long key":        {api.BulkGet{Keys: []string{strings.Repeat("k", 513)}}, "Encoded length of 513 is too long"},
		"not json":        {api.BulkGet{Keys: []string{"byte", "text"}, Type: "json"}, "At least one of the requested keys corresponds to a non-json value"},
		"empty as json":   {api.BulkGet{Keys: []string{"empty"}, Type: "json"}, "At least one of the requested keys corresponds to a non-json value"},
		"too large":       {api.BulkGet{Keys: []string{"half1", "half2", "byte"}}, "Total size of request exceeds the limit of 25MB"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := env.Service.BulkGet(t.Context(), ns, tc.query)
			if err == nil || godwit.MessageOf(err) != tc.want {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
	values, err := env.Service.BulkGet(t.Context(), ns, api.BulkGet{Keys: []string{"half1", "half2"}})
	if err != nil || len(values.Entries[1].Text) != len(half) {
		t.Errorf("exactly the limit: %v", err)
	}
}

// TestLargeBulkGetsWaitForEachOther checks that what bulk gets hold in memory is
// bounded, and that small ones go on.
func TestLargeBulkGetsWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		ns := env.Namespace(t, "site")
		put(t, env, ns, "large", strings.Repeat("v", godwit.MaxBulkGetBytes))
		put(t, env, ns, "small", "v")
		large := api.BulkGet{Keys: []string{"large"}}
		var held []*api.BulkValues
		for range 2 {
			values, err := env.Service.BulkGet(t.Context(), ns, large)
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, values)
		}
		start := time.Now()
		if _, err := env.Service.BulkGet(t.Context(), ns, large); godwit.CodeOf(err) != godwit.CodeUnavailable || time.Since(start) != 30*time.Second {
			t.Errorf("one too many: %v after %v", err, time.Since(start))
		}
		if _, err := env.Service.BulkGet(t.Context(), ns, api.BulkGet{Keys: []string{"small"}}); err != nil {
			t.Errorf("a small one: %v", err)
		}
		for range 2 { // the second time gives nothing back
			if err := held[0].Close(); err != nil {
				t.Error(err)
			}
		}
		values, err := env.Service.BulkGet(t.Context(), ns, large)
		if err != nil || len(values.Entries[0].Text) != godwit.MaxBulkGetBytes {
			t.Fatalf("after one was closed: %v", err)
		}
		if _, err := env.Service.BulkGet(t.Context(), ns, api.BulkGet{Keys: []string{"large"}, Type: "json"}); err == nil {
			t.Error("closing twice made room for two")
		}
	})
}

// TestOneTokenCannotTakeAllBulkGets: who holds as much as a token may that is limited to
// namespaces holds up itself, and nobody else.
func TestOneTokenCannotTakeAllBulkGets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		env := apitest.Open(t)
		ns := env.Namespace(t, "site")
		put(t, env, ns, "large", strings.Repeat("v", godwit.MaxBulkGetBytes))
		read := func(who string) (*api.BulkValues, time.Duration, error) {
			start := time.Now()
			values, err := env.Service.BulkGet(t.Context(), ns, api.BulkGet{Keys: []string{"large"}, Limited: who})
			return values, time.Since(start), err
		}
		held, _, err := read("one")
		if err != nil {
			t.Fatal(err)
		}
		refused := make(chan error, 1)
		go func() {
			_, _, err := read("one")
			refused <- err
		}()
		synctest.Wait()
		for _, who := range []string{"another", ""} {
			values, took, err := read(who)
			if err != nil || took != 0 {
				t.Fatalf("%q: %v after %v", who, err, took)
			}
			if err := values.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := <-refused; godwit.CodeOf(err) != godwit.CodeUnavailable {
			t.Errorf("a second one: %v", err)
		}
		if err := held.Close(); err != nil {
			t.Error(err)
		}
		if held, _, err = read("one"); err != nil {
			t.Fatalf("after it was closed: %v", err)
		}
		_ = held.Close()
	})
}

// counting counts proposals, and fails one.
type counting struct {
	godwit.Log
	sizes  []int
	failAt int // number of the proposal that fails; 0: none
	err    error
}

func (c *counting) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if c.sizes = append(c.sizes, len(txs)); len(c.sizes) == c.failAt {
		return nil, c.err
	}
	return c.Log.Propose(ctx, txs)
}

func TestBulkPutInChunks(t *testing.T) {
	var log *counting
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
		log = &counting{Log: c.Log}
		c.Log = log
	}))
	ns := env.Namespace(t, "site")
	pairs := make([]api.BulkPut, 2500)
	for i := range pairs {
		pairs[i] = api.BulkPut{Key: fmt.Sprintf("k%d", i%2000), Value: inline(strconv.Itoa(i)), Metadata: []byte("null"), ExpirationTTL: "60"}
		if err := env.Service.CheckBulkPut(ns, &pairs[i]); err != nil {
			t.Fatal(err)
		}
	}
	res, err := env.Service.BulkPut(t.Context(), ns, pairs, "")
	if err != nil || res.Revision != env.Service.Revision() {
		t.Fatalf("bulk put: %+v, %v; the store is at %d", res, err, env.Service.Revision())
	}
	if diff := cmp.Diff([]int{1000, 1000, 500}, log.sizes); diff != "" {
		t.Errorf("chunks (-want +got):\n%s", diff)
	}
	if got := get(t, env, ns, "k499"); got != "2499" {
		t.Errorf("of a key given twice: %q, want the last", got)
	}
	e, _, err := env.Service.Get(t.Context(), ns, []byte("k1"), godwit.ReadOptions{})
	if err != nil || e.Expiration != env.Clock.Now().Unix()+60 || e.Metadata != nil {
		t.Errorf("entry: %+v, %v", e, err)
	}

	log.sizes = nil
	big := inline(strings.Repeat("v", 60_000))
	pairs = pairs[:200]
	for i := range pairs {
		pairs[i].Value = big
	}
	if _, err := env.Service.BulkPut(t.Context(), ns, pairs, ""); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{69, 69, 62}, log.sizes); diff != "" {
		t.Errorf("chunks of large values (-want +got):\n%s", diff)
	}
}

func inline(s string) godwit.Value { return godwit.Value{Inline: []byte(s)} }

func TestBulkPutAgain(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	pairs := []api.BulkPut{{Key: "a", Value: inline("1")}, {Key: "a", Value: inline("1")}, {Key: "b", Value: inline("2")}}
	first, err := env.Service.BulkPut(t.Context(), ns, pairs, "r1")
	if err != nil || first.Repeated {
		t.Fatalf("bulk put: %+v, %v", first, err)
	}
	put(t, env, ns, "a", "newer")
	again, err := env.Service.BulkPut(t.Context(), ns, pairs, "r1")
	if err != nil || !again.Repeated {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if got := get(t, env, ns, "a"); got != "newer" {
		t.Errorf("the retry was applied over a newer write: %q", got)
	}
}

func TestCheckBulkPut(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	now := env.Clock.Now().Unix()
	for name, tc := range map[string]struct {
		pair api.BulkPut
		code godwit.Code
	}{
		"key":             {api.BulkPut{Key: "."}, godwit.CodeInvalidKey},
		"long key":        {api.BulkPut{Key: strings.Repeat("é", 257)}, godwit.CodeKeyTooLong},
		"ttl":             {api.BulkPut{Key: "k", ExpirationTTL: "59"}, godwit.CodeInvalidTTL},
		"expiration":      {api.BulkPut{Key: "k", Expiration: strconv.FormatInt(now+59, 10)}, godwit.CodeInvalidExpiration},
		"metadata":        {api.BulkPut{Key: "k", Metadata: []byte("{")}, godwit.CodeInvalidMetadata},
		"long metadata":   {api.BulkPut{Key: "k", Metadata: make([]byte, 1025)}, godwit.CodeMetadataTooLarge},
		"value":           {api.BulkPut{Key: "k", Value: inline(strings.Repeat("v", godwit.MaxValueBytes+1))}, godwit.CodeValueTooLarge},
		"a good one":      {api.BulkPut{Key: "k", Expiration: strconv.FormatInt(now+60, 10), Metadata: []byte("{}")}, 0},
		"ttl over a past": {api.BulkPut{Key: "k", Expiration: "1", ExpirationTTL: "60"}, 0},
	} {
		err := env.Service.CheckBulkPut(ns, &tc.pair)
		if (err != nil) != (tc.code != 0) || err != nil && godwit.CodeOf(err) != tc.code {
			t.Errorf("%s: got %v, want code %d", name, err, tc.code)
		}
	}
}

// TestBulkPutNearExpiration checks that a pair that passed is written though
// its expiration came near while the rest of the request came in.
func TestBulkPutNearExpiration(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	at := env.Clock.Now().Unix() + 60
	pair := api.BulkPut{Key: "k", Expiration: strconv.FormatInt(at, 10)}
	if err := env.Service.CheckBulkPut(ns, &pair); err != nil {
		t.Fatal(err)
	}
	env.Clock.Advance(30e9)
	if _, err := env.Service.BulkPut(t.Context(), ns, []api.BulkPut{pair}, ""); err != nil {
		t.Fatal(err)
	}
	e, _, err := env.Service.Get(t.Context(), ns, []byte("k"), godwit.ReadOptions{})
	if err != nil || e.Expiration != at {
		t.Errorf("entry %+v, error %v; want expiration %d", e, err, at)
	}
}

func TestBulkPutInterrupted(t *testing.T) {
	for name, tc := range map[string]struct {
		failAt    int
		err       error
		want      godwit.Code
		discarded int
	}{
		"at once":               {1, godwit.ErrBusy, godwit.CodeUnavailable, 1001},
		"halfway":               {2, godwit.ErrBusy, godwit.CodeOutcomeUnknown, 1},
		"halfway, full":         {2, godwit.ErrDiskFull, godwit.CodeDiskFull, 1},
		"unknown at once":       {1, godwit.ErrOutcomeUnknown, godwit.CodeOutcomeUnknown, 1},
		"unknown at the second": {2, godwit.ErrOutcomeUnknown, godwit.CodeOutcomeUnknown, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var k *keeping
			env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
				k = &keeping{Uploader: c.Uploader}
				c.Uploader, c.Log = k, &counting{Log: c.Log, failAt: tc.failAt, err: tc.err}
			}))
			ns := env.Namespace(t, "site")
			pairs := make([]api.BulkPut, 1001)
			for i := range pairs {
				pairs[i].Key = strconv.Itoa(i)
			}
			_, err := env.Service.BulkPut(t.Context(), ns, pairs, "")
			if err == nil || godwit.CodeOf(err) != tc.want {
				t.Errorf("got %v, want code %d", err, tc.want)
			}
			if len(k.discarded) != tc.discarded {
				t.Errorf("%d values discarded, want %d", len(k.discarded), tc.discarded)
			}
		})
	}
}

func TestBulkDelete(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	for _, key := range []string{"a", "b", "c"} {
		put(t, env, ns, key, "v")
	}
	res, err := env.Service.BulkDelete(t.Context(), ns, []string{"a", "absent", "b", "a"}, "")
	if err != nil || res.Revision != env.Service.Revision() {
		t.Fatalf("bulk delete: %+v, %v", res, err)
	}
	if got := get(t, env, ns, "a") + get(t, env, ns, "b") + get(t, env, ns, "c"); got != "absentabsentv" {
		t.Errorf("afterwards: %q", got)
	}
	if _, err := env.Service.BulkDelete(t.Context(), ns, nil, ""); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	for name, tc := range map[string]struct {
		keys []string
		id   string
		code godwit.Code
	}{
		"illegal":    {[]string{"c", ".."}, "", godwit.CodeInvalidKey},
		"long":       {[]string{"c", strings.Repeat("k", 513)}, "", godwit.CodeKeyTooLong},
		"too many":   {append([]string{"c"}, slicesOf("k", godwit.MaxBulkItems)...), "", godwit.CodeInvalidRequest},
		"request id": {[]string{"c"}, "a b", godwit.CodeInvalidRequest},
	} {
		if _, err := env.Service.BulkDelete(t.Context(), ns, tc.keys, tc.id); err == nil || godwit.CodeOf(err) != tc.code {
			t.Errorf("%s: %v, want code %d", name, err, tc.code)
		}
	}
	if got := get(t, env, ns, "c"); got != "v" {
		t.Errorf("a refused request deleted: %q", got)
	}
}

func TestBulkPutRefused(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	if _, err := env.Service.BulkPut(t.Context(), ns, make([]api.BulkPut, godwit.MaxBulkItems+1), ""); godwit.CodeOf(err) != godwit.CodeInvalidRequest || err == nil {
		t.Errorf("too many pairs: %v", err)
	}
	if _, err := env.Service.BulkPut(t.Context(), ns, []api.BulkPut{{Key: "k"}}, "a b"); !errors.Is(err, &godwit.Error{Code: godwit.CodeInvalidRequest}) {
		t.Errorf("bad request id: %v", err)
	}
	if got := get(t, env, ns, "k"); got != "absent" {
		t.Errorf("afterwards: %q", got)
	}
}
