import { GodwitError } from "./errors.js";

/** How many keys a bulk get takes. It also takes 25 MiB of values at most. */
const mostKeys = 100;

/**
 * What `read` gives of each of any number of keys. What is too much for one bulk get is
 * asked for in halves, and what is too much by itself is no bulk.
 *
 * @param {(key: any) => Promise<any>} read of one key, or of an array of them a Map
 * @param {string[]} keys
 * @returns {Promise<Map<string, any>>}
 */
export async function readMany(read, keys) {
  const found = new Map();
  const left = [];
  for (let i = 0; i < keys.length; i += mostKeys) left.push(keys.slice(i, i + mostKeys));
  for (let part = left.pop(); part !== undefined; part = left.pop()) {
    try {
      for (const [key, value] of await read(part)) found.set(key, value);
    } catch (e) {
      if (!(e instanceof GodwitError && e.code === "bulk_too_large")) throw e;
      const half = part.length >> 1;
      if (half === 0) found.set(part[0], await read(part[0]));
      else left.push(part.slice(0, half), part.slice(half));
    }
  }
  return found;
}
