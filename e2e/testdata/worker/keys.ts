import { equal, rejects } from "./assert";
import type { Cases } from "./env";

// Every kind of key that some part of HTTP likes to change.
export const odd = [
  "a/b/c", "/lead", "trail/", "a//b", "//", "/", "../x", "a/../b", "./x", "a/.", "a/..", "/..", "/.", "...", "..x", ".x",
  "sp ace", " ", "  lead", "trail  ", "pct%41", "pct%zz", "%", "%2F", "%2E%2E", "%00", "q?x=1&y", "?", "&", "=", "h#ash", "#",
  "plus+eq=", "+", "a:b!c@d$e,f;g", "[]{}|^`", 'quote"<>', "back\\slash", "\\", "tab\tkey", "new\nline", "cr\rlf\r\n", "nul\u0000key",
  "\u0000", "uni-é-漢-🤓", "e\u0301", "\u00e9", "\u2028", "\ufeffbom", "\uffff", "it's(*)~", "*", "~", "bulk/get", "bulk", "bulk/delete",
  "values", "keys", "metadata", "__proto__", "constructor", "toString", "hasOwnProperty", "null", "undefined", "true", "http://x/y?z#w",
  "0", "7", "01", "-1", "1e3", "cache_ttl=1", "urlencoded=false", "A", "a", "Z", "\u{10ffff}", "\ue000",
];

// index tells the keys that workerd drops from the Map of a bulk get, because
// they look like array indices.
const index = (k: string) => /^(0|[1-9]\d*)$/.test(k);

const utf8 = (s: string) => new TextEncoder().encode(s);

function byBytes(a: string, b: string): number {
  const x = utf8(a), y = utf8(b);
  for (let i = 0; i < Math.min(x.length, y.length); i++) if (x[i] !== y[i]) return x[i] - y[i];
  return x.length - y.length;
}

export const keys: Cases = {
  async "keys: each odd key is written, read, listed and deleted"({ KV }) {
    for (const k of odd) {
      await KV.put(k, `value of ${JSON.stringify(k)}`, { metadata: { k } }).catch((e) => {
        throw new Error(`put ${JSON.stringify(k)}: ${e}`);
      });
    }
    for (const k of odd) {
      const want = `value of ${JSON.stringify(k)}`;
      equal(await KV.get(k), want, JSON.stringify(k));
      const got = await KV.getWithMetadata(k);
      equal([got.value, got.metadata], [want, { k }], JSON.stringify(k));
      const page = await KV.list({ prefix: k });
      equal(page.keys.find((e) => e.name === k), { name: k, metadata: { k } }, `list ${JSON.stringify(k)}`);
    }
    for (let i = 0; i < odd.length; i += 50) {
      const some = odd.slice(i, i + 50);
      const got = await KV.get(some, "text");
      for (const k of some) if (!index(k)) equal(got.get(k), `value of ${JSON.stringify(k)}`, `bulk ${JSON.stringify(k)}`);
    }
    for (const k of odd) {
      await KV.delete(k);
      equal(await KV.get(k), null, `deleted ${JSON.stringify(k)}`);
    }
  },

  async "keys: DEL, which workerd puts into the request line as it is"({ KV }) {
    for (const k of ["\u007f", "a\u007fb", "\u007f".repeat(512), "/\u007f?"]) {
      await KV.put(k, "v");
      equal(await KV.get(k), "v");
      equal((await KV.get([k])).get(k), "v");
      equal((await KV.list({ prefix: k })).keys[0], { name: k });
      await KV.delete(k);
      equal(await KV.get(k), null);
    }
  },

  async "keys: are listed in the order of their bytes"({ ALL }) {
    for (const k of odd) await ALL.put(k, "");
    const { keys, list_complete } = await ALL.list();
    equal(keys.map((k) => k.name), [...odd].sort(byBytes));
    equal(list_complete, true);
    for (const k of odd) await ALL.delete(k);
    equal((await ALL.list()).keys, []);
  },

  async "keys: what is not a string becomes one"({ KV }) {
    await KV.put(123 as unknown as string, "number");
    equal(await KV.get("123"), "number");
    await KV.put(null as unknown as string, "null");
    equal(await KV.get(null as unknown as string), "null");
    await KV.put("a,b", "joined");
    await KV.delete(["a", "b"] as unknown as string);
    equal(await KV.get("a,b"), null);
    for (const [method, types] of [["get", "string or Array"], ["getWithMetadata", "Array or string"], ["put", "string"], ["delete", "string"]]) {
      const call = (KV as unknown as Record<string, () => Promise<unknown>>)[method].bind(KV);
      await rejects(call, `Failed to execute '${method}' on 'KvNamespace': parameter 1 is not of type '${types}'.`, "TypeError");
    }
  },

  async "keys: undefined is a word"({ KV }) {
    const none = undefined as unknown as string;
    await KV.put(none, "u");
    equal(await KV.get("undefined"), "u");
    equal(await KV.get(none), "u");
    equal((await KV.getWithMetadata(none)).value, "u");
    equal([...await KV.get([none])], [["undefined", "u"]]);
    await KV.delete(none);
    equal(await KV.get("undefined"), null);
  },

  async "keys: 512 bytes and no more"({ KV }) {
    for (const k of ["k".repeat(512), "é".repeat(256), "🤓".repeat(128), "%".repeat(512), "/".repeat(512)]) {
      await KV.put(k, "v");
      equal(await KV.get(k), "v");
      equal((await KV.get([k])).get(k), "v");
      equal((await KV.list({ prefix: k })).keys, [{ name: k }]);
      await KV.delete(k);
      equal(await KV.get(k), null);
    }
    const long = "k".repeat(513);
    const want = (op: string) => `KV ${op} failed: 414 UTF-8 encoded length of 513 exceeds key length limit of 512.`;
    await rejects(() => KV.get(long), want("GET"));
    await rejects(() => KV.put(long, "v"), want("PUT"));
    await rejects(() => KV.delete(long), want("DELETE"));
  },

  async "keys: the three that are not allowed"({ KV }) {
    const ops = (k: string) => [() => KV.get(k), () => KV.getWithMetadata(k), () => KV.put(k, "v"), () => KV.delete(k)];
    for (const op of ops("")) await rejects(op, "Key name cannot be empty.", "TypeError");
    for (const op of ops(".")) await rejects(op, '"." is not allowed as a key name.', "TypeError");
    for (const op of ops("..")) await rejects(op, '".." is not allowed as a key name.', "TypeError");
  },

  async "keys: a lone surrogate is refused"(env) {
    if (env.ORACLE) return; // miniflare replaces it
    const { KV } = env;
    const want = (op: string) => `KV ${op} failed: 400 Could not URL-decode key name`;
    await rejects(() => KV.put("\ud800x", "v"), want("PUT"));
    await rejects(() => KV.get("\ud800x"), want("GET"));
    await rejects(() => KV.delete("\ud800x"), want("DELETE"));
  },
};
