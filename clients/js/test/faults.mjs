// A proxy in front of a node that breaks what it is told to.
import { createServer, request } from "node:http";
import { once } from "node:events";

/**
 * @param {string} target
 * @returns a proxy whose `faults` are taken from its front, one for each request that
 *   `concerns` it: a function that answers or breaks instead, or is given the answer
 */
export async function startProxy(target) {
  const proxy = { url: "", faults: [], seen: [], concerns: () => true, stop: null };
  const server = createServer((req, res) => {
    proxy.seen.push({ method: req.method, url: req.url, headers: req.headers });
    const fault = proxy.concerns(req) ? proxy.faults.shift() : undefined;
    if (fault?.before) return fault.before(req, res);
    const up = request(target + req.url, { method: req.method, headers: { ...req.headers, host: new URL(target).host } }, (answer) => {
      if (fault?.after) {
        answer.resume();
        return answer.on("end", () => fault.after(req, res));
      }
      res.writeHead(answer.statusCode, answer.headers);
      answer.pipe(res);
      if (fault?.during) fault.during(req, res);
    });
    up.on("error", () => res.destroy());
    res.on("close", () => up.destroy());
    req.pipe(up);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  proxy.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return proxy;
}

const drop = (req, res) => res.destroy();
const status = (code, headers = {}) => (req, res) => {
  req.resume();
  req.on("end", () => res.writeHead(code, headers).end("busy"));
};

export const faults = {
  /** The connection ends before the server has seen anything. */
  lost: { before: drop },
  /** The server has done it, and its answer is lost. */
  answerLost: { after: drop },
  busy: { before: status(503) },
  /** A proxy in between got no answer. */
  gateway: { before: status(502) },
  tooMany: (retryAfter) => ({ before: status(429, { "Retry-After": String(retryAfter) }) }),
  /** Nothing comes back, ever. */
  silent: { before: (req) => req.resume() },
  /** The answer begins, and its connection is cut after that. */
  cut: (ms) => ({ during: (req, res) => setTimeout(() => res.destroy(), ms) }),
};
