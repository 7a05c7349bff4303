// unstorage and Keyv read any number of values at once, and a bulk get takes so much only.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Client } from "godwit";
import KeyvGodwit from "godwit/keyv";
import godwitDriver from "godwit/unstorage";

import { startNode } from "./node.mjs";

let node, kv;
before(async () => {
  node = await startNode("--max-value-bytes", "40MiB");
  const client = new Client(node);
  await client.createNamespace("many");
  kv = client.kv("many");
});
after(() => node.stop());

test("values that are too much for one bulk get, and one that is too much by itself", async () => {
  const sizes = new Map([["huge", 30 << 20], ["none", undefined]]);
  for (let i = 0; i < 120; i++) sizes.set(`small/${i}`, i);
  for (let i = 0; i < 4; i++) sizes.set(`large/${i}`, 10 << 20);
  for (const [key, size] of sizes) if (size !== undefined) await kv.put(key, "x".repeat(size));
  const keys = [...sizes.keys(), "huge", "small/7", "none"];
  const want = keys.map((key) => sizes.get(key));

  const items = await godwitDriver({ kv }).getItems(keys.map((key) => ({ key })));
  assert.deepEqual(items.map(({ key, value }) => [key, value?.length]), keys.map((key, i) => [key, want[i]]));
  assert.equal(items.find(({ key }) => key === "none").value, null);
  const values = await new KeyvGodwit({ kv }).getMany(keys);
  assert.deepEqual(values.map((v) => v?.length), want);
});
