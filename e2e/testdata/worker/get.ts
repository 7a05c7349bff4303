import { equal, ok, rejects } from "./assert";
import type { Cases, Env } from "./env";
import { bytesOf, random, text } from "./streams";

const types = ["text", "json", "arrayBuffer", "stream"] as const;

// status checks cacheStatus: this node answers everything from its own copy.
export function status(env: Env, got: string | null): void {
  if (env.ORACLE) equal(got, null, "cacheStatus");
  else ok(got === "HIT" || got === "MISS", `cacheStatus: got ${got}, want HIT or MISS`);
}

export const get: Cases = {
  async "get: every overload"({ KV }) {
    const value = '{"a":[1,"é"]}';
    await KV.put("get/one", value);
    const raw = new TextEncoder().encode(value);
    equal(await KV.get("get/one"), value);
    equal(await KV.get("get/one", {}), value);
    equal(await KV.get("get/one", { cacheTtl: 60 }), value);
    equal(await KV.get("get/one", "text"), value);
    equal(await KV.get("get/one", { type: "text" }), value);
    equal(await KV.get<{ a: unknown[] }>("get/one", "json"), { a: [1, "é"] });
    equal(await KV.get("get/one", { type: "json" }), { a: [1, "é"] });
    equal(await KV.get("get/one", "arrayBuffer"), raw.buffer);
    equal(await KV.get("get/one", { type: "arrayBuffer" }), raw.buffer);
    equal(await bytesOf((await KV.get("get/one", "stream"))!), raw);
    equal(await bytesOf((await KV.get("get/one", { type: "stream", cacheTtl: 30 }))!), raw);
  },

  async "getWithMetadata: every overload"(env) {
    const { KV } = env;
    const value = '{"b":2}';
    const raw = new TextEncoder().encode(value);
    await KV.put("get/meta", value, { metadata: { m: "é" } });
    const got = async (r: Promise<KVNamespaceGetWithMetadataResult<unknown, unknown>>) => {
      const { value, metadata, cacheStatus } = await r;
      status(env, cacheStatus);
      equal(metadata, { m: "é" }, "metadata");
      return value instanceof ReadableStream ? await bytesOf(value) : value;
    };
    equal(await got(KV.getWithMetadata("get/meta")), value);
    equal(await got(KV.getWithMetadata("get/meta", {})), value);
    equal(await got(KV.getWithMetadata("get/meta", "text")), value);
    equal(await got(KV.getWithMetadata("get/meta", { type: "text" })), value);
    equal(await got(KV.getWithMetadata("get/meta", "json")), { b: 2 });
    equal(await got(KV.getWithMetadata("get/meta", { type: "json" })), { b: 2 });
    equal(await got(KV.getWithMetadata("get/meta", "arrayBuffer")), raw.buffer);
    equal(await got(KV.getWithMetadata("get/meta", { type: "arrayBuffer", cacheTtl: 31536000 })), raw.buffer);
    equal(await got(KV.getWithMetadata("get/meta", "stream")), raw);
    equal(await got(KV.getWithMetadata("get/meta", { type: "stream" })), raw);
  },

  async "get: an absent key is null, whatever the type"(env) {
    const { KV } = env;
    for (const type of types) {
      equal(await KV.get("get/absent", type as "text"), null, type);
      const got = await KV.getWithMetadata("get/absent", type as "text");
      equal([got.value, got.metadata], [null, null], type);
      equal(Object.keys(got).sort(), ["cacheStatus", "metadata", "value"]);
      status(env, got.cacheStatus);
    }
    equal(await KV.get("get/absent", "nonsense" as "text"), null);
  },

  async "get: an empty value is not an absent one"({ KV }) {
    await KV.put("get/empty", "");
    equal(await KV.get("get/empty"), "");
    equal(await KV.get("get/empty", "arrayBuffer"), new ArrayBuffer(0));
    equal(await bytesOf((await KV.get("get/empty", "stream"))!), new Uint8Array(0));
    equal((await KV.getWithMetadata("get/empty")).value, "");
  },

  async "get: values that do not fit the type"({ KV }) {
    await KV.put("get/bad", "{not json");
    await rejects(() => KV.get("get/bad", "json"), /JSON/, "SyntaxError");
    await rejects(
      () => KV.get("get/bad", "arraybuffer" as "text"),
      'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".',
      "TypeError",
    );
    await KV.put("get/bad", new Uint8Array([0xff, 0x41, 0xfe]));
    equal(await KV.get("get/bad"), "\ufffdA\ufffd");
  },

  async "cacheTtl: from 30 s up"({ KV }) {
    await KV.put("get/ttl", "v");
    for (const cacheTtl of [30, 31, 60, 3600, 31536000, 2147483647]) {
      equal(await KV.get("get/ttl", { cacheTtl }), "v", `cacheTtl ${cacheTtl}`);
      equal(await KV.get("get/never", { cacheTtl }), null, `cacheTtl ${cacheTtl}`);
    }
    for (const [cacheTtl, shown] of [[29, "29"], [0, "0"], [-1, "-1"], [NaN, "0"]] as const) {
      const want = `KV GET failed: 400 Invalid cache_ttl of ${shown}. Cache TTL must be at least 30.`;
      await rejects(() => KV.get("get/ttl", { cacheTtl }), want);
      await rejects(() => KV.getWithMetadata("get/never", { type: "text", cacheTtl }), want);
    }
    await rejects(
      () => KV.get("get/ttl", { cacheTtl: 2147483648 }),
      "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).",
      "TypeError",
    );
  },

  async "get: fifty at once"({ KV }) {
    const bodies = Array.from({ length: 50 }, (_, i) => text(random(i, i * 97)));
    await Promise.all(bodies.map((b, i) => KV.put(`get/many/${i}`, b)));
    const got = await Promise.all(bodies.map((_, i) => KV.get(`get/many/${i}`)));
    equal(got, bodies);
  },

  async "get: keep-alive outlives many requests"({ KV }) {
    await KV.put("get/again", "same");
    for (let i = 0; i < 200; i++) equal(await KV.get("get/again"), "same", `read ${i}`);
  },

  async "get: sees the write before it"({ KV }) {
    for (let i = 0; i < 50; i++) {
      await KV.put("get/after", String(i));
      equal(await KV.get("get/after", { cacheTtl: 3600 }), String(i));
    }
    await KV.delete("get/after");
    equal(await KV.get("get/after", { cacheTtl: 3600 }), null);
  },
};
