package transfer_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwitkv/godwit/internal/transfer"
)

// TestRedisLies holds that a server that announces what no machine can hold ends in an
// error: the client makes room for what is announced.
func TestRedisLies(t *testing.T) {
	const keys = "*2\r\n$1\r\n0\r\n"
	for _, tt := range []struct{ scan, get, want string }{
		{"*2\r\n$9223372036854775800\r\n", "", "a string of the answer"},
		{"*2\r\n$99999999999999999999\r\n", "", "a string of the answer"},
		{keys + "*9000000000000000000\r\n", "", "an array of the answer"},
		{keys + "*500000000\r\n", "", "an array of the answer"},
		{strings.Repeat("*1\r\n", 1000), "", "an array of the answer"},
		{"+" + strings.Repeat("x", 1<<20), "", "a line of the answer"},
		{keys + "*1\r\n$1\r\nk\r\n", "$3000000000\r\n", "a string of the answer"},
		{keys + "*1\r\n$6\r\n$9\r\n*9\r\n", "$11\r\n$9999999999\r\n:-1\r\n", ""},
	} {
		source := &transfer.Redis{URL: "redis://" + lyingRedis(t, tt.scan, tt.get) + "?max_retries=-1", Progress: new(transfer.Progress), Skip: func(string) {}}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		got := ""
		for _, err := range source.Batches(ctx) {
			if err != nil {
				got = err.Error()
			}
		}
		cancel()
		if !strings.Contains(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%.40q %.40q: got %q, want %q", tt.scan, tt.get, got, tt.want)
		}
	}
}

// lyingRedis answers the first request for keys by scan, and one for values by get.
func lyingRedis(t *testing.T, scan, get string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it waits for nothing
	check(t, err)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { answerLies(c, scan, get) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

// answerLies answers what comes over one connection, word by word.
func answerLies(c net.Conn, scan, get string) {
	defer func() { _ = c.Close() }()
	answers := map[string]string{
		"HELLO": "-ERR unknown command\r\n", "CLIENT": "+OK\r\n", "INFO": "+cluster_enabled:0\r\n", "SCAN": scan,
		"TYPE": "+string\r\n", "STRLEN": ":1\r\n", "GET": get, "PTTL": "",
	}
	for words := bufio.NewScanner(c); words.Scan(); {
		if answer := answers[strings.ToUpper(words.Text())]; answer != "" {
			if _, err := c.Write([]byte(answer)); err != nil {
				return
			}
		}
	}
}
