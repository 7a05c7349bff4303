package load_test

import (
	"testing"

	"github.com/godwitkv/godwit/bench/load"
)

func TestTemplates(t *testing.T) {
	values := &load.Values{Size: 1, Append: func(dst []byte) []byte { return append(dst, 'v') }}
	put := load.HTTPRequest("PUT", "/", load.Sequence(41), "?a=b", []string{"X: y"}, values)
	for _, c := range []struct {
		source load.Source
		want   string
	}{
		{put, "PUT /k000000041?a=b HTTP/1.1\r\nHost: fake-host\r\nX: y\r\nContent-Length: 1\r\n\r\nv"},
		{put, "PUT /k000000042?a=b HTTP/1.1\r\nHost: fake-host\r\nX: y\r\nContent-Length: 1\r\n\r\nv"},
		{load.HTTPRequest("GET", "/x", nil, "", nil, nil), "GET /x HTTP/1.1\r\nHost: fake-host\r\n\r\n"},
		{load.RedisCommand("GET", load.Sequence(999_999_999), nil), "*2\r\n$3\r\nGET\r\n$10\r\nk999999999\r\n"},
		{load.RedisCommand("SET", load.Sequence(0), values), "*3\r\n$3\r\nSET\r\n$10\r\nk000000000\r\n$1\r\nv\r\n"},
	} {
		if got := string(c.source.Next(nil)); got != c.want {
			t.Errorf("request %q, want %q", got, c.want)
		}
	}
}

func TestRandomIsRepeatedBySeed(t *testing.T) {
	a, b := load.Random(1000, 7), load.Random(1000, 7)
	for range 100 {
		if x, y := a(), b(); x != y || x < 0 || x >= 1000 {
			t.Fatalf("picked %d and %d", x, y)
		}
	}
}

func TestRandomValues(t *testing.T) {
	a, b := load.RandomValues(288, 7), load.RandomValues(288, 7)
	first := string(a.Append(nil))
	if len(first) != 288 || first != string(b.Append(nil)) || first == string(a.Append(nil)) {
		t.Error("values are not 288 bytes, repeated by seed and different from each other")
	}
}
