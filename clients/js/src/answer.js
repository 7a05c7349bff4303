import { textOf } from "./body.js";
import { GodwitError } from "./errors.js";
import { Final } from "./transport.js";

/** The body of an answer as what was asked for. */
export async function decoded(res, type) {
  switch (type) {
    case "text": return textOf(await res.arrayBuffer());
    case "json": return parsed(textOf(await res.arrayBuffer()));
    case "arrayBuffer": return res.arrayBuffer();
    case "stream": return streamOf(res);
  }
  await res.body?.cancel();
  throw new Final(new TypeError('Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".'));
}

// Node cancels the body of an answer that nobody holds any more, and it reads as if it had
// ended: who holds the stream has to hold the answer.
const answers = new WeakMap();

function streamOf(res) {
  const stream = res.body ?? new Response("").body;
  answers.set(stream, res);
  return stream;
}

/** A value's JSON, which is the writer's business: asking again does not mend it. */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch (e) {
    throw new Final(e);
  }
}

/** The revision of the entry, or of the write. */
export function revisionOf(res) {
  const etag = /^(?:W\/)?"(.+)"$/.exec(res.headers.get("ETag") ?? "");
  return etag ? etag[1] : res.headers.get("Godwit-Revision") ?? "";
}

export function expirationOf(res) {
  const n = Number(res.headers.get("Expiration"));
  return n > 0 ? n : undefined;
}

export function cacheStatus(res) {
  return res.headers.get("CF-Cache-Status");
}

export function isAbsent(e) {
  return e instanceof GodwitError && e.code === "key_not_found";
}
