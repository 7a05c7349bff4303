import { jsonBody } from "./body.js";
import { GodwitError } from "./errors.js";
import { segmentOf } from "./keys.js";
import { KV } from "./kv.js";
import { Session } from "./session.js";
import { Transport, consistencyOf, json } from "./transport.js";

/** Milliseconds for which the id of a title is kept: somebody may give the title to another namespace. */
const idKept = 5_000;

/** A server: its namespaces, and what is asked of it as a whole. */
export class Client {
  #account;
  #ids = new Map();

  /** @param {import("./index.d.ts").ClientOptions} options */
  constructor(options) {
    this.transport = new Transport(options);
    this.consistency = consistencyOf(options.consistency);
    this.shared = options.session === false ? undefined : new Session(options.session || "");
    this.#account = options.account;
  }

  kv(namespace) {
    return new KV(this, namespaceRef(namespace), this.shared);
  }

  session() {
    return this.shared?.revision ?? "";
  }

  // The node, and those that belong to it.

  status(options) {
    return this.#native({ path: "/godwit/v1/status" }, options);
  }

  async tree(options) {
    return (await this.#native({ path: "/godwit/v1/status", query: { tree: "1" } }, options)).tree;
  }

  startScrub(options) {
    return this.#native({ op: "SCRUB", method: "POST", path: "/godwit/v1/scrub", reads: true }, options);
  }

  cluster(options) {
    return this.#native({ path: "/godwit/v1/cluster" }, options);
  }

  async removeMember(name, options) {
    const path = `/godwit/v1/cluster/members/${segmentOf("a member's name", name)}`;
    await this.#native({ op: "CLUSTER", method: "DELETE", path, once: true }, options);
  }

  // Namespaces.

  async namespaces(options) {
    return (await this.#native({ path: "/godwit/v1/namespaces" }, options)).namespaces;
  }

  async ensureNamespace(title, options = {}) {
    const body = { title: namespaceRef(title), jurisdiction: options.jurisdiction, if_not_exists: true };
    const call = { op: "NAMESPACE", method: "POST", path: "/godwit/v1/namespaces", body: jsonBody(body), settled: "namespace_exists" };
    return this.#native(call, options, async (res) => ({ ...await json(res), created: res.status === 201 }));
  }

  async createNamespace(title, options = {}) {
    const body = { title: namespaceRef(title), jurisdiction: options.jurisdiction };
    return this.#rest("POST", "", options, body);
  }

  async renameNamespace(namespace, title, options) {
    const id = await this.currentId(namespaceRef(namespace), options);
    this.forget(id);
    return this.#rest("PUT", `/${id}`, options, { title: namespaceRef(title) });
  }

  async deleteNamespace(namespace, options) {
    const id = await this.currentId(namespaceRef(namespace), options);
    this.forget(id);
    await this.#rest("DELETE", `/${id}`, options);
  }

  async settings(namespace, options) {
    return this.#settings(namespace, {}, options);
  }

  async setSettings(namespace, changes, options) {
    return this.#settings(namespace, { op: "NAMESPACE", method: "PATCH", body: jsonBody(changes), settled: "namespace_not_found" }, options);
  }

  async #settings(namespace, call, options) {
    const path = await this.nativePath(namespaceRef(namespace), "/settings", options);
    return this.#native({ ...call, path }, options);
  }

  // Tokens.

  async tokens(options) {
    return (await this.#native({ path: "/godwit/v1/tokens" }, options)).tokens;
  }

  async createToken(spec, options) {
    return this.#native({ op: "TOKEN", method: "POST", path: "/godwit/v1/tokens", body: jsonBody(spec), once: true }, options);
  }

  async revokeToken(id, options) {
    await this.#native({ op: "TOKEN", method: "DELETE", path: `/godwit/v1/tokens/${segmentOf("a token's id", id)}`, once: true }, options);
  }

  async rotateRootToken(options) {
    return (await this.#native({ op: "TOKEN", method: "POST", path: "/godwit/v1/root-token/rotate", once: true }, options)).token;
  }

  // How it is done.

  /** The id of the namespace whose id, or else title, is `ref`. */
  async namespaceId(ref, options) {
    const known = this.#ids.get(ref);
    if (known && performance.now() - known.asked < idKept) return known.id;
    const asked = performance.now();
    const id = await this.#lookUp(ref, options);
    if (id !== ref) this.#ids.set(ref, { id, asked });
    return id;
  }

  /**
   * The same, asked for now, for what is not undone: what a node knows that is behind does
   * not do.
   */
  async currentId(ref, options) {
    return this.#lookUp(ref, options, { "Godwit-Consistency": "strong" });
  }

  /** A node that does not know the title asks those that may. */
  async #lookUp(ref, options, headers) {
    if (/^[0-9a-f]{32}$/.test(ref)) return ref;
    this.#ids.delete(ref);
    // A title of dots would be taken for a step in the path.
    const id = /^\.\.?$/.test(ref) ? await this.#listedId(ref, options) : await this.#askedId(ref, options, headers);
    if (id !== undefined) return id;
    throw new GodwitError("namespace_not_found", `KV GET failed: 404 there is no namespace ${JSON.stringify(ref)}`, { status: 404 });
  }

  async #listedId(title, options) {
    return (await this.namespaces(lasting(options))).find((n) => n.title === title)?.id;
  }

  async #askedId(title, options, headers) {
    try {
      return (await this.#native({ path: `/godwit/v1/namespaces/${encodeURIComponent(title)}`, headers }, lasting(options))).id;
    } catch (e) {
      // To a token that is not for it, it is not there.
      if (e instanceof GodwitError && (e.code === "namespace_not_found" || e.code === "forbidden")) return undefined;
      throw e;
    }
  }

  /** Drops a title, or those of an id, whose namespace turned out to be gone: another may have it by now. */
  forget(ref) {
    for (const [title, { id }] of this.#ids) if (title === ref || id === ref) this.#ids.delete(title);
  }

  /** A path of the REST API below a namespace. */
  async namespacePath(ref, rest, options) {
    const [account, id] = await Promise.all([this.#accountId(options), this.namespaceId(ref, options)]);
    return `/client/v4/accounts/${account}/storage/kv/namespaces/${id}${rest}`;
  }

  /** A path of godwit's own API below a namespace. */
  async nativePath(ref, rest, options) {
    return `/godwit/v1/namespaces/${await this.namespaceId(ref, options)}${rest}`;
  }

  async #accountId(options) {
    if (this.#account === undefined) {
      const accounts = await this.transport.json({
        op: "GET", method: "GET", path: "/client/v4/accounts", options: lasting(options),
      });
      const id = accounts?.result?.[0]?.id;
      if (typeof id !== "string" || id === "") throw new GodwitError("invalid_reply", "KV GET failed: the server names no account");
      this.#account = id;
    }
    return encodeURIComponent(this.#account);
  }

  async #rest(method, path, options, body) {
    const account = await this.#accountId(options);
    const answer = await this.transport.json({
      op: "NAMESPACE", method, path: `/client/v4/accounts/${account}/storage/kv/namespaces${path}`,
      body: body && jsonBody(body), settled: "namespace_not_found", session: this.shared, options,
    });
    return answer.result;
  }

  /** @returns {Promise<any>} */
  #native(call, options, read = json) {
    return this.transport.send({ op: "GET", method: "GET", ...call, session: this.shared, options }, read);
  }
}

/** What of a call's options holds for what has to be asked before it. */
function lasting(options) {
  return { signal: options?.signal, timeout: options?.timeout };
}

function namespaceRef(ref) {
  if (typeof ref !== "string" || ref === "" || ref.length > 512 || /\p{Surrogate}/u.test(ref)) {
    throw new TypeError("a namespace is named by its id or its title");
  }
  return ref;
}
