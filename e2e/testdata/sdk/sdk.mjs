// Every KV method of npm's cloudflare, against the server that the environment
// names. Usage: node sdk.mjs 4|5|7. Prints one line of JSON for each case:
// {"name", "error"?}.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const version = Number(process.argv[2]);
const require = createRequire(`${process.env.NODE_MODULES}/`);
const { Cloudflare, toFile } = require(`cloudflare${version}`);

const account_id = process.env.CLOUDFLARE_ACCOUNT_ID;
const client = new Cloudflare(); // server and token come from the environment
const namespaces = client.kv.namespaces;
const now = () => Math.floor(Date.now() / 1000);

// The versions name a key in two ways: 7 encodes it, 4 and 5 leave that to us.
const named = (id, key, params) =>
  version >= 7 ? [key, { account_id, namespace_id: id, ...params }] : [id, encodeURIComponent(key), { account_id, ...params }];
const put = (id, key, value, more = {}) => namespaces.values.update(...named(id, key, { value, ...more }));
const get = (id, key) => namespaces.values.get(...named(id, key));
const text = async (id, key) => (await get(id, key)).text();
const del = (id, key) => namespaces.values.delete(...named(id, key));
const metadata = (id, key) => namespaces.metadata.get(...named(id, key));
const create = async (title) => (await namespaces.create({ account_id, title })).id;
const all = async (pages) => {
  const rows = [];
  for await (const row of pages) {
    rows.push(row);
    assert.ok(rows.length < 10_000, "the pages have no end");
  }
  return rows;
};

// fails wants the error class of a status, with the API's own code in it.
async function fails(promise, kind, code, message) {
  const e = await promise.then(() => assert.fail("no error"), (e) => e);
  assert.ok(e instanceof Cloudflare[kind], `${e.constructor.name}: ${e.message}; want ${kind}`);
  assert.equal(e.errors?.[0]?.code, code, e.message);
  if (message) assert.match(e.errors[0].message, message);
}

const cases = {
  async "namespaces: create, get, update, delete"() {
    const made = await namespaces.create({ account_id, title: "sdk one" });
    assert.match(made.id, /^[0-9a-f]{32}$/);
    assert.deepEqual({ ...made }, { id: made.id, title: "sdk one", supports_url_encoding: true });
    assert.deepEqual(await namespaces.get(made.id, { account_id }), made);
    const renamed = await namespaces.update(made.id, { account_id, title: "sdk é" });
    assert.equal(renamed.title, "sdk é");
    assert.equal((await namespaces.get(made.id, { account_id })).title, "sdk é");
    await put(made.id, "k", "v");
    const gone = await namespaces.delete(made.id, { account_id });
    assert.ok(gone === null || Object.keys(gone).length === 0);
    await fails(namespaces.get(made.id, { account_id }), "NotFoundError", 10013, /namespace not found/);
    await fails(get(made.id, "k"), "NotFoundError", 10013);
  },

  async "namespaces: jurisdiction"() {
    const made = await namespaces.create({ account_id, title: "sdk eu", jurisdiction: "eu" });
    if (version >= 7) assert.equal(made.jurisdiction, "eu");
    assert.equal((await namespaces.get(made.id, { account_id })).jurisdiction, made.jurisdiction);
  },

  async "namespaces: what is refused"() {
    const id = await create("sdk taken");
    await fails(namespaces.create({ account_id, title: "sdk taken" }), "BadRequestError", 10014, /already exists/);
    await fails(namespaces.create({ account_id, title: "" }), "BadRequestError", 10019);
    await fails(namespaces.create({ account_id }), "BadRequestError", 10019);
    const other = await create("sdk other");
    await fails(namespaces.update(other, { account_id, title: "sdk taken" }), "BadRequestError", 10014);
    await fails(namespaces.get("nonsense", { account_id }), "BadRequestError", 10011);
    await fails(namespaces.get("0123456789abcdef".repeat(2), { account_id }), "NotFoundError", 10013);
    await fails(namespaces.delete("0123456789abcdef".repeat(2), { account_id }), "NotFoundError", 10013);
    await namespaces.delete(id, { account_id });
  },

  async "namespaces: list pages itself, in every order"() {
    const want = [];
    for (let i = 0; i < 12; i++) want.push(`sdk page ${String(i).padStart(2, "0")}`);
    for (const title of want.toReversed()) await create(title);
    const ours = (rows) => rows.map((r) => r.title).filter((t) => t.startsWith("sdk page "));
    assert.deepEqual(ours(await all(namespaces.list({ account_id, order: "title", direction: "asc", per_page: 5 }))), want);
    assert.deepEqual(ours(await all(namespaces.list({ account_id, order: "title", direction: "desc", per_page: 7 }))), want.toReversed());
    const ids = (await all(namespaces.list({ account_id, order: "id", direction: "asc", per_page: 10 }))).map((r) => r.id);
    assert.deepEqual(ids, ids.toSorted());
    assert.equal(new Set(ids).size, ids.length);
    assert.equal((await all(namespaces.list({ account_id }))).length, ids.length);
    const second = await namespaces.list({ account_id, order: "title", direction: "asc", page: 2, per_page: 5 });
    assert.equal(second.result.length, 5);
    assert.equal(second.result_info.page, 2);
    assert.equal(second.result_info.per_page, 5);
    assert.deepEqual((await namespaces.list({ account_id, page: 1000 })).result, []);
  },

  async "values: strings, files, bytes"() {
    const id = await create("sdk values");
    for (const value of ["plain", "", "é漢🤓", 'quote"\r\n--boundary\r\n', "null"]) {
      await put(id, "k", value);
      assert.equal(await text(id, "k"), value);
    }
    const bytes = Uint8Array.from({ length: 3000 }, (_, i) => i);
    await put(id, "file", await toFile(bytes, "name.bin", { type: "image/png" }));
    const res = await get(id, "file");
    assert.equal(res.headers.get("content-type"), "application/octet-stream");
    assert.equal(res.headers.get("expiration"), null);
    assert.deepEqual(new Uint8Array(await res.arrayBuffer()), bytes);
    await del(id, "k");
    await del(id, "k");
    await fails(get(id, "k"), "NotFoundError", 10009, /key not found/);
  },

  async "values: expiration"() {
    const id = await create("sdk expiration");
    await put(id, "absolute", "v", { expiration: 2000000000 });
    assert.equal((await get(id, "absolute")).headers.get("expiration"), "2000000000");
    const before = now();
    await put(id, "both", "v", { expiration: 2000000000, expiration_ttl: 120 });
    const at = Number((await get(id, "both")).headers.get("expiration"));
    assert.ok(at >= before + 120 && at <= now() + 121, `${at}`);
    await fails(put(id, "bad", "v", { expiration_ttl: 59 }), "BadRequestError", 10034, /at least 60/);
    await fails(put(id, "bad", "v", { expiration: now() + 5 }), "BadRequestError", 10033);
    await fails(get(id, "bad"), "NotFoundError", 10009);
  },

  async "values: 25 MiB and one byte more"() {
    const id = await create("sdk large");
    const most = new Uint8Array(25 << 20).fill(7);
    await put(id, "large", await toFile(most, "large"));
    const got = new Uint8Array(await (await get(id, "large")).arrayBuffer());
    assert.equal(Buffer.compare(got, most), 0);
    const over = put(id, "large", await toFile(new Uint8Array(most.length + 1), "large"));
    await fails(over, "APIError", 10024, /26214401/);
    assert.equal((await (await get(id, "large")).arrayBuffer()).byteLength, most.length);
    await namespaces.delete(id, { account_id });
  },

  async "metadata: as JSON text"() {
    const id = await create("sdk metadata");
    for (const value of [{ a: 1, b: { c: [null, true, "é"] } }, [1, 2], 0, false, "", "text"]) {
      await put(id, "k", "v", { metadata: JSON.stringify(value) });
      assert.deepEqual(await metadata(id, "k"), value);
      assert.deepEqual((await namespaces.keys.list(id, { account_id })).result, [{ name: "k", metadata: value }]);
      assert.equal(await text(id, "k"), "v");
    }
    for (const more of [{}, { metadata: "null" }]) {
      await put(id, "k", "v", more);
      assert.equal(await metadata(id, "k"), null);
      assert.deepEqual((await namespaces.keys.list(id, { account_id })).result, [{ name: "k" }]);
    }
    await fails(metadata(id, "absent"), "NotFoundError", 10009);
    await fails(put(id, "k", "w", { metadata: "{" }), "BadRequestError", 10047);
    await fails(put(id, "k", "w", { metadata: JSON.stringify("x".repeat(1023)) }), "APIError", 10047, /1025/);
    assert.equal(await text(id, "k"), "v");
  },

  async "metadata: as an object, however it is sent"() {
    const id = await create("sdk object");
    await put(id, "k", "v", { metadata: { a: "x", b: { c: ["y", "z"] } } });
    assert.equal(await text(id, "k"), "v");
    assert.deepEqual(await metadata(id, "k"), { a: "x", b: { c: ["y", "z"] } });
  },

  async "keys: odd ones come back as they went"() {
    const id = await create("sdk odd");
    const odd = ["a/b/c", "/lead", "trail/", "a//b", "../x", "a/../b", "a/.", "...", "sp ace", "pct%41", "%zz", "q?x=1&y", "h#ash", "plus+eq=",
      "a:b!c@d$e,f;g", "[]{}|^`", 'quote"<>', "back\\slash", "tab\t", "new\nline", "nul\u0000", "uni-é-漢-🤓", "it's(*)~", "bulk", "bulk/get", "123", "__proto__"];
    for (const k of odd) await put(id, k, JSON.stringify(k), { metadata: JSON.stringify({ k }) });
    for (const k of odd) {
      assert.equal(await text(id, k), JSON.stringify(k));
      assert.deepEqual(await metadata(id, k), { k });
      const { result } = await namespaces.keys.list(id, { account_id, prefix: k });
      assert.ok(result.some((r) => r.name === k), JSON.stringify(k));
    }
    const listed = (await all(namespaces.keys.list(id, { account_id }))).map((r) => r.name);
    assert.deepEqual(listed, odd.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    for (const k of odd) await del(id, k);
    assert.deepEqual((await namespaces.keys.list(id, { account_id })).result, []);
  },

  async "keys: the ones that are refused"() {
    const id = await create("sdk refused");
    const long = "k".repeat(513);
    await fails(put(id, long, "v"), "APIError", 10030, /513/);
    await fails(get(id, long), "APIError", 10030);
    await put(id, "k".repeat(512), "v");
    for (const k of [".", ".."]) {
      for (const op of [() => put(id, k, "v"), () => get(id, k), () => del(id, k), () => metadata(id, k)]) {
        const e = await (async () => op())().then(() => assert.fail(`${k} was accepted`), (e) => e);
        assert.ok(e instanceof Cloudflare.CloudflareError || e instanceof Cloudflare.APIError, String(e));
      }
    }
    assert.equal((await namespaces.get(id, { account_id })).id, id, "the namespace is still there");
    assert.equal((await namespaces.keys.list(id, { account_id })).result.length, 1);
  },

  async "keys: list pages itself"() {
    const id = await create("sdk keys");
    const want = Array.from({ length: 1234 }, (_, i) => `k${String(i).padStart(4, "0")}`);
    await namespaces.bulkUpdate(id, { account_id, body: want.map((key) => ({ key, value: key, metadata: { key }, expiration: 2000000000 })) });
    const rows = await all(namespaces.keys.list(id, { account_id }));
    assert.deepEqual(rows.map((r) => r.name), want);
    assert.deepEqual(rows[7], { name: "k0007", expiration: 2000000000, metadata: { key: "k0007" } });
    assert.deepEqual((await all(namespaces.keys.list(id, { account_id, limit: 100, prefix: "k00" }))).map((r) => r.name), want.slice(0, 100));
    assert.deepEqual((await all(namespaces.keys.list(id, { account_id, limit: 50, prefix: "k01" }))).map((r) => r.name), want.slice(100, 200));
    const page = await namespaces.keys.list(id, { account_id, limit: 10 });
    assert.equal(page.result.length, 10);
    assert.equal(page.result_info.count, 10);
    const next = await namespaces.keys.list(id, { account_id, limit: 20, cursor: page.result_info.cursor ?? page.result_info.cursors.after });
    assert.deepEqual(next.result.map((r) => r.name), want.slice(10, 30));
    for (const limit of [9, 1001, 0, -1]) await fails(namespaces.keys.list(id, { account_id, limit }), "BadRequestError", 10028);
    await fails(namespaces.keys.list(id, { account_id, cursor: "nonsense" }), "BadRequestError", 10041);
    await fails(namespaces.keys.list(id, { account_id, prefix: "p".repeat(513) }), "APIError", 10030);
  },

  async "bulk: update, get, delete in both spellings"() {
    for (const methods of [namespaces, namespaces.keys]) {
      const id = await create(`sdk bulk ${methods === namespaces}`);
      const written = await methods.bulkUpdate(id, {
        account_id,
        body: [
          { key: "a", value: '{"n":1}', metadata: { m: "é" }, expiration: 2000000000 },
          { key: "b/é", value: "aGkK", base64: true },
          { key: "c", value: "", expiration_ttl: 120 },
        ],
      });
      assert.deepEqual(written, { successful_key_count: 3, unsuccessful_keys: [] });
      assert.equal(await text(id, "b/é"), "hi\n");
      const keys = ["a", "absent", "c"];
      assert.deepEqual(await methods.bulkGet(id, { account_id, keys }), { values: { a: '{"n":1}', absent: null, c: "" } });
      assert.deepEqual(await methods.bulkGet(id, { account_id, keys: ["a"], type: "json" }), { values: { a: { n: 1 } } });
      assert.deepEqual(await methods.bulkGet(id, { account_id, keys: ["a", "absent", "b/é"], withMetadata: true }), {
        values: { a: { value: '{"n":1}', metadata: { m: "é" }, expiration: 2000000000 }, absent: null, "b/é": { value: "hi\n", metadata: null } },
      });
      const gone = await methods.bulkDelete(id, { account_id, body: ["a", "absent", "c"] });
      assert.deepEqual(gone, { successful_key_count: 3, unsuccessful_keys: [] });
      assert.deepEqual((await namespaces.keys.list(id, { account_id })).result, [{ name: "b/é" }]);
    }
  },

  async "bulk: what is refused, as a whole"() {
    const id = await create("sdk bulk refused");
    const update = (...items) => namespaces.bulkUpdate(id, { account_id, body: [{ key: "good", value: "v" }, ...items] });
    await fails(update({ key: ".", value: "v" }), "BadRequestError", 10023);
    await fails(update({ key: "", value: "v" }), "BadRequestError", 10023);
    await fails(update({ key: "é".repeat(257), value: "v" }), "APIError", 10030);
    await fails(update({ key: "k", value: "v", expiration_ttl: 59 }), "BadRequestError", 10034);
    await fails(update({ key: "k", value: "v", expiration: 5 }), "BadRequestError", 10033);
    await fails(update({ key: "k", value: "***", base64: true }), "BadRequestError", 10012);
    await fails(update({ key: "k", value: "v", metadata: "x".repeat(1023) }), "APIError", 10047);
    await fails(namespaces.bulkUpdate(id, { account_id, body: { key: "k" } }), "BadRequestError", 10012);
    const many = Array.from({ length: 10_001 }, (_, i) => ({ key: `k${i}`, value: "" }));
    await fails(namespaces.bulkUpdate(id, { account_id, body: many }), "BadRequestError", 10012);
    assert.deepEqual((await namespaces.keys.list(id, { account_id })).result, []);
    assert.equal((await namespaces.bulkUpdate(id, { account_id, body: many.slice(1) })).successful_key_count, 10_000);
    await fails(namespaces.bulkDelete(id, { account_id, body: many.map((m) => m.key) }), "BadRequestError", 10012);
    await fails(namespaces.bulkDelete(id, { account_id, body: [{ name: "k1" }] }), "BadRequestError", 10012);
    assert.equal((await namespaces.bulkDelete(id, { account_id, body: many.slice(1).map((m) => m.key) })).successful_key_count, 10_000);
    await fails(namespaces.bulkGet(id, { account_id, keys: [] }), "BadRequestError", 10029);
    await fails(namespaces.bulkGet(id, { account_id, keys: many.slice(0, 101).map((m) => m.key) }), "BadRequestError", 10029);
    await put(id, "text", "not json");
    await fails(namespaces.bulkGet(id, { account_id, keys: ["text"], type: "json" }), "BadRequestError", 10029, /non-json/);
    assert.deepEqual((await all(namespaces.keys.list(id, { account_id }))).map((r) => r.name), ["text"]);
  },

  async "credentials: the classes of their errors"() {
    const stranger = new Cloudflare({ apiToken: "not-a-token-0123456789", maxRetries: 0 });
    const e = await stranger.kv.namespaces.list({ account_id }).then(() => assert.fail("no error"), (e) => e);
    assert.ok(e instanceof Cloudflare.AuthenticationError || e instanceof Cloudflare.PermissionDeniedError, `${e}`);
    assert.equal(e.errors[0].code, 10000);
    const keyed = new Cloudflare({ apiToken: null, apiKey: process.env.CLOUDFLARE_API_TOKEN, apiEmail: "me@example.com" });
    await keyed.kv.namespaces.list({ account_id });
    const nobody = await namespaces.list({ account_id: "f".repeat(32) }).then(() => assert.fail("no error"), (e) => e);
    assert.ok(nobody instanceof Cloudflare.APIError && nobody.status < 500, `${nobody}`);
  },

  async "user and account"() {
    assert.equal((await client.user.tokens.verify()).status, "active");
    const accounts = await all(client.accounts.list());
    assert.deepEqual(accounts.map((a) => a.id), [account_id]);
  },
};

for (const [name, run] of Object.entries(cases)) {
  try {
    await run();
    console.log(JSON.stringify({ name }));
  } catch (e) {
    console.log(JSON.stringify({ name, error: e.stack ?? String(e) }));
  }
}
