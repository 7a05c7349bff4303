// Makes KV bindings of `wrangler dev` and of miniflare out of godwit's: a plugin of the
// kind that wrangler's "unsafe" bindings name. It runs in wrangler's own process.
import process from "node:process";

import { connect, Client } from "./index.js";

const plugin = {
  bindingTypeDescription: "KV namespace (godwit)",

  /** @param {any} options @param {any[]} more whose last is the number of the worker */
  async getBindings(options, ...more) {
    return own(options).map(({ name }) => ({ name, kvNamespace: { name: serviceName(more.at(-1), name) } }));
  },

  /** What getPlatformProxy() gives: Node has no binding of workerd's, but the client is one. */
  async getNodeBindings(options) {
    return Object.fromEntries(own(options).map((b) => [b.name, connect(settings(b))]));
  },

  async getServices({ options, workerIndex }) {
    return Promise.all(own(options).map(async (b) => {
      const o = settings(b);
      const address = o.bindingUrl ?? (await new Client(o).status()).binding_url;
      return { name: serviceName(workerIndex, b.name), external: external(address, o) };
    }));
  },
};

export const plugins = { godwit: plugin };

/** The bindings of a worker that are this plugin's, as miniflare 4 tells them and as 5 does. */
function own(options) {
  if (Array.isArray(options)) return options;
  return Object.entries(options?.config?.env ?? {})
    .filter(([, b]) => b?.dev?.plugin?.name === "godwit")
    .map(([name, b]) => ({ name, options: b.dev.options }));
}

function serviceName(worker, name) {
  return `godwit:${worker}:${name}`;
}

/**
 * What a binding says, and the environment for what it leaves out.
 *
 * @param {{name: string, options?: any}} binding
 */
function settings({ name, options = {} }) {
  const { namespace, bindingUrl = process.env.GODWIT_BINDING_URL } = options;
  const url = options.url ?? process.env.GODWIT_URL ?? "http://127.0.0.1:8787";
  const token = options.token ?? process.env.GODWIT_TOKEN;
  for (const [what, text] of Object.entries({ namespace, token })) {
    if (typeof text !== "string" || !/^[^\r\n]+$/.test(text)) {
      throw new TypeError(`the godwit binding ${name} has no ${what}` + (what === "token" ? ": set GODWIT_TOKEN" : ""));
    }
  }
  return { namespace, url, token, bindingUrl };
}

/** The binding port as workerd names it. */
function external(address, { token, namespace }) {
  const u = new URL(address);
  const http = {
    injectRequestHeaders: [
      { name: "Authorization", value: `Bearer ${token}` },
      { name: "Godwit-Namespace", value: namespace },
    ],
  };
  if (u.protocol === "http:") return { address: u.host, http };
  return { address: u.host, https: { options: http, tlsOptions: { trustBrowserCas: true }, certificateHost: u.hostname } };
}
