import { Hono } from "hono";
import { basicAuth } from "hono/basic-auth";
import { HTTPException } from "hono/http-exception";
import { isLink } from "./link";
import robots from "./robots.txt";

interface Env {
  LINKS: KVNamespace;
  TITLE: string;
  LIMITS: { length: number };
  PASSWORD: string;
}

const app = new Hono<{ Bindings: Env }>();

app.use("/admin/*", (c, next) => basicAuth({ username: "admin", password: c.env.PASSWORD })(c, next));

app.get("/", async (c) => {
  const { keys } = await c.env.LINKS.list<{ hits: number }>();
  return c.html(
    <html>
      <h1>{c.env.TITLE}</h1>
      <ul>
        {keys.map((k) => (
          <li>
            {k.name} {k.metadata?.hits ?? 0}
          </li>
        ))}
      </ul>
    </html>,
  );
});

app.get("/robots.txt", (c) => c.text(robots));

app.put("/admin/:name", async (c) => {
  const { url } = await c.req.json<{ url: string }>();
  if (!isLink(url, c.env.LIMITS.length)) throw new HTTPException(400, { message: "no link" });
  await c.env.LINKS.put(c.req.param("name"), url, { metadata: { hits: 0 } });
  return c.json({ ok: true }, 201);
});

app.get("/:name", async (c) => {
  const { value, metadata } = await c.env.LINKS.getWithMetadata<{ hits: number }>(c.req.param("name"));
  if (value === null) return c.notFound();
  await c.env.LINKS.put(c.req.param("name"), value, { metadata: { hits: (metadata?.hits ?? 0) + 1 } });
  return c.redirect(value, 302);
});

export default app;
