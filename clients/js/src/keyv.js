import { bytesOf } from "./body.js";
import { clear } from "./clear.js";
import { connect, GodwitError } from "./index.js";
import { readMany } from "./many.js";

/** How many requests of one call are under way at once. */
const parallel = 16;

/**
 * A storage adapter for Keyv. Entries end by Keyv's own clock, to the millisecond: what
 * the server is given is a whole number of seconds behind it.
 *
 * It must not declare `namespace`: Keyv 5 sets it and gives whole keys all the same,
 * Keyv 6 gives whole keys only to an adapter that has none.
 */
export class KeyvGodwit {
  #listeners = new Map();
  #minTtl;

  /** @param {import("./keyv.d.ts").KeyvGodwitOptions} options */
  constructor(options) {
    this.kv = options.kv ?? connect(/** @type {any} */ (options));
    this.#minTtl = options.minTtl ?? 60_000;
    // Keyv looks for a dialect and a url; a token has no business here.
    this.opts = { dialect: "godwit", url: options.url ?? "" };
  }

  async get(key) {
    return standing(await this.kv.getWithMetadata(key));
  }

  async getMany(keys) {
    const values = await readMany((k) => this.kv.getWithMetadata(k), keys);
    return keys.map((key) => standing(values.get(key)));
  }

  async set(key, value, ttl) {
    await this.kv.put(key, ...this.#stored(value, ttl));
    return true;
  }

  async setMany(entries) {
    await this.kv.bulkPut(entries.map(({ key, value, ttl, expires }) => {
      const left = expires === undefined ? ttl : Math.max(1, expires - Date.now());
      const [text, options] = this.#stored(value, left);
      return { key, value: text, ...options };
    }));
    return entries.map(() => true);
  }

  async delete(key) {
    try {
      await this.kv.remove(key, { ifMatch: "*" });
      return true;
    } catch (e) {
      if (e instanceof GodwitError && e.code === "precondition_failed") return false;
      throw e;
    }
  }

  /** Tells whether there was any of them. */
  async deleteMany(keys) {
    return (await inParallel(keys, (key) => this.delete(key))).some(Boolean);
  }

  clear() {
    return clear(this.kv, prefixOf(/** @type {any} */ (this).namespace));
  }

  async has(key) {
    const d = await this.kv.details(key);
    return d !== null && !isOver(d.metadata);
  }

  hasMany(keys) {
    return inParallel(keys, (key) => this.has(key));
  }

  async *iterator(namespace) {
    for await (const k of this.kv.scan({ prefix: prefixOf(namespace), values: true })) {
      const value = k.valueOmitted ? await this.get(k.name) : standing(k);
      if (value !== undefined) yield [k.name, value];
    }
  }

  async disconnect() {
    this.#listeners.clear();
  }

  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event).add(listener);
    return this;
  }

  /** @returns {[string, object]} what a put takes behind the key */
  #stored(value, ttl) {
    const text = typeof value === "string";
    if (!text && bytesOf(value)) throw new TypeError("Keyv must serialize values to text");
    const lives = typeof ttl === "number" && ttl > 0;
    const metadata = { ...(lives && { expires: Date.now() + ttl }), ...(!text && { json: true }) };
    return [text ? value : JSON.stringify(value), {
      ...(lives && { expirationTtl: Math.ceil(Math.max(ttl, this.#minTtl) / 1000) }),
      ...((lives || !text) && { metadata }),
    }];
  }
}

export default KeyvGodwit;

/** What was stored, undefined where there is nothing any more. */
function standing(found) {
  if (!found || found.value === null || isOver(found.metadata)) return undefined;
  return found.metadata?.json ? JSON.parse(found.value) : found.value;
}

function isOver(metadata) {
  return typeof metadata?.expires === "number" && metadata.expires <= Date.now();
}

function prefixOf(namespace) {
  return namespace ? `${namespace}:` : "";
}

async function inParallel(all, work) {
  const results = [];
  for (let i = 0; i < all.length; i += parallel) {
    results.push(...await Promise.all(all.slice(i, i + parallel).map(work)));
  }
  return results;
}
