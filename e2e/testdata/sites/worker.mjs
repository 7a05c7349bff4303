// A Workers Sites Worker, as its template has it: assets from KV by way of
// Cloudflare's own handler.
import { getAssetFromKV, MethodNotAllowedError, NotFoundError } from "@cloudflare/kv-asset-handler";
import manifest from "__STATIC_CONTENT_MANIFEST";

export default {
  async fetch(request, env, ctx) {
    try {
      return await getAssetFromKV(
        { request, waitUntil: (promise) => ctx.waitUntil(promise) },
        { ASSET_NAMESPACE: env.__STATIC_CONTENT, ASSET_MANIFEST: JSON.parse(manifest) },
      );
    } catch (e) {
      if (e instanceof NotFoundError) return new Response("not found", { status: 404 });
      if (e instanceof MethodNotAllowedError) return new Response("method not allowed", { status: 405 });
      return new Response(e.stack, { status: 500 });
    }
  },
};
