import type { ConnectOptions, KV } from "./index.js";

export interface DriverSettings {
  /** Stands before all keys, with a colon between. */
  base?: string;
  /**
   * Seconds that a TTL is raised to: the server takes none that is shorter than its
   * --min-expiration-ttl, 60 where it says nothing else.
   */
  minTTL?: number;
  /** Told of what ends a watch, such as a token that was revoked, and of what a listener throws, which ends none. */
  onError?: (error: unknown) => void;
}

/** Where the data is: as for `connect`, or a namespace that is connected already. */
export type DriverOptions = DriverSettings & (ConnectOptions & { kv?: undefined } | { kv: KV });

type StoredMeta = {
  size: number;
  birthtime: Date;
  mtime: Date;
  /** Seconds left. */
  ttl?: number;
};

interface ItemOptions {
  /** Seconds. */
  ttl?: number;
}

/** A driver as unstorage 1 takes it. */
export interface GodwitDriver {
  name: string;
  options: DriverOptions;
  flags: { ttl: boolean };
  getInstance(): KV;
  hasItem(key: string): Promise<boolean>;
  getItem(key: string): Promise<string | null>;
  getItemRaw(key: string): Promise<Uint8Array | null>;
  getItems(items: { key: string }[]): Promise<{ key: string; value: string | null }[]>;
  setItem(key: string, value: string, options?: ItemOptions): Promise<void>;
  setItemRaw(key: string, value: any, options?: ItemOptions): Promise<void>;
  setItems(items: { key: string; value: string; options?: ItemOptions }[], common?: ItemOptions): Promise<void>;
  removeItem(key: string): Promise<void>;
  getMeta(key: string): Promise<StoredMeta | null>;
  getKeys(base?: string): Promise<string[]>;
  clear(base?: string): Promise<void>;
  watch(changed: (event: "update" | "remove", key: string) => any): Promise<() => Promise<void>>;
  /** Leaves all watches. */
  dispose(): Promise<void>;
}

export default function godwitDriver(options: DriverOptions): GodwitDriver;
