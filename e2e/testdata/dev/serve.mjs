// Serves the function `handle` of the module named, at a port of its own, which it
// prints.
import { createServer } from "node:http";
import process from "node:process";

const { handle } = await import(process.argv[2]);
const server = createServer(async (req, res) => {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  const answer = await handle(new Request(`http://${req.headers.host}${req.url}`, {
    method: req.method, headers: req.headers, ...(req.method === "PUT" && { body: Buffer.concat(chunks) }),
  }));
  res.writeHead(answer.status, Object.fromEntries(answer.headers));
  res.end(await answer.text());
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
