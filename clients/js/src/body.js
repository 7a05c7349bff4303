import { isObject, wrongType } from "./arguments.js";
import { GodwitError } from "./errors.js";

const encoder = new TextEncoder();

/** How much of a stream is read ahead, so that a small value can be sent again. */
const smallBytes = 64 << 10;

/**
 * A value as the binding takes it: bytes, or a stream of them.
 *
 * @returns {any} `{bytes, text}`, where `text` tells of what kind it was, or `{stream}`
 */
export function valueOf(value) {
  if (value === undefined) throw wrongType("put", 2, "string or Object");
  if (!isObject(value)) return { bytes: encoder.encode(`${value}`), text: true }; // String() would take a symbol
  const bytes = bytesOf(value);
  if (bytes) return { bytes, text: false };
  if (typeof value.getReader === "function") return { stream: value };
  throw new TypeError("KV put() accepts only strings, ArrayBuffers, ArrayBufferViews, and ReadableStreams as values.");
}

/** The bytes of a buffer or view, as they lie in it, undefined for anything else. */
export function bytesOf(value) {
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  const tag = Object.prototype.toString.call(value); // a buffer of another realm is one, too
  if (tag === "[object ArrayBuffer]" || tag === "[object SharedArrayBuffer]") return new Uint8Array(value);
  return undefined;
}

/** A value as text. A mark at its beginning is a part of it, as in Workers. */
export function textOf(bytes) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Metadata as text, undefined for none. */
export function metadataText(metadata) {
  if (metadata === undefined || metadata === null) return undefined;
  const text = JSON.stringify(metadata);
  if (text === undefined) {
    throw new GodwitError("invalid_metadata", "KV PUT failed: 400 Metadata is not valid JSON.", { status: 400 });
  }
  return text;
}

/**
 * What a put sends. The body of a long stream can be made once only, and has an `end`,
 * for when nobody reads on.
 *
 * @param {unknown} value
 * @param {string | undefined} metadata as text
 * @param {{buffer: boolean, signal?: AbortSignal}} how `buffer`: read streams whole
 */
export async function putBody(value, metadata, how) {
  let v = valueOf(value);
  if ("stream" in v) v = await readAhead(v.stream, how.buffer ? Infinity : smallBytes, how.signal);
  else if (!v.text) v = { bytes: v.bytes.slice(), text: false }; // the caller may fill the buffer anew
  const form = metadata === undefined ? undefined : formOf(metadata);
  const type = form?.type ?? ("text" in v && v.text ? "text/plain;charset=UTF-8" : "application/octet-stream");
  if ("bytes" in v) {
    const body = form ? new Blob([form.head, v.bytes, form.tail]) : v.bytes;
    return { type, make: () => body, repeatable: true };
  }
  return streamBody(type, v, form);
}

/** 128 random bits; randomUUID is not there for pages that came without TLS. */
export function randomId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

/** What stands around a value in a form with metadata. */
function formOf(metadata) {
  const boundary = `godwit-${randomId()}`;
  const part = (name, more) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
  return {
    type: `multipart/form-data; boundary=${boundary}`,
    head: encoder.encode(
      part("metadata", "") + metadata + "\r\n" +
      part("value", '; filename="value"\r\nContent-Type: application/octet-stream')),
    tail: encoder.encode(`\r\n--${boundary}--\r\n`),
  };
}

/** Reads a stream up to a limit: all of it as bytes, or its beginning and the rest. */
async function readAhead(stream, limit, signal) {
  const reader = stream.getReader();
  const leave = () => letGo(reader, signal.reason);
  signal?.addEventListener("abort", leave, { once: true });
  try {
    signal?.throwIfAborted(); // of that it tells nobody any more
    return await readUpTo(reader, limit, signal);
  } catch (e) {
    letGo(reader, e);
    throw e;
  } finally {
    signal?.removeEventListener("abort", leave);
  }
}

async function readUpTo(reader, limit, signal) {
  const chunks = [];
  let size = 0;
  while (size <= limit) {
    const { done, value } = await reader.read();
    signal?.throwIfAborted(); // a reader that was cancelled looks as if it had come to the end
    if (done) return { bytes: joined(chunks, size), text: false };
    const chunk = chunkOf(value);
    chunks.push(chunk);
    size += chunk.byteLength;
  }
  return { chunks, reader };
}

/** The bytes of a chunk, copied: the next may come in the same buffer. */
function chunkOf(value) {
  if (typeof value === "string") return encoder.encode(value);
  const chunk = bytesOf(value);
  if (!chunk) throw new TypeError("a stream given to KV put() must give bytes or text");
  return chunk.slice();
}

/** Tells a source that nobody reads on. One that is over is told nothing. */
function letGo(reader, reason) {
  reader.cancel(reason).catch(() => {});
}

export function joined(chunks, size) {
  const all = new Uint8Array(size);
  let at = 0;
  for (const c of chunks) {
    all.set(c, at);
    at += c.byteLength;
  }
  return all;
}

/**
 * The rest of a stream as a body that is read as it is sent. What goes wrong in the
 * source is kept in `failure`: fetch tells of it in words of its own. The source is let
 * go by `end`, and not by fetch alone: Node's reads on after a signal, for ever.
 */
function streamBody(type, { chunks, reader }, form) {
  const ready = form ? [form.head, ...chunks] : [...chunks];
  let read = false;
  let over;
  const end = (reason) => {
    over ??= { reason };
    letGo(reader, reason);
  };
  const next = async (body) => {
    try {
      const { done, value } = await reader.read();
      return done ? undefined : chunkOf(value);
    } catch (e) {
      body.failure = { error: e };
      end(e);
      throw e;
    }
  };
  const make = (touch) => {
    /** @type {any} */
    const body = new ReadableStream({
      async pull(controller) {
        touch();
        if (read) return controller.close();
        const chunk = over ? undefined : ready.shift() ?? await next(body);
        if (over) throw over.reason; // its source looks as if it had come to the end
        if (chunk) return controller.enqueue(chunk);
        read = true;
        if (form) return controller.enqueue(form.tail);
        controller.close();
      },
      cancel: end,
    }, { highWaterMark: 0 });
    body.failure = undefined;
    return body;
  };
  return { type, make, end, repeatable: false };
}

/** Base64 of bytes, in pieces that no engine finds too long. */
export function base64(bytes) {
  let text = "";
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/**
 * A value inside JSON: as text where it is text, else in base64. So is a text that would
 * be longer as one: bodies are bounded, and JSON has six bytes for a control character.
 *
 * @returns {{value: string, base64?: true}}
 */
export function inJSON(value) {
  const v = valueOf(value);
  if ("stream" in v) throw new TypeError("a stream cannot be part of a transaction or a bulk put: read it first");
  const text = textIn(v.bytes);
  if (text !== undefined && escapes(text) <= v.bytes.length / 3 + base64Mark) return { value: text };
  return { value: base64(v.bytes), base64: true };
}

const base64Mark = ',"base64":true'.length;

/** The text that bytes are, undefined where they are none. */
function textIn(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** How much longer a text becomes in JSON. */
function escapes(text) {
  return JSON.stringify(text).length - 2 - text.length;
}

/** A body of JSON, which can be sent again. */
export function jsonBody(value) {
  const text = JSON.stringify(value);
  return { type: "application/json", make: () => text, repeatable: true };
}
