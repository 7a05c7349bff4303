// Usage: node platform.mjs PROJECT URL TOKEN. Prints one line of JSON for each case:
// {"name", "error"?}.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";

const [project, url, token] = process.argv.slice(2);
const plugin = join(project, "node_modules", "godwit", "src", "miniflare.js");
const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Miniflare } = require("miniflare");

async function run(name, body) {
  try {
    await body();
    console.log(JSON.stringify({ name }));
  } catch (e) {
    console.log(JSON.stringify({ name, error: String(e?.stack ?? e) }));
  }
}

function miniflare(options) {
  return new Miniflare({
    modules: true, compatibilityDate: "2026-07-30", cf: false,
    script: `export default { async fetch(request, env) {
      await env.BIRDS.put("worker", "x", { metadata: 5 });
      return Response.json([env.BIRDS.constructor.name, await env.BIRDS.list({ prefix: "worker" })]);
    } }`,
    unsafeBindings: [{ name: "BIRDS", type: "kv_namespace", plugin: { package: plugin, name: "godwit" }, options }],
  });
}

await run("miniflare: a Worker's binding", async () => {
  const mf = miniflare({ namespace: "birds", url, token });
  try {
    const got = await (await mf.dispatchFetch("http://worker/")).json();
    assert.deepEqual(got, ["KvNamespace", { keys: [{ name: "worker", metadata: 5 }], list_complete: true, cacheStatus: "HIT" }]);
    assert.equal(await (await mf.getBindings()).BIRDS.get("worker"), "x");
  } finally {
    await mf.dispose();
  }
});

for (const [name, options, message] of [
  ["no namespace", { url, token }, /has no namespace/],
  ["no token", { url, namespace: "birds" }, /has no token: set GODWIT_TOKEN/],
]) {
  await run(`miniflare: ${name}`, async () => {
    const mf = miniflare(options);
    await assert.rejects(mf.ready, message);
    await mf.dispose().catch(() => {});
  });
}

await run("getPlatformProxy", async () => {
  Object.assign(process.env, { GODWIT_URL: url, GODWIT_TOKEN: token });
  process.chdir(project);
  const configPath = join(project, "wrangler.jsonc");
  writeFileSync(configPath, readFileSync(configPath, "utf8").replace("godwit/miniflare", plugin)); // Node was not told where to look
  const { getPlatformProxy } = require("wrangler");
  const platform = await getPlatformProxy({ configPath, environment: "godwit", persist: false });
  try {
    await platform.env.BIRDS.put("platform", "x");
    assert.equal(await platform.env.BIRDS.get("platform"), "x");
    assert.equal(await platform.env.BIRDS.get("worker"), "x"); // it is godwit's, not a local one
  } finally {
    await platform.dispose();
  }
});
