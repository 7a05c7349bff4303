import { boundText, checkedKey } from "./keys.js";

/**
 * Copies what has a prefix, page by page, and tells what became of all of it.
 *
 * @param {(body: object) => Promise<any>} send
 * @param {string} target
 * @param {import("./index.d.ts").CopyOptions} o
 */
export async function copy(send, target, o) {
  const spec = {
    prefix: boundText("COPY", o.prefix) ?? "", to_prefix: boundText("COPY", o.toPrefix),
    to_namespace: target, if_absent: o.ifAbsent,
  };
  const sum = { keys: 0, bytes: 0, present: 0, failed: [], revision: "" };
  let cursor;
  do {
    const page = await send({ ...spec, cursor });
    add(sum, page);
    o.progress?.({ ...sum });
    cursor = page.cursor;
  } while (cursor);
  return sum;
}

function add(sum, page) {
  sum.keys += page.copied;
  sum.bytes += page.bytes;
  sum.present += page.present;
  sum.failed = sum.failed.concat(page.failed ?? []);
  sum.revision = page.revision;
}

/** Copies one key, and tells whether it did. */
export async function copyKey(send, { key, target, toKey }, o) {
  const { copied, revision } = await send({
    key: checkedKey("COPY", key), to_key: toKey === undefined ? undefined : checkedKey("COPY", toKey),
    to_namespace: targetRef(target), if_absent: o.ifAbsent,
  });
  return { copied: copied > 0, revision };
}

export function targetRef(target) {
  if (typeof target !== "string" || target === "") throw new TypeError("the namespace to copy to is named by its id or its title");
  return target;
}
