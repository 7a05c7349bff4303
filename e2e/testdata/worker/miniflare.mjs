// Runs the cases of a bundled Worker on miniflare's KV. Usage: node
// miniflare.mjs WORKER. Prints one line of JSON for each case: {"name",
// "error"?}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const { Miniflare } = createRequire(`${process.env.NODE_MODULES}/`)("miniflare");

// Where miniflare differs from Workers KV, or cannot be set up alike.
const differs = [
  /^expiry: /, // expiration TTLs of less than 60 s
  /^bulk get: 25 MiB together/, // it counts otherwise
  /^keys: each odd key/, // its list cuts a prefix off at NUL
];

const mf = new Miniflare({
  modules: true,
  script: readFileSync(process.argv[2], "utf8"),
  compatibilityDate: "2026-07-30",
  kvNamespaces: ["KV", "ALL", "BRIEF"],
  bindings: { ORACLE: true },
});
const get = (path) => mf.dispatchFetch(`http://worker/${encodeURIComponent(path)}`);
for (const name of await (await get("")).json()) {
  if (differs.some((d) => d.test(name))) continue;
  const res = await get(name);
  const body = await res.text();
  console.log(JSON.stringify(res.ok ? { name } : { name, error: body }));
}
await mf.dispose();
