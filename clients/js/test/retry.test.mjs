// What happens when the network or the server does not answer.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, afterEach, before, test } from "node:test";

import { Client, connect, GodwitError } from "godwit";

import { faults, startProxy } from "./faults.mjs";
import { startNode, until } from "./node.mjs";

let node, birds, proxy, kv;
before(async () => {
  node = await startNode();
  ({ id: birds } = await new Client(node).createNamespace("birds"));
  proxy = await startProxy(node.url);
  kv = connect({ url: proxy.url, token: node.token, namespace: birds, backoff: 5 });
  await kv.put("warm", "up"); // the account is known from here on
  proxy.seen = [];
});
after(async () => {
  await proxy?.stop();
  await node.stop();
});
afterEach(() => {
  assert.deepEqual(proxy.faults, [], "every fault was met");
  proxy.seen = [];
});

const conditional = { ifNoneMatch: "*" }; // of two that apply, the second fails

test("a write whose answer was lost is sent again and applied once", async () => {
  proxy.faults = [faults.answerLost, faults.lost];
  await kv.put("once", "x", conditional);
  const ids = proxy.seen.map((r) => r.headers["godwit-request-id"]);
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
  assert.match(ids[0], /^[0-9a-f]{32}$/);
  proxy.faults = [faults.answerLost];
  await kv.transaction().check("tx", null).put("tx", "x").commit();
  proxy.faults = [faults.answerLost];
  await kv.remove("once", { ifMatch: "*" });
});

test("a short stream is sent again, a long one is not", async () => {
  proxy.faults = [faults.answerLost];
  await kv.put("short", new Blob(["x".repeat(1000)]).stream(), conditional);
  proxy.faults = [faults.answerLost];
  await assert.rejects(kv.put("long", new Blob(["x".repeat(100_000)]).stream(), conditional), (e) =>
    e instanceof GodwitError && e.code === "outcome_unknown" && e.message.startsWith("KV PUT failed: the outcome is unknown"));
  assert.equal((await kv.details("long")).size, 100_000);
});

test("a buffer is sent again as it was at the call", async () => {
  const buffer = Uint8Array.of(1, 1);
  proxy.faults = [{ before: (req, res) => { buffer.fill(2); faults.busy.before(req, res); } }];
  await kv.put("buffer", buffer);
  assert.deepEqual(new Uint8Array(await kv.get("buffer", "arrayBuffer")), Uint8Array.of(1, 1));
});

test("503 and 429 are asked again, after what the server says", async () => {
  proxy.faults = [faults.busy, faults.busy, faults.busy];
  assert.equal(await kv.get("warm"), "up");
  proxy.faults = [faults.tooMany(1)];
  const began = Date.now();
  await kv.put("warm", "up");
  assert.ok(Date.now() - began >= 990);
});

test("attempts are bounded, and so is the wait", async () => {
  proxy.faults = Array(4).fill(faults.busy);
  await assert.rejects(kv.get("warm"), { code: "unavailable", status: 503, message: "KV GET failed: 503 Service Unavailable" });
  assert.equal(proxy.seen.length, 4);
  const once = connect({ url: proxy.url, token: node.token, namespace: birds, attempts: 1 });
  await once.get("warm");
  proxy.faults = [faults.lost];
  await assert.rejects(once.get("warm"), { code: "unavailable", status: 0 });
  proxy.faults = [faults.lost];
  await assert.rejects(once.put("warm", "up"), { code: "outcome_unknown", status: 0 });
});

test("what is refused is not asked again", async () => {
  await assert.rejects(kv.put("k", "x", { expirationTtl: 1 }), { code: "invalid_expiration_ttl" });
  await assert.rejects(kv.put("warm", "x", conditional), { code: "precondition_failed" });
  assert.equal(proxy.seen.length, 2);
});

test("a write of which an attempt was left open may be done, whatever the last was told", async () => {
  for (const fault of [faults.lost, faults.gateway]) {
    proxy.faults = [faults.busy, fault];
    await assert.rejects(kv.put("warm", "x", conditional), (e) => {
      assert.equal(e.message, "KV PUT failed: the outcome is unknown: 412 Precondition Failed");
      assert.deepEqual([e.code, e.status, e.cause.code], ["outcome_unknown", 412, "precondition_failed"]);
      return true;
    });
  }
  proxy.faults = [faults.answerLost, ...Array(3).fill(faults.busy)];
  await assert.rejects(kv.put("warm", "up"), { code: "outcome_unknown", status: 503 });
  proxy.faults = Array(4).fill(faults.gateway);
  await assert.rejects(kv.put("warm", "up"), { code: "outcome_unknown", status: 502 });
  proxy.faults = [faults.busy, faults.tooMany(0)];
  await assert.rejects(kv.put("warm", "x", conditional), { code: "precondition_failed" });
});

test("what was sent to a server that is then gone may be done, what nobody took is not", async () => {
  const server = createServer((req, res) => {
    server.close();
    req.resume().on("end", () => res.destroy());
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const id = "0123456789abcdef0123456789abcdef";
  const gone = connect({ url: `http://127.0.0.1:${server.address().port}`, account: id, namespace: id, backoff: 5 });
  const said = (why) => ({ status: 0, message: `KV PUT failed: ${why}ECONNREFUSED` });
  await assert.rejects(gone.put("k", "v"), { code: "outcome_unknown", ...said("the outcome is unknown: ") });
  await assert.rejects(gone.put("k", "v"), { code: "unavailable", ...said("") });
});

test("what changes no data is not told as unknown, nor a change of which nothing is left", async () => {
  const client = new Client({ url: proxy.url, token: node.token, backoff: 5 });
  await client.createNamespace("kept"); // the account is known from here on
  const { id } = await client.createNamespace("left");
  await client.deleteNamespace(id);
  const exists = { before: (req, res) => res.writeHead(409).end('{"error":{"code":"namespace_exists","message":"m"}}') };
  for (const [code, call, ...then] of [
    ["unavailable", () => kv.get("warm"), faults.lost, faults.lost, faults.lost],
    ["unavailable", () => client.startScrub(), faults.lost, faults.lost, faults.lost],
    ["unavailable", () => kv.restorePage({ at: new Date(), all: true, dryRun: true }), faults.lost, faults.lost, faults.lost],
    ["namespace_exists", () => client.ensureNamespace("kept", { jurisdiction: "eu" }), exists],
    ["namespace_not_found", () => client.renameNamespace(id, "other")],
    ["namespace_not_found", () => client.deleteNamespace(id)],
    ["namespace_not_found", () => client.setSettings(id, { max_keys: 1 })],
  ]) {
    proxy.faults = [faults.lost, ...then];
    await assert.rejects(call(), { code });
  }
});

test("timeouts", async () => {
  const e = { code: "timeout", message: "KV GET failed: no answer within 50 ms" };
  const silent = () => Array(4).fill(faults.silent);
  proxy.faults = silent();
  await assert.rejects(kv.get("warm", { timeout: 50 }), e);
  proxy.faults = silent();
  await assert.rejects(kv.put("warm", "up", { timeout: 50 }), { code: "outcome_unknown", message: "KV PUT failed: the outcome is unknown: no answer within 50 ms" });
  proxy.faults = [faults.silent];
  await assert.rejects(kv.put("long", new Blob(["x".repeat(100_000)]).stream(), { timeout: 50 }), { code: "outcome_unknown" });
  proxy.faults = silent();
  const impatient = connect({ url: proxy.url, token: node.token, namespace: birds, timeout: 50 });
  await assert.rejects(impatient.count(), e);
  await assert.rejects(kv.get("warm", { timeout: -1 }), RangeError);
});

test("an attempt that took too long is made again", async () => {
  const stalls = { before: (req, res) => res.writeHead(200, { ETag: '"1"', "Godwit-Revision": "1", "Content-Length": "9" }).write("x") };
  for (const [fault, call] of [
    [faults.silent, () => kv.get("warm", { timeout: 2_000 })],
    [stalls, () => kv.get("warm", { timeout: 2_000 })],
    [faults.silent, () => kv.put("warm", "up", { timeout: 2_000 })],
  ]) {
    proxy.faults = [fault];
    proxy.seen = [];
    await call();
    assert.ok(proxy.seen.length >= 2); // another may take too long, too
  }
});

test("a signal ends every kind of call, also while it waits to try again", async () => {
  const calls = [
    (o) => kv.get("warm", o), (o) => kv.getWithMetadata("warm", o), (o) => kv.get(["warm"], o), (o) => kv.put("warm", "up", o),
    (o) => kv.delete("none", o), (o) => kv.list(o), (o) => kv.details("warm", o), (o) => kv.count(o), (o) => kv.scan(o).next(),
    (o) => kv.watch(o).next(), (o) => kv.transaction().delete("none").commit(o), (o) => kv.bulkPut([{ key: "k", value: "v" }], o),
    (o) => kv.bulkDelete(["k"], o), (o) => kv.client.status(o), (o) => kv.client.namespaces(o),
  ];
  for (const [i, call] of calls.entries()) {
    const reason = new Error(`left ${i}`);
    await assert.rejects(call({ signal: AbortSignal.abort(reason) }), reason);
    for (const fault of [faults.silent, faults.tooMany(5)]) {
      const left = new AbortController();
      proxy.faults = [fault];
      const rejected = assert.rejects(call({ signal: left.signal }), reason);
      await until("the request came", () => proxy.faults.length === 0);
      setTimeout(() => left.abort(reason), 10);
      await rejected;
    }
  }
});

test("a signal ends a value that is being read", async () => {
  await kv.put("large", new Uint8Array(20 << 20));
  const left = new AbortController();
  const reader = (await kv.get("large", { type: "stream", signal: left.signal })).getReader();
  await reader.read();
  left.abort(new Error("left"));
  await assert.rejects((async () => { while (!(await reader.read()).done); })());
});

test("an answer that was cut is asked for again", async () => {
  const value = "x".repeat(5 << 20);
  await kv.put("value", value);
  proxy.faults = [{ during: (req, res) => res.once("drain", () => res.destroy()) }];
  assert.equal(await kv.get("value") === value, true);
  assert.equal(proxy.seen.filter((r) => r.method === "GET").length, 2);
});

test("redirects are not followed: they would carry the token away", async () => {
  proxy.faults = [{ before: (req, res) => res.writeHead(302, { Location: "http://127.0.0.1:1/" }).end() }];
  await assert.rejects(kv.get("warm"), { code: "http_error", status: 302 });
});

test("an answer of somebody else's is an error, not a value", async () => {
  const other = { before: (req, res) => res.writeHead(502, { "Content-Type": "text/html" }).end("<h1>".repeat(100_000)) };
  proxy.faults = Array(4).fill(other);
  await assert.rejects(kv.get("warm"), { code: "unavailable", status: 502 });
  proxy.faults = [{ before: (req, res) => res.end("<h1>") }];
  await assert.rejects(kv.details("warm"), { name: "GodwitError", code: "invalid_reply", status: 200, message: /^KV GET failed: the answer is not godwit's/ });
});

test("a page with the status of success is nobody's answer", async () => {
  const page = { before: (req, res) => req.resume().on("end", () => res.writeHead(200, { "Content-Type": "text/html" }).end("<h1>")) };
  const empty = { before: (req, res) => req.resume().on("end", () => res.writeHead(200).end('{"success":true,"result":{},"revision":"1"}')) };
  for (const read of [() => kv.get("warm"), () => kv.get("warm", "json"), () => kv.get("warm", "stream"), () => kv.getWithMetadata("warm"),
    () => kv.get(["warm"]), () => kv.list(), () => kv.count(), () => kv.scan().next(), () => kv.client.status(), () => kv.details("warm"),
    () => kv.version("warm", "1"), () => kv.entryAt("warm", "1", "stream"), () => kv.versionsPage("warm"), () => kv.analytics(),
    () => kv.restorePage({ at: new Date(), all: true, dryRun: true }), () => kv.watch().next()]) {
    for (const fault of [page, empty]) {
      proxy.faults = [fault];
      proxy.seen = [];
      await assert.rejects(read(), { name: "GodwitError", code: "invalid_reply", status: 200 }, String(read));
      assert.equal(proxy.seen.length, 1, String(read));
    }
  }
  for (const write of [() => kv.put("warm", "up"), () => kv.delete("none"), () => kv.transaction().delete("none").commit(), () => kv.add("n"),
    () => kv.bulkPut([{ key: "k", value: "v" }]), () => kv.clear("none"), () => kv.client.createToken({ permission: "read" })]) {
    for (const fault of [page, empty]) {
      proxy.faults = [fault];
      await assert.rejects(write(), { name: "GodwitError", code: "outcome_unknown", status: 200, message: /the outcome is unknown: the answer is not godwit's$/ });
    }
  }
});

test("what a proxy answers when it does not know leaves a write open", async () => {
  const put = () => kv.put("warm", "up");
  const said = (status) => ({ before: (req, res) => req.resume().on("end", () => res.writeHead(status).end()) });
  for (const status of [408, 500, 506, 508, 529, 599]) {
    proxy.faults = [said(status)];
    await assert.rejects(put(), { code: "outcome_unknown", status });
  }
  for (const status of [501, 505, 507, 400, 404]) {
    proxy.faults = [said(status)];
    await assert.rejects(put(), (e) => e.status === status && e.code !== "outcome_unknown");
  }
  for (const status of [520, 521, 522, 523, 524, 525, 526, 527]) {
    proxy.faults = [said(status)];
    await put();
    proxy.faults = Array(4).fill(said(status));
    await assert.rejects(put(), { code: "outcome_unknown", status });
    proxy.faults = [said(status)];
    assert.equal(await kv.get("warm"), "up");
    proxy.faults = Array(4).fill(said(status));
    await assert.rejects(kv.get("warm"), { code: "unavailable", status });
  }
});
