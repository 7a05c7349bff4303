import { firstOf, isObject, optionsOf, wrongType } from "./arguments.js";
import { cacheStatus, decoded, expirationOf, isAbsent, revisionOf } from "./answer.js";
import { jsonBody, metadataText, putBody } from "./body.js";
import { bulkDelete, bulkPut } from "./bulk.js";
import { copy, copyKey, targetRef } from "./copy.js";
import { GodwitError, failed } from "./errors.js";
import { earlierEntry, momentText, restoreBody, undeleted, versionsPage } from "./history.js";
import { boundText, checkedKey, integer, keySegment, segmentOf } from "./keys.js";
import { pages } from "./pages.js";
import { bytesOfScanned, count, scanPage, scanned, scanQuery } from "./scan.js";
import { Session } from "./session.js";
import { Transaction } from "./transaction.js";
import { consistencyOf, json } from "./transport.js";
import { watch } from "./watch.js";

/**
 * A namespace. It is a KVNamespace as Workers have it, and more. What it does is
 * described in index.d.ts.
 */
export class KV {
  /**
   * @param {import("./client.js").Client} client
   * @param {string} namespace id or title
   * @param {Session | undefined} session
   */
  constructor(client, namespace, session) {
    this.client = client;
    this.namespace = namespace;
    this.shared = session;
  }

  // As in Workers.

  async get(key, typeOrOptions) {
    const asked = firstOf(arguments, "get", "string or Array");
    const o = readOptions(typeOrOptions);
    if (Array.isArray(asked)) return this.#bulkGet(asked, o, (v) => v, false);
    const e = await this.#value(asked, o);
    return e === null ? null : e.value;
  }

  async getWithMetadata(key, typeOrOptions) {
    const asked = firstOf(arguments, "getWithMetadata", "Array or string");
    const o = readOptions(typeOrOptions);
    if (Array.isArray(asked)) {
      return this.#bulkGet(asked, o, (v, cacheStatus) => v && { value: v.value, metadata: v.metadata ?? null, cacheStatus }, true);
    }
    const e = await this.#entry(asked, o);
    return { value: e.value ?? null, metadata: e.metadata ?? null, cacheStatus: e.cacheStatus };
  }

  async put(key, value, options) {
    const name = firstOf(arguments, "put", "string");
    if (arguments.length === 1) throw wrongType("put", 2, "string or Object");
    await this.set(name, value === undefined ? "undefined" : value, options);
  }

  async delete(key, options) {
    await this.remove(firstOf(arguments, "delete", "string"), options);
  }

  async list(given) {
    const options = optionsOf(given, "list", 1, "ListOptions");
    const limit = listLimit(options.limit);
    const cursor = options.cursor ? `${options.cursor}` : undefined;
    const query = { limit, prefix: boundText("GET", options.prefix) || undefined, cursor };
    const page = await this.#native({ path: "/keys", query }, options, async (res) => ({ ...await json(res), cacheStatus: cacheStatus(res) }));
    const keys = page.keys.map(({ name, expiration, metadata }) => ({
      name, ...(expiration !== undefined && { expiration }), ...(metadata !== undefined && { metadata }),
    }));
    const { cacheStatus: status } = page;
    return page.list_complete
      ? { keys, list_complete: true, cacheStatus: status }
      : { keys, list_complete: false, cursor: page.cursor, cacheStatus: status };
  }

  // Beyond Workers.

  async entry(key, typeOrOptions) {
    const e = await this.#entry(key, readOptions(typeOrOptions));
    return e.revision === undefined ? null : e;
  }

  async set(key, value, given) {
    const options = optionsOf(given, "put", 3, "PutOptions");
    const query = { expiration: integer(options.expiration), expiration_ttl: integer(options.expirationTtl) };
    const segment = keySegment("PUT", key);
    const metadata = metadataText(options.metadata);
    const body = await putBody(value, metadata, { buffer: this.client.transport.buffer, signal: options.signal });
    try {
      return await this.#write({ op: "PUT", method: "PUT", query, body }, `/values/${segment}`, options);
    } catch (e) {
      body.end?.(e);
      throw e;
    }
  }

  async remove(key, given) {
    const options = given ?? {};
    return this.#write({ op: "DELETE", method: "DELETE" }, `/values/${keySegment("DELETE", key)}`, options);
  }

  async details(key, options) {
    try {
      const d = await this.#native({ path: `/keys/${keySegment("GET", key)}` }, options);
      return scanned(d);
    } catch (e) {
      if (isAbsent(e)) return null;
      throw e;
    }
  }

  async *keys(options = {}) {
    for await (const { name, expiration, metadata } of this.scan(options)) {
      yield { name, ...(expiration !== undefined && { expiration }), ...(metadata !== undefined && { metadata }) };
    }
  }

  scan(options = {}) {
    return pages(options, async (o) => {
      const { keys, cursor } = await this.scanPage(o);
      return { found: keys, cursor };
    });
  }

  scanPage(options = {}) {
    return scanPage((path, query) => this.#native({ path, query }, options), options);
  }

  count(options = {}) {
    return count((path, query) => this.#native({ path, query }, options), options);
  }

  watch(options = {}) {
    /** @type {KV | undefined} */
    let kv; // a position is of one namespace, whoever has its title later
    const open = async (query, headers, signal) => {
      kv ??= await current(this, { signal, timeout: options.timeout });
      return kv.#native({ path: "/watch", query, headers }, { signal, timeout: options.timeout }, async (res) => res);
    };
    return watch(open, this.client.transport, options);
  }

  transaction() {
    return new Transaction((body, options = {}) =>
      this.#native({ op: "TRANSACTION", path: "/transactions", body: jsonBody(body) }, options));
  }

  async add(key, delta = 1, options = {}) {
    const { revision, sums } = await this.transaction().add(key, delta, options).commit(options);
    return { revision, sum: /** @type {bigint} */ (sums.get(String(key))) };
  }

  async clear(prefix, options = {}) {
    if (typeof prefix !== "string" || prefix === "") throw new TypeError("clear takes a prefix; clearAll deletes every key");
    return this.#clear({ prefix }, options);
  }

  async clearAll(options = {}) {
    return this.#clear({ all: true }, options);
  }

  async #clear(what, options) {
    const kv = await current(this, options);
    const { revision } = await kv.#native({ op: "CLEAR", path: "/clear", body: jsonBody(what) }, options);
    return { revision };
  }

  async copy(target, options = {}) {
    const to = await this.client.currentId(targetRef(target), options).catch((e) => {
      if (e.code === "namespace_not_found") return target; // the server says whether it is that, or out of reach
      throw e;
    });
    const kv = new KV(this.client, await this.client.namespaceId(this.namespace, options), this.shared);
    return copy((body) => kv.#copyPage(body, options), to, options);
  }

  copyKey(key, target, toKey, options = {}) {
    return copyKey((body) => this.#copyPage(body, options), { key, target, toKey }, options);
  }

  #copyPage(body, options) {
    const headers = { // a copy reads, too
      "Godwit-Min-Revision": options.minRevision || this.shared?.revision,
      "Godwit-Consistency": this.#asked(options).consistency,
    };
    return this.#native({ op: "COPY", path: "/copy", headers, body: jsonBody(body) }, options);
  }

  async versionsPage(key, options = {}) {
    const query = { limit: integer(options.limit), cursor: options.cursor || undefined };
    return versionsPage(await this.#native({ path: `/keys/${keySegment("GET", key)}/versions`, query }, options));
  }

  versions(key, options = {}) {
    return pages(options, async (o) => {
      const { versions, cursor } = await this.versionsPage(key, o);
      return { found: versions, cursor };
    });
  }

  async version(key, revision, typeOrOptions) {
    return this.#earlier(key, `versions/${segmentOf("a revision", revision)}`, readOptions(typeOrOptions));
  }

  async entryAt(key, moment, typeOrOptions) {
    return this.#earlier(key, `at/${segmentOf("a moment", momentText(moment))}`, readOptions(typeOrOptions));
  }

  async #earlier(key, which, o) {
    try {
      return await this.#native({ path: `/keys/${keySegment("GET", key)}/${which}` }, o, (res) => earlierEntry(res, o.type));
    } catch (e) {
      if (isAbsent(e)) return null;
      throw e;
    }
  }

  async undelete(key, options = {}) {
    return undeleted(await this.#native({ op: "UNDELETE", path: `/keys/${keySegment("UNDELETE", key)}/undelete` }, options));
  }

  async restorePage(options = {}) {
    const call = { op: "RESTORE", path: "/restore", body: jsonBody(restoreBody(options)), reads: options.dryRun === true };
    const kv = await current(this, options);
    const { keys, cursor } = await kv.#native(call, options);
    return { keys, cursor: cursor || undefined };
  }

  async *restore(options = {}) {
    const kv = await current(this, options);
    yield* pages(options, async (o) => {
      const { keys, cursor } = await kv.restorePage(o);
      return { found: keys, cursor };
    });
  }

  analytics(options) {
    return this.#native({ path: "/analytics" }, options);
  }

  bulkPut(items, options = {}) {
    return bulkPut((body) => this.#write({ op: "PUT", method: "PUT", body }, "/bulk", options), items);
  }

  bulkDelete(keys, options = {}) {
    return bulkDelete((body) => this.#write({ op: "DELETE", method: "POST", body }, "/bulk/delete", options), keys);
  }

  session() {
    return this.shared?.revision ?? "";
  }

  resume(session) {
    this.shared?.see(new Session(session).revision);
    return this;
  }

  withSession(session) {
    return new KV(this.client, this.namespace, new Session(session));
  }

  // How it is done.

  /** The value alone, null where there is none. */
  async #value(key, o) {
    const segment = keySegment("GET", key);
    try {
      return await this.#rest({
        op: "GET", method: "GET", query: { cache_ttl: o.cacheTtl },
      }, `/values/${segment}`, o, async (res) => ({
        revision: revisionOf(res), value: await decoded(res, o.type), expiration: expirationOf(res), cacheStatus: cacheStatus(res),
      }));
    } catch (e) {
      if (isAbsent(e)) return null;
      throw e;
    }
  }

  /**
   * All of an entry, of one write; without a revision where there is none. A small
   * value comes with everything else in one answer, from a list of one key.
   *
   * @returns {Promise<any>}
   */
  async #entry(key, o) {
    const name = checkedKey("GET", key);
    if (o.type !== "stream") {
      const query = { ...scanQuery({ prefix: name, limit: 1, values: true }), cache_ttl: o.cacheTtl };
      const page = await this.#native({ path: "/keys", query }, o, async (res) => ({ ...await json(res), cacheStatus: cacheStatus(res) }));
      const found = page.keys[0];
      if (found?.name !== name) return { cacheStatus: page.cacheStatus };
      if (!found.value_omitted) {
        const value = await decoded(new Response(bytesOfScanned(found)), o.type).catch((e) => { throw e.cause ?? e; });
        return entryOf(scanned(found), value, page.cacheStatus);
      }
    }
    return this.#largeEntry(name, o);
  }

  /** The value and what is known of it, asked for by themselves until they agree. */
  async #largeEntry(key, o) {
    for (let attempt = 0; attempt <= this.client.transport.attempts; attempt++) {
      const v = await this.#value(key, o);
      if (v === null) return { cacheStatus: null };
      const d = await this.details(key, { ...o, minRevision: v.revision });
      if (d?.revision === v.revision) return entryOf(d, v.value, v.cacheStatus);
      if (o.type === "stream") await v.value.cancel().catch(() => {}); // written between the two
    }
    throw new GodwitError("unavailable", failed("GET", 503, "the key is written faster than it can be read"), { status: 503 });
  }

  async #bulkGet(keys, o, make, withMetadata) {
    const names = keys.map((k) => `${k}`);
    const body = jsonBody({ keys: names, type: o.type === "text" ? undefined : o.type, withMetadata });
    const { values, status } = await this.#rest({
      op: "GET_BULK", method: "POST", reads: true, body, query: { cache_ttl: o.cacheTtl },
    }, "/bulk/get", o, async (res) => ({ values: (await json(res)).result.values, status: cacheStatus(res) }));
    // Objects put some keys first: the order is that of the question.
    return new Map(names.map((k) => [k, make(Object.hasOwn(values, k) ? values[k] : null, status)]));
  }

  async #write(call, path, options) {
    const headers = { "If-Match": tag(options.ifMatch), "If-None-Match": tag(options.ifNoneMatch) };
    return this.#rest({ ...call, headers }, path, options, async (res) => {
      const revision = revisionOf(res);
      await json(res);
      return { revision };
    });
  }

  async #rest(call, path, options, read) {
    try {
      return await this.client.transport.send({
        ...call, path: await this.client.namespacePath(this.namespace, path, options),
        session: this.shared, options: this.#asked(options),
      }, read);
    } catch (e) {
      throw this.#noted(e);
    }
  }

  /**
   * Calls godwit's own API: reads, and with an `op` changes.
   *
   * @param {{op?: string, path: string, query?: Record<string, string>, headers?: Record<string, string>, body?: any, reads?: boolean}} call
   * @returns {Promise<any>}
   */
  async #native(call, options, read = json) {
    try {
      return await this.client.transport.send({
        op: "GET", method: call.op ? "POST" : "GET", ...call,
        path: await this.client.nativePath(this.namespace, call.path, options),
        session: this.shared, options: this.#asked(options),
      }, read);
    } catch (e) {
      throw this.#noted(e);
    }
  }

  #asked(options = {}) {
    return { ...options, consistency: consistencyOf(options.consistency ?? this.client.consistency) };
  }

  #noted(e) {
    if (e instanceof GodwitError && e.code === "namespace_not_found") this.client.forget(this.namespace);
    return e;
  }
}

/**
 * The namespace that the title of `kv` is of now, for all that is to be done there: what
 * deletes much is not for one that has the title later, nor for one that had it.
 *
 * @param {KV} kv
 * @param {any} [options]
 */
export async function current(kv, options) {
  return new KV(kv.client, await kv.client.currentId(kv.namespace, options), kv.shared);
}

function readOptions(typeOrOptions) {
  const o = isObject(typeOrOptions) ? typeOrOptions : { type: typeOrOptions ?? undefined };
  return { ...o, type: o.type === undefined ? "text" : `${o.type}`, cacheTtl: integer(o.cacheTtl) };
}

function entryOf({ name, ...details }, value, status) {
  return { value, metadata: null, ...details, cacheStatus: status };
}

function listLimit(limit) {
  const text = integer(limit ?? undefined);
  if (text === undefined || Number(text) <= 0) return undefined;
  if (Number(text) > 1000) {
    const message = `Invalid key_count_limit of ${text}. Please specify an integer less than 1000.`;
    throw new GodwitError("invalid_limit", failed("GET", 400, message), { status: 400 });
  }
  return text;
}

/** A revision as an entity tag. */
function tag(revision) {
  if (revision === undefined || revision === "*") return revision;
  if (typeof revision !== "string" || !/^[!#-~]{1,64}$/.test(revision)) {
    throw new TypeError('ifMatch and ifNoneMatch take a revision or "*"');
  }
  return `"${revision}"`;
}
