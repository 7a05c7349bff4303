// Copies at the server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, GodwitError } from "godwit";

import { all, startNode } from "./node.mjs";

let node, client, birds, archive;
before(async () => {
  node = await startNode();
  client = new Client(node);
  for (const title of ["birds", "archive"]) await client.createNamespace(title);
  [birds, archive] = [client.kv("birds"), client.kv("archive")];
});
after(() => node.stop());

const code = (word) => (e) => e instanceof GodwitError && e.code === word;

test("a prefix, in more than one page, under other names", async () => {
  const items = Array.from({ length: 1100 }, (_, i) => ({ key: `waders/${i}`, value: "12345", metadata: { i }, expirationTtl: 3600 }));
  await birds.bulkPut([...items, { key: "other", value: "x" }]);
  const told = [];
  const done = await birds.copy("archive", { prefix: "waders/", toPrefix: "2026/", progress: (p) => told.push(p.keys) });
  assert.deepEqual([done.keys, done.bytes, done.present, done.failed], [1100, 5500, 0, []]);
  assert.ok(told.length >= 2 && told[0] < 1100 && told.at(-1) === 1100, String(told));
  assert.equal((await archive.count()).keys, 1100);
  const e = await archive.entry("2026/7");
  assert.deepEqual([e.value, e.metadata, e.expiration], ["12345", { i: 7 }, (await birds.entry("waders/7")).expiration]);
  assert.ok(BigInt(client.session()) >= BigInt(done.revision));

  await archive.put("waders/1", "here before");
  const again = await birds.copy("archive", { prefix: "waders/1", ifAbsent: true });
  assert.deepEqual([again.present, again.keys], [1, items.filter((i) => i.key.startsWith("waders/1")).length - 1]);
  assert.equal(await archive.get("waders/1"), "here before");
});

test("what cannot be under its new name is told", async () => {
  await birds.bulkPut([{ key: "long/a", value: "1" }, { key: `long/${"b".repeat(20)}`, value: "2" }]);
  const { keys, failed } = await birds.copy("archive", { prefix: "long/", toPrefix: "x".repeat(500) });
  assert.equal(keys, 1);
  assert.deepEqual(failed.map((f) => [f.key, f.code]), [[`long/${"b".repeat(20)}`, "key_too_long"]]);
});

test("one key", async () => {
  await birds.put("one", new Uint8Array([255, 0]), { metadata: 1 });
  const { copied, revision } = await birds.copyKey("one", "archive", "two");
  assert.equal(copied, true);
  const e = await archive.entry("two", "arrayBuffer");
  assert.deepEqual([new Uint8Array(e.value), e.metadata, e.revision], [new Uint8Array([255, 0]), 1, revision]);
  assert.equal((await birds.copyKey("one", "archive")).copied, true);
  assert.deepEqual((await all(archive.keys({ prefix: "one" }))).map((k) => k.name), ["one"]);
  assert.equal((await birds.copyKey("one", "archive", "two", { ifAbsent: true })).copied, false);
  await assert.rejects(birds.copyKey("none", "archive"), code("key_not_found"));
});

test("copies of nothing, and to nowhere", async () => {
  assert.equal((await birds.copy("archive", { prefix: "nothing/" })).keys, 0);
  await assert.rejects(birds.copy("nowhere", { prefix: "o" }), code("namespace_not_found"));
  for (const target of [undefined, "", 5]) await assert.rejects(birds.copy(target), TypeError);
  await assert.rejects(birds.copyKey("", "archive"), TypeError);
  await assert.rejects(birds.copy("archive", { prefix: "\ud800" }), code("invalid_key"));
  await assert.rejects(birds.copy("archive", { consistency: "weak" }), TypeError);
});
