// A cache that keeps nothing: the handler must find a Cache API, but every
// asset is to come from KV.
export default {
  async fetch(request) {
    if (request.method === "GET") return new Response(null, { status: 504, headers: { "CF-Cache-Status": "MISS" } });
    await request.arrayBuffer();
    return new Response(null, { status: 204 });
  },
};
