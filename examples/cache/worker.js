// An API's answers, kept in KV. For FRESH_SECONDS an answer is given as it is; for a day after
// that it is given at once all the same, and asked for anew behind the client's back. So the
// API may be slow, or away.

const DAY = 24 * 3600;

export default {
  async fetch(request, env, ctx) {
    if (request.method !== "GET") return new Response("GET alone\n", { status: 405, headers: { Allow: "GET" } });
    const { pathname, search } = new URL(request.url);
    const key = await keyOf(pathname + search);
    const { value, metadata } = await env.CACHE.getWithMetadata(key, { type: "stream" });
    if (value === null) return refresh(key, pathname + search, env);
    const age = Math.floor((Date.now() - metadata.fetched) / 1000);
    const stale = age >= Number(env.FRESH_SECONDS);
    if (stale) ctx.waitUntil(refresh(key, pathname + search, env));
    return answer(value, metadata.type, stale ? "STALE" : "HIT", age);
  },
};

// refresh asks the API and keeps what it says, if that is an answer.
async function refresh(key, path, env) {
  const response = await fetch(env.UPSTREAM + path).catch(() => null);
  if (!response?.ok) return new Response("the API does not answer\n", { status: 502 });
  const type = response.headers.get("Content-Type") ?? "application/octet-stream";
  const body = await response.arrayBuffer();
  await env.CACHE.put(key, body, { expirationTtl: DAY, metadata: { fetched: Date.now(), type } });
  return answer(body, type, "MISS", 0);
}

const answer = (body, type, status, age) =>
  new Response(body, { headers: { "Content-Type": type, "X-Cache": status, Age: String(age) } });

// keyOf is a key for a path of any length: keys have 512 bytes at most.
async function keyOf(path) {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(path));
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}
