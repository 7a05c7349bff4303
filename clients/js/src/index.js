import { Client } from "./client.js";

export { Client } from "./client.js";
export { GodwitError } from "./errors.js";

/** @param {import("./index.d.ts").ConnectOptions} options */
export function connect(options) {
  return new Client(options).kv(options.namespace);
}
