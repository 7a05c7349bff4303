// What a Worker of the suite is bound to.
export interface Env {
  KV: KVNamespace; // default limits; named by its id
  ALL: KVNamespace; // default limits; named by its title, for lists of everything
  BRIEF: KVNamespace; // expiration TTLs from 1 s
  ORACLE: boolean; // the namespaces are miniflare's: no godwit is there
}

// A case passes when it returns.
export type Case = (env: Env) => Promise<void>;
export type Cases = Record<string, Case>;
