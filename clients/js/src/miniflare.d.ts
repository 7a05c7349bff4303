/** What miniflare and wrangler ask of a plugin for their unsafe bindings. */
export interface GodwitPlugin {
  bindingTypeDescription: string;
  getBindings(options: unknown, ...more: unknown[]): Promise<{ name: string; kvNamespace: { name: string } }[]>;
  getNodeBindings(options: unknown): Promise<Record<string, unknown>>;
  getServices(options: { options: unknown; workerIndex: number }): Promise<{ name: string; external: object }[]>;
}

/** The options of a binding; the environment says what they leave out. */
export interface GodwitBindingOptions {
  /** Its id or title. */
  namespace: string;
  /** Of the API; GODWIT_URL where it is not given. */
  url?: string;
  /** GODWIT_TOKEN where it is not given. */
  token?: string;
  /** Of the binding port; GODWIT_BINDING_URL, or what the node says, where it is not given. */
  bindingUrl?: string;
}

export const plugins: { godwit: GodwitPlugin };
