// A Worker that uses its KV bindings in every way their type allows. GET /
// names the cases; GET /<case> runs one, and answers 200 or, with what went
// wrong, 500. /op calls one method, for tests that steer from outside.
import { bulk } from "./bulk";
import type { Cases, Env } from "./env";
import { expiry } from "./expiry";
import { get } from "./get";
import { keys } from "./keys";
import { large } from "./large";
import { list } from "./list";
import { expiration, metadata, put } from "./put";

const cases: Cases = { ...get, ...put, ...expiration, ...metadata, ...keys, ...list, ...bulk, ...large, ...expiry };

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const name = decodeURIComponent(url.pathname.slice(1));
    try {
      if (name === "") return Response.json(Object.keys(cases));
      if (name === "op") return Response.json({ result: await operate(env, await request.json()) });
      if (!Object.hasOwn(cases, name)) return new Response(`no case ${name}`, { status: 404 });
      await cases[name](env);
      return new Response("ok");
    } catch (e) {
      const { name, message, stack } = e as Error;
      if (url.pathname === "/op") return Response.json({ error: message, class: name });
      return new Response(`${name}: ${message}\n${stack ?? ""}`, { status: 500 });
    }
  },
};

interface Op {
  binding: string;
  method: "get" | "getWithMetadata" | "put" | "delete" | "list";
  args: unknown[];
}

async function operate(env: Env, op: Op): Promise<unknown> {
  const kv = env[op.binding as "KV"] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  const got = await kv[op.method](...op.args);
  return got instanceof Map ? [...got] : got;
}
