// A KVNamespace as Workers have it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

import { Client, connect, GodwitError } from "godwit";

import { startNode } from "./node.mjs";

let node, kv;
before(async () => {
  node = await startNode();
  const client = new Client(node);
  await client.createNamespace("birds");
  kv = client.kv("birds");
});
after(() => node.stop());

const bytes = (n) => Uint8Array.from({ length: n }, (_, i) => (i * 31 + (i >> 8)) % 256);
const streamOf = (...chunks) => ReadableStream.from(chunks);
const drained = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

test("each type of get", async () => {
  await kv.put("typed", '{"legs":2}');
  assert.equal(await kv.get("typed"), '{"legs":2}');
  assert.equal(await kv.get("typed", "text"), '{"legs":2}');
  assert.equal(await kv.get("typed", {}), '{"legs":2}');
  assert.equal(await kv.get("typed", { cacheTtl: 31_536_000 }), '{"legs":2}');
  assert.deepEqual(await kv.get("typed", "json"), { legs: 2 });
  assert.deepEqual(await kv.get("typed", { type: "json" }), { legs: 2 });
  assert.equal(new TextDecoder().decode(await kv.get("typed", "arrayBuffer")), '{"legs":2}');
  assert.equal(new TextDecoder().decode(await drained(await kv.get("typed", "stream"))), '{"legs":2}');
});

test("null stands for no options", async () => {
  await kv.put("null", "x", null);
  assert.equal(await kv.get("null", null), "x");
  assert.equal((await kv.getWithMetadata("null", null)).value, "x");
  assert.deepEqual([...await kv.get(["null"], null)], [["null", "x"]]);
  assert.equal((await kv.list(null)).list_complete, true);
  await kv.delete("null", null);
});

test("a byte order mark is a part of a text", async () => {
  const text = '\ufeff{"a":1}';
  const mixed = "\ufeff\ufffd"; // as text, of bytes that are none
  await kv.put("bom/text", text);
  await kv.put("bom/bytes", new Uint8Array([0xef, 0xbb, 0xbf, 0xff]));
  for (const [key, want] of [["bom/text", text], ["bom/bytes", mixed]]) {
    assert.equal(await kv.get(key), want);
    assert.equal((await kv.getWithMetadata(key)).value, want);
    assert.equal((await kv.get([key])).get(key), want);
    for await (const k of kv.scan({ prefix: key, values: true })) assert.equal(k.value, want);
  }
  await assert.rejects(kv.get("bom/text", "json"), SyntaxError);
  await assert.rejects(kv.getWithMetadata("bom/text", "json"), SyntaxError);
});

test("what is absent is null, whatever the type", async () => {
  for (const type of [undefined, "text", "json", "arrayBuffer", "stream"]) {
    assert.equal(await kv.get("absent", type), null);
    const { value, metadata } = await kv.getWithMetadata("absent", type);
    assert.deepEqual({ value, metadata }, { value: null, metadata: null });
  }
  await kv.delete("absent");
});

test("each type of value", async () => {
  const buffer = bytes(300).buffer;
  const values = [
    ["", ""], ["text", "text"], ["ünïcode 🤓", "ünïcode 🤓"], ["line\r\nbreaks\n", "line\r\nbreaks\n"],
    [12.5, "12.5"], [true, "true"], [null, "null"],
  ];
  for (const [value, want] of values) {
    await kv.put("value", value);
    assert.equal(await kv.get("value"), want);
    await kv.put("value", value, { metadata: { with: "metadata" } });
    assert.deepEqual(await pick(kv.getWithMetadata("value")), { value: want, metadata: { with: "metadata" } });
  }
  for (const value of [buffer, new Uint8Array(buffer), new DataView(buffer), new Uint16Array(buffer), new Uint8Array(new SharedArrayBuffer(300))]) {
    const want = new Uint8Array(value.buffer ?? value);
    for (const options of [undefined, { metadata: 1 }]) {
      await kv.put("value", value, options);
      assert.deepEqual(new Uint8Array(await kv.get("value", "arrayBuffer")), want);
      assert.deepEqual(new Uint8Array((await kv.getWithMetadata("value", "arrayBuffer")).value), want);
    }
  }
  await kv.put("value", new Uint8Array(buffer, 10, 5));
  assert.deepEqual(new Uint8Array(await kv.get("value", "arrayBuffer")), bytes(15).slice(10));
  for (const value of [{}, [], new Blob(["x"]), () => 1]) {
    await assert.rejects(kv.put("value", value), { name: "TypeError", message: /^KV put\(\) accepts only strings/ });
  }
  await kv.put("value", undefined);
  assert.equal(await kv.get("value"), "undefined");
});

test("what a buffer holds at the call is stored, whatever becomes of it", async () => {
  for (const options of [undefined, { metadata: 1 }]) {
    const buffer = Uint8Array.of(1, 1, 1);
    const first = kv.put("first", buffer, options);
    const second = kv.put("second", buffer.fill(2), options);
    const third = kv.put("third", buffer.fill(3).buffer, options);
    buffer.fill(4);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] }); // and is gone
    await Promise.all([first, second, third]);
    for (const [key, byte] of [["first", 1], ["second", 2], ["third", 3]]) {
      assert.deepEqual(new Uint8Array(await kv.get(key, "arrayBuffer")), Uint8Array.of(byte, byte, byte));
    }
  }
});

test("a stream may fill one buffer again and again", async () => {
  for (const size of [4, 40_000]) {
    const buffer = new Uint8Array(size);
    let n = 0;
    const refilled = new ReadableStream({ pull: (c) => n === 9 ? c.close() : c.enqueue(buffer.fill(++n)) }, { highWaterMark: 0 });
    await kv.put("refilled", refilled);
    const want = Uint8Array.from({ length: 9 * size }, (_, i) => 1 + Math.floor(i / size));
    assert.deepEqual(new Uint8Array(await kv.get("refilled", "arrayBuffer")), want);
  }
});

test("streams, short and long, with metadata and without", async () => {
  const small = bytes(1000);
  const large = bytes(3 << 20);
  const pieces = [large.subarray(0, 100), new Uint8Array(0), large.subarray(100, 70_000), large.subarray(70_000).buffer.slice(large.byteOffset + 70_000)];
  for (const options of [undefined, { metadata: { km: 11_000 } }]) {
    for (const [chunks, want] of [[[], bytes(0)], [[small], small], [pieces, large]]) {
      await kv.put("stream", streamOf(...chunks), options);
      const got = await kv.getWithMetadata("stream", "stream");
      assert.deepEqual(await drained(got.value), want);
      assert.deepEqual(got.metadata, options?.metadata ?? null);
    }
  }
});

test("a stream is whole though it is read late", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc");
  const value = bytes(3 << 20);
  await kv.put("late", value);
  const streams = [await kv.get("late", "stream"), (await kv.getWithMetadata("late", "stream")).value];
  for (let i = 0; i < 5; i++) { // what nobody holds goes, and whoever waits for that is told
    collect();
    await sleep(10);
  }
  for (const stream of streams) assert.deepEqual(await drained(stream), value);
});

test("a stream of strings is text", async () => {
  for (const times of [1, 5000]) {
    const chunks = Array.from({ length: times }, () => ["godwit é", "", bytes(3), "🤓", "\ud83e", "\udd13"]).flat();
    await kv.put("strings", streamOf(...chunks));
    const want = new Blob(["godwit é", bytes(3), "🤓\ufffd\ufffd"]);
    assert.deepEqual(await drained(await kv.get("strings", "stream")), await drained(new Blob(Array(times).fill(want)).stream()));
  }
});

test("a stream that fails, gives no bytes or is left writes nothing", async () => {
  await kv.put("kept", "before");
  async function* failing(n) {
    yield bytes(n);
    throw new Error("the disk is gone");
  }
  for (const n of [10, 200_000]) {
    await assert.rejects(kv.put("kept", ReadableStream.from(failing(n))), { message: "the disk is gone" });
  }
  for (const n of [10, 200_000]) {
    await assert.rejects(kv.put("kept", streamOf(bytes(n), 5)), { name: "TypeError", message: /must give bytes/ });
  }
  for (const n of [10, 200_000]) {
    const left = new AbortController();
    const endless = new ReadableStream({
      start(c) { c.enqueue(bytes(n)); },
      pull() { setTimeout(() => left.abort(new Error("left")), 50); return new Promise(() => {}); },
    });
    await assert.rejects(kv.put("kept", endless, { signal: left.signal }), { message: "left" });
  }
  assert.equal(await kv.get("kept"), "before");
});

test("25 MiB as a stream is not held in memory, and one byte more is refused", async () => {
  const piece = bytes(1 << 20);
  let given = 0, sent;
  const counted = (extra) => new ReadableStream({
    pull(c) {
      if (given++ < 25) return c.enqueue(piece);
      if (extra) c.enqueue(new Uint8Array(extra));
      c.close();
    },
  });
  const through = (options) => connect({
    ...node, namespace: "birds", ...options,
    fetch: (url, init) => { if (init.method === "PUT") sent = { given, duplex: init.duplex }; return fetch(url, init); },
  });
  await through().put("large", counted(0));
  assert.ok(sent.given <= 3 && sent.duplex === "half", `${sent.given} MiB were read before anything was sent`);
  let size = 0;
  for await (const chunk of await kv.get("large", "stream")) size += chunk.byteLength;
  assert.equal(size, 25 << 20);
  given = 0;
  await through({ bufferStreams: true }).put("large", counted(0));
  assert.deepEqual(sent, { given: 26, duplex: undefined });
  given = 0;
  await assert.rejects(kv.put("large", counted(1)), (e) =>
    e instanceof GodwitError && e.code === "value_too_large" && e.message === "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400.");
});

test("metadata of each kind", async () => {
  for (const metadata of [{ a: [1, { b: null }] }, [], 0, false, "", "text", "ünï🤓", null, undefined]) {
    await kv.put("meta", "x", { metadata });
    assert.deepEqual(await pick(kv.getWithMetadata("meta")), { value: "x", metadata: metadata ?? null });
    const [row] = (await kv.list({ prefix: "meta" })).keys;
    assert.deepEqual(row, metadata === null || metadata === undefined ? { name: "meta" } : { name: "meta", metadata });
  }
  await kv.put("meta", "x", { metadata: "y".repeat(1022) });
  await assert.rejects(kv.put("meta", "x", { metadata: "y".repeat(1023) }), {
    code: "metadata_too_large", message: "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.",
  });
  await assert.rejects(kv.put("meta", "x", { metadata: () => 1 }), { code: "invalid_metadata", message: "KV PUT failed: 400 Metadata is not valid JSON." });
});

test("every key that is odd", async () => {
  const odd = [
    "a/b/c", "/lead", "trail/", "a//b", "../x", "a/../b", "./x", "a/.", "...", "..x", "sp ace", "pct%41", "pct%zz", "%2e%2e",
    "q?x=1&y", "h#ash", "plus+eq=", "a:b!c@d$e,f;g", "[]{}|^`", "quote\"<>'", "back\\slash", "tab\t", "new\nline", "cr\r", "nul\0",
    "uni-é-漢-🤓", "it's(*)~", "bulk/get", "__proto__", "constructor", "0", "7", "\u2028", " ", "é".repeat(256), "x".repeat(512),
  ];
  for (const [i, key] of odd.entries()) await kv.put(key, String(i), { metadata: i });
  for (const [i, key] of odd.entries()) {
    assert.equal(await kv.get(key), String(i), key);
    assert.deepEqual(await pick(kv.getWithMetadata(key)), { value: String(i), metadata: i }, key);
    assert.deepEqual((await kv.list({ prefix: key, limit: 1 })).keys, [{ name: key, metadata: i }]);
  }
  assert.deepEqual([...await kv.get(odd)], odd.map((key, i) => [key, String(i)]));
  assert.equal((await kv.get(["toString", "7"])).get("toString"), null);
  for (const key of odd) await kv.delete(key);
  for (const key of odd) assert.equal(await kv.get(key), null, key);
});

test("keys that a binding refuses, and what is no string", async () => {
  const methods = [(k) => kv.get(k), (k) => kv.getWithMetadata(k), (k) => kv.put(k, "x"), (k) => kv.delete(k)];
  for (const call of methods) {
    await assert.rejects(call(""), { name: "TypeError", message: "Key name cannot be empty." });
    await assert.rejects(call("."), { name: "TypeError", message: '"." is not allowed as a key name.' });
    await assert.rejects(call(".."), { name: "TypeError", message: '".." is not allowed as a key name.' });
    await assert.rejects(call("é".repeat(257)), { code: "key_too_long", message: /414 UTF-8 encoded length of 514 exceeds key length limit of 512\.$/ });
    await assert.rejects(call("\ud800x"), { code: "invalid_key", message: /400 Could not URL-decode key name$/ });
    await assert.rejects(call(Symbol("k")), { name: "TypeError", message: "Cannot convert a Symbol value to a string" });
  }
  await kv.put(123, "number");
  assert.equal(await kv.get("123"), "number");
});

// What is said here of a binding, TestWorker has workerd say.
test("what is missing, and an undefined that is given", async () => {
  for (const [method, types] of [["get", "string or Array"], ["getWithMetadata", "Array or string"], ["put", "string"], ["delete", "string"]]) {
    const message = `Failed to execute '${method}' on 'KvNamespace': parameter 1 is not of type '${types}'.`;
    await assert.rejects(kv[method](), { name: "TypeError", message });
  }
  for (const key of ["value", ""]) {
    const message = "Failed to execute 'put' on 'KvNamespace': parameter 2 is not of type 'string or Object'.";
    await assert.rejects(kv.put(key), { name: "TypeError", message });
  }
  await kv.put(undefined, "u");
  assert.equal(await kv.get("undefined"), "u");
  assert.equal(await kv.get(undefined), "u");
  assert.equal((await kv.getWithMetadata(undefined)).value, "u");
  assert.deepEqual([...await kv.get([undefined])], [["undefined", "u"]]);
  await kv.delete(undefined);
  assert.equal(await kv.get("undefined"), null);
  for (const call of [() => kv.set(undefined, "x"), () => kv.remove(undefined), () => kv.entry(undefined), () => kv.details(undefined)]) {
    await assert.rejects(call, { name: "TypeError", message: /parameter 1 is not of type/ });
  }
});

test("options that are none", async () => {
  await kv.delete("options");
  for (const options of [60, 0, "x", "", true, 60n, Symbol("o")]) {
    for (const [key, value] of [["options", "x"], ["", {}]]) {
      const message = "Failed to execute 'put' on 'KvNamespace': parameter 3 is not of type 'PutOptions'.";
      await assert.rejects(kv.put(key, value, options), { name: "TypeError", message });
      await assert.rejects(kv.set(key, value, options), { name: "TypeError", message });
    }
    const message = "Failed to execute 'list' on 'KvNamespace': parameter 1 is not of type 'ListOptions'.";
    await assert.rejects(kv.list(options), { name: "TypeError", message });
  }
  assert.equal(await kv.get("options"), null);
  for (const options of [null, undefined, [], () => 1]) {
    await kv.put("options", "x", options);
    assert.equal((await kv.list(options)).list_complete, true);
    assert.equal(await kv.get("options", options), "x");
  }
});

test("symbols and bigints where there is text or a number", async () => {
  const text = { name: "TypeError", message: "Cannot convert a Symbol value to a string" };
  const calls = [
    () => kv.put("k", Symbol("v")), () => kv.list({ prefix: Symbol("p") }), () => kv.list({ cursor: Symbol("c") }),
    () => kv.get("k", Symbol("t")), () => kv.get(["k"], { type: Symbol("t") }), () => kv.get([Symbol("k")]),
  ];
  for (const call of calls) await assert.rejects(call, text, String(call));
  for (const [kind, n] of [["BigInt", 61n], ["BigInt", { valueOf: () => 61n }], ["Symbol", Symbol("n")]]) {
    const number = { name: "TypeError", message: `Cannot convert a ${kind} value to a number` };
    await assert.rejects(kv.put("k", "x", { expirationTtl: n }), number);
    await assert.rejects(kv.put("k", "x", { expiration: n }), number);
    await assert.rejects(kv.list({ limit: n }), number);
    await assert.rejects(kv.get("k", { cacheTtl: n }), number);
    assert.throws(() => kv.transaction().put("k", "x", { expirationTtl: n }), number);
  }
  await assert.rejects(kv.put("", "x", { expirationTtl: 2 ** 40 }), { name: "TypeError", message: /^Value out of range/ });
});

test("expiration, absolute and relative", async () => {
  const in90 = Math.floor(Date.now() / 1000) + 90;
  await kv.put("expires", "x", { expiration: in90 });
  assert.equal((await kv.list({ prefix: "expires" })).keys[0].expiration, in90);
  await kv.put("expires", "x", { expirationTtl: 120.9, expiration: 1 });
  const { expiration } = (await kv.list({ prefix: "expires" })).keys[0];
  assert.ok(expiration >= in90 + 28 && expiration <= in90 + 35, `${expiration}`);
  await kv.put("expires", "x");
  assert.deepEqual((await kv.list({ prefix: "expires" })).keys, [{ name: "expires" }]);
  for (const [options, message] of [
    [{ expirationTtl: 59 }, "Invalid expiration_ttl of 59. Expiration TTL must be at least 60."],
    [{ expirationTtl: Infinity }, "Invalid expiration_ttl of 0. Please specify integer greater than 0."],
    [{ expirationTtl: NaN }, "Invalid expiration_ttl of 0. Please specify integer greater than 0."],
    [{ expiration: 1 }, "Invalid expiration of 1. Please specify integer greater than the current number of seconds since the UNIX epoch."],
  ]) await assert.rejects(kv.put("expires", "x", options), { status: 400, message: `KV PUT failed: 400 ${message}` });
  await assert.rejects(kv.put("expires", "x", { expiration: Date.now() }), { name: "TypeError", message: /^Value out of range/ });
});

test("list: prefix, limit, cursor", async () => {
  for (let i = 0; i < 5; i++) await kv.put(`list/${i}`, "x");
  const first = await kv.list({ prefix: "list/", limit: 3 });
  assert.deepEqual(first.keys.map((k) => k.name), ["list/0", "list/1", "list/2"]);
  assert.equal(first.list_complete, false);
  const rest = await kv.list({ prefix: "list/", limit: 1000, cursor: first.cursor });
  assert.deepEqual(rest, { keys: [{ name: "list/3" }, { name: "list/4" }], list_complete: true, cacheStatus: "HIT" });
  assert.equal((await kv.list({ prefix: null, cursor: null, limit: 0 })).list_complete, true);
  assert.deepEqual((await kv.list({ prefix: "no such/" })).keys, []);
  await assert.rejects(kv.list({ limit: 1001 }), { message: "KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer less than 1000." });
  await assert.rejects(kv.list({ cursor: "nonsense" }), { code: "invalid_cursor", status: 400 });
});

test("bulk get", async () => {
  await kv.put("bulk/1", '{"n":1}', { metadata: { m: 1 } });
  await kv.put("bulk/2", "2");
  const keys = ["bulk/2", "bulk/1", "bulk/none"];
  assert.deepEqual([...await kv.get(keys)], [["bulk/2", "2"], ["bulk/1", '{"n":1}'], ["bulk/none", null]]);
  assert.deepEqual([...(await kv.get(keys, "json")).values()], [2, { n: 1 }, null]);
  assert.deepEqual([...(await kv.get(keys, { type: "json", cacheTtl: 60 })).values()], [2, { n: 1 }, null]);
  const all = await kv.getWithMetadata(keys, "json");
  assert.deepEqual(all.get("bulk/1"), { value: { n: 1 }, metadata: { m: 1 }, cacheStatus: "HIT" });
  assert.equal(all.get("bulk/none"), null);
  for (const [args, message] of [
    [[[]], "400 You must request a minimum of 1 key"],
    [[Array.from({ length: 101 }, (_, i) => `k${i}`)], "400 You can request a maximum of 100 keys"],
    [[keys, "stream"], '400 "stream" is not a valid type. Use "json" or "text"'],
    [[keys, { cacheTtl: 29 }], "400 Invalid cache_ttl of 29. Cache TTL must be at least 30."],
  ]) await assert.rejects(kv.get(...args), { message: `KV GET_BULK failed: ${message}` });
  await kv.put("bulk/2", "no json");
  await assert.rejects(kv.get(keys, "json"), { code: "value_not_json", message: /400 At least one of the requested keys corresponds to a non-json value$/ });
});

test("other errors of a binding", async () => {
  await kv.put("text", "no json");
  await assert.rejects(kv.get("text", "json"), SyntaxError);
  await assert.rejects(kv.getWithMetadata("text", "json"), SyntaxError);
  for (const type of ["arraybuffer", null]) {
    await assert.rejects(kv.get("text", { type }), { name: "TypeError", message: /^Unknown response type/ });
  }
  await assert.rejects(kv.get("text", { cacheTtl: 29 }), { code: "invalid_cache_ttl", message: "KV GET failed: 400 Invalid cache_ttl of 29. Cache TTL must be at least 30." });
});

async function pick(found) {
  const { value, metadata } = await found;
  return { value, metadata };
}
