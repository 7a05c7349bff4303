// Sessions on KV. The cookie holds a random id and its signature: who makes one up does not
// even cost a read. What a session knows is in KV, so it can be ended from anywhere.

const HOUR = 3600;
const encoder = new TextEncoder();
const hex = (bytes) => Array.from(new Uint8Array(bytes), (b) => b.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    const id = await signedId(request, env);
    if (request.method === "POST" && pathname === "/sign-in") return signIn(request, env);
    if (request.method === "POST" && pathname === "/sign-out") return signOut(id, env);
    const session = id && (await env.SESSIONS.get(id, { type: "json" }));
    if (!session) return new Response("who are you?\n", { status: 401 });
    return new Response(`hello, ${session.name}\n`);
  },
};

async function signIn(request, env) {
  const name = (await request.formData()).get("name");
  if (typeof name !== "string" || name === "" || name.length > 100) return new Response("a name, please\n", { status: 400 });
  // A real one asks for more than a name here.
  const id = hex(crypto.getRandomValues(new Uint8Array(16)));
  await env.SESSIONS.put(id, JSON.stringify({ name }), { expirationTtl: HOUR });
  const signature = hex(await crypto.subtle.sign("HMAC", await key(env, "sign"), encoder.encode(id)));
  return new Response("welcome\n", { headers: { "Set-Cookie": cookie(`${id}.${signature}`, HOUR) } });
}

async function signOut(id, env) {
  if (id) await env.SESSIONS.delete(id);
  return new Response("goodbye\n", { headers: { "Set-Cookie": cookie("", 0) } });
}

// signedId is the id in the request's cookie, if this Worker has signed it.
async function signedId(request, env) {
  const found = /(?:^|; )session=([0-9a-f]{32})\.([0-9a-f]{64})(?:;|$)/.exec(request.headers.get("Cookie") ?? "");
  if (!found) return null;
  const good = await crypto.subtle.verify("HMAC", await key(env, "verify"), unhex(found[2]), encoder.encode(found[1]));
  return good ? found[1] : null;
}

function key(env, use) {
  if (!env.SECRET) throw new Error("SECRET is not set: put it into .dev.vars");
  return crypto.subtle.importKey("raw", encoder.encode(env.SECRET), { name: "HMAC", hash: "SHA-256" }, false, [use]);
}

const cookie = (value, seconds) => `session=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax`;
