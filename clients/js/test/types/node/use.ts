// How it is used in Node, without any of Workers' types.
import { Client, connect, GodwitError, type KV, type WatchEvent } from "godwit";
import KeyvGodwit from "godwit/keyv";
import { plugins, type GodwitBindingOptions } from "godwit/miniflare";
import godwitDriver from "godwit/unstorage";
import Keyv5 from "keyv";
import Keyv6 from "keyv6";
import { createStorage, type Driver } from "unstorage";

const options = { url: "http://127.0.0.1:8787", token: "t", namespace: "birds" };
export const kv: KV = connect({ ...options, session: "12", consistency: "strong", timeout: 0, attempts: 1, fetch });

export async function use(signal: AbortSignal): Promise<void> {
  const { revision } = await kv.set("k", new ReadableStream<Uint8Array>(), { ifNoneMatch: "*", metadata: [1], signal });
  await kv.put("k", "v", { ifMatch: revision, requestId: "r" });
  const e = await kv.entry<{ km: number }>("k");
  const km: number | undefined = e?.metadata?.km;
  const legs: number | undefined = (await kv.entry<{ legs: number }>("k", "json"))?.value.legs;
  for await (const k of kv.scan<{ km: number }>({ where: { km: 1 }, reverse: true })) console.log(k.metadata?.km, k.revision);
  for await (const k of kv.scan<{ legs: number }>({ values: true, type: "json" })) console.log(k.value?.legs, k.valueOmitted);
  for await (const k of kv.keys({ prefix: "a" })) console.log(k.name);
  for await (const event of kv.watch({ prefix: "a", values: true, signal })) told(event);
  for await (const event of kv.watch({ type: "arrayBuffer" })) if (event.type === "put") console.log(event.value?.byteLength);
  const tx = await kv.transaction().check("k", null).put("k", "v", { expirationTtl: 60 }).delete("x").commit({ signal });
  console.log(tx.revision, km, legs, kv.withSession(kv.session()).resume("1").namespace);
  try {
    await kv.get("k", { signal, timeout: 1, consistency: "strong" });
  } catch (e) {
    if (e instanceof GodwitError) console.log(e.code, e.status, e.conditions?.[0]?.revision);
  }
  const client: Client = new Client(options);
  console.log((await client.namespaces())[0]?.title, (await client.status()).role, (await client.createNamespace("x")).id);
  await using watch = kv.watch();
  await watch.next();
  await kv.bulkPut([{ key: "k", value: "v" }], { requestId: "r" });
  await kv.bulkDelete(["k"], { requestId: "r", signal });
  const binding: GodwitBindingOptions = { namespace: "birds" };
  console.log(plugins.godwit.bindingTypeDescription, binding);
  await history();
  await administration(client);
  // @ts-expect-error a condition is a revision or null
  kv.transaction().check("k");
  // @ts-expect-error a namespace must be named
  connect({ url: "" });
}

async function history(): Promise<void> {
  for await (const v of kv.versions<{ km: number }>("k", { limit: 10 })) console.log(v.metadata?.km, v.state, v.until, v.ended);
  const { versions, since, cursor } = await kv.versionsPage("k");
  const then = await kv.entryAt<{ km: number }>("k", new Date());
  const text: string | undefined = then?.value;
  const legs: number | undefined = (await kv.version<{ legs: number }>("k", since, { type: "json" }))?.value.legs;
  const size: number | undefined = (await kv.version("k", since, "arrayBuffer"))?.value.byteLength;
  console.log(versions[0]?.size, cursor, text, then?.metadata?.km, legs, size, (await kv.undelete("k")).version.revision);
  for await (const k of kv.restore({ at: "2026-01-02T15:04:05Z", prefix: "a", dryRun: true })) console.log(k.name, k.outcome, k.revision);
  const done = await kv.copy("archive", { prefix: "a", toPrefix: "b", ifAbsent: true, progress: (sofar) => console.log(sofar.keys) });
  console.log(done.failed[0]?.code, (await kv.copyKey("k", "archive")).copied, (await kv.analytics()).last_day.read.latency_ms.p50);
  // @ts-expect-error a number could be seconds, milliseconds or a revision
  await kv.entryAt("k", 1);
}

async function administration(client: Client): Promise<void> {
  const ns = await client.ensureNamespace("birds");
  console.log(ns.created, ns.settings.erase_within);
  const settings = await client.setSettings(ns.id, { erase_within: "24h", history: null });
  const { id, token } = await client.createToken({ permission: "read", namespaces: ["birds"] });
  await client.revokeToken(id);
  console.log(settings.history, token, (await client.tree()).followers?.[0]?.url, (await client.startScrub()).unmended);
  console.log((await client.cluster()).members[0]?.problem, (await client.tokens())[0]?.permission, await client.rotateRootToken());
  // @ts-expect-error there is no such setting
  await client.setSettings("birds", { erase: "24h" });
}

function told(event: WatchEvent): void {
  switch (event.type) {
    case "put": console.log(event.key, event.size, event.value); break;
    case "delete": case "expire": console.log(event.key); break;
    case "ready": case "reset": console.log(event.id); break;
    default: event satisfies never;
  }
}

export const driver: Driver = godwitDriver({ ...options, base: "x", minTTL: 1 });
export const storage = createStorage({ driver: godwitDriver({ kv }) });
export const five = new Keyv5({ store: new KeyvGodwit({ kv }) });
export const six = new Keyv6({ store: new KeyvGodwit(options) });
