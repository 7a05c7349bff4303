// An API that counts its answers, but for those to HEAD: node upstream.mjs HOST:PORT
import { createServer } from "node:http";

const [host, port] = process.argv[2].split(":");
let answers = 0;
createServer((request, response) => response.end(request.method === "HEAD" ? "" : `answer ${++answers}\n`)).listen(Number(port), host);
