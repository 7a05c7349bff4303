import { equal, rejects } from "./assert";
import type { Cases, Env } from "./env";
import { MiB, pieces } from "./streams";

const failed = (status: number, why: string) => `KV GET_BULK failed: ${status} ${why}`;

export const bulk: Cases = {
  async "bulk get: every overload"({ KV }) {
    await KV.put("bulk/1", '{"n":1}', { metadata: { m: 1 } });
    await KV.put("bulk/2", "2");
    const names = ["bulk/2", "bulk/absent", "bulk/1"];
    const texts = new Map([["bulk/2", "2"], ["bulk/absent", null], ["bulk/1", '{"n":1}']]);
    const jsons = new Map<string, unknown>([["bulk/2", 2], ["bulk/absent", null], ["bulk/1", { n: 1 }]]);
    equal(await KV.get(names), texts);
    equal(await KV.get(names, {}), texts);
    equal(await KV.get(names, "text"), texts);
    equal(await KV.get(names, { type: "text" }), texts);
    equal(await KV.get(names, { type: "text", cacheTtl: 60 }), texts);
    equal(await KV.get(names, "json"), jsons);
    equal(await KV.get(names, { type: "json", cacheTtl: 30 }), jsons);
  },

  async "bulk getWithMetadata: every overload"({ KV }) {
    await KV.put("bulk/m1", '{"n":1}', { metadata: { m: 1 } });
    await KV.put("bulk/m2", "2");
    const names = ["bulk/m1", "bulk/absent", "bulk/m2"];
    const want = (one: unknown, two: unknown) =>
      [["bulk/m1", one, { m: 1 }], ["bulk/absent"], ["bulk/m2", two, null]];
    const got = (m: Map<string, { value: unknown; metadata: unknown } | null>) =>
      [...m].map(([k, v]) => (v === null ? [k] : [k, v.value, v.metadata]));
    equal(got(await KV.getWithMetadata(names)), want('{"n":1}', "2"));
    equal(got(await KV.getWithMetadata(names, {})), want('{"n":1}', "2"));
    equal(got(await KV.getWithMetadata(names, "text")), want('{"n":1}', "2"));
    equal(got(await KV.getWithMetadata(names, { type: "text" })), want('{"n":1}', "2"));
    equal(got(await KV.getWithMetadata(names, "json")), want({ n: 1 }, 2));
    equal(got(await KV.getWithMetadata(names, { type: "json", cacheTtl: 31536000 })), want({ n: 1 }, 2));
  },

  async "bulk get: a hundred keys, twice the same, empty values"({ KV }) {
    const names = Array.from({ length: 100 }, (_, i) => `bulk/h${i}`);
    await Promise.all(names.map((k, i) => KV.put(k, i % 3 ? `v${i}` : "")));
    const got = await KV.get(names);
    equal([...got], names.map((k, i) => [k, i % 3 ? `v${i}` : ""]));
    equal(await KV.get(["bulk/h1", "bulk/h1"]), new Map([["bulk/h1", "v1"]]));
    await KV.put("bulk/h1", new Uint8Array([0xff, 0x22, 0x5c, 0x0a, 0x00]));
    equal((await KV.get(["bulk/h1"])).get("bulk/h1"), '\ufffd"\\\n\u0000');
  },

  async "bulk get: what is refused"(env: Env) {
    const { KV } = env;
    const many = Array.from({ length: 101 }, (_, i) => `k${i}`);
    await rejects(() => KV.get([]), failed(400, "You must request a minimum of 1 key"));
    await rejects(() => KV.get(many), failed(400, "You can request a maximum of 100 keys"));
    await rejects(() => KV.getWithMetadata(many, "text"), failed(400, "You can request a maximum of 100 keys"));
    for (const type of ["arrayBuffer", "stream", "nonsense"]) {
      await rejects(() => KV.get(["bulk/x"], type as "text"), failed(400, `"${type}" is not a valid type. Use "json" or "text"`));
    }
    await KV.put("bulk/not json", "{");
    await rejects(() => KV.get(["bulk/not json"], "json"), failed(400, "At least one of the requested keys corresponds to a non-json value"));
    await rejects(() => KV.get(["x"], { type: "text", cacheTtl: 29 }), failed(400, "Invalid cache_ttl of 29. Cache TTL must be at least 30."));
  },

  async "bulk get: keys that are refused"(env: Env) {
    if (env.ORACLE) return; // miniflare does not look at them
    const { KV } = env;
    await rejects(() => KV.get(["fine", "."]), failed(400, "Key name . is not legal"));
    await rejects(() => KV.get(["..", "fine"]), failed(400, "Key name .. is not legal"));
    await rejects(() => KV.get(["x".repeat(513)]), failed(414, "Encoded length of 513 is too long"));
    await rejects(() => KV.get([""]), /^KV GET_BULK failed: 400 /);
  },

  async "bulk get: 25 MiB together and no more"({ KV }) {
    await KV.put("bulk/big1", pieces(13 * MiB));
    await KV.put("bulk/big2", pieces(13 * MiB));
    await rejects(() => KV.get(["bulk/big1", "bulk/big2"]), failed(413, "Total size of request exceeds the limit of 25MB"));
    await KV.delete("bulk/big1");
    await KV.delete("bulk/big2");
  },
};
