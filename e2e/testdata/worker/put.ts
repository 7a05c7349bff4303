import { equal, ok, rejects } from "./assert";
import type { Cases } from "./env";
import { bytesOf, fixed, pieces, random } from "./streams";

const now = () => Math.floor(Date.now() / 1000);

export const put: Cases = {
  async "put: every kind of value"({ KV }) {
    const data = random(7, 1000);
    const padded = new Uint8Array(1100);
    padded.set(data, 50);
    const view = padded.subarray(50, 1050);
    const kinds: Record<string, () => ArrayBuffer | ArrayBufferView | ReadableStream> = {
      ArrayBuffer: () => data.slice().buffer as ArrayBuffer,
      Uint8Array: () => view,
      DataView: () => new DataView(padded.buffer, 50, 1000),
      Uint16Array: () => new Uint16Array(data.slice().buffer),
      "stream, chunked": () => new Blob([data]).stream().pipeThrough(new TransformStream()),
      FixedLengthStream: () => fixed(new Response(data).body!, 1000),
      "Response.body": () => new Response(data).body!,
    };
    for (const [kind, make] of Object.entries(kinds)) {
      await KV.put(`put/${kind}`, make());
      equal(await KV.get(`put/${kind}`, "arrayBuffer"), data.slice().buffer, kind);
    }
  },

  async "put: strings and what becomes one"({ KV }) {
    for (const v of ["plain", "é漢🤓", "a\u0000b\r\n", "undefined", " "]) {
      await KV.put("put/string", v);
      equal(await KV.get("put/string"), v);
    }
    for (const v of [0, 12.5, true, false, null]) {
      await KV.put("put/string", v as unknown as string);
      equal(await KV.get("put/string"), String(v));
    }
  },

  async "put: empty values of every kind"({ KV }) {
    const kinds = ["", new ArrayBuffer(0), new Uint8Array(0), pieces(0), fixed(pieces(0), 0)];
    for (const [i, v] of kinds.entries()) {
      await KV.put("put/empty", "not empty");
      await KV.put("put/empty", v);
      equal(await KV.get("put/empty"), "", `kind ${i}`);
    }
  },

  async "put: a chunked stream of many sizes"({ KV }) {
    for (const n of [1, 1023, 1024, 1025, 65535, 65536, 65537, 300_000]) {
      await KV.put("put/chunked", pieces(n, n));
      equal(await KV.get("put/chunked", "arrayBuffer"), (await bytesOf(pieces(n, n))).buffer, `${n} bytes`);
    }
  },

  async "put: values of the wrong kind"({ KV }) {
    const want = "KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.";
    await rejects(() => KV.put("put/bad", {} as string), want, "TypeError");
    await rejects(() => KV.put("put/bad", new Blob(["x"]) as unknown as string), want, "TypeError");
    const put = (KV as unknown as { put(k: string): Promise<void> }).put.bind(KV);
    await rejects(() => put("put/bad"), /parameter 2 is not of type/, "TypeError");
    await rejects(() => put(""), /parameter 2 is not of type/, "TypeError");
    await rejects(() => KV.put("put/bad", Symbol("v") as unknown as string), "Cannot convert a Symbol value to a string", "TypeError");
    equal(await KV.get("put/bad"), null);
  },

  async "put: a stream of strings"({ KV, ORACLE }) {
    const strings = (...chunks: unknown[]) => new ReadableStream({ start(c) { for (const k of chunks) c.enqueue(k); c.close(); } });
    await KV.put("put/strings", strings("godwit é", "", new Uint8Array([65]), "🤓"));
    equal(await KV.get("put/strings"), "godwit éA🤓");
    for (const chunk of [5, null, {}, Symbol("x")]) {
      await rejects(() => KV.put("put/strings", strings("x", chunk)), /./, "TypeError");
    }
    if (ORACLE) return; // miniflare writes what comes before the error
    equal(await KV.get("put/strings"), "godwit éA🤓");
  },

  async "put: options that are none"({ KV }) {
    const put = KV.put.bind(KV) as (k: string, v: unknown, o: unknown) => Promise<void>;
    const want = "Failed to execute 'put' on 'KvNamespace': parameter 3 is not of type 'PutOptions'.";
    for (const o of [60, 0, "x", "", true, 60n, Symbol("o")]) {
      await rejects(() => put("put/options", "x", o), want, "TypeError");
      await rejects(() => put("", {}, o), want, "TypeError");
    }
    equal(await KV.get("put/options"), null);
    for (const o of [null, undefined, [], () => 1]) await put("put/options", "x", o);
  },

  async "put: replaces value, metadata and expiration together"({ KV }) {
    await KV.put("put/whole", "1", { metadata: { a: 1 }, expirationTtl: 600 });
    await KV.put("put/whole", "2");
    const { value, metadata } = await KV.getWithMetadata("put/whole");
    equal([value, metadata], ["2", null]);
    const { keys } = await KV.list({ prefix: "put/whole" });
    equal(keys, [{ name: "put/whole" }]);
  },

  async "delete: present, absent, twice"({ KV }) {
    await KV.put("put/gone", "x", { metadata: 1, expirationTtl: 60 });
    await KV.delete("put/gone");
    equal(await KV.get("put/gone"), null);
    equal((await KV.getWithMetadata("put/gone")).metadata, null);
    equal((await KV.list({ prefix: "put/gone" })).keys, []);
    equal(await KV.delete("put/gone"), undefined);
    equal(await KV.delete("put/never"), undefined);
  },
};

export const expiration: Cases = {
  async "expiration: both forms are listed as absolute seconds"({ KV }) {
    const before = now();
    const at = before + 3600;
    await KV.put("exp/absolute", "v", { expiration: at });
    await KV.put("exp/relative", "v", { expirationTtl: 120 });
    await KV.put("exp/both", "v", { expiration: at, expirationTtl: 60 });
    await KV.put("exp/both past", "v", { expiration: 1, expirationTtl: 60 });
    await KV.put("exp/text", "v", { expirationTtl: "120" as unknown as number });
    await KV.put("exp/fraction", "v", { expirationTtl: 60.9 });
    const after = now();
    const { keys } = await KV.list({ prefix: "exp/" });
    const at2 = Object.fromEntries(keys.map((k) => [k.name.slice(4), k.expiration!]));
    equal(at2.absolute, at, "absolute");
    const within = (name: string, ttl: number) =>
      ok(at2[name] >= before + ttl && at2[name] <= after + ttl + 1, `${name}: ${at2[name]} is not ${ttl} s from now`);
    within("relative", 120);
    within("both", 60);
    within("both past", 60);
    within("text", 120);
    within("fraction", 60);
  },

  async "expiration: what is refused"({ KV }) {
    const ttl = (n: unknown) => () => KV.put("exp/bad", "v", { expirationTtl: n as number });
    const positive = (n: string) => `KV PUT failed: 400 Invalid expiration_ttl of ${n}. Please specify integer greater than 0.`;
    await rejects(ttl(0), positive("0"));
    await rejects(ttl(-5), positive("-5"));
    await rejects(ttl(NaN), positive("0"));
    await rejects(ttl(1), "KV PUT failed: 400 Invalid expiration_ttl of 1. Expiration TTL must be at least 60.");
    await rejects(ttl(59), "KV PUT failed: 400 Invalid expiration_ttl of 59. Expiration TTL must be at least 60.");
    const at = (n: number) => () => KV.put("exp/bad", "v", { expiration: n });
    const range = "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).";
    for (const n of [1, 0, -1, now() - 10]) {
      const want = `KV PUT failed: 400 Invalid expiration of ${n}. Please specify integer greater than the current number of seconds since the UNIX epoch.`;
      await rejects(at(n), want);
    }
    const near = now() + 30;
    await rejects(at(near), `KV PUT failed: 400 Invalid expiration of ${near}. Expiration times must be at least 60 seconds in the future.`);
    await rejects(at(Date.now()), range, "TypeError");
    for (const n of [61n, { valueOf: () => 61n }]) {
      await rejects(ttl(n), "Cannot convert a BigInt value to a number", "TypeError");
      await rejects(at(n as unknown as number), "Cannot convert a BigInt value to a number", "TypeError");
    }
    await rejects(ttl(Symbol("n")), "Cannot convert a Symbol value to a number", "TypeError");
    equal(await KV.get("exp/bad"), null);
  },

  async "expiration: the last second a Worker can name"({ KV }) {
    await KV.put("exp/2038", "v", { expiration: 2147483647 });
    equal((await KV.list({ prefix: "exp/2038" })).keys, [{ name: "exp/2038", expiration: 2147483647 }]);
  },

  async "expiration: checked in Cloudflare's order"({ KV }) {
    const metadata = "x".repeat(2000);
    await rejects(
      () => KV.put("exp/order", "v", { expirationTtl: 5, metadata }),
      "KV PUT failed: 400 Invalid expiration_ttl of 5. Expiration TTL must be at least 60.",
    );
    await rejects(() => KV.put("exp/order", "v", { metadata }), "KV PUT failed: 413 Metadata length of 2002 exceeds limit of 1024.");
  },
};

export const metadata: Cases = {
  async "metadata: every JSON type"({ KV }) {
    const kinds: unknown[] = [
      { a: 1, b: { c: [null, true] } }, [1, "2", [3]], [], {}, 0, -1.5, 1e21, true, false, "", "text", '"', '{"a":1}',
      "é漢🤓", "\u0000\r\n\t\u2028", { "k\n": "v\r" }, "null",
    ];
    for (const want of kinds) {
      await KV.put("meta/kind", "v", { metadata: want });
      equal((await KV.getWithMetadata("meta/kind")).metadata, want, "getWithMetadata");
      equal((await KV.list({ prefix: "meta/kind" })).keys, [{ name: "meta/kind", metadata: want }], "list");
      const many = await KV.getWithMetadata(["meta/kind"], "text");
      equal(many.get("meta/kind")?.metadata, want, "bulk");
    }
  },

  async "metadata: null and undefined are none"({ KV }) {
    for (const metadata of [null, undefined]) {
      await KV.put("meta/none", "v", { metadata });
      equal((await KV.getWithMetadata("meta/none")).metadata, null);
      equal((await KV.list({ prefix: "meta/none" })).keys, [{ name: "meta/none" }]);
    }
  },

  async "metadata: 1,024 bytes and no more"({ KV }) {
    const most = "x".repeat(1022);
    await KV.put("meta/most", "v", { metadata: most });
    equal((await KV.getWithMetadata("meta/most")).metadata, most);
    const wide = "é".repeat(511); // two bytes each, and the quotes
    await KV.put("meta/most", "v", { metadata: wide });
    equal((await KV.getWithMetadata("meta/most")).metadata, wide);
    await rejects(() => KV.put("meta/most", "w", { metadata: most + "x" }), "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.");
    await rejects(() => KV.put("meta/most", "w", { metadata: wide + "x" }), "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024.");
    await rejects(() => KV.put("meta/most", "w", { metadata: "y".repeat(9000) }), "KV PUT failed: 413 Metadata length of 9002 exceeds limit of 1024.");
    await rejects(() => KV.put("meta/most", "w", { metadata: "y".repeat(15000) }), "KV PUT failed: 413 Metadata length of 15002 exceeds limit of 1024.");
    equal(await KV.get("meta/most"), "v");
  },

  async "metadata: far too much of it is refused, whatever the value"({ KV, ORACLE }) {
    const want = ORACLE ? /^KV PUT failed: 413 Metadata length/ : /^KV PUT failed: 431 .* metadata 1024\.$/;
    for (const size of [1, 3_000_000]) {
      await rejects(() => KV.put("meta/far", new Uint8Array(size), { metadata: "m".repeat(20_000) }), want);
    }
    const { readable, writable } = new FixedLengthStream(80);
    const writing = (async () => {
      const writer = writable.getWriter();
      for (let i = 0; i < 80; i += 4) await writer.write(new Uint8Array(4));
      await writer.close();
    })();
    await rejects(() => KV.put("meta/far", readable, { metadata: "m".repeat(20_000) }), want);
    await writing.catch(() => {});
    equal(await KV.get("meta/far"), null);
  },

  async "metadata: what is not JSON is refused"(env) {
    if (env.ORACLE) return; // miniflare fails with a 500 of its own
    await rejects(() => env.KV.put("meta/function", "v", { metadata: () => 1 }), /^KV PUT failed: 400 .*[Mm]etadata/);
    equal(await env.KV.get("meta/function"), null);
  },
};
