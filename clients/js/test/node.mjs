// Starts real godwit nodes for the tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

const binary = process.env.GODWIT_BINARY ?? fileURLToPath(new URL("../../../bin/godwit", import.meta.url));
export const rootToken = "clients-js-root-token-0123456789";

/** A running node. `args` are more arguments of `godwit serve`. */
export async function startNode(...args) {
  await access(binary).catch(() => { throw new Error(`no ${binary}: run make build, or set GODWIT_BINARY`); });
  const dir = await mkdtemp(join(tmpdir(), "godwit-js-"));
  const ready = join(dir, "ready");
  let log = "";
  const child = spawn(binary, [
    "serve", "--data", join(dir, "data"), "--listen", "127.0.0.1:0", "--binding-listen", "127.0.0.1:0",
    "--root-token", rootToken, "--log-level", "warn", "--ready-file", ready, ...args,
  ], { stdio: ["ignore", "pipe", "pipe"] });
  const stop = () => void child.kill("SIGKILL"); // should the tests end without stopping it
  process.once("exit", stop);
  for (const out of [child.stdout, child.stderr]) out.on("data", (d) => { log = (log + d).slice(-8192); });
  const addresses = await awaitFile(ready, child, () => log);
  return {
    url: addresses.api, binding: addresses.binding, token: rootToken, child,
    async stop(signal = "SIGTERM") {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill(signal);
        await once(child, "exit");
      }
      process.removeListener("exit", stop);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function awaitFile(file, child, log) {
  for (let waited = 0; waited < 120_000; waited += 20) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (text) return JSON.parse(text);
    if (child.exitCode !== null) throw new Error(`godwit serve ended: ${log()}`);
    await sleep(20);
  }
  child.kill("SIGKILL");
  throw new Error(`godwit serve is not ready after 120 s: ${log()}`);
}

/** Asks until the answer is true. */
export async function until(what, ask) {
  for (let waited = 0; waited < 60_000; waited += 20) {
    if (await ask()) return;
    await sleep(20);
  }
  throw new Error(`${what}: not within 60 s`);
}

/** All that an iterator gives. */
export async function all(iterator) {
  const found = [];
  for await (const one of iterator) found.push(one);
  return found;
}
