import { wrongType } from "./arguments.js";
import { GodwitError, failed } from "./errors.js";

const maxKeyBytes = 512;
const encoder = new TextEncoder();

/**
 * A key as a segment of a path, checked as a binding checks it.
 *
 * @param {string} op
 * @param {unknown} key
 */
export function keySegment(op, key) {
  return wellFormed(op, checkedKey(op, key));
}

/**
 * A key, checked as a binding checks it before it sends anything.
 *
 * @param {string} op
 * @param {unknown} key
 */
export function checkedKey(op, key) {
  if (key === undefined) {
    const types = op === "GET" ? "string or Array" : "string";
    throw wrongType(op.toLowerCase(), 1, types);
  }
  const text = `${key}`; // String() would take a symbol
  if (text === "") throw new TypeError("Key name cannot be empty.");
  if (text === "." || text === "..") throw new TypeError(`"${text}" is not allowed as a key name.`);
  const length = encoder.encode(text).byteLength;
  if (length > maxKeyBytes) {
    const message = `UTF-8 encoded length of ${length} exceeds key length limit of ${maxKeyBytes}.`;
    throw new GodwitError("key_too_long", failed(op, 414, message), { status: 414 });
  }
  wellFormed(op, text);
  return text;
}

/**
 * Text percent-encoded. Half a surrogate pair is no text: JSON and queries would turn
 * it into another key.
 *
 * @param {string} op
 * @param {string} text
 */
export function wellFormed(op, text) {
  try {
    return encodeURIComponent(text);
  } catch {
    throw new GodwitError("invalid_key", failed(op, 400, "Could not URL-decode key name"), { status: 400 });
  }
}

/**
 * A short text as a segment of a path. A server in between would tidy dots away.
 *
 * @param {string} what
 * @param {unknown} text
 */
export function segmentOf(what, text) {
  if (typeof text !== "string" || !/^[!-~]{1,200}$/.test(text) || /^\.\.?$/.test(text)) {
    throw new TypeError(`${what} is not of printable ASCII characters`);
  }
  return encodeURIComponent(text);
}

/** A bound of a list: not checked as keys are, but it must be text. */
export function boundText(op, text) {
  if (text === undefined || text === null) return undefined;
  const bound = `${text}`;
  wellFormed(op, bound);
  return bound;
}

/** A number as a binding makes an int32 of it, as text; undefined where none is given. */
export function integer(value) {
  if (value === undefined) return undefined;
  const given = +value; // Number() would take a bigint
  const n = Number.isFinite(given) ? Math.trunc(given) : 0;
  if (n < -(2 ** 31) || n > 2 ** 31 - 1) {
    throw new TypeError("Value out of range. Must be between -2147483648 and 2147483647 (inclusive).");
  }
  return String(n || 0); // of -0
}
