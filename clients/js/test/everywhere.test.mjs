// The same program in every runtime that is installed. devDependencies bring Deno and
// Bun, each with its program in a package of the platform's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Client } from "godwit";

import { startNode } from "./node.mjs";

let node, client;
before(async () => {
  node = await startNode();
  client = new Client(node);
  await client.createNamespace("everywhere");
});
after(() => node.stop());

const program = fileURLToPath(new URL("everywhere.mjs", import.meta.url));
const modules = fileURLToPath(new URL("../node_modules/", import.meta.url));
const bunArch = process.arch === "arm64" ? "aarch64" : process.arch;
const runtimes = [
  ["node", process.execPath, []],
  ["deno", `${modules}@deno/${process.platform}-${process.arch}-glibc/deno`, ["run", "--no-lock", "--allow-all"]],
  ["bun", `${modules}@oven/bun-${process.platform}-${bunArch}/bin/bun`, ["run"]],
];
for (const [name, path, args] of runtimes) {
  test(name, { skip: !existsSync(path) && process.platform !== "linux" && "it is not installed" }, async () => {
    const { stdout } = await promisify(execFile)(path, [...args, program], {
      timeout: 60_000, env: { ...process.env, GODWIT_URL: node.url, GODWIT_TOKEN: node.token, DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" },
    });
    assert.equal(stdout.trim().split("\n").at(-1), "ok");
  });
}

// Every promise of the types is kept by the code, and nothing is there that has none.
test("the types name what there is", async () => {
  const text = await readFile(new URL("../src/index.d.ts", import.meta.url), "utf8");
  const declared = (start) => {
    const body = text.slice(text.indexOf(start), text.indexOf("\n}\n", text.indexOf(start)));
    return [...new Set([...body.matchAll(/^ {2}(\w+)(?:<[^(]*>)?\(/gm)].map((m) => m[1]))].filter((n) => n !== "constructor");
  };
  const kv = client.kv("everywhere");
  const has = (o) => Object.getOwnPropertyNames(Object.getPrototypeOf(o)).filter((n) => n !== "constructor").sort();
  assert.deepEqual(has(kv), [...new Set([...declared("export interface KV extends"), ...declared("export interface KVNamespace<Key")])].sort());
  assert.deepEqual(has(kv.transaction()), declared("export interface Transaction {").sort());
  const internal = ["currentId", "forget", "namespaceId", "namespacePath", "nativePath"];
  assert.deepEqual(has(client).filter((n) => !internal.includes(n)), declared("export class Client").sort());
});
