// The JavaScript of README.md is one program, and runs.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { startNode } from "./node.mjs";

test("README.md", async () => {
  const text = await readFile(new URL("../README.md", import.meta.url), "utf8");
  const blocks = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map((m) => m[1]);
  assert.ok(blocks.length >= 9, `${blocks.length} blocks`);
  const program = fileURLToPath(new URL(`readme.${process.pid}.tmp.mjs`, import.meta.url)); // here, where imports are found
  const node = await startNode();
  try {
    await writeFile(program, blocks.join("\n"));
    const { stdout } = await promisify(execFile)(process.execPath, [program], {
      timeout: 30_000, env: { ...process.env, GODWIT_URL: node.url, GODWIT_TOKEN: node.token },
    });
    assert.match(stdout, /^tasmania \d+ \d+ { km: 13560 } Limosa lapponica\n\d+ deleted 16\n\d+ replaced 6\nrail put Rallus\nknot Calidris\n$/);
  } finally {
    await rm(program, { force: true });
    await node.stop();
  }
});
