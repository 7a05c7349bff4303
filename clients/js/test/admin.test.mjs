// What is asked of a server as a whole: settings, tokens, nodes.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client, connect, GodwitError } from "godwit";

import { faults, startProxy } from "./faults.mjs";
import { rootToken, startNode, until } from "./node.mjs";

let node, client;
before(async () => {
  node = await startNode();
  client = new Client(node);
  await client.createNamespace("birds");
});
after(() => node.stop());

const code = (word) => (e) => e instanceof GodwitError && e.code === word;

test("a namespace, made once", async () => {
  const both = await Promise.all([client.ensureNamespace("once"), client.ensureNamespace("once")]);
  assert.equal(both[0].id, both[1].id);
  assert.deepEqual(both.map((n) => n.created).sort(), [false, true]);
  await assert.rejects(client.ensureNamespace("once", { jurisdiction: "eu" }), GodwitError);
  await client.kv("once").put("k", "v");
  assert.deepEqual(await client.ensureNamespace("once").then((n) => [n.title, n.keys, n.settings]), ["once", 1, {}]);
});

test("settings", async () => {
  assert.deepEqual(await client.settings("birds"), {});
  const set = { history: "24h", erase_within: "48h", min_expiration_ttl: 1, writes_per_key: 0.5, max_keys: 10 };
  assert.deepEqual(await client.setSettings("birds", set), set);
  assert.deepEqual(await client.setSettings("birds", { erase_within: null, max_keys: 11 }), { history: "24h", min_expiration_ttl: 1, writes_per_key: 0.5, max_keys: 11 });
  for (const bad of [{ erase_within: "1m" }, { history: "no" }, { unknown: 1 }, undefined]) {
    await assert.rejects(client.setSettings("birds", bad), code("invalid_request"), JSON.stringify(bad));
  }
  const { id, settings } = (await client.namespaces()).find((n) => n.title === "birds");
  assert.deepEqual([settings.max_keys, (await client.settings(id)).history], [11, "24h"]);
  await client.setSettings("birds", { history: null, min_expiration_ttl: null, writes_per_key: null, max_keys: null });
  assert.deepEqual(await client.settings("birds"), {});
  await client.createNamespace("..");
  assert.deepEqual(await client.setSettings("..", { max_keys: 1 }), { max_keys: 1 });
  await assert.rejects(client.settings("none"), code("namespace_not_found"));
});

test("tokens", async () => {
  const { id } = (await client.namespaces()).find((n) => n.title === "birds");
  const made = await client.createToken({ name: "reader", permission: "read", namespaces: ["birds"], requests_per_second: 100 });
  const { token, ...rest } = made;
  assert.deepEqual([rest.permission, rest.namespaces, rest.requests_per_second], ["read", [id], 100]);
  assert.deepEqual(await client.tokens(), [rest]);
  const reader = connect({ ...node, token, namespace: "birds" });
  assert.equal(await reader.get("none"), null);
  await assert.rejects(reader.put("k", "v"), code("forbidden"));
  await assert.rejects(reader.client.tokens(), code("forbidden"));
  await client.revokeToken(made.id);
  await assert.rejects(reader.get("none"), code("unauthenticated"));
  await assert.rejects(client.revokeToken(made.id), (e) => e instanceof GodwitError && e.status === 404);
  assert.deepEqual(await client.tokens(), []);
  for (const none of ["..", "", undefined]) await assert.rejects(client.revokeToken(none), TypeError);
  await assert.rejects(client.createToken({ permission: "any" }), code("invalid_request"));
});

test("what no request id keeps from being done twice is sent once", async () => {
  const proxy = await startProxy(node.url);
  try {
    const through = new Client({ url: proxy.url, token: node.token, backoff: 5 });
    proxy.faults = [faults.answerLost];
    await assert.rejects(through.createToken({ permission: "read" }), code("outcome_unknown"));
    assert.equal(proxy.seen.length, 1);
    const [made] = await client.tokens();
    proxy.faults = [faults.tooMany(1), faults.answerLost]; // a refusal has done nothing
    await assert.rejects(through.revokeToken(made.id), code("outcome_unknown"));
    assert.equal(proxy.seen.length, 3);
    assert.deepEqual(await client.tokens(), []);
    proxy.faults = [faults.busy];
    await assert.rejects(through.rotateRootToken(), code("unavailable"));
    assert.equal(proxy.seen.length, 4);
  } finally {
    await proxy.stop();
  }
});

test("the root token, where no flag gave it, is replaced", async () => {
  await assert.rejects(client.rotateRootToken(), code("invalid_request")); // here one did
});

test("the node and its tree", async () => {
  const edge = await startNode("--upstream", node.url, "--upstream-token", rootToken, "--location", "hba");
  try {
    await until("the edge is in the tree", async () => (await client.tree()).followers?.some((n) => n.location === "hba"));
    const tree = await client.tree();
    assert.deepEqual([tree.role, tree.id], ["central", (await client.status()).id]);
    assert.equal(tree.followers[0].role, "edge");
  } finally {
    await edge.stop();
  }
  await assert.rejects(client.cluster(), code("invalid_request")); // it is of none
  await assert.rejects(client.removeMember("n1"), code("invalid_request"));
  await assert.rejects(client.removeMember(".."), TypeError);
});

test("a scrub", async () => {
  await client.kv("birds").put("large", "x".repeat(300_000)); // a file of its own
  assert.equal((await client.status()).scrub.last_ended, undefined);
  assert.equal((await client.startScrub()).every_seconds, 30 * 86_400);
  await until("the pass ends", async () => (await client.status()).scrub.last_ended > 0);
  const { scrub } = await client.status();
  assert.deepEqual([scrub.last_found, scrub.unmended], [0, 0]);
  assert.ok(scrub.last_bytes >= 300_000);
  await client.kv("birds").delete("large");
});

test("what was asked", async () => {
  const kv = client.kv("birds");
  const before = (await kv.analytics()).last_hour.read.requests;
  await kv.put("k", "v");
  for (let i = 0; i < 3; i++) await kv.get("k");
  const { keys, last_hour, last_day } = await kv.analytics();
  assert.deepEqual([keys, last_hour.read.requests, last_hour.write.requests > 0], [1, before + 3, true]);
  assert.equal(typeof last_day.list.latency_ms.p99, "number");
  await assert.rejects(client.kv("none").analytics(), code("namespace_not_found"));
});
