import { WorkerEntrypoint } from "cloudflare:workers";

export class Named extends WorkerEntrypoint {
  async greet(name) {
    const bird = await this.env.KV.get(name, "json");
    return `${name} is ${bird?.latin ?? "unknown"}, says ${this.ctx.props.by}`;
  }
}

export default {
  async fetch(request, env) {
    const name = new URL(request.url).pathname.split("/").pop();
    return new Response(`hello ${name}, one of ${(await env.KV.list()).keys.length}`);
  },
};
