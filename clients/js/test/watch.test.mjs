import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Client, connect } from "godwit";

import { faults, startProxy } from "./faults.mjs";
import { startNode, until } from "./node.mjs";

let node, client, proxy, kv, through;
before(async () => {
  node = await startNode("--min-expiration-ttl", "1s");
  client = new Client(node);
  const { id } = await client.createNamespace("birds");
  kv = client.kv("birds");
  proxy = await startProxy(node.url);
  proxy.concerns = (req) => req.url.includes("/watch");
  through = connect({ url: proxy.url, token: node.token, namespace: id, backoff: 5 });
});
after(async () => {
  await proxy?.stop();
  await node.stop();
});
beforeEach(() => { proxy.seen = []; });

const events = { "Content-Type": "text/event-stream", "Godwit-Revision": "1" };
const next = async (w) => (await w.next()).value;

test("puts, deletes and expiries, of a prefix, with values", async () => {
  const w = kv.watch({ prefix: "p/", values: true });
  const ready = await next(w);
  assert.equal(ready.type, "ready");
  await kv.put("other", "x");
  await kv.put("p/text", "ünï", { metadata: { legs: 2 } });
  const put = await next(w);
  assert.deepEqual({ ...put, id: "", revision: "" }, { type: "put", id: "", revision: "", key: "p/text", metadata: { legs: 2 }, size: 5, value: "ünï" });
  await kv.put("p/large", "x".repeat(70_000));
  assert.deepEqual([await next(w)].map((e) => [e.key, e.size, e.value])[0], ["p/large", 70_000, undefined]);
  await kv.delete("p/text");
  const gone = await next(w);
  assert.deepEqual([gone.type, gone.key], ["delete", "p/text"]);
  const before = Math.floor(Date.now() / 1000);
  await kv.put("p/brief", "x", { expirationTtl: 1 });
  const after = Math.floor(Date.now() / 1000);
  assert.equal((await next(w)).type, "put");
  let e;
  do e = await next(w); while (e.type === "ready");
  assert.deepEqual([e.type, e.key], ["expire", "p/brief"]);
  assert.ok(before <= e.expiration && e.expiration <= after + 2, `${e.expiration}, set at ${before} to ${after}`);
  await w.return();
  assert.deepEqual(await w.next(), { done: true, value: undefined });
  const binary = kv.watch({ values: true, type: "arrayBuffer", since: ready.id });
  assert.equal((await next(binary)).key, "other");
  await kv.put("raw", new Uint8Array([255, 0]));
  for await (const e of binary) {
    if (e.key === "raw") { assert.deepEqual(new Uint8Array(e.value), new Uint8Array([255, 0])); break; }
  }
});

test("leaving the loop, return and a signal let go of the connection", async () => {
  const watches = async () => Number(/^godwit_watches (\d+)/m.exec(await (await fetch(`${node.url}/metrics`)).text())?.[1]);
  await until("none is left of the tests before", async () => await watches() === 0);
  for await (const e of kv.watch()) { assert.equal(e.type, "ready"); break; }
  const w = kv.watch();
  await next(w);
  const pending = w.next();
  await w.return();
  assert.deepEqual(await pending, { done: true, value: undefined });
  const left = new AbortController();
  const signalled = kv.watch({ signal: left.signal });
  await next(signalled);
  setTimeout(() => left.abort(new Error("enough")), 10);
  await assert.rejects(signalled.next(), { message: "enough" });
  assert.deepEqual(await signalled.next(), { done: true, value: undefined });
  await until("no watch is open", async () => await watches() === 0);
});

test("a connection that breaks goes on where it was, and nothing is missed", async () => {
  proxy.faults = [faults.cut(60), faults.lost, faults.busy, faults.cut(60), faults.tooMany(1), faults.cut(40)];
  const w = through.watch({ prefix: "go/" });
  assert.equal((await next(w)).type, "ready");
  const writer = (async () => {
    for (let i = 0; i < 200; i++) await kv.put(`go/${i}`, "x");
  })();
  const seen = new Set();
  for await (const e of w) {
    if (e.type === "put") seen.add(e.key);
    if (seen.size === 200 && proxy.faults.length === 0) break;
    if (seen.size === 200) await kv.put("go/more", "x");
  }
  await writer;
  const resumed = proxy.seen.slice(1).map((r) => r.headers["last-event-id"]);
  assert.ok(resumed.length >= 5 && resumed.every((id) => /^\d+/.test(id)), `${resumed}`);
});

test("a page of a proxy in between is an error at first, and waited out after that", async () => {
  const page = { before: (req, res) => res.writeHead(200, { "Content-Type": "text/html" }).end("<h1>") };
  proxy.faults = [page];
  await assert.rejects(through.watch().next(), { name: "GodwitError", code: "invalid_reply", status: 200 });
  let first;
  proxy.faults = [{ during: (req, res) => { first = res; } }, page, page];
  const w = through.watch({ prefix: "page/" });
  assert.equal((await next(w)).type, "ready");
  first.destroy();
  await kv.put("page/k", "x");
  let e;
  do e = await next(w); while (e.type !== "put");
  assert.equal(e.key, "page/k");
  assert.deepEqual(proxy.faults, []);
  await w.return();
});

test("a first connection that cannot be made is an error", async () => {
  proxy.faults = Array(4).fill(faults.lost);
  await assert.rejects(through.watch().next(), { code: "unavailable" });
  await assert.rejects(connect({ ...node, namespace: "no such" }).watch().next(), { code: "namespace_not_found" });
  await assert.rejects(connect({ ...node, token: "wrong-token-012345", namespace: "birds" }).watch().next(), { code: "unauthenticated" });
  await assert.rejects(kv.watch({ since: "nonsense" }).next(), { code: "invalid_request" });
  await assert.rejects(kv.watch({ since: "a\r\nb" }).next(), RangeError);
});

test("a reset is told, and the watch goes on", async () => {
  const text = (lines) => ({ before: (req, res) => res.writeHead(200, events).end(lines) });
  proxy.faults = [text("event: reset\r\nid: 5\r\ndata: {\"revision\":\"5\"}\r\n\r\n: comment\n\nevent: later\nid: 6\ndata: {}\n\nevent: put\ndata: {\"key\":\"half")];
  const w = through.watch();
  assert.deepEqual(await next(w), { type: "reset", id: "5", revision: "5" });
  let e;
  do e = await next(w); while (e.type === "put" || e.type === "delete" || e.type === "expire");
  assert.ok(e.type === "ready" || e.type === "reset", e.type);
  assert.equal(proxy.seen.at(-1).headers["last-event-id"], "5");
  await w.return();
});

test("an event without an end does not fill memory", async () => {
  let sent = 0;
  proxy.faults = [{
    before: (req, res) => {
      res.writeHead(200, events);
      const more = () => { do sent++; while (!res.destroyed && res.write("x".repeat(65_536))); };
      res.on("drain", more);
      more();
    },
  }];
  await assert.rejects(through.watch().next(), RangeError);
  assert.ok(sent < 400, `${sent * 64} KiB were sent`);
});

test("a reader that is slow holds the server back", async () => {
  let sent = 0;
  const event = `event: put\nid: 1\ndata: {"key":"k","revision":"1","size":0,"value":"${"x".repeat(60_000)}"}\n\n`;
  proxy.faults = [{
    before: (req, res) => {
      res.writeHead(200, events);
      const more = () => { do sent++; while (!res.destroyed && res.write(event)); };
      res.on("drain", more);
      more();
    },
  }];
  const w = through.watch({ values: true });
  await next(w);
  let before = -1;
  await until("the server is held back", async () => {
    await new Promise((r) => setTimeout(r, 100));
    const still = sent === before;
    before = sent;
    return still;
  });
  assert.ok(sent * 60_000 < 32 << 20, `${(sent * 60_000) >> 20} MiB were sent`);
  await w.return();
});

test("the namespace is deleted", async () => {
  await client.createNamespace("brief");
  const w = client.kv("brief").watch();
  await next(w);
  await client.deleteNamespace("brief");
  await assert.rejects((async () => { for await (const e of w) void e; })(), { code: "namespace_not_found", status: 404 });
});
