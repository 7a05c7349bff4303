// The Worker that is measured on workerd: through godwit and through
// miniflare's local KV.
export default {
  async fetch(request, env) {
    const [, what, key] = new URL(request.url).pathname.split("/");
    switch (what) {
      case "get": {
        const value = await env.KV.get(key);
        return new Response(value ?? "absent", { status: value === null ? 404 : 200 });
      }
      case "list": {
        const { keys } = await env.KV.list();
        return new Response(String(keys.length), { status: keys.length === 1000 ? 200 : 500 });
      }
      case "put":
        await env.KV.put(key, await request.text());
        return new Response("");
    }
    return new Response("ready");
  },
};
