// What must work in every runtime, run by each: node, deno and bun. It needs a node
// with an empty namespace "everywhere", in GODWIT_URL and GODWIT_TOKEN, and prints
// "ok" at its end.
import assert from "node:assert/strict";
import process from "node:process";

import { connect, GodwitError } from "godwit";
import KeyvGodwit from "godwit/keyv";
import godwitDriver from "godwit/unstorage";

const options = { url: process.env.GODWIT_URL, token: process.env.GODWIT_TOKEN, namespace: "everywhere" };
const kv = connect(options);
const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => (i * 31) % 256);

for (const key of ["a/b", "../x", "pct%41", "uni-é-🤓", "nul\0", "?x#y", "%2e%2e", "it's(*)~[]|^"]) {
  await kv.put(key, "väl\r\nue", { metadata: { key }, expirationTtl: 60 });
  assert.equal(await kv.get(key), "väl\r\nue");
  const { value, metadata } = await kv.getWithMetadata(key);
  assert.deepEqual({ value, metadata }, { value: "väl\r\nue", metadata: { key } });
  await kv.delete(key);
  assert.equal(await kv.get(key), null);
}

// Streams in both directions, and that a long one is not read before it is sent.
for (const metadata of [undefined, { with: "form" }]) {
  for (const size of [0, 10, 3 << 20]) {
    const all = bytes(size);
    let pulled = 0, whenSent;
    const stream = new ReadableStream({
      pull(c) {
        if (pulled >= size) return c.close();
        const n = Math.min(65_536, size - pulled);
        c.enqueue(all.subarray(pulled, pulled + n));
        pulled += n;
      },
    });
    const watched = connect({ ...options, fetch: (url, init) => { if (init.method === "PUT") whenSent = pulled; return fetch(url, init); } });
    await watched.put("stream", stream, { metadata });
    assert.ok(size < 1 << 20 || whenSent < 1 << 19, `${whenSent} bytes were read before anything was sent`);
    const e = await kv.entry("stream", "stream");
    assert.deepEqual(new Uint8Array(await new Response(e.value).arrayBuffer()), all);
    assert.deepEqual(e.metadata, metadata ?? null);
  }
}


// The source of a stream that is left while it is sent is let go.
const enough = new AbortController();
let pulls = 0, source = "read";
const endless = new ReadableStream({
  async pull(c) {
    if (++pulls === 20) enough.abort(new Error("enough"));
    await new Promise((r) => setTimeout(r, 0));
    c.enqueue(bytes(65_536));
  },
  cancel() { source = "let go"; },
});
await assert.rejects(kv.put("left", endless, { signal: enough.signal }), /enough/);
assert.equal(source, "let go");

await kv.put("cas", "1", { ifNoneMatch: "*" });
await assert.rejects(kv.put("cas", "2", { ifNoneMatch: "*" }), (e) => e instanceof GodwitError && e.code === "precondition_failed" && e.status === 412);
await assert.rejects(kv.put("k", "x", { expirationTtl: 1 }), (e) => /^KV PUT failed: 400 Invalid expiration_ttl of 1/.test(e.message));
await assert.rejects(connect({ ...options, url: "http://127.0.0.1:1", backoff: 1 }).get("k"), (e) => e.code === "unavailable");
await assert.rejects(kv.get("k", { signal: AbortSignal.abort(new Error("left")) }), /left/);
await kv.transaction().check("cas", "any").put("t", bytes(5)).delete("cas").commit();
assert.deepEqual(new Uint8Array(await kv.get("t", "arrayBuffer")), bytes(5));
assert.deepEqual([...await kv.get(["t", "none"])].map(([k]) => k), ["t", "none"]);

// A watch, left by break and by a signal while it waits.
const events = kv.watch({ values: true });
assert.equal((await events.next()).value.type, "ready");
await kv.put("w", "1");
for await (const e of events) {
  assert.deepEqual([e.type, e.key, e.value], ["put", "w", "1"]);
  break;
}
const left = new AbortController();
const waiting = kv.watch({ signal: left.signal });
await waiting.next();
setTimeout(() => left.abort(new Error("enough")), 20);
await assert.rejects(waiting.next(), /enough/);

const driver = godwitDriver({ kv, base: "un" });
await driver.setItemRaw("raw", bytes(9));
assert.deepEqual(await driver.getItemRaw("raw"), bytes(9));
assert.deepEqual(await driver.getKeys(""), ["raw"]);
const store = new KeyvGodwit(options);
await store.set("keyv", "x", 60_000);
assert.equal(await store.get("keyv"), "x");
assert.equal(await store.delete("keyv"), true);
await kv.bulkDelete((await kv.scanPage()).keys.map((k) => k.name));
assert.equal((await kv.count()).keys, 0);
console.log("ok");
