package load_test

import (
	"testing"

	"github.com/godwitkv/godwit/bench/load"
)

// read feeds text in pieces of at most size bytes and returns how many
// responses were whole, and whether each was OK.
func read(r load.Reply, text string, size int) (oks []bool, err error) {
	for rest := text; len(rest) > 0; {
		piece := rest[:min(size, len(rest))]
		n, done, err := r.Feed([]byte(piece))
		if err != nil {
			return oks, err
		}
		if done {
			oks = append(oks, r.OK())
		} else if n != len(piece) {
			panic("a response that is not whole left bytes over")
		}
		rest = rest[n:]
	}
	return oks, nil
}

var httpReplies = []struct {
	name string
	text string
	want []bool
	bad  bool
}{
	{name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: []bool{true}},
	{name: "no body", text: "HTTP/1.1 404 Not Found\r\ncontent-length:0\r\n\r\n", want: []bool{false}},
	{name: "no content", text: "HTTP/1.1 204 No Content\r\n\r\n", want: []bool{true}},
	{name: "interim", text: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", want: []bool{true}},
	{name: "two", text: "HTTP/1.1 500 x\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy", want: []bool{false, true}},
	{name: "chunks", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\nX: y\r\n\r\n", want: []bool{true}},
	{name: "neither", text: "HTTP/1.1 200 OK\r\n\r\n", bad: true},
	{name: "bad length", text: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", bad: true},
	{name: "bad status", text: "HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\n", bad: true},
	{name: "not HTTP", text: "SSH-2.0-OpenSSH_9.2p1 Debian\r\n\r\n", bad: true},
	{name: "bad chunk", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", bad: true},
	{name: "chunk too long", text: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxyz\r\n", bad: true},
}

func TestHTTPReply(t *testing.T) {
	for _, c := range httpReplies {
		t.Run(c.name, func(t *testing.T) {
			for size := 1; size <= len(c.text); size++ {
				got, err := read(new(load.HTTPReply), c.text, size)
				check(t, size, got, err, c.want, c.bad)
			}
		})
	}
}

func TestHTTPReplyCountsBodies(t *testing.T) {
	for _, c := range httpReplies {
		if c.name != "chunks" {
			continue
		}
		var r load.HTTPReply
		if _, err := read(&r, c.text, 3); err != nil || r.BodyBytes() != 15 || r.Status() != 200 {
			t.Errorf("%d body bytes with status %d, error %v; want 15, 200", r.BodyBytes(), r.Status(), err)
		}
	}
}

func TestRedisReply(t *testing.T) {
	for _, c := range []struct {
		text string
		want []bool
		bad  bool
	}{
		{text: "+OK\r\n:12\r\n-ERR no\r\n", want: []bool{true, true, false}},
		{text: "$5\r\nhello\r\n$0\r\n\r\n$-1\r\n", want: []bool{true, true, false}},
		{text: "*1\r\n", bad: true},
		{text: "$x\r\n", bad: true},
		{text: "+OK\n", bad: true},
		{text: "\r\n", bad: true},
	} {
		for size := 1; size <= len(c.text); size++ {
			got, err := read(new(load.RedisReply), c.text, size)
			check(t, size, got, err, c.want, c.bad)
		}
	}
}

func TestNATSReply(t *testing.T) {
	const info = "INFO {\"server_id\":\"X\"}\r\n"
	for _, c := range []struct {
		text string
		want []bool
		bad  bool
	}{
		{text: info + "PING\r\nMSG _INBOX.1 1 29\r\n{\"stream\":\"KV_bench\",\"seq\":1}\r\n", want: []bool{true}},
		{text: "MSG _INBOX.1 1 29\r\n{\"stream\":\"KV_bench\",\"seq\":1}\r\nPING\r\nPI", want: []bool{true}},
		{text: "MSG _INBOX.1 1 22\r\n{\"error\":{\"code\":503}}\r\n", want: []bool{false}},
		{text: "HMSG _INBOX.1 1 12 17\r\nNATS/1.0\r\n\r\nh\nllo\r\n", want: []bool{true}},
		{text: "HMSG _INBOX.1 1 32 32\r\nNATS/1.0 404 Message Not Found\r\n\r\n", want: []bool{false}},
		{text: "-ERR 'Authorization Violation'\r\n", bad: true},
		{text: "MSG _INBOX.1 1 x\r\n", bad: true},
		{text: "HELLO\r\n", bad: true},
		{text: "PING\n", bad: true},
	} {
		for size := 1; size <= len(c.text); size++ {
			got, err := read(new(load.NATSReply), c.text, size)
			check(t, size, got, err, c.want, c.bad)
		}
	}
}

func check(t *testing.T, size int, got []bool, err error, want []bool, bad bool) {
	t.Helper()
	if bad {
		if err == nil {
			t.Errorf("pieces of %d bytes: no error", size)
		}
		return
	}
	if err != nil || len(got) != len(want) {
		t.Errorf("pieces of %d bytes: replies %v, error %v; want %v", size, got, err, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("pieces of %d bytes: reply %d is OK: %v, want %v", size, i, got[i], want[i])
		}
	}
}

// FuzzHTTPReply checks that the pieces in which a response comes do not matter.
func FuzzHTTPReply(f *testing.F) {
	for _, c := range httpReplies {
		f.Add(c.text, 7)
	}
	f.Fuzz(func(t *testing.T, text string, size int) {
		samePieces(t, text, size, func() load.Reply { return new(load.HTTPReply) })
	})
}

// FuzzRedisReply is as FuzzHTTPReply.
func FuzzRedisReply(f *testing.F) {
	f.Add("+OK\r\n:12\r\n-ERR no\r\n", 2)
	f.Add("$5\r\nhello\r\n$0\r\n\r\n$-1\r\n", 3)
	f.Fuzz(func(t *testing.T, text string, size int) {
		samePieces(t, text, size, func() load.Reply { return new(load.RedisReply) })
	})
}

// FuzzNATSReply checks that no text is too much for it. More than one message, which
// pieces may part, never comes: there is one request in flight.
func FuzzNATSReply(f *testing.F) {
	f.Add("INFO {}\r\nMSG a 1 2\r\nok\r\n", 3)
	f.Fuzz(func(_ *testing.T, text string, size int) {
		if size >= 1 && len(text) <= 8<<10 {
			_, _ = read(new(load.NATSReply), text, size)
		}
	})
}

func samePieces(t *testing.T, text string, size int, reply func() load.Reply) {
	if size < 1 || len(text) > 8<<10 {
		return
	}
	whole, wholeErr := read(reply(), text, max(len(text), 1))
	parts, partsErr := read(reply(), text, size)
	if (wholeErr == nil) != (partsErr == nil) || len(whole) != len(parts) {
		t.Fatalf("whole: %v, %v; in pieces of %d: %v, %v", whole, wholeErr, size, parts, partsErr)
	}
}
