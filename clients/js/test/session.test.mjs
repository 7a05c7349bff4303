// Read-your-writes across nodes: a centre, and an edge whose feed is held back.
import assert from "node:assert/strict";
import { createServer, connect as dial } from "node:net";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { Client, connect } from "godwit";

import { rootToken, startNode, until } from "./node.mjs";

let centre, edge, feed;
before(async () => {
  centre = await startNode();
  await new Client(centre).createNamespace("birds");
  feed = await startFeed(new URL(centre.url));
  edge = await startNode("--upstream", feed.url, "--upstream-token", rootToken);
  // An edge that is still becoming a copy asks upstream: see it follow.
  await at(centre).put("k", "followed");
  await until("the edge follows", async () => {
    const s = await at(edge).client.status();
    return s.connected && !s.progress && s.staleness_ms >= 0 && await at(edge, { session: false }).get("k") === "followed";
  });
});
after(async () => {
  feed?.release();
  await edge?.stop();
  await centre?.stop();
  await feed?.stop();
});

/** Passes bytes on, but what comes from the upstream only while it is not held. */
async function startFeed(target) {
  const sockets = new Set();
  let held = false;
  const server = createServer((down) => {
    const up = dial(Number(target.port), target.hostname);
    for (const s of [down, up]) {
      sockets.add(s);
      s.on("error", () => {}).on("close", () => { sockets.delete(s); down.destroy(); up.destroy(); });
    }
    down.pipe(up);
    let streams = false; // the feed, not a request that is passed on
    down.on("data", (d) => { streams ||= /GET \/godwit\/v1\/feed[? ]/.test(d); });
    up.on("data", (d) => { if (!down.write(d)) up.pause(); });
    down.on("drain", () => up.resume());
    up.holdBack = () => { if (streams) up.pause(); };
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    hold() { held = true; for (const s of sockets) s.holdBack?.(); },
    release() { if (held) for (const s of sockets) s.resume(); held = false; },
    async stop() {
      for (const s of sockets) s.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

const at = (node, options) => connect({ ...node, namespace: "birds", ...options });

let written = 0;
const reads = [
  ["connect with a session", (session) => at(edge, { session: JSON.parse(JSON.stringify(session)) }).get("k")],
  ["resume", (session) => at(edge).resume(session).get("k")],
  ["withSession", (session) => at(edge).withSession(session).get("k")],
  ["getWithMetadata", async (session) => (await at(edge, { session }).getWithMetadata("k")).metadata],
  ["stream", async (session) => new Response(await at(edge, { session }).get("k", "stream")).text()],
  ["bulk get", async (session) => (await at(edge, { session }).get(["k"])).get("k")],
  ["list", async (session) => (await at(edge, { session }).list()).keys[0].metadata],
  ["details", async (session) => (await at(edge, { session }).details("k")).metadata],
  ["minRevision", (session) => at(edge, { session: false }).get("k", { minRevision: session })],
  ["strong client", () => at(edge, { session: false, consistency: "strong" }).get("k")],
  ["strong read", () => at(edge, { session: false }).get("k", { consistency: "strong" })],
];
for (const [name, read] of reads) {
  test(`${name}: sees at the edge what was written at the centre; without, it need not`, async () => {
    feed.hold();
    const held = Date.now();
    try {
      const here = at(centre);
      const value = `value ${++written}`;
      const { revision } = await here.set("k", value, { metadata: value });
      assert.equal(here.session(), revision);
      for (const stale of [at(edge, { session: false }), at(edge), at(edge, { session: here.session() }).withSession()]) {
        const got = await stale.get("k");
        // After two seconds of silence the edge would connect anew, and hear of it.
        if (Date.now() - held < 1500) assert.notEqual(got, value);
      }
      assert.equal(await read(here.session()), value);
    } finally {
      feed.release();
    }
    await until("the edge has it", async () => await at(edge, { session: false }).get("k") === `value ${written}`);
  });
}

test("an edge that has not heard of a namespace asks for it", async () => {
  feed.hold();
  try {
    await new Client(centre).createNamespace("just made");
    const kv = connect({ ...edge, namespace: "just made", session: false });
    await kv.put("k", "v", { metadata: 1 });
    const strong = { consistency: "strong" };
    assert.deepEqual([await kv.get("k", strong), [...(await kv.get(["k"], strong)).values()], (await kv.entry("k", strong)).metadata], ["v", ["v"], 1]);
    await kv.bulkPut([{ key: "b", value: "2" }]);
    await kv.delete("k");
    await assert.rejects(connect({ ...edge, namespace: "never made" }).get("k"), {
      code: "namespace_not_found", message: 'KV GET failed: 404 there is no namespace "never made"',
    });
  } finally {
    feed.release();
  }
});

test("what was read is not unread elsewhere", async () => {
  const reader = at(centre);
  await at(centre).put("seen", "1");
  assert.equal(await reader.get("seen"), "1"); // it wrote nothing
  assert.equal(await at(edge, { session: reader.session() }).get("seen"), "1");
});

test("sessions are of a client, or apart", async () => {
  const client = new Client({ ...edge });
  const [a, b] = [client.kv("birds"), client.kv("birds")];
  await a.put("x", "1");
  assert.equal(a.session(), b.session());
  assert.equal(client.session(), a.session());
  const apart = a.withSession();
  assert.equal(apart.session(), "");
  await apart.put("x", "2");
  assert.notEqual(apart.session(), a.session());
  assert.equal(at(edge, { session: false }).session(), "");
  for (const session of ["a b", "x\r\ny", "é", "1".repeat(65), 7, null]) {
    assert.throws(() => at(edge).withSession(session), TypeError);
    assert.throws(() => at(edge).resume(session), TypeError);
  }
});

test("of answers that overtake each other the later revision counts", async () => {
  const revisions = ["9", "10", "2"];
  const kv = at(centre, { fetch: async () => new Response("null", { headers: { "Godwit-Revision": revisions.shift() } }) });
  for (const want of ["9", "10", "10"]) {
    await kv.client.status();
    assert.equal(kv.session(), want);
  }
});
