import { fromBase64, textOf } from "./body.js";
import { GodwitError } from "./errors.js";
import { boundText } from "./keys.js";

/** For how long a server may say nothing: it says something every 15 seconds. */
const silence = 45_000;
/** Bounds an event: a value of 64 KiB, in the worst spelling of it, fits. */
const maxEvent = 1 << 20;

/** What connecting again may mend; a proxy may show a page of its own for a while. */
const passing = new Set(["unavailable", "too_many_requests", "timeout", "invalid_reply"]);
const statuses = { unauthenticated: 401, forbidden: 403, namespace_not_found: 404 };

/**
 * Watches over as many connections as it takes.
 *
 * @param {(query: object, headers: object, signal: AbortSignal) => Promise<Response>} open
 * @param {import("./transport.js").Transport} transport
 * @param {import("./index.d.ts").WatchOptions} o
 */
export function watch(open, transport, o) {
  const left = new AbortController();
  const signal = o.signal ? AbortSignal.any([o.signal, left.signal]) : left.signal;
  const events = run(open, transport, o, signal);
  const leave = async () => {
    left.abort(new DOMException("the watch was left", "AbortError"));
    await events.return(undefined);
    return { done: true, value: undefined };
  };
  return {
    next: async () => {
      try {
        return await events.next();
      } catch (e) {
        if (left.signal.aborted) return { done: true, value: undefined };
        throw o.signal?.aborted ? o.signal.reason : e;
      }
    },
    return: leave,
    [Symbol.asyncIterator]() { return this; },
    ...(Symbol.asyncDispose && { [Symbol.asyncDispose]: leave }),
  };
}

async function* run(open, transport, o, signal) {
  const position = { since: o.since ? eventId(o.since) : "", heard: false };
  let begun = false;
  for (let attempt = 1; ; attempt++) {
    position.heard = false;
    let failure;
    try {
      const query = { prefix: boundText("GET", o.prefix) || undefined, values: o.values ? "1" : undefined };
      const quiet = new Quiet(signal);
      try {
        const headers = { Accept: "text/event-stream", "Last-Event-ID": position.since };
        const res = await open(query, headers, quiet.signal);
        begun = true;
        yield* told(messages(res, quiet), position, o.type);
        failure = new GodwitError("unavailable", "KV WATCH failed: the connection ended");
      } finally {
        quiet.end();
      }
    } catch (e) {
      if (signal.aborted || !begun || !passes(e)) throw e;
      failure = e;
    }
    if (position.heard) attempt = 1;
    await transport.pause(attempt, failure, signal);
  }
}

/** Tells whether connecting again may mend an error of a watch that had begun. */
function passes(e) {
  if (e instanceof SyntaxError || e instanceof RangeError) return false;
  if (!(e instanceof GodwitError)) return true; // of the connection
  return passing.has(e.code);
}

/** Ends a connection that has been silent for too long. */
class Quiet {
  #controller = new AbortController();
  #timer;

  constructor(signal) {
    this.signal = AbortSignal.any([signal, this.#controller.signal]);
  }

  heard() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#controller.abort(new DOMException("the server is silent", "TimeoutError")), silence);
  }

  end() {
    clearTimeout(this.#timer);
    this.#controller.abort();
  }
}

/** The events of one connection. */
async function* told(all, position, type) {
  for await (const m of all) {
    position.heard = true;
    switch (m.kind) {
      case "put": case "delete": case "expire": case "ready": case "reset": {
        const e = eventOf(m, type);
        position.since = e.id;
        yield e;
        break;
      }
      case "error": throw failureOf(m);
    } // of another kind: one that comes later
  }
}

function eventOf(m, type) {
  const d = JSON.parse(m.data);
  const e = { type: m.kind, id: eventId(m.id), revision: d.revision };
  for (const name of ["key", "metadata", "expiration", "size"]) if (d[name] !== undefined) e[name] = d[name];
  const value = valueOf(d, type);
  if (value !== undefined) e.value = value;
  return e;
}

function eventId(id) {
  if (typeof id !== "string" || !/^[!-~]{1,64}$/.test(id)) throw new RangeError("since is the id of an event");
  return id;
}

function valueOf(d, type = "text") {
  if (d.value === undefined && d.value_base64 === undefined) return undefined;
  const bytes = d.value === undefined ? fromBase64(d.value_base64) : undefined;
  if (type === "arrayBuffer") return (bytes ?? new TextEncoder().encode(d.value)).buffer;
  return bytes ? textOf(bytes) : d.value;
}

function failureOf(m) {
  const { code, message } = JSON.parse(m.data);
  return new GodwitError(String(code), `KV WATCH failed: ${message}`, { status: statuses[code] ?? 503 });
}

/** The server-sent events of an answer, as they are asked for. */
async function* messages(res, quiet) {
  const reader = res.body.getReader();
  try {
    let m = {};
    let size = 0;
    for await (const line of lines(reader, quiet)) {
      size += line.length;
      if (size > maxEvent) throw new RangeError("an event is too long");
      if (line !== "") {
        field(m, line);
        continue;
      }
      if (m.data !== undefined) yield m;
      m = {};
      size = 0;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function field(m, line) {
  const colon = line.indexOf(":");
  const name = colon < 0 ? line : line.slice(0, colon);
  const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
  if (name === "event") m.kind = text;
  else if (name === "id") m.id = text;
  else if (name === "data") m.data = m.data === undefined ? text : `${m.data}\n${text}`;
}

async function* lines(reader, quiet) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    quiet.heard();
    const { done, value } = await reader.read();
    if (done) return; // what was begun is not an event
    const parts = decoder.decode(value, { stream: true }).split("\n");
    parts[0] = rest + parts[0];
    rest = parts.pop();
    if (rest.length > maxEvent) throw new RangeError("an event is too long");
    for (const line of parts) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
}
