import { metadataText } from "./body.js";
import { checkedKey } from "./keys.js";
import { item } from "./transaction.js";

const maxItems = 10_000;
/** About how large the requests are that the work is split into. */
const maxBytes = 16 << 20;

/** Sends items in as many requests as are needed. */
export async function bulkPut(send, items) {
  for (const batch of batches(items, (i) => JSON.stringify({
    key: checkedKey("PUT", i.key), ...item(i.value, metadataText(i.metadata), i),
  }))) await send(batch);
}

export async function bulkDelete(send, keys) {
  for (const batch of batches(keys, (k) => JSON.stringify(checkedKey("DELETE", k)))) await send(batch);
}

function* batches(all, encode) {
  let batch = [];
  let size = 0;
  for (const one of all) {
    const text = encode(one);
    if (batch.length === maxItems || batch.length > 0 && size + text.length > maxBytes) {
      yield arrayOf(batch);
      batch = [];
      size = 0;
    }
    batch.push(text);
    size += text.length;
  }
  if (batch.length > 0) yield arrayOf(batch);
}

function arrayOf(items) {
  const text = `[${items.join(",")}]`;
  return { type: "application/json", make: () => text, repeatable: true };
}
