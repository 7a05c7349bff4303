/// <reference lib="esnext.disposable" />

/** What a client of a server may be told. */
export interface ClientOptions {
  /** The server's API, such as "http://127.0.0.1:8787". */
  url: string;
  /** A token of the server's. */
  token?: string;
  /**
   * What has been seen before: a text that `session()` returned, here or in another
   * process. `false`: nothing is carried from one call to the next.
   */
  session?: string | false;
  /** "strong": every read sees every write acknowledged before it began. */
  consistency?: Consistency;
  /**
   * Milliseconds to wait for an answer, of each attempt; 0: for ever. The time begins
   * anew with each piece of a stream that is sent. 60,000 where it is not given.
   */
  timeout?: number;
  /** How often a request is sent at most; 1: never again. 4 where it is not given. */
  attempts?: number;
  /** Milliseconds before the second attempt; they double with each. 50 where it is not given. */
  backoff?: number;
  /** The account, instead of asking the server for it. */
  account?: string;
  /** Sends the requests, for settings of one's own. */
  fetch?: typeof fetch;
  /**
   * Read streams whole before they are sent. So it is in browsers, which send streams
   * over HTTP/2 only: say `false` where that is sure.
   */
  bufferStreams?: boolean;
}

export interface ConnectOptions extends ClientOptions {
  /** The id or the title of the namespace. */
  namespace: string;
}

export type Consistency = "eventual" | "strong";

/** What any call may say. */
export interface CallOptions {
  /** Ends the call, which rejects with the signal's reason. */
  signal?: AbortSignal;
  /** In place of the client's. */
  timeout?: number;
}

export interface ReadOptions extends CallOptions {
  /** In place of the client's. */
  consistency?: Consistency;
  /** See the write that had this revision, and all before it. */
  minRevision?: string;
}

export interface WriteOptions extends CallOptions {
  /** Write only if the key has this revision; "*": any. */
  ifMatch?: string;
  /** Write only if the key has not this revision; "*": if there is no such key. */
  ifNoneMatch?: string;
  /** Names the write, so that it cannot be applied twice; a random one where it is not given. */
  requestId?: string;
}

/** A revision: whoever has seen it, at any node, sees the write. */
export interface Written {
  revision: string;
}

/** `namespace` of the server at `url`. Nothing is sent yet. */
export function connect(options: ConnectOptions): KV;

export class Client {
  constructor(options: ClientOptions);
  /** The namespace whose id, or else title, this is. Nothing is sent. */
  kv(namespace: string): KV;
  /** What has been seen so far by all namespaces of this client. */
  session(): string;
  status(options?: CallOptions): Promise<Status>;
  /** The node at the root of all, with those that follow it and those that follow them. */
  tree(options?: CallOptions): Promise<TreeNode>;
  /** Has the node read all that is on its disk, unless it does so already; tells at once how that stands. */
  startScrub(options?: CallOptions): Promise<Scrub>;
  /** The cluster that the node is a member of; rejects where it is of none. */
  cluster(options?: CallOptions): Promise<Cluster>;
  /** Has the cluster forget a member that is gone for good. */
  removeMember(name: string, options?: CallOptions): Promise<void>;
  /** Those that the token is for. */
  namespaces(options?: CallOptions): Promise<Namespace[]>;
  createNamespace(title: string, options?: CallOptions & { jurisdiction?: string; requestId?: string }): Promise<NamespaceInfo>;
  renameNamespace(namespace: string, title: string, options?: CallOptions): Promise<NamespaceInfo>;
  /** Deletes it with all its keys. */
  deleteNamespace(namespace: string, options?: CallOptions): Promise<void>;
  /** The namespace with this title, which is made if there is none: whoever asks at once gets the same one. */
  ensureNamespace(title: string, options?: CallOptions & { jurisdiction?: string; requestId?: string }): Promise<Namespace & { created: boolean }>;
  /** Those settings that the namespace has of its own. */
  settings(namespace: string, options?: CallOptions): Promise<Settings>;
  /** Changes those that are named; null takes one away. Tells all that are then set. */
  setSettings(namespace: string, changes: { [Name in keyof Settings]: Settings[Name] | null }, options?: CallOptions): Promise<Settings>;
  /** All but the root token, oldest first, without their secrets. */
  tokens(options?: CallOptions): Promise<Token[]>;
  /** Tells the secret, this once. Sent once: after "outcome_unknown" see `tokens`. */
  createToken(spec: TokenSpec, options?: CallOptions): Promise<Token & { token: string }>;
  revokeToken(id: string, options?: CallOptions): Promise<void>;
  /** Another root token, in place of the one that this client must have, which is then worth nothing. Sent once. */
  rotateRootToken(options?: CallOptions): Promise<string>;
}

export interface NamespaceInfo {
  id: string;
  title: string;
  jurisdiction?: string;
}

export interface Namespace extends NamespaceInfo {
  keys: number;
  bytes: number;
  settings: Settings;
  /** Of earlier versions, at a central node. */
  history_versions?: number;
  history_bytes?: number;
}

/** What is not there is as each node was told by its flags, or not limited. */
export interface Settings {
  /** Seconds. */
  min_expiration_ttl?: number;
  min_cache_ttl?: number;
  /** Writes a second on one key; 0: no limit. */
  writes_per_key?: number;
  consistency?: Consistency;
  /** Earlier versions to keep: "10" of each key, or those of "24h" or "30d". */
  history?: string;
  /**
   * Within which time the bytes of deleted, replaced and expired values are gone from
   * each node's disk: from "10m" on, such as "24h" or "30d".
   */
  erase_within?: string;
  /** What it may hold. */
  max_keys?: number;
  max_bytes?: number;
  /** Reads and writes, at each node. */
  requests_per_second?: number;
}

export type Permission = "read" | "write" | "admin" | "replicate";

export interface TokenSpec {
  permission: Permission;
  /** For people. */
  name?: string;
  /** Ids or titles of the namespaces that it is for; all where they are not given. */
  namespaces?: string[];
  /** Unix seconds. */
  expires?: number;
  /** That each node takes of it. */
  requests_per_second?: number;
}

export interface Token extends TokenSpec {
  id: string;
  /** Unix seconds. */
  created: number;
}

/** A node as it last told of itself, with those that follow it; it says more than is named here. */
export interface TreeNode {
  id: string;
  role: string;
  location?: string;
  url?: string;
  version: string;
  revision: string;
  ready: boolean;
  lag: number;
  staleness_ms: number;
  keys: number;
  bytes: number;
  followers?: TreeNode[];
  [more: string]: unknown;
}

/** How a node stands that reads all it has on its disk. Times are unix seconds. */
export interface Scrub {
  running: boolean;
  every_seconds: number;
  bytes_per_second: number;
  /** Of the pass under way. */
  began?: number;
  bytes: number;
  found: number;
  mended: number;
  /** Values known to be damaged now. */
  unmended: number;
  next?: number;
  /** Of the last pass that came to its end. */
  last_began?: number;
  last_ended?: number;
  last_bytes: number;
  last_found: number;
  last_mended: number;
}

/** The log that several central nodes share, as one of them sees it. */
export interface Cluster {
  name: string;
  node: string;
  /** "": nobody is known to lead. */
  leader: string;
  durability?: string;
  first: number;
  last: number;
  bytes: number;
  cap_bytes: number;
  format: number;
  members: Member[];
}

export interface Member {
  name: string;
  url: string;
  version: string;
  present: boolean;
  age_ms: number;
  ready: boolean;
  revision: string;
  applied: number;
  flushed: number;
  lag: number;
  problem?: string;
}

/** A node's account of itself; it says more than is named here. */
export interface Status {
  role: "central" | "edge";
  location: string;
  account: string;
  revision: string;
  ready: boolean;
  staleness_ms: number;
  binding_url: string;
  scrub: Scrub;
  [more: string]: unknown;
}

/** Everything that goes wrong on the way, or that the server refuses. */
export class GodwitError extends Error {
  /**
   * godwit's word: "precondition_failed", "key_too_long", "value_too_large",
   * "invalid_expiration_ttl", "namespace_not_found", "unauthenticated", "forbidden",
   * "too_many_writes", "too_many_requests", "quota_reached", "history_gone", "damaged", "disk_full", "unavailable",
   * "timeout", "outcome_unknown" and more. With "outcome_unknown" a write may be done, now or
   * later; `cause` is what its last attempt came to, be it "precondition_failed".
   */
  readonly code: string;
  /** The HTTP status of the last answer; 0: there was none. */
  readonly status: number;
  /** Seconds after which the server asks to be asked again. */
  readonly retryAfter?: number;
  /** Of a transaction: what stands under the keys whose conditions failed. */
  readonly conditions?: { key: string; revision: string | null }[];
}

/** A namespace: a KVNamespace as Workers have it, and more. */
export interface KV extends KVNamespace {
  readonly client: Client;
  /** Its id or title, as it was given. */
  readonly namespace: string;

  // Of KVNamespace's methods, these take more options than a binding does.
  put(key: string, value: KVValue, options?: KVNamespacePutOptions & WriteOptions): Promise<void>;
  delete(key: string, options?: WriteOptions): Promise<void>;
  list<Metadata = unknown>(options?: KVNamespaceListOptions & ReadOptions): Promise<KVNamespaceListResult<Metadata>>;

  /** As put, and tells the revision. */
  set(key: string, value: KVValue, options?: KVNamespacePutOptions & WriteOptions): Promise<Written>;
  /** As delete, and tells the revision from which on the key is gone. */
  remove(key: string, options?: WriteOptions): Promise<Written>;

  /** All of an entry, of one write; null: there is none. */
  entry<Metadata = unknown>(key: string, type?: "text" | (EntryOptions & { type?: "text" })): Promise<Entry<string, Metadata> | null>;
  entry<Value = unknown, Metadata = unknown>(key: string, type: "json" | (EntryOptions & { type: "json" })): Promise<Entry<Value, Metadata> | null>;
  entry<Metadata = unknown>(key: string, type: "arrayBuffer" | (EntryOptions & { type: "arrayBuffer" })): Promise<Entry<ArrayBuffer, Metadata> | null>;
  entry<Metadata = unknown>(key: string, type: "stream" | (EntryOptions & { type: "stream" })): Promise<Entry<ReadableStream, Metadata> | null>;

  /** All that is known of a key but its value; null: there is none. */
  details<Metadata = unknown>(key: string, options?: ReadOptions): Promise<Details<Metadata> | null>;

  /** All keys of a selection, as list tells of them, page by page as they are asked for. */
  keys<Metadata = unknown>(options?: ScanOptions): AsyncGenerator<KVNamespaceListKey<Metadata>, void, undefined>;
  /** All keys of a selection with all that is known of each. */
  scan<Metadata = unknown>(options: ScanOptions & { values: true; type?: "text" }): AsyncGenerator<ScannedWith<string, Metadata>, void, undefined>;
  scan<Value = unknown, Metadata = unknown>(options: ScanOptions & { values: true; type: "json" }): AsyncGenerator<ScannedWith<Value, Metadata>, void, undefined>;
  scan<Metadata = unknown>(options: ScanOptions & { values: true; type: "arrayBuffer" }): AsyncGenerator<ScannedWith<ArrayBuffer, Metadata>, void, undefined>;
  scan<Metadata = unknown>(options?: ScanOptions): AsyncGenerator<Details<Metadata>, void, undefined>;
  /** One page of a scan. It may have no keys, and a cursor all the same. */
  scanPage<Metadata = unknown>(options?: ScanOptions): Promise<{ keys: ScannedWith<unknown, Metadata>[]; cursor?: string }>;
  /** How many keys there are, and the bytes of their names, metadata and values. */
  count(options?: Selection & ReadOptions): Promise<{ keys: number; bytes: number }>;

  /**
   * The namespace's changes as they happen, until the loop is left or `signal` aborts.
   * When the connection breaks it goes on where it was.
   */
  watch<Metadata = unknown>(options: WatchOptions & { type: "arrayBuffer" }): Watch<ArrayBuffer, Metadata>;
  watch<Metadata = unknown>(options?: WatchOptions): Watch<string, Metadata>;

  /** Writes that take effect together, if all conditions hold, or not at all. */
  transaction(): Transaction;

  /**
   * Adds to a value that is an integer of 64 bits in decimal, 0 where there is none:
   * a counter, that counts each of many adds at once. An expiration is that of a key
   * which this makes. Rejects with the code "not_a_number" where it cannot be.
   */
  add(key: string, delta?: number, options?: KVNamespacePutOptions & CallOptions & { requestId?: string }): Promise<Written & { sum: bigint }>;

  /** Deletes every key with a prefix, which is not "", at once. */
  clear(prefix: string, options?: CallOptions & { requestId?: string }): Promise<Written>;
  /** Deletes every key at once. */
  clearAll(options?: CallOptions & { requestId?: string }): Promise<Written>;

  /**
   * Copies keys with their values, metadata and expiration to the namespace `target`, an id
   * or a title, at the server, in as many requests as are needed. Each key is copied as it
   * stands at one moment while its page is. After an error, copying again is safe.
   */
  copy(target: string, options?: CopyOptions): Promise<Copied>;
  /** Copies one key; rejects with the code "key_not_found" where there is none. */
  copyKey(key: string, target: string, toKey?: string, options?: ReadOptions & { ifAbsent?: boolean }): Promise<Written & { copied: boolean }>;

  /**
   * What the key holds and held, the newest first: earlier versions are kept where the
   * namespace's setting `history` says so. Rejects with the code "history_gone" where none are.
   */
  versions<Metadata = unknown>(key: string, options?: VersionsOptions): AsyncGenerator<Version<Metadata>, void, undefined>;
  versionsPage<Metadata = unknown>(key: string, options?: VersionsOptions): Promise<VersionsPage<Metadata>>;

  /** The version of the key that this revision made; null: it made none. */
  version<Metadata = unknown>(key: string, revision: string, type?: "text" | (ReadOptions & { type?: "text" })): Promise<EarlierEntry<string, Metadata> | null>;
  version<Value = unknown, Metadata = unknown>(key: string, revision: string, type: "json" | (ReadOptions & { type: "json" })): Promise<EarlierEntry<Value, Metadata> | null>;
  version<Metadata = unknown>(key: string, revision: string, type: "arrayBuffer" | (ReadOptions & { type: "arrayBuffer" })): Promise<EarlierEntry<ArrayBuffer, Metadata> | null>;
  version<Metadata = unknown>(key: string, revision: string, type: "stream" | (ReadOptions & { type: "stream" })): Promise<EarlierEntry<ReadableStream, Metadata> | null>;

  /**
   * What the key held at a moment; null: it was absent. Rejects with the code
   * "history_gone" where that is not known any more.
   */
  entryAt<Metadata = unknown>(key: string, moment: Moment, type?: "text" | (ReadOptions & { type?: "text" })): Promise<EarlierEntry<string, Metadata> | null>;
  entryAt<Value = unknown, Metadata = unknown>(key: string, moment: Moment, type: "json" | (ReadOptions & { type: "json" })): Promise<EarlierEntry<Value, Metadata> | null>;
  entryAt<Metadata = unknown>(key: string, moment: Moment, type: "arrayBuffer" | (ReadOptions & { type: "arrayBuffer" })): Promise<EarlierEntry<ArrayBuffer, Metadata> | null>;
  entryAt<Metadata = unknown>(key: string, moment: Moment, type: "stream" | (ReadOptions & { type: "stream" })): Promise<EarlierEntry<ReadableStream, Metadata> | null>;

  /**
   * Puts back what an absent key held last, without its expiration if that has passed.
   * Rejects with "precondition_failed" where it is not absent, "key_not_found" where it
   * never held anything.
   */
  undelete<Metadata = unknown>(key: string, options?: CallOptions & { requestId?: string }): Promise<Undeleted<Metadata>>;

  /**
   * Puts the keys with a prefix, or all, back to how they stood at a moment, and tells of
   * each that changes. The work is done as the loop goes on, page by page: who leaves it
   * leaves the rest as it is. The same restore may be begun again.
   */
  restore(options: RestoreOptions): AsyncGenerator<RestoredKey, void, undefined>;
  /** One page of a restore. It may have no keys, and a cursor all the same. */
  restorePage(options: RestoreOptions): Promise<{ keys: RestoredKey[]; cursor?: string }>;

  /** What was asked of the namespace at the node that answers, and what it holds. */
  analytics(options?: ReadOptions): Promise<Analytics>;

  /** Writes many keys, each a write of its own, in as many requests as are needed. */
  bulkPut(items: Iterable<BulkItem>, options?: CallOptions & { requestId?: string }): Promise<void>;
  bulkDelete(keys: Iterable<string>, options?: CallOptions & { requestId?: string }): Promise<void>;

  /** What has been seen so far: a text for `resume`, `withSession` or `connect`, in any process. */
  session(): string;
  /** See from now on what that session has seen, too. */
  resume(session: string): this;
  /** The same namespace with a session of its own, as for one user of many. */
  withSession(session?: string): KV;
}

export type KVValue = string | ArrayBuffer | ArrayBufferView | ReadableStream;

export type EntryOptions = ReadOptions & { cacheTtl?: number };

export interface Details<Metadata = unknown> {
  name: string;
  /** Of the write that made it: for ifMatch. */
  revision: string;
  /** Unix milliseconds of the write that made the key, and of the last one. */
  created: number;
  modified: number;
  /** Bytes of the value. */
  size: number;
  /** Unix seconds. */
  expiration?: number;
  metadata?: Metadata;
}

export interface Entry<Value, Metadata = unknown> extends Omit<Details<Metadata>, "name" | "metadata"> {
  value: Value;
  metadata: Metadata | null;
  cacheStatus: string | null;
}

export interface ScannedWith<Value, Metadata = unknown> extends Details<Metadata> {
  value?: Value;
  /** The value is over 64 KiB, or not held by the node: get it by itself. */
  valueOmitted?: true;
}

export interface CopyOptions extends ReadOptions {
  /** Only keys that start with it. */
  prefix?: string;
  /** Stands in the place of the prefix in their new names. */
  toPrefix?: string;
  /** Leave keys as they are that the target has. */
  ifAbsent?: boolean;
  /** Told after each page what was copied so far. */
  progress?: (sofar: Copied) => void;
}

export interface Copied {
  keys: number;
  /** Of their values. */
  bytes: number;
  /** Left as they were, as `ifAbsent` says. */
  present: number;
  /** What cannot be under its new name. */
  failed: { key: string; code: string; message: string }[];
  /** Whoever has seen it sees all that was copied. */
  revision: string;
}

/** A time, as a Date or a text by RFC 3339, or a revision: the state with that write and all before it. */
export type Moment = Date | string;

export interface VersionsOptions extends ReadOptions {
  /** Versions in a page, 1 to 1,000; 100 where it is not given. */
  limit?: number;
  /** Of an earlier page. */
  cursor?: string;
}

export interface VersionsPage<Metadata = unknown> {
  versions: Version<Metadata>[];
  /** The revision from which on the key's history is whole. */
  since: string;
  cursor?: string;
}

/** What a key holds, or held from one revision to another. */
export interface Version<Metadata = unknown> extends Details<Metadata> {
  /** "cleared": deleted with all keys of a prefix. */
  state: "current" | "replaced" | "deleted" | "expired" | "cleared";
  /** The revision that ended it. */
  until?: string;
  /** Unix milliseconds. */
  ended?: number;
}

export interface EarlierEntry<Value, Metadata = unknown> {
  value: Value;
  metadata: Metadata | null;
  /** Of the write that made it. */
  revision: string;
  /** Unix milliseconds of that write. */
  modified: number;
  /** Unix seconds. */
  expiration?: number;
  /** The revision that ended it; it stands where there is none. */
  until?: string;
}

export interface Undeleted<Metadata = unknown> extends Written {
  /** Unix seconds. */
  expiration?: number;
  /** That was put back. */
  version: Version<Metadata>;
}

export interface RestoreOptions extends CallOptions {
  at: Moment;
  /** Only keys that start with it. */
  prefix?: string;
  /** Every key: to leave out the prefix does not mean that. */
  all?: boolean;
  /** Tell what would be done, and do nothing. */
  dryRun?: boolean;
  /** Keys in a page, 1 to 1,000; 100 where it is not given. */
  limit?: number;
  /** Of an earlier page of the same restore. */
  cursor?: string;
}

/** A key that did not stand as it did. */
export interface RestoredKey {
  name: string;
  /**
   * "put": it holds again what it held. "deleted": it was absent then. "conflict": it was
   * written meanwhile, and left alone. "lost": what it held is not kept, and it was left alone.
   */
  outcome: "put" | "deleted" | "conflict" | "lost";
  /** Its revision before. */
  was?: string;
  /** The revision of the version that was put back, and its size. */
  from?: string;
  size?: number;
  /** Of the write. */
  revision?: string;
}

export interface Analytics {
  /** When the node began to count, in unix seconds. */
  since: number;
  keys: number;
  bytes: number;
  last_hour: Record<"read" | "write" | "delete" | "list", ActionTotal>;
  last_day: Record<"read" | "write" | "delete" | "list", ActionTotal>;
}

export interface ActionTotal {
  requests: number;
  keys: number;
  bytes: number;
  failed: number;
  /** What so many requests did not exceed, in milliseconds, right within a factor of two. */
  latency_ms: Record<"p25" | "p50" | "p75" | "p90" | "p99" | "p999", number>;
}

export interface Selection {
  /** Only keys that start with it. */
  prefix?: string;
  /** Only keys from this one on, itself too. */
  start?: string;
  /** Only keys before this one, not itself. */
  end?: string;
  /** Only keys whose metadata is an object with this one field of this value. */
  where?: Record<string, string | number | boolean | null>;
}

export interface ScanOptions extends Selection, ReadOptions {
  /** In descending order of their bytes. */
  reverse?: boolean;
  /** With values, up to 64 KiB. */
  values?: boolean;
  /** What values are given as: "text" where it is not given. */
  type?: "text" | "json" | "arrayBuffer";
  /** Keys in a page, 1 to 10,000; 1,000 where it is not given. */
  limit?: number;
  /** Of an earlier page of the same selection. */
  cursor?: string;
  cacheTtl?: number;
}

export interface WatchOptions extends CallOptions {
  /** Only keys that start with it. */
  prefix?: string;
  /** The id of the last event seen, at any node: go on behind it. From now on where it is not given. */
  since?: string;
  /** With the values of puts, up to 64 KiB. */
  values?: boolean;
  /** What values are given as: "text" where it is not given. */
  type?: "text" | "arrayBuffer";
}

export interface Watch<Value, Metadata = unknown> extends AsyncIterableIterator<WatchEvent<Value, Metadata>> {
  return(): Promise<IteratorResult<WatchEvent<Value, Metadata>>>;
  /** Where the platform has it: `await using` leaves the watch at the end of its block. */
  [Symbol.asyncDispose](): Promise<void>;
}

export type WatchEvent<Value = string, Metadata = unknown> =
  | { type: "put"; id: string; revision: string; key: string; size: number; metadata?: Metadata; expiration?: number; value?: Value }
  | { type: "delete"; id: string; revision: string; key: string }
  | { type: "expire"; id: string; revision: string; key: string; expiration: number }
  /** Everything up to `id` has been told. */
  | { type: "ready"; id: string; revision: string }
  /** What came after the position is not known any more: list all keys anew; the watch goes on from here. */
  | { type: "reset"; id: string; revision: string };

/** At most 1,000 keys and 4 MiB, each key in one write and in one condition at most. */
export interface Transaction {
  /** What the key must have: a revision, null for no such key, or "any". */
  check(key: string, revision: string | null): this;
  put(key: string, value: string | ArrayBuffer | ArrayBufferView, options?: KVNamespacePutOptions): this;
  delete(key: string): this;
  /** Adds to a number; see KV.add. */
  add(key: string, delta?: number, options?: KVNamespacePutOptions): this;
  /** Rejects with the code "precondition_failed" where a condition does not hold. */
  commit(options?: CallOptions & { requestId?: string }): Promise<Written & { sums: Map<string, bigint> }>;
}

export interface BulkItem extends KVNamespacePutOptions {
  key: string;
  value: string | ArrayBuffer | ArrayBufferView;
}

// What follows is KVNamespace as @cloudflare/workers-types has it.

export interface KVNamespaceListKey<Metadata, Key extends string = string> {
  name: Key;
  expiration?: number;
  metadata?: Metadata;
}

export type KVNamespaceListResult<Metadata, Key extends string = string> =
  | { list_complete: false; keys: KVNamespaceListKey<Metadata, Key>[]; cursor: string; cacheStatus: string | null }
  | { list_complete: true; keys: KVNamespaceListKey<Metadata, Key>[]; cacheStatus: string | null };

export interface KVNamespaceListOptions {
  limit?: number;
  prefix?: string | null;
  cursor?: string | null;
}

export interface KVNamespaceGetOptions<Type> {
  type: Type;
  cacheTtl?: number;
}

export interface KVNamespacePutOptions {
  expiration?: number;
  expirationTtl?: number;
  metadata?: any | null;
}

export interface KVNamespaceGetWithMetadataResult<Value, Metadata> {
  value: Value | null;
  metadata: Metadata | null;
  cacheStatus: string | null;
}

type GetOptions<Type> = KVNamespaceGetOptions<Type> & ReadOptions;
type NoType = Partial<KVNamespaceGetOptions<undefined>> & ReadOptions;
type Result<Value, Metadata> = Promise<KVNamespaceGetWithMetadataResult<Value, Metadata>>;
type Results<Value, Metadata> = Promise<Map<string, KVNamespaceGetWithMetadataResult<Value, Metadata>>>;

export interface KVNamespace<Key extends string = string> {
  get(key: Key, options?: NoType): Promise<string | null>;
  get(key: Key, type: "text"): Promise<string | null>;
  get<ExpectedValue = unknown>(key: Key, type: "json"): Promise<ExpectedValue | null>;
  get(key: Key, type: "arrayBuffer"): Promise<ArrayBuffer | null>;
  get(key: Key, type: "stream"): Promise<ReadableStream | null>;
  get(key: Key, options?: GetOptions<"text">): Promise<string | null>;
  get<ExpectedValue = unknown>(key: Key, options?: GetOptions<"json">): Promise<ExpectedValue | null>;
  get(key: Key, options?: GetOptions<"arrayBuffer">): Promise<ArrayBuffer | null>;
  get(key: Key, options?: GetOptions<"stream">): Promise<ReadableStream | null>;
  get(key: Array<Key>, type: "text"): Promise<Map<string, string | null>>;
  get<ExpectedValue = unknown>(key: Array<Key>, type: "json"): Promise<Map<string, ExpectedValue | null>>;
  get(key: Array<Key>, options?: NoType): Promise<Map<string, string | null>>;
  get(key: Array<Key>, options?: GetOptions<"text">): Promise<Map<string, string | null>>;
  get<ExpectedValue = unknown>(key: Array<Key>, options?: GetOptions<"json">): Promise<Map<string, ExpectedValue | null>>;

  list<Metadata = unknown>(options?: KVNamespaceListOptions): Promise<KVNamespaceListResult<Metadata, Key>>;
  put(key: Key, value: KVValue, options?: KVNamespacePutOptions): Promise<void>;

  getWithMetadata<Metadata = unknown>(key: Key, options?: NoType): Result<string, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, type: "text"): Result<string, Metadata>;
  getWithMetadata<ExpectedValue = unknown, Metadata = unknown>(key: Key, type: "json"): Result<ExpectedValue, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, type: "arrayBuffer"): Result<ArrayBuffer, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, type: "stream"): Result<ReadableStream, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, options: GetOptions<"text">): Result<string, Metadata>;
  getWithMetadata<ExpectedValue = unknown, Metadata = unknown>(key: Key, options: GetOptions<"json">): Result<ExpectedValue, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, options: GetOptions<"arrayBuffer">): Result<ArrayBuffer, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Key, options: GetOptions<"stream">): Result<ReadableStream, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Array<Key>, type: "text"): Results<string, Metadata>;
  getWithMetadata<ExpectedValue = unknown, Metadata = unknown>(key: Array<Key>, type: "json"): Results<ExpectedValue, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Array<Key>, options?: NoType): Results<string, Metadata>;
  getWithMetadata<Metadata = unknown>(key: Array<Key>, options?: GetOptions<"text">): Results<string, Metadata>;
  getWithMetadata<ExpectedValue = unknown, Metadata = unknown>(key: Array<Key>, options?: GetOptions<"json">): Results<ExpectedValue, Metadata>;

  delete(key: Key): Promise<void>;
}

export {};
