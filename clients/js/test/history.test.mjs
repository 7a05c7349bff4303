// What keys held before, and what puts it back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, connect, GodwitError } from "godwit";

import { faults, startProxy } from "./faults.mjs";
import { all, startNode, until } from "./node.mjs";

let node, client, kv;
before(async () => {
  node = await startNode();
  client = new Client(node);
  await client.createNamespace("birds");
  await client.setSettings("birds", { history: "1000" });
  kv = client.kv("birds");
});
after(() => node.stop());

const code = (word) => (e) => e instanceof GodwitError && e.code === word;
const bytes = Uint8Array.from({ length: 300_000 }, (_, i) => (i * 31) % 256);

test("versions, the newest first", async () => {
  const key = "a/b %41?#ü"; // a path must carry it
  const first = await kv.set(key, "Limosa", { metadata: { legs: 2 }, expirationTtl: 3600 });
  const second = await kv.set(key, "Limosa lapponica");
  const gone = await kv.remove(key);
  const found = await all(kv.versions(key));
  assert.deepEqual(found.map((v) => [v.name, v.revision, v.state, v.until, v.size]), [
    [key, second.revision, "deleted", gone.revision, 16], [key, first.revision, "replaced", second.revision, 6],
  ]);
  assert.deepEqual(found[1].metadata, { legs: 2 });
  assert.ok(found[1].expiration > Date.now() / 1000 && found[1].created === found[1].modified && found[1].ended >= found[1].modified);
  assert.deepEqual((await all(kv.versions("never"))), []);
});

test("versions, page by page", async () => {
  for (let i = 0; i < 7; i++) await kv.put("paged", String(i));
  const page = await kv.versionsPage("paged", { limit: 3 });
  assert.deepEqual([page.versions.length, page.versions[0].state, page.versions[0].until], [3, "current", undefined]);
  assert.match(page.since, /^\d+$/);
  const rest = await kv.versionsPage("paged", { cursor: page.cursor });
  assert.deepEqual([rest.versions.length, rest.cursor], [4, undefined]);
  const walked = await all(kv.versions("paged", { limit: 2 }));
  assert.deepEqual(walked.map((v) => v.revision), [...page.versions, ...rest.versions].map((v) => v.revision));
  await assert.rejects(kv.versionsPage("paged", { limit: 1001 }), code("invalid_limit"));
});

test("a value at a revision, at a time, and of a version, of each type", async () => {
  const first = await kv.set("at", JSON.stringify({ n: 1 }), { metadata: { "ü ": "%\r\n" }, expirationTtl: 3600 });
  const second = await kv.set("at", bytes);
  const { modified } = await kv.details("at");
  await until("the delete is of a later millisecond", async () => Date.now() > modified + 2);
  const gone = await kv.remove("at");
  const entry = await kv.entryAt("at", first.revision, "json");
  assert.deepEqual([entry.value, entry.metadata, entry.revision, entry.until], [{ n: 1 }, { "ü ": "%\r\n" }, first.revision, second.revision]);
  assert.ok(entry.expiration > Date.now() / 1000 && entry.modified > Date.now() - 600_000);
  const large = await kv.version("at", second.revision, "arrayBuffer");
  assert.deepEqual([new Uint8Array(large.value), large.metadata, large.until, large.expiration], [bytes, null, gone.revision, undefined]);
  const stream = await kv.entryAt("at", second.revision, { type: "stream" });
  assert.deepEqual(new Uint8Array(await new Response(stream.value).arrayBuffer()), bytes);

  const [deleted] = await all(kv.versions("at"));
  assert.equal((await kv.entryAt("at", new Date(deleted.ended - 1), "stream")).revision, second.revision);
  await until("the log's time passes the delete", async () => Date.now() > deleted.ended + 5);
  assert.equal(await kv.entryAt("at", new Date(deleted.ended + 1)), null);
  assert.equal(await kv.entryAt("at", gone.revision), null);
  assert.equal(await kv.version("at", gone.revision), null);
});

test("what is not kept is never told absent", async () => {
  await client.createNamespace("none");
  const none = client.kv("none");
  const { revision } = await none.set("k", "1");
  await none.put("k", "2");
  for (const ask of [
    () => none.entryAt("k", revision), () => none.versionsPage("k"), () => all(none.versions("k")), () => none.undelete("gone"),
    () => all(none.restore({ at: revision, all: true })),
  ]) await assert.rejects(ask, code("history_gone"), String(ask));
});

test("moments and revisions that are none", async () => {
  for (const moment of [undefined, "", 0, Date.now(), new Date(NaN), "..", "a b"]) {
    await assert.rejects(kv.entryAt("k", moment), TypeError, String(moment));
    if (typeof moment !== "string" || moment === "") await assert.rejects(kv.restorePage({ at: moment, all: true }), TypeError);
  }
  for (const revision of [undefined, "", 5, ".", "..", "a\r\nb"]) await assert.rejects(kv.version("k", revision), TypeError);
  await assert.rejects(kv.entryAt("k", "yesterday"), code("invalid_request"));
  await assert.rejects(kv.entryAt("k", "1/../x"), code("invalid_request"));
  await assert.rejects(kv.entryAt("k", new Date(Date.now() + 3_600_000)), code("invalid_request"));
  await assert.rejects(kv.version("k", "x"), code("invalid_request"));
});

test("undelete", async () => {
  await kv.put("lost", bytes, { metadata: [1], expirationTtl: 3600 });
  await assert.rejects(kv.undelete("lost"), code("precondition_failed"));
  await kv.delete("lost");
  const back = await kv.undelete("lost");
  const entry = await kv.entry("lost", "arrayBuffer");
  assert.deepEqual([new Uint8Array(entry.value), entry.metadata], [bytes, [1]]);
  assert.deepEqual([back.revision, back.expiration], [entry.revision, entry.expiration]);
  assert.deepEqual([back.version.state, back.version.size], ["deleted", bytes.length]);
  await assert.rejects(kv.undelete("never there"), code("key_not_found"));
});

test("an undelete whose answer is lost has the same answer again", async () => {
  const proxy = await startProxy(node.url);
  try {
    const through = connect({ url: proxy.url, token: node.token, namespace: "birds", backoff: 5 });
    await kv.put("twice", "x");
    await kv.delete("twice");
    proxy.concerns = (req) => req.method === "POST";
    proxy.faults = [faults.answerLost];
    const { revision } = await through.undelete("twice");
    assert.equal((await kv.details("twice")).revision, revision);
    assert.equal(proxy.seen.filter((r) => r.method === "POST").length, 2);
  } finally {
    await proxy.stop();
  }
});

test("restore of a prefix, and what is only told", async () => {
  const names = Array.from({ length: 7 }, (_, i) => `wader/${i}`);
  for (const name of names) await kv.put(name, `was ${name}`);
  const { revision } = await kv.set("other", "stays as it is");
  await kv.delete(names[0]);
  for (const name of names.slice(1)) await kv.put(name, "spoilt");
  await kv.put("wader/new", "new");
  await kv.put("other", "written since");

  const restored = () => kv.restore({ at: revision, prefix: "wader/", limit: 2 });
  const told = await all(kv.restore({ at: revision, prefix: "wader/", limit: 3, dryRun: true }));
  assert.deepEqual(told.map((k) => [k.name, k.outcome]), [...names.map((n) => [n, "put"]), ["wader/new", "deleted"]]);
  assert.equal(await kv.get(names[1]), "spoilt");

  for await (const k of restored()) { // who leaves the loop leaves the rest as it is
    assert.deepEqual([k.name, k.outcome, k.was], [names[0], "put", undefined]);
    break;
  }
  assert.equal(await kv.get(names[6]), "spoilt");
  const done = await all(restored());
  assert.equal((await kv.details(names[3])).revision, done.find((k) => k.name === names[3]).revision);
  for (const name of names) assert.equal(await kv.get(name), `was ${name}`);
  assert.equal(await kv.get("wader/new"), null);
  assert.equal(await kv.get("other"), "written since");
  assert.deepEqual(await kv.restorePage({ at: revision, prefix: "wader/" }), { keys: [], cursor: undefined });
});

test("restore of all must be asked for", async () => {
  const { revision } = await kv.set("whole", "was");
  await kv.clearAll();
  for (const o of [{}, { prefix: "" }, { all: false }, { prefix: "whole", all: true }]) {
    await assert.rejects(kv.restorePage({ at: revision, ...o }), TypeError, JSON.stringify(o));
  }
  assert.equal(await kv.get("whole"), null);
  const done = await all(kv.restore({ at: revision, all: true }));
  assert.ok(done.some((k) => k.name === "whole" && k.outcome === "put"));
  assert.equal(await kv.get("whole"), "was");
});

test("at an edge, which asks upstream", async () => {
  const edge = await startNode("--upstream", node.url, "--upstream-token", node.token);
  try {
    const there = connect({ url: edge.url, token: node.token, namespace: "birds", session: client.session() });
    const { revision } = await there.set("edge", "was");
    await there.put("edge", "is");
    await there.delete("edge");
    assert.deepEqual((await all(there.versions("edge"))).map((v) => v.state), ["deleted", "replaced"]);
    assert.equal((await there.entryAt("edge", revision)).value, "was");
    await there.undelete("edge");
    assert.equal(await there.get("edge"), "is"); // its own writes are seen there
    assert.deepEqual((await all(there.restore({ at: revision, prefix: "edge" }))).map((k) => k.outcome), ["put"]);
    assert.equal(await there.get("edge"), "was");
  } finally {
    await edge.stop();
  }
});
