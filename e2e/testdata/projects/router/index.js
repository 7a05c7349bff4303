// itty-router, and another Worker by service binding: by fetch, and by call.
import { AutoRouter, error } from "itty-router";

const router = AutoRouter();

router
  .get("/birds", async (_, env) => (await env.BIRDS.list()).keys.map((k) => k.name))
  .get("/birds/:name", async ({ params }, env) => (await env.BIRDS.get(params.name, "json")) ?? error(404))
  .put("/birds/:name", async (request, env) => {
    await env.BIRDS.put(request.params.name, JSON.stringify(await request.json()));
    return { ok: true };
  })
  .get("/hello/:name", async (request, env) => env.GREETER.fetch(request.url))
  .get("/call/:name", async ({ params }, env) => ({ said: await env.NAMED.greet(params.name) }));

export default { ...router };
