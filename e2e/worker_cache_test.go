package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// cachingWorker stores a response of the kind that the path names, and answers by what is
// there afterwards.
const cachingWorker = `const text = (...pieces) => new ReadableStream({
  async pull(to) {
    const next = pieces.shift();
    if (next === undefined) return to.close();
    if (next instanceof Error) return to.error(next);
    to.enqueue(new TextEncoder().encode(next));
  },
});
const headers = { "Cache-Control": "max-age=60" };
const kinds = {
  known: () => new Response("known", { headers }),
  stream: () => new Response(text("4\r\n", "in ", "pieces"), { headers }),
  rewritten: () => new HTMLRewriter()
    .on("b", { element(b) { b.setInnerContent("after"); } })
    .transform(new Response("<b>before</b>", { headers })),
  origin: async (url) => (await fetch(url.searchParams.get("of"))).clone(),
  broken: () => new Response(text("half", new Error("on purpose")), { headers }),
  forbidden: () => new Response("x", { headers: { "Cache-Control": "no-store" } }),
};

export default {
  async fetch(request) {
    const url = new URL(request.url);
    const put = caches.default.put(url, await kinds[url.pathname.slice(1)](url));
    const threw = await put.then(() => "", (e) => "threw: ");
    const there = await caches.default.match(url);
    return new Response(threw + (there ? await there.text() : "miss"));
  },
};
`

// TestWorkerCache stores responses whose length is known, and such that nobody knows it of.
func TestWorkerCache(t *testing.T) {
	t.Parallel()
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=60")
		for _, piece := range []string{"of ", "the ", "origin"} {
			_, _ = w.Write([]byte(piece)) // the Worker is gone
			_ = http.NewResponseController(w).Flush()
		}
	}))
	t.Cleanup(origin.Close)
	p := plainProject(t)
	p.write("index.js", cachingWorker)
	r := startWorker(t, p.dir)
	r.want("/known", 200, "known")
	r.want("/stream", 200, "4\r\nin pieces")
	r.want("/rewritten", 200, "<b>after</b>")
	r.want("/origin?of="+url.QueryEscape(origin.URL), 200, "of the origin")
	r.want("/broken", 200, "threw: miss")
	r.want("/forbidden", 200, "miss")
}
