import { GodwitError, answered } from "./errors.js";
import { joined, randomId } from "./body.js";

/** Bounds the wait between two attempts, whatever the server asks for. */
const maxBackoff = 5_000;
/** Bounds an answer that is read whole: a bulk get's are the largest. */
const maxReplyBytes = 256 << 20;
const maxErrorBytes = 64 << 10;

/**
 * @typedef {object} Call a request, sent as often as is safe
 * @property {string} op what the binding's messages call it
 * @property {string} method
 * @property {string} path percent-encoded, from the root of the server
 * @property {Record<string, string | undefined>} [query]
 * @property {Record<string, string | undefined>} [headers]
 * @property {{type: string, make: (touch: () => void) => any, repeatable: boolean}} [body]
 * @property {boolean} [reads] it changes no data, though it is no GET
 * @property {string} [settled] the code of an answer after which it does not matter what became of attempts before
 * @property {boolean} [once] no request id keeps it from being carried out twice
 * @property {import("./session.js").Session} [session]
 * @property {{signal?: AbortSignal, timeout?: number, consistency?: string, minRevision?: string, requestId?: string}} [options]
 */

/** Sends requests to one server. */
export class Transport {
  /**
   * @param {{url: string, token?: string, fetch?: typeof fetch, timeout?: number, attempts?: number, backoff?: number, bufferStreams?: boolean}} o
   */
  constructor(o) {
    this.base = baseOf(o.url);
    this.token = tokenOf(o.token);
    this.fetch = o.fetch ?? ((input, init) => globalThis.fetch(input, init));
    this.timeout = bounded("timeout", o.timeout, 60_000, 0, 2 ** 31 - 1);
    this.attempts = bounded("attempts", o.attempts, 4, 1, 100);
    this.backoff = bounded("backoff", o.backoff, 50, 0, maxBackoff);
    this.buffer = o.bufferStreams ?? !streamsRequests();
  }

  /**
   * Sends a call, and has `read` make of the answer what the caller wants. What the last
   * answer says of a write is not all: an attempt before may still be on its way.
   *
   * @template T
   * @param {Call} call
   * @param {(res: Response) => Promise<T>} read
   * @returns {Promise<T>}
   */
  async send(call, read) {
    const headers = this.#headers(call);
    const patience = new Patience(call.options?.signal, call.options?.timeout ?? this.timeout);
    let open = false; // an attempt may have been carried out
    try {
      for (let attempt = 1; ; attempt++) {
        try {
          return await this.#attempt(call, headers, patience, read);
        } catch (e) {
          open ||= leavesOpen(e);
          if (attempt >= this.attempts || !mayRepeat(call, e, patience)) throw explain(call, e, patience, open);
          await patience.sleep(this.#wait(attempt, e)).catch(() => { throw explain(call, e, patience, open); });
        }
      }
    } finally {
      patience.end();
    }
  }

  /**
   * Sends a call whose answer is JSON.
   *
   * @param {Call} call
   */
  json(call) {
    return this.send(call, json);
  }

  #headers(call) {
    const headers = new Headers();
    const o = call.options ?? {};
    set(headers, "Authorization", this.token && `Bearer ${this.token}`);
    set(headers, "Content-Type", call.body?.type);
    if (!writes(call)) {
      set(headers, "Godwit-Min-Revision", o.minRevision || call.session?.revision);
      set(headers, "Godwit-Consistency", o.consistency);
    } else {
      headers.set("Godwit-Request-Id", o.requestId ?? randomId());
    }
    for (const [name, text] of Object.entries(call.headers ?? {})) set(headers, name, text);
    return headers;
  }

  async #attempt(call, headers, patience, read) {
    const { touch, signal } = patience.begin();
    const body = call.body?.make(touch);
    touch();
    try {
      const res = await this.fetch(this.base + call.path + queryOf(call.query), {
        method: call.method, headers, body, signal, redirect: "manual",
        ...(call.body && !call.body.repeatable && { duplex: "half" }),
      });
      call.session?.see(res.headers.get("Godwit-Revision"));
      if (res.ok && !isGodwits(call, res)) await refused(res);
      if (!res.ok) throw answered(call.op, res, new TextDecoder().decode(await beginning(res, maxErrorBytes)));
      return await read(res);
    } catch (e) {
      throw body?.failure ? new Final(body.failure.error) : e;
    }
  }

  #wait(attempt, e) {
    if (e instanceof GodwitError && e.retryAfter) return Math.min(e.retryAfter * 1000, maxBackoff);
    const most = Math.min(this.backoff * 2 ** (attempt - 1), 1000);
    return most / 2 + Math.random() * most / 2;
  }

  /**
   * Waits before a connection that goes on for long is made again.
   *
   * @param {number} attempt
   * @param {unknown} e
   * @param {AbortSignal} signal
   */
  async pause(attempt, e, signal) {
    const patience = new Patience(signal, 0);
    await patience.sleep(this.#wait(Math.min(attempt, 8), e)).finally(() => patience.end());
  }
}

/** Carries an error that is the caller's as it stands, and that no other attempt mends. */
export class Final extends Error {
  constructor(error) {
    super("an error for the caller", { cause: error });
  }
}

/**
 * For how long a call may take, and who may end it. The time begins anew with each
 * attempt, and with each piece of a stream that is sent.
 */
class Patience {
  #timer;
  #over = false; // a body may still be read when the answer is there

  constructor(signal, timeout) {
    signal?.throwIfAborted();
    this.user = signal;
    this.timeout = bounded("timeout", timeout, 0, 0, 2 ** 31 - 1);
    this.late = false; // of the last attempt
  }

  /** Begins an attempt. The time of one that is over ends no other. */
  begin() {
    clearTimeout(this.#timer);
    this.late = false;
    const controller = new AbortController();
    const touch = () => {
      if (this.timeout === 0 || this.#over || controller !== this.controller) return;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#expire(controller), this.timeout);
    };
    this.controller = controller;
    return { touch, signal: this.user ? AbortSignal.any([this.user, controller.signal]) : controller.signal };
  }

  #expire(controller) {
    this.late = true;
    controller.abort(new DOMException(`no answer within ${this.timeout} ms`, "TimeoutError"));
  }

  end() {
    this.#over = true;
    clearTimeout(this.#timer);
  }

  /** @param {number} ms */
  sleep(ms) {
    clearTimeout(this.#timer);
    const signal = this.user;
    return new Promise((resolve, reject) => {
      const left = () => { clearTimeout(timer); reject(signal.reason); };
      const timer = setTimeout(() => { signal?.removeEventListener("abort", left); resolve(undefined); }, ms);
      if (signal?.aborted) return left();
      signal?.addEventListener("abort", left, { once: true });
    });
  }
}

function mayRepeat(call, e, patience) {
  if (patience.user?.aborted || e instanceof Final) return false;
  if (call.body && !call.body.repeatable) return false;
  if (call.once) return e instanceof GodwitError && e.status === 429;
  if (!(e instanceof GodwitError)) return !(e instanceof InvalidReply);
  if (e.code === "quota_reached") return false; // it does not pass by itself
  // All other writes have a request id, so what was carried out is not again.
  return e.status >= 520 && e.status <= 527 || passing.has(e.status);
}

/** Statuses of what passes by itself, besides those of a proxy whose server does not answer. */
const passing = new Set([429, 502, 503, 504]);

/** Tells whether a call changes data. */
function writes(call) {
  return call.method !== "GET" && !call.reads;
}

/**
 * Tells whether an attempt that failed with `e` may have been carried out: no answer
 * came, or one that is not godwit's, or that of a proxy which got none, or the server
 * cannot tell.
 */
function leavesOpen(e) {
  if (!(e instanceof GodwitError)) return !isUnsent(e);
  return e.code === "outcome_unknown" || e.status === 408 || e.status >= 500 && !refusals.has(e.status);
}

/** Of the statuses from 500 on, those that say that nothing was done. */
const refusals = new Set([501, 503, 505, 507]);

/** What Node and Bun call a connection that could not be made. Browsers and Deno say nothing. */
const unsent = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "UND_ERR_CONNECT_TIMEOUT", "ConnectionRefused"]);

function isUnsent(e) {
  return unsent.has(e?.cause?.code ?? e?.code);
}

/** The error of a call as its caller gets it. `open`: one of its attempts may have been carried out. */
function explain(call, e, patience, open) {
  if (patience.user?.aborted) return patience.user.reason;
  if (e instanceof Final) return e.cause;
  if (open && writes(call) && !settles(call, e)) return unknownOutcome(call, e, patience);
  if (e instanceof InvalidReply) return new GodwitError("invalid_reply", `KV ${call.op} failed: ${e.message}`, { status: e.status, cause: e.cause });
  if (e instanceof GodwitError) return e;
  return new GodwitError(patience.late ? "timeout" : "unavailable", `KV ${call.op} failed: ${reasonOf(e, patience)}`, { cause: e });
}

/** Tells whether an answer says all there is to say of a write, whatever became of attempts before. */
function settles(call, e) {
  return e instanceof GodwitError && (e.code === "outcome_unknown" || e.code === call.settled);
}

/** The error of a write that may be done. Its cause is what the last attempt came to. */
function unknownOutcome(call, e, patience) {
  const prefix = `KV ${call.op} failed: `;
  const answer = e instanceof GodwitError ? e : undefined;
  const why = answer ? answer.message.slice(prefix.length) : reasonOf(e, patience);
  return new GodwitError("outcome_unknown", `${prefix}the outcome is unknown: ${why}`, {
    status: e.status, retryAfter: answer?.retryAfter, cause: e,
  });
}

// fetch says "fetch failed" and hides why.
function reasonOf(e, patience) {
  if (patience.late) return `no answer within ${patience.timeout} ms`;
  return e?.cause?.code ?? (e?.cause?.message || e?.message || String(e));
}

/** An answer with a status of success that is not godwit's: asking again does not mend it. */
class InvalidReply extends Error {
  constructor(res, message, cause) {
    super(message, { cause });
    this.status = res.status;
  }
}

/**
 * Tells whether a success is of a godwit, and not the page of a proxy in between: all say
 * how far they are, but for reads of Cloudflare's API on a log that is empty.
 */
function isGodwits(call, res) {
  return res.headers.has("Godwit-Revision") || !writes(call) && res.headers.has("Godwit-Request-Id");
}

/** Leaves an answer that is not godwit's. */
async function refused(res) {
  await res.body?.cancel().catch(() => {});
  throw new InvalidReply(res, "the answer is not godwit's");
}

/** The answer's JSON. */
export async function json(res) {
  const bytes = await beginning(res, maxReplyBytes + 1);
  if (bytes.byteLength > maxReplyBytes) throw new InvalidReply(res, `the answer is over ${maxReplyBytes} bytes`);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (e) {
    throw new InvalidReply(res, "the answer is not godwit's: it is no JSON", e);
  }
}

/** At most `limit` bytes of an answer. */
async function beginning(res, limit) {
  if (!res.body) return new Uint8Array(0);
  const reader = res.body.getReader();
  const chunks = [];
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, size);
    const chunk = value.subarray(0, limit - size);
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size === limit) {
      await reader.cancel().catch(() => {});
      return joined(chunks, size);
    }
  }
}

function set(headers, name, text) {
  if (text !== undefined && text !== "") headers.set(name, text);
}

function queryOf(query) {
  const q = new URLSearchParams();
  for (const [name, text] of Object.entries(query ?? {})) if (text !== undefined) q.set(name, text);
  const text = q.toString();
  return text && `?${text}`;
}

/** The value of Godwit-Consistency, undefined for the usual one. */
export function consistencyOf(text) {
  if (text !== undefined && text !== "eventual" && text !== "strong") {
    throw new TypeError('consistency is "eventual" or "strong"');
  }
  return text === "strong" ? "strong" : undefined;
}

function baseOf(text) {
  let u;
  try {
    u = new URL(text);
  } catch {
    throw new TypeError("url is not of the form http://host:port");
  }
  if (u.protocol !== "http:" && u.protocol !== "https:") throw new TypeError("url is not of the form http://host:port");
  if (u.search || u.hash || u.username || u.password) throw new TypeError("url has parts beyond http://host:port");
  return u.href.replace(/\/+$/, "");
}

function tokenOf(token = "") {
  if (typeof token !== "string" || !/^[ -~]*$/.test(token)) throw new TypeError("the token is not printable text");
  return token;
}

/** A number from outside, or the default. */
export function bounded(name, value, otherwise, least, most) {
  if (value === undefined) return otherwise;
  if (typeof value !== "number" || !(value >= least && value <= most)) {
    throw new RangeError(`${name} must be a number between ${least} and ${most}`);
  }
  return value;
}

/**
 * Tells whether fetch sends streams as they are read. Browsers do over HTTP/2 alone,
 * and nothing says beforehand which it will be.
 */
function streamsRequests() {
  const { process, navigator } = /** @type {any} */ (globalThis);
  return typeof process?.versions?.node === "string" || /^(Node\.js|Deno|Bun|Cloudflare-Workers)\b/.test(navigator?.userAgent ?? "");
}
