import { fromBase64, textOf } from "./body.js";
import { boundText } from "./keys.js";

/** The selection of a list or a count as the query of it. */
export function scanQuery(o) {
  const query = {};
  for (const name of ["prefix", "start", "end"]) query[name] = boundText("GET", o[name]) || undefined;
  query.cursor = o.cursor || undefined;
  if (o.where !== undefined) Object.assign(query, whereQuery(o.where));
  if (o.reverse) query.reverse = "1";
  if (o.values) query.values = "1";
  if (o.limit !== undefined) query.limit = String(o.limit);
  if (o.cacheTtl !== undefined) query.cache_ttl = String(o.cacheTtl);
  return query;
}

function whereQuery(where) {
  const fields = Object.entries(where ?? {});
  if (fields.length !== 1) throw new TypeError("where takes one field of the metadata: { field: value }");
  const [field, value] = fields[0];
  if (value !== null && !["string", "number", "boolean"].includes(typeof value)) {
    throw new TypeError("where compares with a string, a number, true, false or null");
  }
  return { [`metadata.${field}`]: String(value) };
}

export async function scanPage(ask, o) {
  const page = await ask("/keys", scanQuery(o));
  return {
    keys: page.keys.map((k) => {
      const key = scanned(k);
      if (!o.values) return key;
      return k.value_omitted ? { ...key, valueOmitted: true } : { ...key, value: valueOfScanned(k, o.type) };
    }),
    cursor: page.cursor || undefined,
  };
}

/** What the server tells of a key. */
export function scanned(k) {
  return {
    name: k.name, revision: k.revision, created: k.created, modified: k.modified, size: k.size,
    ...(k.expiration !== undefined && { expiration: k.expiration }),
    ...(k.metadata !== undefined && { metadata: k.metadata }),
  };
}

function valueOfScanned(k, type = "text") {
  switch (type) {
    case "text": return k.base64 ? textOf(fromBase64(k.value)) : k.value;
    case "json": return JSON.parse(k.base64 ? textOf(fromBase64(k.value)) : k.value);
    case "arrayBuffer": return bytesOfScanned(k).buffer;
  }
  throw new TypeError('Unknown type of values. Possible types are "text", "json" and "arrayBuffer".');
}

export function bytesOfScanned(k) {
  return k.base64 ? fromBase64(k.value) : new TextEncoder().encode(k.value);
}

export async function count(ask, o) {
  const { prefix, start, end, where } = o;
  const sum = { keys: 0, bytes: 0 };
  let cursor;
  do {
    const part = await ask("/count", scanQuery({ prefix, start, end, where, cursor }));
    sum.keys += part.keys;
    sum.bytes += part.bytes;
    cursor = part.cursor;
  } while (cursor);
  return sum;
}
