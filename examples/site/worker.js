// Files of public/ are served without this Worker. It answers what is no file.
export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname !== "/api/notice") return new Response("no such page\n", { status: 404 });
    const notice = (await env.SITE.get("notice")) ?? "nothing new";
    return Response.json({ notice });
  },
};
