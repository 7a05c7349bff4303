import { current } from "./kv.js";

/**
 * Deletes all keys of a prefix, which may be "", page by page.
 *
 * @param {any} namespace
 * @param {string} prefix
 */
export async function clear(namespace, prefix) {
  const kv = await current(namespace);
  let cursor;
  do {
    const page = await kv.scanPage({ prefix, limit: 10_000, cursor });
    await kv.bulkDelete(page.keys.map((k) => k.name));
    cursor = page.cursor;
  } while (cursor !== undefined);
}
