import type { ConnectOptions, KV } from "./index.js";

export interface KeyvGodwitSettings {
  /**
   * Milliseconds for which the server keeps an entry at least, whatever its TTL: the
   * server takes none that is shorter than its --min-expiration-ttl. 60,000 where it is
   * not given. Reads end with the TTL all the same.
   */
  minTtl?: number;
}

export type KeyvGodwitOptions = KeyvGodwitSettings & (ConnectOptions & { kv?: undefined } | { kv: KV; url?: string });

/** A storage adapter for Keyv 5 and 6: `new Keyv({ store: new KeyvGodwit({ url, token, namespace }) })`. */
export class KeyvGodwit {
  constructor(options: KeyvGodwitOptions);
  readonly kv: KV;
  opts: any;
  get<Value = any>(key: string): Promise<Value | undefined>;
  getMany<Value = any>(keys: string[]): Promise<(Value | undefined)[]>;
  /** `ttl` is milliseconds. */
  set(key: string, value: any, ttl?: number): Promise<boolean>;
  setMany(entries: { key: string; value: any; ttl?: number; expires?: number }[]): Promise<any>;
  delete(key: string): Promise<boolean>;
  deleteMany(keys: string[]): Promise<boolean>;
  /** Deletes all of Keyv's namespace; where Keyv has none, everything. */
  clear(): Promise<void>;
  has(key: string): Promise<boolean>;
  hasMany(keys: string[]): Promise<boolean[]>;
  iterator<Value = any>(namespace?: string): AsyncGenerator<[string, Value], void>;
  disconnect(): Promise<void>;
  on(event: string, listener: (...args: any[]) => void): this;
}

export default KeyvGodwit;
