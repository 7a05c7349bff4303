// better-auth with its sessions in KV. Who may sign in is kept in memory: the test is of
// the sessions.
import { betterAuth } from "better-auth";
import { memoryAdapter } from "@better-auth/memory-adapter";

interface Env {
  SESSIONS: KVNamespace;
  AUTH_SECRET: string;
  BASE_URL: string;
}

const users = { user: [], account: [], session: [], verification: [] };

const auth = (env: Env) =>
  betterAuth({
    baseURL: env.BASE_URL,
    secret: env.AUTH_SECRET,
    database: memoryAdapter(users),
    emailAndPassword: { enabled: true },
    trustedOrigins: ["http://127.0.0.1"],
    telemetry: { enabled: false },
    secondaryStorage: {
      get: (key) => env.SESSIONS.get(key),
      set: (key, value, ttl) => env.SESSIONS.put(key, value, ttl ? { expirationTtl: Math.max(ttl, 60) } : {}),
      delete: (key) => env.SESSIONS.delete(key),
    },
  });

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    if (new URL(request.url).pathname.startsWith("/api/auth/")) return auth(env).handler(request);
    const session = await auth(env).api.getSession({ headers: request.headers });
    return session ? Response.json({ email: session.user.email }) : new Response("sign in", { status: 401 });
  },
};
