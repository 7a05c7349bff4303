// What a KVNamespace of Workers cannot do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, connect, GodwitError } from "godwit";

import { all, startNode } from "./node.mjs";

let node, client, kv;
before(async () => {
  node = await startNode();
  client = new Client(node);
  await client.createNamespace("birds");
  kv = client.kv("birds");
});
after(() => node.stop());

const code = (word) => (e) => e instanceof GodwitError && e.code === word;

test("one cause has one code, whichever API a call uses", async () => {
  await new Client(node).createNamespace("slow");
  await new Client(node).setSettings("slow", { writes_per_key: 0.001 });
  const slow = connect({ ...node, namespace: "slow", attempts: 1 });
  await slow.put("k", "1");
  for (const write of [() => slow.put("k", "1"), () => slow.transaction().put("k", "1").commit(), () => slow.add("k")]) {
    await assert.rejects(write(), { code: "too_many_writes", status: 429 });
  }
  for (const read of [() => slow.get("k", { cacheTtl: 1 }), () => slow.getWithMetadata("k", { cacheTtl: 1 }), () => slow.get(["k"], { cacheTtl: 1 })]) {
    await assert.rejects(read(), { code: "invalid_cache_ttl", status: 400 });
  }
  for (const key of ["large/1", "large/2"]) await slow.put(key, new Uint8Array(13 << 20));
  await assert.rejects(slow.get(["large/1", "large/2"]), { code: "bulk_too_large", status: 413 });
});

test("writes on conditions", async () => {
  const { revision } = await kv.set("cas", "1", { ifNoneMatch: "*" });
  await assert.rejects(kv.put("cas", "2", { ifNoneMatch: "*" }), code("precondition_failed"));
  const next = await kv.set("cas", "2", { ifMatch: revision });
  await assert.rejects(kv.set("cas", "3", { ifMatch: revision }), code("precondition_failed"));
  assert.equal((await kv.entry("cas")).revision, next.revision);
  await assert.rejects(kv.delete("cas", { ifMatch: revision }), code("precondition_failed"));
  assert.equal(await kv.get("cas"), "2");
  await kv.remove("cas", { ifMatch: next.revision });
  await assert.rejects(kv.remove("cas", { ifMatch: "*" }), code("precondition_failed"));
  for (const ifMatch of ['a"b', "", "x\r\ny", 5]) await assert.rejects(kv.put("cas", "x", { ifMatch }), TypeError);
});

test("entries are of one write, small or large, of each type", async () => {
  for (const size of [10, 100_000]) {
    const value = "x".repeat(size);
    const { revision } = await kv.set("entry", value, { metadata: { size }, expirationTtl: 100 });
    for (const type of ["text", "arrayBuffer", "stream"]) {
      const e = await kv.entry("entry", type);
      assert.equal(type === "text" ? e.value : await new Response(e.value).text(), value);
      assert.deepEqual([e.revision, e.size, e.metadata, e.cacheStatus], [revision, size, { size }, "HIT"]);
      assert.ok(e.expiration > Date.now() / 1000 && e.modified >= e.created);
    }
  }
  await kv.put("entry", new Uint8Array([0, 255]));
  assert.deepEqual(new Uint8Array((await kv.entry("entry", "arrayBuffer")).value), new Uint8Array([0, 255]));
  await kv.put("entry", "[1]");
  assert.deepEqual((await kv.entry("entry", "json")).value, [1]);
  assert.equal(await kv.entry("entr"), null); // another key starts with it
  assert.equal(await kv.details("entr"), null);
  assert.equal((await kv.details("entry")).size, 3);
});

test("an entry that is written all the time is never half of two", async () => {
  let writing = true;
  const writer = (async () => {
    for (let i = 0; writing; i++) await kv.put("busy", String(i).padEnd(80_000), { metadata: i });
  })();
  for (let i = 0; i < 20; i++) {
    const e = await kv.getWithMetadata("busy").catch((x) => x);
    if (e instanceof GodwitError) assert.equal(e.code, "unavailable");
    else if (e.value !== null) assert.equal(Number(e.value), e.metadata);
  }
  writing = false;
  await writer;
});

test("transactions", async () => {
  await kv.put("alaska", "godwit");
  const { revision } = await kv.entry("alaska");
  const tx = () => kv.transaction().check("alaska", revision).check("tasmania", null)
    .delete("alaska").put("tasmania", new Uint8Array([255, 0]), { metadata: { km: 13_560 }, expirationTtl: 60 });
  const done = await tx().commit();
  assert.match(done.revision, /^\d+$/);
  assert.equal(await kv.get("alaska"), null);
  const { value, metadata, expiration } = await kv.entry("tasmania", "arrayBuffer");
  assert.deepEqual([new Uint8Array(value), metadata, expiration > 0], [new Uint8Array([255, 0]), { km: 13_560 }, true]);
  await assert.rejects(tx().commit(), (e) => e.code === "precondition_failed" && e.conditions.length === 2 &&
    e.conditions.some((c) => c.key === "alaska" && c.revision === null));
  await assert.rejects(kv.transaction().commit(), code("invalid_request"));
  assert.throws(() => kv.transaction().put("k", new ReadableStream()), /a stream cannot be part/);
  assert.throws(() => kv.transaction().put("\udc00", "x"), code("invalid_key"));
  assert.throws(() => kv.transaction().check("k", ""), TypeError);
});

test("what JSON has to escape is refused no earlier than other values", async () => {
  const nul = "\0".repeat(4_000_000);
  for (const [key, value] of [["nul", nul], ["quotes", '"'.repeat(4_000_000)], ["bytes", new Uint8Array(4_000_000)]]) {
    await kv.transaction().put(key, value).commit();
    const want = typeof value === "string" ? value : nul;
    assert.ok(await kv.get(key) === want, key);
  }
  const large = "\u0001".repeat(20 << 20);
  await kv.bulkPut([{ key: "large", value: large }]);
  assert.ok(await kv.get("large") === large);
  for (const value of ["", "\0", "\t\n\b\f\r\u001f\u007f", '{"a":"b"}', "\ufeff\u2028\\é漢🤓", "\ud800\0"]) {
    const want = value.toWellFormed?.() ?? value.replace("\ud800", "\ufffd");
    for (const times of [1, 50]) {
      await kv.transaction().put("odd", value.repeat(times)).commit();
      assert.equal(await kv.get("odd"), want.repeat(times));
    }
  }
});

test("counters", async () => {
  assert.equal((await kv.add("visits")).sum, 1n);
  assert.equal((await kv.add("visits", -43, { metadata: { by: "me" }, expirationTtl: 60 })).sum, -42n);
  const { value, metadata, expiration } = await kv.entry("visits");
  assert.deepEqual([value, metadata, expiration], ["-42", { by: "me" }, undefined]); // it was there, and ends as it did
  assert.ok((await kv.add("limit", 1, { expirationTtl: 60 }), await kv.entry("limit")).expiration > 0);
  await kv.put("most", "9223372036854775806");
  const done = await kv.transaction().add("visits", 2).add("most").put("other", "x").commit();
  assert.deepEqual(done.sums, new Map([["visits", -40n], ["most", 9223372036854775807n]]));
  await assert.rejects(kv.add("most"), code("not_a_number"));
  await assert.rejects(kv.add("other"), code("not_a_number"));
  for (const delta of [0.5, NaN, 2 ** 60, "1"]) assert.throws(() => kv.transaction().add("visits", delta), TypeError);
  const sums = await Promise.all(Array.from({ length: 50 }, () => kv.add("hot")));
  assert.equal(new Set(sums.map((s) => s.sum)).size, 50);
  assert.equal(await kv.get("hot"), "50");
});

test("clearing a prefix, and all", async () => {
  const ns = client.kv((await client.createNamespace("cleared")).id);
  await ns.bulkPut(["a/1", "a/2", "b"].map((key) => ({ key, value: "v" })));
  const { revision } = await ns.clear("a/");
  assert.match(revision, /^\d+$/);
  assert.deepEqual((await ns.list()).keys.map((k) => k.name), ["b"]);
  for (const prefix of ["", undefined]) await assert.rejects(ns.clear(prefix), TypeError);
  await assert.rejects(ns.clear("x".repeat(449)), code("key_too_long"));
  await ns.clearAll();
  assert.equal((await ns.count()).keys, 0);
});

test("scans: order, range, values, metadata, pages", async () => {
  const items = [];
  for (let i = 0; i < 25; i++) items.push({ key: `scan/${String(i).padStart(2, "0")}`, value: `{"i":${i}}`, metadata: { odd: i % 2 === 1, i } });
  items.push({ key: "scan/large", value: "x".repeat(70_000) }, { key: "scan/raw", value: new Uint8Array([255]) });
  await kv.bulkPut(items);
  const names = async (o) => (await all(kv.scan({ prefix: "scan/", ...o }))).map((k) => k.name.slice(5));
  assert.deepEqual(await names({ limit: 10 }), items.map((i) => i.key.slice(5)));
  assert.deepEqual(await names({ limit: 7, reverse: true }), items.map((i) => i.key.slice(5)).reverse());
  assert.deepEqual(await names({ start: "scan/03", end: "scan/05" }), ["03", "04"]);
  assert.deepEqual(await names({ where: { odd: true }, end: "scan/06" }), ["01", "03", "05"]);
  assert.deepEqual(await names({ where: { i: 7 } }), ["07"]);
  const two = await all(kv.scan({ prefix: "scan/", end: "scan/02", values: true, type: "json" }));
  assert.deepEqual(two.map((k) => k.value), [{ i: 0 }, { i: 1 }]);
  const [large, raw] = await all(kv.scan({ prefix: "scan/", start: "scan/l", values: true, type: "arrayBuffer" }));
  assert.deepEqual([large.valueOmitted, large.size, new Uint8Array(raw.value)], [true, 70_000, new Uint8Array([255])]);
  assert.deepEqual(await all(kv.keys({ prefix: "scan/00" })), [{ name: "scan/00", metadata: { odd: false, i: 0 } }]);
  for await (const k of kv.keys({ prefix: "scan/", limit: 1 })) { assert.equal(k.name, "scan/00"); break; }
  assert.deepEqual((await kv.count({ prefix: "scan/", where: { odd: true } })).keys, 12);
  assert.equal((await kv.count({ start: "scan/", end: "scan0" })).keys, 27);
  await kv.bulkDelete(items.map((i) => i.key));
  assert.equal((await kv.count({ prefix: "scan/" })).keys, 0);
  await assert.rejects(names({ where: { a: 1, b: 2 } }), TypeError);
  await assert.rejects(names({ where: { a: {} } }), TypeError);
  await assert.rejects(names({ limit: 10_001 }), code("invalid_limit"));
});

test("bulk put in several requests", async () => {
  const items = Array.from({ length: 10_001 }, (_, i) => ({ key: `many/${i}`, value: "x" }));
  await kv.bulkPut(items);
  assert.equal((await kv.count({ prefix: "many/" })).keys, 10_001);
  await kv.bulkDelete(items.map((i) => i.key));
  assert.equal((await kv.count({ prefix: "many/" })).keys, 0);
  await kv.bulkPut([]);
});

test("namespaces", async () => {
  const { id } = await client.createNamespace("waders ü/?");
  await assert.rejects(client.createNamespace("waders ü/?"), code("namespace_exists"));
  const waders = client.kv("waders ü/?");
  await waders.put("k", "v");
  assert.equal(await client.kv(id).get("k"), "v");
  assert.ok((await client.namespaces()).some((n) => n.id === id && n.keys === 1));
  assert.equal((await client.renameNamespace("waders ü/?", "gulls")).title, "gulls");
  assert.equal(await client.kv("gulls").get("k"), "v");
  await client.deleteNamespace("gulls");
  await assert.rejects(client.kv(id).get("k"), code("namespace_not_found"));
  await assert.rejects(client.kv("gulls").get("k"), code("namespace_not_found"));
  await client.createNamespace("gulls");
  assert.equal(await client.kv("gulls").get("k"), null);
  assert.equal((await client.status()).role, "central");
});

test("titles of every kind", async () => {
  for (const title of ["..", ".", "a/b", "%2F", "ü?#", " "]) {
    await client.createNamespace(title);
    const ns = client.kv(title);
    await ns.put("k", title, { metadata: 1 });
    assert.equal(await ns.get("k"), title);
    assert.equal((await ns.entry("k")).metadata, 1);
    assert.deepEqual(await ns.count({ prefix: "k" }).then((c) => c.keys), 1);
    await ns.transaction().delete("k").commit();
    const w = ns.watch();
    assert.equal((await w.next()).value.type, "ready");
    await w.return();
    await client.deleteNamespace(title);
  }
  assert.throws(() => client.kv("\ud800"), TypeError);
});

test("tokens: none, wrong, and never in an error", async () => {
  for (const token of [undefined, "wrong-token-0123456789"]) {
    const e = await connect({ url: node.url, token, namespace: "birds" }).get("k").catch((x) => x);
    assert.equal(e.code, "unauthenticated");
    assert.doesNotMatch(`${e.stack} ${JSON.stringify(e)}`, /0123456789/);
  }
  assert.throws(() => connect({ url: node.url, token: "a\r\nb", namespace: "birds" }), TypeError);
});

test("options that make no sense", () => {
  for (const o of [
    { url: "" }, { url: "ftp://x" }, { url: "http://u:p@x" }, { url: "http://x?y" }, { namespace: "" }, { namespace: undefined },
    { session: "a b" }, { consistency: "eventually" },
  ]) assert.throws(() => connect({ ...node, namespace: "birds", ...o }), TypeError, JSON.stringify(o));
  for (const o of [{ timeout: -1 }, { timeout: Infinity }, { attempts: 0 }, { attempts: 1e9 }, { backoff: NaN }]) {
    assert.throws(() => connect({ ...node, namespace: "birds", ...o }), RangeError, JSON.stringify(o));
  }
});
