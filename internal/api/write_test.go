package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
	"github.com/godwitkv/godwit/internal/api/apitest"
)

// get returns the value under key, or "absent", or the error's message.
func get(t testing.TB, env *apitest.Env, ns *godwit.Namespace, key string) string {
	t.Helper()
	e, _, err := env.Service.Get(t.Context(), ns, []byte(key), godwit.ReadOptions{})
	if errors.Is(err, godwit.ErrKeyNotFound) {
		return "absent"
	}
	if err != nil {
		return err.Error()
	}
	if e.Value.Blob.IsZero() {
		return string(e.Value.Inline)
	}
	r, err := env.Service.OpenValue(t.Context(), ns, e)
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// put writes, and fails the test if that fails.
func put(t testing.TB, env *apitest.Env, ns *godwit.Namespace, key, value string) godwit.Revision {
	t.Helper()
	res, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte(key), Body: strings.NewReader(value)})
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return res.Revision
}

func TestPutAndGet(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	large := strings.Repeat("0123456789abcdef", 50_000)
	for key, value := range map[string]string{
		"small": "v", "empty": "", "a/b c": "slash", "large": large, strings.Repeat("é", 256): "long key",
	} {
		put(t, env, ns, key, value)
		if got := get(t, env, ns, key); got != value {
			t.Errorf("get %.20q: got %d bytes %.40q, want %d bytes", key, len(got), got, len(value))
		}
	}
	if got := get(t, env, ns, "other"); got != "absent" {
		t.Errorf("get of an absent key: got %q", got)
	}
}

func TestPutReplacesEverything(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	_, err := env.Service.Put(t.Context(), ns, api.Put{
		Key: []byte("k"), Body: strings.NewReader("1"), Metadata: []byte(`{"a":1}`), ExpirationTTL: "60",
	})
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := env.Service.Get(t.Context(), ns, []byte("k"), godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if string(e.Metadata) != `{"a":1}` || e.Expiration != env.Clock.Now().Unix()+60 {
		t.Errorf("got metadata %s, expiration %d", e.Metadata, e.Expiration)
	}

	put(t, env, ns, "k", "2")
	e, _, err = env.Service.Get(t.Context(), ns, []byte("k"), godwit.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Metadata != nil || e.Expiration != 0 {
		t.Errorf("after a plain put: metadata %s, expiration %d", e.Metadata, e.Expiration)
	}
}

func TestPutExpires(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: strings.NewReader("v"), ExpirationTTL: "60"})
	if err != nil {
		t.Fatal(err)
	}
	env.Clock.Advance(60*time.Second - time.Millisecond)
	if got := get(t, env, ns, "k"); got != "v" {
		t.Errorf("just before the expiration: %q", got)
	}
	env.Clock.Advance(time.Millisecond)
	if got := get(t, env, ns, "k"); got != "absent" {
		t.Errorf("at the expiration: %q", got)
	}
}

func TestPutMetadata(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	for given, want := range map[string]string{
		"": "", "null": "", " null\n": "", "0": "0", "false": "false", `""`: `""`,
		`[1, 2]`: `[1, 2]`, `{"n":1.00}`: `{"n":1.00}`, `"` + strings.Repeat("a", 1022) + `"`: `"` + strings.Repeat("a", 1022) + `"`,
	} {
		_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: strings.NewReader("v"), Metadata: []byte(given)})
		if err != nil {
			t.Errorf("put with metadata %.20q: %v", given, err)
			continue
		}
		e, _, err := env.Service.Get(t.Context(), ns, []byte("k"), godwit.ReadOptions{})
		if err != nil || string(e.Metadata) != want || (want == "") != (e.Metadata == nil) {
			t.Errorf("metadata %.20q: got %.20q, error %v", given, e.Metadata, err)
		}
	}
}

// TestPutRefused checks that a refused put is told apart, changes nothing and
// has read its body to the end.
func TestPutRefused(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.MaxValueBytes = 100_000
	env := apitest.Open(t, apitest.WithLimits(limits))
	ns := env.Namespace(t, "site")
	put(t, env, ns, "k", "before")
	for name, tc := range map[string]struct {
		put  api.Put
		size int
		code godwit.Code
	}{
		"empty key":           {put: api.Put{Key: []byte("")}, code: godwit.CodeInvalidKey},
		"dot":                 {put: api.Put{Key: []byte(".")}, code: godwit.CodeInvalidKey},
		"long key":            {put: api.Put{Key: bytes.Repeat([]byte("k"), 513)}, code: godwit.CodeKeyTooLong},
		"key before ttl":      {put: api.Put{Key: []byte(".."), ExpirationTTL: "1"}, code: godwit.CodeInvalidKey},
		"short ttl":           {put: api.Put{ExpirationTTL: "59"}, code: godwit.CodeInvalidTTL},
		"ttl wins":            {put: api.Put{ExpirationTTL: "59", Expiration: "1"}, code: godwit.CodeInvalidTTL},
		"past":                {put: api.Put{Expiration: "1"}, code: godwit.CodeInvalidExpiration},
		"ttl before metadata": {put: api.Put{ExpirationTTL: "x", Metadata: []byte("{")}, code: godwit.CodeInvalidTTL},
		"metadata":            {put: api.Put{Metadata: []byte("{")}, code: godwit.CodeInvalidMetadata},
		"long metadata":       {put: api.Put{Metadata: []byte(`"` + strings.Repeat("a", 1023) + `"`)}, code: godwit.CodeMetadataTooLarge},
		"value":               {size: 100_001, code: godwit.CodeValueTooLarge},
		"metadata first":      {put: api.Put{Metadata: []byte("{")}, size: 100_001, code: godwit.CodeInvalidMetadata},
		"precondition":        {put: api.Put{Preconditions: api.Preconditions{IfMatch: "x"}}, code: godwit.CodeInvalidRequest},
		"does not match":      {put: api.Put{Preconditions: api.Preconditions{IfMatch: `"x"`}}, code: godwit.CodePreconditionFailed},
		"request id":          {put: api.Put{RequestID: "a b"}, code: godwit.CodeInvalidRequest},
	} {
		t.Run(name, func(t *testing.T) {
			p := tc.put
			if p.Key == nil {
				p.Key = []byte("k")
			}
			body := bytes.NewReader(make([]byte, max(tc.size, 200)))
			p.Body = struct{ io.Reader }{body}
			_, err := env.Service.Put(t.Context(), ns, p)
			if got := godwit.CodeOf(err); err == nil || got != tc.code {
				t.Errorf("got %v, code %d, want code %d", err, got, tc.code)
			}
			if body.Len() != 0 {
				t.Errorf("%d bytes of the body were not read", body.Len())
			}
			if got := get(t, env, ns, "k"); got != "before" {
				t.Errorf("the entry is now %.20q", got)
			}
		})
	}
}

func TestPutNamespaceGone(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	if err := env.Catalog.DeleteNamespace(t.Context(), ns.ID, godwit.RequestKey{}); err != nil {
		t.Fatal(err)
	}
	_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: strings.NewReader("v")})
	if !errors.Is(err, godwit.ErrNamespaceNotFound) {
		t.Errorf("put: %v", err)
	}
	if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k")}); !errors.Is(err, godwit.ErrNamespaceNotFound) {
		t.Errorf("delete: %v", err)
	}
	pairs := []api.BulkPut{{Key: "k"}}
	if _, err := env.Service.BulkPut(t.Context(), ns, pairs, ""); !errors.Is(err, godwit.ErrNamespaceNotFound) {
		t.Errorf("bulk put: %v", err)
	}
}

func TestPreconditionsOfWrites(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	tag := func(r godwit.Revision) string { return string(api.AppendETag(nil, r)) }
	write := func(key string, p api.Preconditions) (godwit.Result, error) {
		return env.Service.Put(t.Context(), ns, api.Put{Key: []byte(key), Body: strings.NewReader("v"), Preconditions: p})
	}
	old := put(t, env, ns, "k", "1")
	now, now2 := put(t, env, ns, "k", "2"), put(t, env, ns, "k2", "2")
	for name, tc := range map[string]struct {
		key    string
		pre    api.Preconditions
		passes bool
	}{
		"absent on an entry":       {"k", api.Preconditions{IfNoneMatch: "*"}, false},
		"absent on no entry":       {"new", api.Preconditions{IfNoneMatch: "*"}, true},
		"exists on no entry":       {"none", api.Preconditions{IfMatch: "*"}, false},
		"match on no entry":        {"none", api.Preconditions{IfMatch: tag(now)}, false},
		"match an old revision":    {"k", api.Preconditions{IfMatch: tag(old)}, false},
		"match a foreign tag":      {"k", api.Preconditions{IfMatch: `"abc"`}, false},
		"none match the revision":  {"k", api.Preconditions{IfNoneMatch: tag(now)}, false},
		"both, one failing":        {"k", api.Preconditions{IfMatch: "*", IfNoneMatch: "*"}, false},
		"match one of several":     {"k2", api.Preconditions{IfMatch: `"abc", ` + tag(old) + "," + tag(now2)}, true},
		"none match a foreign tag": {"other", api.Preconditions{IfNoneMatch: `"abc"`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := write(tc.key, tc.pre)
			if tc.passes && err != nil || !tc.passes && !errors.Is(err, godwit.ErrPrecondition) {
				t.Errorf("got %v, want it to pass: %v", err, tc.passes)
			}
			if res.Revision < now && !tc.passes {
				t.Errorf("result's revision is %d, want at least %d", res.Revision, now)
			}
		})
	}
	if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k"), Preconditions: api.Preconditions{IfMatch: tag(old)}}); !errors.Is(err, godwit.ErrPrecondition) {
		t.Errorf("delete of an old revision: %v", err)
	}
	if got := get(t, env, ns, "k"); got != "2" {
		t.Errorf("after a refused delete: %q", got)
	}
}

func TestDelete(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	put(t, env, ns, "k", "v")
	for range 2 { // deleting what is absent is no error
		res, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k")})
		if err != nil || res.Revision == 0 {
			t.Fatalf("delete: %+v, %v", res, err)
		}
		if got := get(t, env, ns, "k"); got != "absent" {
			t.Fatalf("after delete: %q", got)
		}
	}
	for key, code := range map[string]godwit.Code{"": godwit.CodeInvalidKey, "..": godwit.CodeInvalidKey, strings.Repeat("k", 513): godwit.CodeKeyTooLong} {
		if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte(key)}); godwit.CodeOf(err) != code {
			t.Errorf("delete %.10q: %v", key, err)
		}
	}
}

func TestRequestIDMakesRetriesSafe(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	write := func(p api.Put, value string) godwit.Result {
		t.Helper()
		p.Key, p.Body = []byte("k"), strings.NewReader(value)
		res, err := env.Service.Put(t.Context(), ns, p)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	first := write(api.Put{RequestID: "r1", ExpirationTTL: "90"}, "1")
	env.Clock.Advance(time.Second) // the expiration would come to something else now
	again := write(api.Put{RequestID: "r1", ExpirationTTL: "90"}, "1")
	if want := (godwit.Result{Outcome: godwit.Applied, Revision: first.Revision, Repeated: true}); !cmp.Equal(again, want) {
		t.Errorf("the same request again: %+v, want %+v", again, want)
	}
	for name, res := range map[string]godwit.Result{
		"another id":       write(api.Put{RequestID: "r2", ExpirationTTL: "90"}, "1"),
		"another value":    write(api.Put{RequestID: "r1", ExpirationTTL: "90"}, "2"),
		"another ttl":      write(api.Put{RequestID: "r1", ExpirationTTL: "91"}, "1"),
		"another metadata": write(api.Put{RequestID: "r1", ExpirationTTL: "90", Metadata: []byte("1")}, "1"),
		"a condition":      write(api.Put{RequestID: "r1", ExpirationTTL: "90", Preconditions: api.Preconditions{IfMatch: "*"}}, "1"),
		"no id":            write(api.Put{ExpirationTTL: "90"}, "1"),
	} {
		if res.Repeated {
			t.Errorf("%s: taken for the same request", name)
		}
	}
}

// TestRepeatedBlob checks that a retry with a large value leaves the first
// one's value readable, and its own nowhere.
func TestRepeatedBlob(t *testing.T) {
	value := strings.Repeat("large", 50_000)
	for name, write := range map[string]func(*apitest.Env, *godwit.Namespace) (godwit.Result, error){
		"put": func(env *apitest.Env, ns *godwit.Namespace) (godwit.Result, error) {
			return env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: strings.NewReader(value), RequestID: "r"})
		},
		"bulk put": func(env *apitest.Env, ns *godwit.Namespace) (godwit.Result, error) {
			v, err := env.Service.Upload(t.Context(), ns, strings.NewReader(value))
			if err != nil {
				return godwit.Result{}, err
			}
			return env.Service.BulkPut(t.Context(), ns, []api.BulkPut{{Key: "k", Value: v}}, "r")
		},
	} {
		t.Run(name, func(t *testing.T) {
			var k *keeping
			env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
				k = &keeping{Uploader: c.Uploader}
				c.Uploader = k
			}))
			ns := env.Namespace(t, "site")
			again := func(want bool, discarded int) {
				t.Helper()
				res, err := write(env, ns)
				if err != nil || res.Repeated != want || len(k.discarded) != discarded {
					t.Fatalf("%+v, %v, %d values discarded, want %d", res, err, len(k.discarded), discarded)
				}
			}
			again(false, 0)
			again(true, 1)
			if got := get(t, env, ns, "k"); got != value {
				t.Errorf("got %d bytes %.40q", len(got), got)
			}
			if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k")}); err != nil {
				t.Fatal(err)
			}
			again(true, 2)
		})
	}
}

// twice is a log that sends every transaction two times, as one that does not
// know what became of the first may.
type twice struct{ godwit.Log }

func (l twice) Propose(ctx context.Context, txs []godwit.Transaction) ([]godwit.Result, error) {
	if _, err := l.Log.Propose(ctx, txs); err != nil {
		return nil, err
	}
	return l.Log.Propose(ctx, txs)
}

// TestBlobSentTwice checks that a value is kept when it was the log that
// repeated its write.
func TestBlobSentTwice(t *testing.T) {
	env := apitest.Open(t, apitest.WithService(func(c *api.Config) { c.Log = twice{c.Log} }))
	ns := env.Namespace(t, "site")
	value := strings.Repeat("large", 50_000)
	res, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: strings.NewReader(value), RequestID: "r"})
	if err != nil || !res.Repeated {
		t.Fatalf("put: %+v, %v", res, err)
	}
	if got := get(t, env, ns, "k"); got != value {
		t.Errorf("got %d bytes %.40q", len(got), got)
	}
}

func TestBrokenBody(t *testing.T) {
	env := apitest.Open(t)
	ns := env.Namespace(t, "site")
	for name, tc := range map[string]struct {
		err  error
		code godwit.Code
	}{
		"cut off":  {io.ErrUnexpectedEOF, godwit.CodeInvalidRequest},
		"judged":   {godwit.Errorf(godwit.CodeBodyTooLarge, "too large"), godwit.CodeBodyTooLarge},
		"canceled": {context.Canceled, godwit.CodeInvalidRequest},
	} {
		for _, size := range []int{10, 200_000} {
			body := io.MultiReader(bytes.NewReader(make([]byte, size)), &broken{tc.err})
			_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: body})
			if got := godwit.CodeOf(err); err == nil || got != tc.code {
				t.Errorf("%s after %d bytes: %v, code %d, want %d", name, size, err, got, tc.code)
			}
		}
	}
	if got := get(t, env, ns, "k"); got != "absent" {
		t.Errorf("after broken bodies: %q", got)
	}
}

type broken struct{ err error }

func (b *broken) Read([]byte) (int, error) { return 0, b.err }

// refusing is a log that only says no.
type refusing struct {
	godwit.Log
	err error
}

func (r refusing) Propose(context.Context, []godwit.Transaction) ([]godwit.Result, error) {
	return nil, r.err
}

// keeping notes which values were discarded.
type keeping struct {
	godwit.Uploader
	discarded []int64
}

func (k *keeping) Discard(v godwit.Value) {
	k.discarded = append(k.discarded, v.Size())
	k.Uploader.Discard(v)
}

// TestDiscard checks that values are dropped when no write will name them, and
// only then.
func TestDiscard(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want []int64
	}{
		"busy":    {godwit.ErrBusy, []int64{100_000}},
		"full":    {godwit.ErrDiskFull, []int64{100_000}},
		"unknown": {godwit.ErrOutcomeUnknown, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var k *keeping
			env := apitest.Open(t, apitest.WithService(func(c *api.Config) {
				k = &keeping{Uploader: c.Uploader}
				c.Uploader, c.Log = k, refusing{c.Log, tc.err}
			}))
			ns := env.Namespace(t, "site")
			body := bytes.NewReader(make([]byte, 100_000))
			_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte("k"), Body: body})
			if !errors.Is(err, tc.err) {
				t.Errorf("put: %v, want %v", err, tc.err)
			}
			if diff := cmp.Diff(tc.want, k.discarded); diff != "" {
				t.Errorf("discarded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWritesPerKey(t *testing.T) {
	limits := godwit.DefaultLimits()
	limits.WritesPerKey = 1
	env := apitest.Open(t, apitest.WithLimits(limits))
	ns, other := env.Namespace(t, "site"), env.Namespace(t, "other")
	write := func(ns *godwit.Namespace, key string) bool {
		t.Helper()
		_, err := env.Service.Put(t.Context(), ns, api.Put{Key: []byte(key), Body: strings.NewReader("v")})
		if err != nil && !errors.Is(err, godwit.ErrTooManyWrites) {
			t.Fatal(err)
		}
		return err == nil
	}
	if !write(ns, "k") || write(ns, "k") {
		t.Error("want the first write to pass, the second not")
	}
	if !write(ns, "k2") || !write(other, "k") {
		t.Error("want other keys and namespaces to be free")
	}
	if _, err := env.Service.Delete(t.Context(), ns, api.Delete{Key: []byte("k")}); !errors.Is(err, godwit.ErrTooManyWrites) {
		t.Errorf("delete within the second: %v", err)
	}
	env.Clock.Advance(time.Second - time.Millisecond)
	if write(ns, "k") {
		t.Error("a write just before the second passed")
	}
	env.Clock.Advance(time.Millisecond)
	if !write(ns, "k") {
		t.Error("a write after a second was refused")
	}
	pairs := []api.BulkPut{{Key: "k"}, {Key: "k"}}
	if _, err := env.Service.BulkPut(t.Context(), ns, pairs, ""); err != nil {
		t.Errorf("bulk put: %v", err)
	}

	none := 0.0
	free := env.Set(t, ns, godwit.Settings{WritesPerKey: &none})
	for range 2 {
		if !write(free, "k") {
			t.Error("the namespace's setting is not in force")
		}
	}
}
