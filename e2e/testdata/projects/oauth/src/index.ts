// Cloudflare's own OAuth provider: clients, grants and tokens are keys in OAUTH_KV.
import { OAuthProvider, type OAuthHelpers } from "@cloudflare/workers-oauth-provider";
import { WorkerEntrypoint } from "cloudflare:workers";

interface Env {
  OAUTH_KV: KVNamespace;
  OAUTH_PROVIDER: OAuthHelpers;
}

class Api extends WorkerEntrypoint<Env> {
  async fetch() {
    return Response.json({ user: this.ctx.props });
  }
}

const pages = {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname !== "/authorize") return new Response("home");
    const asked = await env.OAUTH_PROVIDER.parseAuthRequest(request);
    // Nobody is asked: it is a test who asks.
    const { redirectTo } = await env.OAUTH_PROVIDER.completeAuthorization({
      request: asked,
      userId: "dunlin",
      metadata: {},
      scope: asked.scope,
      props: { name: "Calidris alpina" },
    });
    return Response.redirect(redirectTo, 302);
  },
};

export default new OAuthProvider<Env>({
  apiRoute: "/api",
  apiHandler: Api,
  defaultHandler: pages,
  authorizeEndpoint: "/authorize",
  tokenEndpoint: "/token",
  clientRegistrationEndpoint: "/register",
  scopesSupported: ["read"],
  resourceMetadata: { resource: "http://127.0.0.1/api", authorization_servers: ["http://127.0.0.1"] },
});
