// An API that counts its answers: node upstream.mjs HOST:PORT
import { createServer } from "node:http";

const [host, port] = process.argv[2].split(":");
let answers = 0;
createServer((_, response) => response.end(`answer ${++answers}\n`)).listen(Number(port), host);
