package worker

import (
	"bufio"
	"cmp"
	"io"
	"net/http"
	"net/textproto"
	"strings"

	"github.com/godwitkv/godwit/internal/trace"
)

// pass passes on a request that a courier carries. httputil.ReverseProxy, which passes
// on all others, copies and looks at what such a request cannot have.
func (f *front) pass(w http.ResponseWriter, r *http.Request, held *holder) {
	out := *r
	out.Header = f.forward(r)
	res, err := f.send(held, &out)
	if err != nil {
		f.failed(w, r, err)
		return
	}
	defer res.Body.Close()
	head := w.Header()
	copyEndToEnd(head, res.Header)
	for name := range res.Trailer {
		head.Add("Trailer", name)
	}
	w.WriteHeader(res.StatusCode)
	if !f.copyBody(w, res) {
		panic(http.ErrAbortHandler) // the client must not take it for the whole
	}
	for name, values := range res.Trailer {
		head[http.TrailerPrefix+name] = values
	}
}

// forward are the headers that workerd gets: what came, and who sent it.
func (f *front) forward(r *http.Request) http.Header {
	out := make(http.Header, len(r.Header)+4)
	copyEndToEnd(out, r.Header)
	for _, name := range []string{"Content-Length", "Expect", "Forwarded", "X-Forwarded-For", "X-Forwarded-Host"} {
		delete(out, name)
	}
	f.introduce(out, r)
	trace.Inject(r.Context(), out)
	return out
}

// copyEndToEnd copies the headers that are not of one connection alone.
func copyEndToEnd(to, from http.Header) {
	for name, values := range from {
		if !hopByHop(name) {
			to[name] = values
		}
	}
	for _, line := range from["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(to, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)))
		}
	}
}

// hopByHop tells whether a header is of one connection alone (RFC 9110, 7.6.1).
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
		"Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// copyBody passes on the body of an answer piece by piece, and tells whether it was the
// whole. The head goes out with the first piece, unless that lets wait for itself; the last
// piece of a body whose length is known goes out with the answer's end.
func (f *front) copyBody(w http.ResponseWriter, res *http.Response) (whole bool) {
	flush := http.NewResponseController(w)
	if !res.Body.(*answer).begins(res.Request.Context()) && flush.Flush() != nil {
		return false
	}
	buf := f.proxy.BufferPool.Get()
	defer f.proxy.BufferPool.Put(buf)
	for left := res.ContentLength; ; {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if _, err := w.Write(buf[:n]); err != nil {
				return false
			}
			left -= int64(n)
		}
		if err != nil {
			return err == io.EOF
		}
		if left != 0 && flush.Flush() != nil {
			return false
		}
	}
}

// writeHead writes the head of a request that has no body.
func writeHead(w *bufio.Writer, r *http.Request) {
	text := func(all ...string) {
		for _, s := range all {
			_, _ = w.WriteString(s) // the error stays, for Flush to tell
		}
	}
	text(r.Method, " ", r.URL.RequestURI(), " HTTP/1.1\r\nHost: ", cmp.Or(r.Host, "worker"), "\r\n")
	for name, values := range r.Header {
		for _, v := range values {
			text(name, ": ", v, "\r\n")
		}
	}
	text("\r\n")
}
