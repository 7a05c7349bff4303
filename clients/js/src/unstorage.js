import { clear } from "./clear.js";
import { connect } from "./index.js";
import { readMany } from "./many.js";

const name = "godwit";

/**
 * A driver for unstorage.
 *
 * @param {import("./unstorage.d.ts").DriverOptions} options
 */
export default function godwitDriver(options) {
  const kv = options.kv ?? connect(/** @type {any} */ (options));
  const base = normal(options.base ?? "");
  const full = (key) => (base ? `${base}:${key}` : key);
  const short = (key) => (base ? key.slice(base.length + 1) : key);
  // unstorage gives a base with or without its colon; ":" alone would be a key's part.
  const under = (part) => {
    const prefix = [base, normal(part ?? "")].filter(Boolean).join(":");
    return prefix && `${prefix}:`;
  };
  const lifetime = (o) => (o?.ttl ? { expirationTtl: Math.ceil(Math.max(o.ttl, options.minTTL ?? 60)) } : {});
  const watches = new Set();
  const put = (key, value, o) => kv.put(full(key), value, { ...lifetime(o), signal: o?.signal });
  return {
    name,
    options,
    flags: { ttl: true },
    getInstance: () => kv,
    hasItem: async (key) => (await kv.details(full(key))) !== null,
    getItem: (key) => kv.get(full(key)),
    getItemRaw: async (key) => bytes(await kv.get(full(key), "arrayBuffer")),
    async getItems(items) {
      const values = await readMany((k) => kv.get(k), items.map(({ key }) => full(key)));
      return items.map(({ key }) => ({ key, value: values.get(full(key)) ?? null }));
    },
    setItem: put,
    setItemRaw: put,
    setItems: (items, common) => kv.bulkPut(items.map(({ key, value, options: o }) =>
      ({ key: full(key), value, ...lifetime({ ...common, ...o }) }))),
    removeItem: (key) => kv.delete(full(key)),
    async getMeta(key) {
      const d = await kv.details(full(key));
      return d && {
        size: d.size, birthtime: new Date(d.created), mtime: new Date(d.modified),
        ...(d.expiration !== undefined && { ttl: Math.max(0, d.expiration - Math.floor(Date.now() / 1000)) }),
      };
    },
    async getKeys(part) {
      const keys = [];
      for await (const k of kv.keys({ prefix: under(part), limit: 10_000 })) keys.push(short(k.name));
      return keys;
    },
    clear: (part) => clear(kv, under(part)),
    async watch(changed) {
      const leave = await watch(kv, under(""), (event, key) => changed(event, short(key)), options.onError);
      watches.add(leave);
      return () => { watches.delete(leave); return leave(); };
    },
    async dispose() {
      await Promise.all([...watches].map((leave) => leave()));
      watches.clear();
    },
  };
}

function normal(key) {
  return key.replace(/[:/\\]+/g, ":").replace(/^:|:$/g, "");
}

function bytes(buffer) {
  return buffer && new Uint8Array(buffer);
}

/**
 * Watches until the function returned is called. It has begun once that is there. What
 * stands is remembered, so that it can be told what has changed when the server cannot
 * say it one by one, as after a clear.
 */
async function watch(kv, prefix, changed, failed) {
  const events = kv.watch({ prefix });
  const { value: first } = await events.next(); // ready, or why it cannot be
  let standing = await revisions(kv, prefix, first.revision).catch(async (e) => { await events.return(); throw e; });
  const tell = async (event, key) => {
    try {
      await changed(event, key);
    } catch (e) {
      failed?.(e);
    }
  };
  const done = (async () => {
    try {
      for await (const e of events) {
        switch (e.type) {
          case "put":
            standing.set(e.key, e.revision);
            void tell("update", e.key);
            break;
          case "delete": case "expire":
            standing.delete(e.key);
            void tell("remove", e.key);
            break;
          case "reset": {
            const were = standing;
            standing = await revisions(kv, prefix, e.revision);
            difference(were, standing, tell);
          }
        }
      }
    } catch (e) {
      failed?.(e);
    }
  })();
  return async () => {
    await events.return();
    await done;
  };
}

/** Each key's revision, as of `minRevision` or later. */
async function revisions(kv, prefix, minRevision) {
  const found = new Map();
  for await (const k of kv.scan({ prefix, limit: 10_000, minRevision })) found.set(k.name, k.revision);
  return found;
}

function difference(were, are, tell) {
  for (const key of were.keys()) if (!are.has(key)) void tell("remove", key);
  for (const [key, revision] of are) if (were.get(key) !== revision) void tell("update", key);
}
