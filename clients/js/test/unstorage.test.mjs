// What unstorage's own suite asks of a driver (test/drivers/utils.ts of its
// repository, which its package does not have), and what this driver has besides.
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import { Client } from "godwit";
import godwitDriver from "godwit/unstorage";
import { createStorage, prefixStorage, restoreSnapshot, snapshot } from "unstorage";

import { startNode, until } from "./node.mjs";

let node, kv;
before(async () => {
  node = await startNode();
  const client = new Client(node);
  await client.createNamespace("birds");
  kv = client.kv("birds");
});
after(() => node.stop());

for (const base of [undefined, "app:data"]) {
  describe(`base ${base}`, () => {
    let storage;
    before(() => { storage = createStorage({ driver: godwitDriver({ ...node, namespace: "birds", base }) }); });
    after(() => storage.dispose());
    afterEach(() => storage.clear());
    const same = async (got, want) => assert.deepEqual(await got, want);
    const sorted = async (keys) => (await keys).sort();

    test("a snapshot is restored", async () => {
      await restoreSnapshot(storage, { initial: "works" });
      await same(storage.getItem("initial"), "works");
      await same(snapshot(storage, ""), { initial: "works" });
    });

    test("at first there is nothing", async () => {
      await same(storage.hasItem("s1:a"), false);
      await same(storage.getItem("s2:a"), null);
      await same(storage.getKeys(), []);
      assert.deepEqual({ ...await storage.getMeta("s1:a") }, {});
    });

    test("items, whatever stands behind their question mark", async () => {
      for (const key of ["s1:a", "s2:a", "s3:a?q=1"]) await storage.setItem(key, "data");
      await same(storage.hasItem("s1:a"), true);
      await same(storage.getItem("s1:a"), "data");
      await same(storage.getItem("s3:a?q=2"), "data");
      await same(sorted(storage.getKeys()), ["s1:a", "s2:a", "s3:a"]);
      await same(storage.getKeys("s1"), ["s1:a"]);
    });

    test("keys by depth", async () => {
      for (const key of ["top", "a:b:c1", "a:b:c2", "a:d1", "a:d2"]) await storage.setItem(key, "data");
      await same(storage.getKeys(undefined, { maxDepth: 0 }), ["top"]);
      await same(sorted(storage.getKeys(undefined, { maxDepth: 1 })), ["a:d1", "a:d2", "top"]);
      await same(sorted(storage.getKeys(undefined, { maxDepth: 2 })), ["a:b:c1", "a:b:c2", "a:d1", "a:d2", "top"]);
    });

    test("what is serialised comes back", async () => {
      for (const value of [{ json: "works" }, true, false, 0, null, ["a"], "text"]) {
        await storage.setItem("/data/value.json", value);
        await same(storage.getItem("/data/value.json"), value);
      }
      await storage.setItem("/data/custom.json", { toJSON: () => "SERIALIZED" });
      await same(storage.getItem("/data/custom.json"), "SERIALIZED");
      await storage.setItem("/data/custom.json", { toJSON: () => ({ nested: "works" }) });
      await same(storage.getItem("/data/custom.json"), { nested: "works" });
      class Other {}
      await assert.rejects(storage.setItem("/data/bad.json", new Other()), /Cannot stringify value/);
    });

    test("raw bytes", async () => {
      const value = new Uint8Array([1, 2, 255]);
      await storage.setItemRaw("/data/raw.bin", value);
      await same(storage.getItemRaw("/data/raw.bin"), value);
      await same(storage.getItemRaw("/data/none.bin"), null);
    });

    test("many at once", async () => {
      await storage.setItems([1, 2, 3].map((n) => ({ key: `t:${n}`, value: `data ${n}` })));
      for (const n of [1, 2, 3]) await same(storage.getItem(`t:${n}`), `data ${n}`);
      await storage.setItem("v3:a?q=1", "third");
      await same(storage.getItems([{ key: "t:1" }, "t:2", { key: "v3:a?q=1" }, "v4:none"]), [
        { key: "t:1", value: "data 1" }, { key: "t:2", value: "data 2" }, { key: "v3:a", value: "third" }, { key: "v4:none", value: null },
      ]);
      const many = Array.from({ length: 250 }, (_, i) => `n:${i}`);
      await storage.setItems(many.map((key) => ({ key, value: key })));
      await same(storage.getItems(many), many.map((key) => ({ key, value: key })));
    });

    test("removed and cleared, also when empty", async () => {
      await storage.setItem("s1:a", "data");
      await storage.removeItem("s1:a", false);
      await same(storage.hasItem("s1:a"), false);
      await same(storage.getItem("s1:a"), null);
      await storage.setItem("s2:a", "data");
      for (let i = 0; i < 2; i++) {
        await storage.clear();
        await same(storage.getKeys(), []);
      }
    });

    test("metadata: of the driver and of one's own", async () => {
      await storage.setItem("s1:a", "data", { ttl: 100 });
      await storage.setMeta("s1:a", { colour: "red" });
      const meta = await storage.getMeta("s1:a");
      assert.equal(meta.colour, "red");
      assert.equal(meta.size, 4);
      assert.ok(Math.abs(meta.mtime - Date.now()) < 60_000 && meta.ttl > 90 && meta.ttl <= 100);
    });

    test("TTLs, of single items and of many; short ones are raised", async () => {
      const full = (key) => (base ? `${base}:${key}` : key);
      const seconds = () => Math.floor(Date.now() / 1000);
      const before = seconds();
      await storage.setItem("ttl:1", "x", { ttl: 100 });
      await storage.setItems([{ key: "ttl:2", value: "x", options: { ttl: 100 } }, { key: "ttl:3", value: "x" }], { ttl: 1 });
      await storage.setItem("ttl:4", "x", { ttl: -1 });
      const after = seconds();
      for (const ttl of [0, NaN]) {
        await storage.setItem("ttl:none", "x", { ttl });
        assert.equal((await kv.details(full("ttl:none"))).expiration, undefined);
      }
      for (const [key, want] of [["ttl:1", 100], ["ttl:2", 100], ["ttl:3", 60], ["ttl:4", 60]]) {
        const { expiration } = await kv.details(full(key));
        assert.ok(before + want - 1 <= expiration && expiration <= after + want + 1, `${key}: ${expiration}, set at ${before} to ${after} for ${want}`);
      }
    });

    test("changes are told", async () => {
      const told = [];
      const unwatch = await storage.watch((event, key) => told.push(`${event} ${key}`));
      await storage.setItem("w:a", "1");
      await storage.removeItem("w:a");
      await until("told", () => told.includes("update w:a") && told.includes("remove w:a"));
      await unwatch();
    });

    test("a storage below a prefix", async () => {
      const below = prefixStorage(storage, "below");
      await below.setItem("a", "1");
      await same(below.getKeys(), ["a"]);
      await same(storage.getKeys(), ["below:a"]);
    });
  });
}

test("what a clear by another removed is told, whatever a listener throws", async (t) => {
  const failures = [];
  const storage = createStorage({ driver: godwitDriver({ kv, base: "reset", onError: (e) => failures.push(e.message) }) });
  t.after(() => storage.dispose());
  for (const key of ["q:1", "q:2", "kept"]) await storage.setItem(key, "1");
  const told = [];
  const heard = (...all) => until(`${all} were told`, () => all.every((e) => told.includes(e)));
  await storage.watch((event, key) => { told.push(`${event} ${key}`); throw new Error(`of ${key}`); });
  await storage.setItem("q:3", "1");
  await heard("update q:3");
  await kv.clear("reset:q");
  await heard("remove q:1", "remove q:2", "remove q:3");
  await storage.setItem("last", "1");
  await heard("update last");
  assert.deepEqual(told.filter((e) => e.endsWith("kept")), []);
  assert.deepEqual(new Set(failures), new Set(["of q:1", "of q:2", "of q:3", "of last"]));
});

test("a storage that is disposed watches no more", async () => {
  const told = [];
  const storage = createStorage({ driver: godwitDriver({ kv, base: "disposed" }) });
  await storage.watch((event, key) => told.push(key));
  await storage.dispose();
  const open = async () => /^godwit_watches 0$/m.test(await (await fetch(`${node.url}/metrics`)).text());
  await until("no watch is open", open);
  assert.deepEqual(told, []);
});

test("a base does not reach what only begins alike", async () => {
  const driver = godwitDriver({ kv, base: "user" });
  const one = createStorage({ driver });
  const two = createStorage({ driver: godwitDriver({ kv, base: "user2" }) });
  await two.setItem("k", "kept");
  await one.clear();
  assert.deepEqual([await one.getKeys(), await two.getKeys()], [[], ["k"]]);
  for (const key of ["a:k", "ab:k"]) await one.setItem(key, "x");
  await driver.clear("a:");
  assert.deepEqual(await one.getKeys(), ["ab:k"]);
});
