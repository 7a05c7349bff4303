// A Worker of packages that were written for node.
import { execSync } from "node:child_process";
import { EventEmitter } from "node:events";
import { performance } from "node:perf_hooks";
import { Stream } from "node:stream";
import readline from "readline";
import CombinedStream from "combined-stream";
import fetch from "node-fetch";
import { WriteStream, isatty } from "tty";
import { isMainThread } from "worker_threads";
import series from "./series.cjs";

function attempt(what) {
  try {
    return what();
  } catch (e) {
    return String(e.message);
  }
}

export default {
  async fetch(request) {
    return Response.json({
      combined: new CombinedStream() instanceof Stream,
      columns: new WriteStream(1).columns,
      emitter: new EventEmitter() instanceof EventEmitter,
      exec: attempt(() => execSync("ls")),
      fetched: await (await fetch("data:text/plain,wader")).text(),
      isMainThread,
      later: typeof (await import("node:v8")).default.serialize,
      mark: performance.mark("m").entryType,
      prompt: readline.createInterface({ input: process.stdin, prompt: "? " }).getPrompt(),
      series,
      stdout: [process.stdout.fd, process.stdout.isTTY],
    });
  },
};
