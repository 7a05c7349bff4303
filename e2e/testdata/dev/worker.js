import { connect } from "godwit";

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const key = decodeURIComponent(url.pathname.slice(1));
    // The package works inside a Worker too, where a binding is not enough.
    const kv = url.searchParams.has("client")
      ? connect({ url: env.GODWIT_URL, token: env.GODWIT_TOKEN, namespace: "birds" })
      : env.BIRDS;
    if (request.method === "PUT") {
      await kv.put(key, request.body, { metadata: { by: kv.constructor.name } });
      return new Response("wrote");
    }
    if (url.searchParams.has("conditional")) {
      const failed = await kv.set(key, "again", { ifNoneMatch: "*" }).catch((e) => e);
      return Response.json([failed.code, (await kv.watch().next()).value.type]);
    }
    const { value, metadata } = await kv.getWithMetadata(key);
    return Response.json({ value, metadata });
  },
};
