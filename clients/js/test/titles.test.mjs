// A title may be given to another namespace while a client knows it.
import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";

import { Client } from "godwit";
import godwitDriver from "godwit/unstorage";

import { all, startNode } from "./node.mjs";

let node, other, client, kv;
before(async () => {
  node = await startNode();
  other = new Client(node);
});
const fresh = () => {
  client = new Client(node);
  kv = client.kv("staging");
};
beforeEach(fresh);
after(() => node.stop());

/** A namespace that the client knew as "staging", and the one that is so called now. */
async function swapped(t) {
  const was = await other.createNamespace("staging");
  await other.setSettings(was.id, { history: "10" });
  await other.kv(was.id).put("k", "was");
  assert.equal(await kv.get("k"), "was");
  await other.renameNamespace(was.id, "prod");
  const is = await other.createNamespace("staging");
  await other.setSettings(is.id, { history: "10" });
  await other.kv(is.id).put("k", "is");
  t.after(async () => { for (const { id } of [was, is]) await other.deleteNamespace(id).catch(() => {}); });
  return { was: other.kv(was.id), is: other.kv(is.id) };
}

test("what deletes is for the namespace that has the title now", async (t) => {
  for (const [name, call] of Object.entries({
    deleteNamespace: () => client.deleteNamespace("staging"),
    clear: () => kv.clear("k"),
    clearAll: () => kv.clearAll(),
    unstorage: () => godwitDriver({ kv }).clear(),
  })) {
    await t.test(name, async (t) => {
      fresh();
      const { was, is } = await swapped(t);
      await call();
      assert.deepEqual([await was.get("k"), await is.get("k").catch((e) => e.code)], ["was", name === "deleteNamespace" ? "namespace_not_found" : null]);
    });
  }
});

test("so is what renames", async (t) => {
  const { is } = await swapped(t);
  assert.equal((await client.renameNamespace("staging", "other")).id, is.namespace);
});

test("so is a restore, to its end", async (t) => {
  const { was, is } = await swapped(t);
  const at = await is.set("k", "then").then((w) => w.revision);
  await is.put("k", "now");
  for await (const k of kv.restore({ at, all: true })) assert.equal(k.outcome, "put");
  assert.deepEqual([await was.get("k"), await is.get("k")], ["was", "then"]);
});

test("each call of a namespace goes to the same one, and to that which has the title before long", async (t) => {
  const { was } = await swapped(t);
  const told = async () => [await kv.get("k"), (await kv.getWithMetadata("k")).value, (await kv.entry("k")).value, (await kv.get(["k"])).get("k"),
    ...(await all(kv.scan({ values: true }))).map((k) => k.value)];
  const known = await told();
  assert.equal(new Set(known).size, 1, `${known}`);
  const now = performance.now() + 5_001; // by then
  t.mock.method(performance, "now", () => now);
  assert.deepEqual(new Set(await told()), new Set(["is"]));
  assert.equal(await was.get("k"), "was");
});

test("a title whose namespace is gone is asked for anew", async (t) => {
  const { was } = await swapped(t);
  await other.deleteNamespace(was.namespace);
  await assert.rejects(kv.get("k"), { code: "namespace_not_found" });
  assert.equal(await kv.get("k"), "is");
});

test("what deletes asks for the title as it is at every node", async (t) => {
  const asked = [];
  const own = new Client({
    ...node, fetch: (url, init) => {
      if (new URL(url).pathname.endsWith("/namespaces/staging")) asked.push(new Headers(init.headers).get("Godwit-Consistency"));
      return fetch(url, init);
    },
  });
  const { is } = await swapped(t);
  assert.equal(await own.kv("staging").get("k"), "is");
  await own.kv("staging").clearAll();
  assert.equal(await is.get("k"), null);
  assert.deepEqual(asked, [null, "strong"]);
});

test("all of a copy goes to the namespace that had the title when it began", async (t) => {
  const told = [];
  const own = new Client({
    ...node, fetch: async (url, init) => {
      const answer = await fetch(url, init);
      if (new URL(url).pathname.endsWith("/copy")) {
        told.push(JSON.parse(init.body).to_namespace);
        await other.renameNamespace(is.namespace, `renamed ${told.length}`);
      }
      return answer;
    },
  });
  const { is } = await swapped(t);
  const from = await other.createNamespace("many");
  t.after(() => other.deleteNamespace(from.id));
  await other.kv(from.id).bulkPut(Array.from({ length: 1_500 }, (_, i) => ({ key: `k${i}`, value: "v" })));
  assert.equal((await own.kv("many").copy("staging", { prefix: "k" })).keys, 1_500);
  assert.deepEqual(told, [is.namespace, is.namespace]);
  assert.equal((await is.count({ prefix: "k" })).keys, 1_501);
});
