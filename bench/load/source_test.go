package load_test

import (
	"testing"

	"github.com/godwitkv/godwit/bench/load"
)

func TestTemplates(t *testing.T) {
	http := load.HTTPRequest("PUT", "/", "?a=b", []string{"X: y"}, []byte("v"))
	http.Pick = load.Sequence(41)
	get := load.RedisCommand("GET", nil)
	get.Pick = load.Sequence(999_999_999)
	set := load.RedisCommand("SET", []byte("v"))
	for _, c := range []struct {
		source load.Source
		want   string
	}{
		{&http, "PUT /k000000041?a=b HTTP/1.1\r\nHost: fake-host\r\nX: y\r\nContent-Length: 1\r\n\r\nv"},
		{&http, "PUT /k000000042?a=b HTTP/1.1\r\nHost: fake-host\r\nX: y\r\nContent-Length: 1\r\n\r\nv"},
		{&get, "*2\r\n$3\r\nGET\r\n$10\r\nk999999999\r\n"},
		{&set, "*3\r\n$3\r\nSET\r\n$10\r\n\r\n$1\r\nv\r\n"},
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
