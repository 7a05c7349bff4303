// A Workers Site, as its template has it.
import { getAssetFromKV, NotFoundError } from "@cloudflare/kv-asset-handler";
import manifest from "__STATIC_CONTENT_MANIFEST";

export default {
  async fetch(request, env, ctx) {
    try {
      return await getAssetFromKV(
        { request, waitUntil: (promise) => ctx.waitUntil(promise) },
        { ASSET_NAMESPACE: env.__STATIC_CONTENT, ASSET_MANIFEST: JSON.parse(manifest), cacheControl: { edgeTTL: 60, browserTTL: 60 } },
      );
    } catch (e) {
      if (e instanceof NotFoundError) return new Response("not found", { status: 404 });
      return new Response(e.stack, { status: 500 });
    }
  },
};
