// What becomes of the source of a stream that put does not read to its end.
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";

import { Client, connect } from "godwit";

import { faults, startProxy } from "./faults.mjs";
import { startNode, until } from "./node.mjs";

let node, proxy, kv;
before(async () => {
  node = await startNode();
  const { id } = await new Client(node).createNamespace("birds");
  proxy = await startProxy(node.url);
  kv = connect({ url: proxy.url, token: node.token, namespace: id, backoff: 5 });
  await kv.put("warm", "up"); // the account is known from here on
});
after(async () => {
  await proxy?.stop();
  await node.stop();
});
afterEach(() => assert.deepEqual(proxy.faults, [], "every fault was met"));

/** A stream without an end that tells how often it was asked, and that it was let go. */
function endless(chunk = () => new Uint8Array(65_536)) {
  const source = { asked: 0, ended: false, stream: undefined };
  source.stream = new ReadableStream({
    async pull(c) {
      source.asked++;
      await turn();
      c.enqueue(await chunk(source));
    },
    cancel() { source.ended = true; },
  });
  return source;
}

const turn = () => new Promise((r) => setImmediate(r)); // all else comes to its turn

/** The source of a put that failed is let go, and is not asked again. */
async function letGo(source) {
  await until("the source is let go", () => source.ended);
  const { asked } = source;
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(source.asked, asked);
}

const failure = (put) => put.then(() => assert.fail("it was stored"), (e) => e);
const late = { timeout: 50 };
const refusal = { before: (req, res) => res.writeHead(403, { "Godwit-Revision": "1" }).end('{"errors":[{"code":10037,"message":"no"}]}') };

for (const [what, options] of [["a value", {}], ["a value with metadata", { metadata: 1 }]]) {
  test(`${what}: nobody takes it`, async () => {
    proxy.faults = [{ before: (req) => req.pause() }];
    const source = endless();
    const e = await failure(kv.put("k", source.stream, { ...options, ...late }));
    assert.equal(e.code, "outcome_unknown");
    await letGo(source);
  });

  test(`${what}: it is left while it is sent`, async () => {
    proxy.faults = [faults.silent];
    const left = new AbortController();
    const source = endless(({ asked }) => {
      if (asked === 20) left.abort(new Error("left"));
      return new Uint8Array(65_536);
    });
    const e = await failure(kv.put("k", source.stream, { ...options, signal: left.signal }));
    assert.equal(e.message, "left");
    await letGo(source);
  });

  test(`${what}: it is left while the source says nothing`, async () => {
    proxy.faults = [faults.silent];
    const left = new AbortController();
    const source = endless(({ asked }) => {
      if (asked < 20) return new Uint8Array(65_536);
      setImmediate(() => left.abort(new Error("left")));
      return new Promise(() => {});
    });
    assert.equal((await failure(kv.put("k", source.stream, { ...options, signal: left.signal }))).message, "left");
    await letGo(source);
  });

  test(`${what}: it is refused before its end`, async () => {
    proxy.faults = [refusal];
    const source = endless();
    assert.equal((await failure(kv.put("k", source.stream, options))).code, "forbidden");
    await letGo(source);
  });

  test(`${what}: the connection breaks`, async () => {
    proxy.faults = [{ before: (req, res) => req.once("data", () => res.destroy()) }];
    const source = endless();
    const e = await failure(kv.put("k", source.stream, options));
    assert.equal(e.code, "outcome_unknown");
    await letGo(source);
  });

  test(`${what}: a chunk is no bytes`, async () => {
    for (const at of [1, 20]) {
      const source = endless(({ asked }) => (asked === at ? 5 : new Uint8Array(65_536)));
      const e = await failure(kv.put("k", source.stream, options));
      assert.equal(e.name, "TypeError");
      await letGo(source);
    }
  });

  test(`${what}: nothing is sent`, async () => {
    const reason = new Error("left before");
    const elsewhere = connect({ url: "http://127.0.0.1:1", namespace: "birds", backoff: 1 });
    const nowhere = connect({ ...node, namespace: "nowhere" });
    for (const [to, more] of [[kv, { signal: AbortSignal.abort(reason) }], [kv, { timeout: -1 }], [kv, { ifMatch: "a b" }], [elsewhere, {}], [nowhere, {}]]) {
      const source = endless();
      await failure(to.put("k", source.stream, { ...options, ...more }));
      await letGo(source);
    }
  });
}

test("one that is read whole before it is sent", async () => {
  const whole = connect({ ...node, namespace: "birds", bufferStreams: true });
  const source = endless(() => new Uint8Array(10));
  const left = new AbortController();
  const put = failure(whole.put("k", source.stream, { signal: left.signal }));
  await until("some of it was read", () => source.asked > 5);
  left.abort(new Error("left"));
  assert.equal((await put).message, "left");
  await letGo(source);
});

test("arguments that a binding refuses leave it as it is", async () => {
  for (const [key, options] of [["", {}], ["k".repeat(513), {}], ["k", { metadata: 1n }], ["k", { expirationTtl: 2 ** 40 }]]) {
    const source = endless();
    await failure(kv.put(key, source.stream, options));
    assert.deepEqual([source.ended, source.stream.locked], [false, false]);
  }
});
