// Runs worker.mjs in miniflare, its KV kept in a directory, and listens without
// the proxy that miniflare puts before a Worker.
// Usage: node miniflare.mjs NODE_MODULES DIRECTORY PORT
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const [modules, directory, port] = process.argv.slice(2);
const { Miniflare } = createRequire(modules + "/")("miniflare");
const script = fileURLToPath(new URL("worker.mjs", import.meta.url));

const miniflare = new Miniflare({
  modules: true,
  modulesRoot: dirname(script),
  scriptPath: script,
  compatibilityDate: "2026-07-01",
  kvNamespaces: ["KV"],
  kvPersist: directory,
  port: 0,
  unsafeDirectSockets: [{ host: "127.0.0.1", port: Number(port) }],
});
await miniflare.ready;
process.on("SIGTERM", async () => {
  await miniflare.dispose();
  process.exit(0);
});
