import { equal, ok, rejects } from "./assert";
import type { Cases, Env } from "./env";
import { status } from "./get";

const name = (i: number) => `k${String(i).padStart(5, "0")}`;

async function fill(kv: KVNamespace, prefix: string, n: number): Promise<string[]> {
  const names = Array.from({ length: n }, (_, i) => prefix + name(i));
  for (let i = 0; i < n; i += 100) await Promise.all(names.slice(i, i + 100).map((k) => kv.put(k, "")));
  return names;
}

async function walk(kv: KVNamespace, prefix: string, limits: number[]): Promise<string[]> {
  const names: string[] = [];
  let cursor: string | undefined;
  for (let turn = 0; turn < 1000; turn++) {
    const limit = limits[turn % limits.length];
    const page = await kv.list({ prefix, limit, cursor });
    ok(page.keys.length <= limit, `${page.keys.length} keys for limit ${limit}`);
    names.push(...page.keys.map((k) => k.name));
    if (page.list_complete) return names;
    cursor = page.cursor;
  }
  throw new Error("the list has no end");
}

export const list: Cases = {
  async "list: the shape of a page"(env: Env) {
    const { KV } = env;
    await KV.put("list/shape/1", "x", { metadata: "text", expiration: 2000000000 });
    await KV.put("list/shape/2", "x");
    const whole = await KV.list({ prefix: "list/shape/" });
    equal(Object.keys(whole).sort(), ["cacheStatus", "keys", "list_complete"]);
    equal(whole.keys, [{ name: "list/shape/1", expiration: 2000000000, metadata: "text" }, { name: "list/shape/2" }]);
    equal(whole.list_complete, true);
    status(env, whole.cacheStatus);
    const part = await KV.list({ prefix: "list/shape/", limit: 1 });
    equal(Object.keys(part).sort(), ["cacheStatus", "cursor", "keys", "list_complete"]);
    equal(part.list_complete, false);
    const rest = await KV.list({ prefix: "list/shape/", limit: 1, cursor: (part as { cursor: string }).cursor });
    equal([rest.keys, rest.list_complete], [[{ name: "list/shape/2" }], true]);
  },

  async "list: a thousand keys by default, no more"({ KV }) {
    const names = await fill(KV, "list/many/", 1201);
    const first = await KV.list({ prefix: "list/many/" });
    equal([first.keys.length, first.list_complete], [1000, false]);
    for (const limit of [0, -1, 1000]) {
      equal((await KV.list({ prefix: "list/many/", limit })).keys.length, 1000, `limit ${limit}`);
    }
    equal(await walk(KV, "list/many/", [1000]), names);
    equal(await walk(KV, "list/many/", [1, 7, 400, 1000]), names);
    equal(await walk(KV, "list/many/", [400]), names);
  },

  async "list: what is refused"(env) {
    const { KV } = env;
    await rejects(() => KV.list({ limit: 1001 }), "KV GET failed: 400 Invalid key_count_limit of 1001. Please specify an integer less than 1000.");
    await rejects(() => KV.list({ prefix: "p".repeat(513) }), "KV GET failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512.");
    const list = KV.list.bind(KV) as (o: unknown) => Promise<unknown>;
    for (const o of [5, 0, "x", "", true, 5n, Symbol("o")]) {
      await rejects(() => list(o), "Failed to execute 'list' on 'KvNamespace': parameter 1 is not of type 'ListOptions'.", "TypeError");
    }
    await rejects(() => list({ limit: 5n }), "Cannot convert a BigInt value to a number", "TypeError");
    for (const o of [{ prefix: Symbol("p") }, { cursor: Symbol("c") }]) await rejects(() => list(o), "Cannot convert a Symbol value to a string", "TypeError");
    await rejects(() => KV.list({ limit: 2147483648 }), "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).", "TypeError");
    if (env.ORACLE) return; // miniflare reads any cursor as base64
    for (const cursor of ["nonsense", "%%%", "AAAA", "é", "x".repeat(3000)]) {
      await rejects(() => KV.list({ cursor }), "KV GET failed: 400 Invalid cursor");
    }
  },

  async "list: prefixes"({ KV }) {
    const base = "list/prefix/";
    const names = ["a", "a/", "a/b", "a b", "a+b", "a%b", "a?b", "a&b=c", "é", "漢字", "🤓x", "aé"].map((n) => base + n);
    for (const n of names) await KV.put(n, "");
    for (const p of ["a", "a/", "a ", "a+", "a%", "a?", "a&b=", "é", "漢", "🤓", "none"].map((n) => base + n)) {
      const got = (await KV.list({ prefix: p })).keys.map((k) => k.name);
      equal(new Set(got).size, got.length);
      equal([...got].sort(), names.filter((n) => n.startsWith(p)).sort(), p);
    }
    equal((await KV.list({ prefix: "p".repeat(512) })).keys, []);
  },

  async "list: no prefix is every key"({ ALL }) {
    for (const k of ["x", "y", "é"]) await ALL.put(k, "");
    for (const prefix of [undefined, null, ""]) {
      equal((await ALL.list({ prefix })).keys.map((k) => k.name), ["x", "y", "é"]);
    }
    equal((await ALL.list()).keys.length, 3);
    equal((await ALL.list({ cursor: null, limit: undefined })).keys.length, 3);
    for (const k of ["x", "y", "é"]) await ALL.delete(k);
  },

  async "list: keys written and deleted while paging"({ KV }) {
    const p = "list/paging/";
    for (const k of ["b", "d", "f", "h"]) await KV.put(p + k, "");
    const first = await KV.list({ prefix: p, limit: 2 });
    equal(first.keys.map((k) => k.name), [p + "b", p + "d"]);
    await KV.put(p + "a", "");
    await KV.put(p + "e", "");
    await KV.delete(p + "d");
    await KV.delete(p + "f");
    const rest = await KV.list({ prefix: p, cursor: (first as { cursor: string }).cursor });
    equal(rest.keys.map((k) => k.name), [p + "e", p + "h"]);
    equal(rest.list_complete, true);
  },
};
