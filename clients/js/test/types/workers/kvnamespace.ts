// Held against @cloudflare/workers-types: godwit's KVNamespace is Workers' own.
import { connect } from "godwit";
import type * as ours from "godwit";

declare const kv: ours.KV;
declare const mine: ours.KVNamespace;
declare const theirs: KVNamespace;

// Whole, in either direction, and with keys of a narrower type.
export const drop: KVNamespace = kv;
export const env: { KV: KVNamespace } = { KV: connect({ url: "http://127.0.0.1:8787", token: "t", namespace: "birds" }) };
export const there: KVNamespace = mine;
export const back: ours.KVNamespace = theirs;
export const narrow: KVNamespace<"a" | "b"> = null! as ours.KVNamespace<"a" | "b">;
export const widen: ours.KVNamespace<"a" | "b"> = null! as KVNamespace<"a" | "b">;

// Each overload gives exactly what Workers' gives.
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false;
function same<A, B>(..._: Same<A, B> extends true ? [] : ["these types differ", A, B]): void {}

async function each<M extends { km: number }, V extends { legs: number }>() {
  const a = "k";
  const many = ["k"];
  const g1 = await kv.get(a), w1 = await theirs.get(a); same<typeof g1, typeof w1>();
  const g2 = await kv.get(a, "text"), w2 = await theirs.get(a, "text"); same<typeof g2, typeof w2>();
  const g3 = await kv.get<V>(a, "json"), w3 = await theirs.get<V>(a, "json"); same<typeof g3, typeof w3>();
  const g4 = await kv.get(a, "arrayBuffer"), w4 = await theirs.get(a, "arrayBuffer"); same<typeof g4, typeof w4>();
  const g5 = await kv.get(a, "stream"), w5 = await theirs.get(a, "stream"); same<typeof g5, typeof w5>();
  const g6 = await kv.get(a, { cacheTtl: 60 }), w6 = await theirs.get(a, { cacheTtl: 60 }); same<typeof g6, typeof w6>();
  const g7 = await kv.get(a, { type: "text" }), w7 = await theirs.get(a, { type: "text" }); same<typeof g7, typeof w7>();
  const g8 = await kv.get<V>(a, { type: "json", cacheTtl: 60 }), w8 = await theirs.get<V>(a, { type: "json", cacheTtl: 60 }); same<typeof g8, typeof w8>();
  const g9 = await kv.get(a, { type: "arrayBuffer" }), w9 = await theirs.get(a, { type: "arrayBuffer" }); same<typeof g9, typeof w9>();
  const g10 = await kv.get(a, { type: "stream" }), w10 = await theirs.get(a, { type: "stream" }); same<typeof g10, typeof w10>();
  const g11 = await kv.get(many, "text"), w11 = await theirs.get(many, "text"); same<typeof g11, typeof w11>();
  const g12 = await kv.get<V>(many, "json"), w12 = await theirs.get<V>(many, "json"); same<typeof g12, typeof w12>();
  const g13 = await kv.get(many), w13 = await theirs.get(many); same<typeof g13, typeof w13>();
  const g14 = await kv.get(many, { type: "text" }), w14 = await theirs.get(many, { type: "text" }); same<typeof g14, typeof w14>();
  const g15 = await kv.get<V>(many, { type: "json" }), w15 = await theirs.get<V>(many, { type: "json" }); same<typeof g15, typeof w15>();

  const m1 = await kv.getWithMetadata<M>(a), n1 = await theirs.getWithMetadata<M>(a);
  const m2 = await kv.getWithMetadata<M>(a, "text"), n2 = await theirs.getWithMetadata<M>(a, "text");
  const m3 = await kv.getWithMetadata<V, M>(a, "json"), n3 = await theirs.getWithMetadata<V, M>(a, "json");
  const m4 = await kv.getWithMetadata<M>(a, "arrayBuffer"), n4 = await theirs.getWithMetadata<M>(a, "arrayBuffer");
  const m5 = await kv.getWithMetadata<M>(a, "stream"), n5 = await theirs.getWithMetadata<M>(a, "stream");
  const m6 = await kv.getWithMetadata<V, M>(a, { type: "json" }), n6 = await theirs.getWithMetadata<V, M>(a, { type: "json" });
  const m7 = await kv.getWithMetadata<M>(many), n7 = await theirs.getWithMetadata<M>(many);
  const m8 = await kv.getWithMetadata<V, M>(many, "json"), n8 = await theirs.getWithMetadata<V, M>(many, "json");
  type Shape<T> = { [K in keyof T]: T[K] };
  same<Shape<typeof m1>, Shape<typeof n1>>();
  same<Shape<typeof m2>, Shape<typeof n2>>();
  same<Shape<typeof m3>, Shape<typeof n3>>();
  same<Shape<typeof m4>, Shape<typeof n4>>();
  same<Shape<typeof m5>, Shape<typeof n5>>();
  same<Shape<typeof m6>, Shape<typeof n6>>();
  const of7: typeof n7 = m7, of8: typeof n8 = m8;

  const l = await kv.list<M>({ prefix: null, limit: 1, cursor: null }), t = await theirs.list<M>({ prefix: null, limit: 1, cursor: null });
  const page: typeof t = l;
  if (!l.list_complete) same<typeof l.cursor, string>();
  for (const value of ["text", new ArrayBuffer(1), new Uint8Array(1), new ReadableStream()]) {
    const p: void = await kv.put(a, value, { expiration: 1, expirationTtl: 1, metadata: {} });
    void p;
  }
  const d: void = await kv.delete(a);
  void [of7, of8, page, d];

  // @ts-expect-error a value is no object
  await kv.put(a, { a: 1 });
  // @ts-expect-error there is no such type
  await kv.get(a, "blob");
}
void each;
