import { inJSON, metadataText } from "./body.js";
import { checkedKey, integer } from "./keys.js";

/** Writes that take effect together, if all conditions hold, or not at all. */
export class Transaction {
  #send;
  #conditions = [];
  #mutations = [];

  /** @param {(body: object, options?: object) => Promise<{revision: string, sums?: Record<string, string>}>} send */
  constructor(send) {
    this.#send = send;
  }

  check(key, revision) {
    if (revision !== null && (typeof revision !== "string" || revision === "")) {
      throw new TypeError('a condition is a revision, null for no such key, or "any"');
    }
    this.#conditions.push({ key: checkedKey("TRANSACTION", key), revision });
    return this;
  }

  put(key, value, options = {}) {
    const metadata = metadataText(options.metadata);
    this.#mutations.push({ op: "put", key: checkedKey("TRANSACTION", key), ...item(value, metadata, options) });
    return this;
  }

  delete(key) {
    this.#mutations.push({ op: "delete", key: checkedKey("TRANSACTION", key) });
    return this;
  }

  add(key, delta = 1, options = {}) {
    if (!Number.isSafeInteger(delta)) throw new TypeError("what is added is an integer");
    const metadata = metadataText(options.metadata);
    this.#mutations.push({ op: "add", key: checkedKey("TRANSACTION", key), delta, ...extras(metadata, options) });
    return this;
  }

  async commit(options) {
    const { revision, sums = {} } = await this.#send({ conditions: this.#conditions, mutations: this.#mutations }, options);
    return { revision, sums: new Map(Object.entries(sums).map(([key, sum]) => [key, BigInt(sum)])) };
  }
}

/** A value and what goes with it, as JSON of the server's has it. */
export function item(value, metadata, o) {
  return { ...inJSON(value), ...extras(metadata, o) };
}

function extras(metadata, o) {
  const expires = (n) => (n === undefined ? undefined : Number(integer(n)));
  return {
    metadata: metadata === undefined ? undefined : JSON.parse(metadata),
    expiration: expires(o.expiration), expiration_ttl: expires(o.expirationTtl),
  };
}
