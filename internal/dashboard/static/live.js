// The changes of a namespace, as the node tells them.
"use strict";
(() => {
  const list = document.getElementById("events");
  if (!list) return;
  const most = 200; // rows kept
  const dot = document.getElementById("live-dot");
  const state = document.getElementById("live-state");
  const none = document.getElementById("events-none");
  const pause = document.getElementById("live-pause");
  const names = { put: "written", delete: "deleted", expire: "expired" };
  let waiting = [];
  let paused = false;

  const say = (text, kind) => {
    state.textContent = text;
    dot.className = "dot " + kind;
  };
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    return element;
  };
  const bytes = (n) => (n < 1024 ? n + " B" : n < 1048576 ? (n / 1024).toFixed(1) + " KiB" : (n / 1048576).toFixed(1) + " MiB");
  // What cannot be seen, or changes how other text looks, stands as its code.
  const shown = (s) => s.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{DI}\u2800]/gu, (c) => (c === "\u200d" || c === "\ufe0f" ? c : "\\u{" + c.codePointAt(0).toString(16) + "}"));

  const row = (kind, event, at) => {
    const item = document.createElement("li");
    item.append(make("time", "num small muted", at.toISOString().slice(11, 19)), make("span", "tag " + kind, names[kind]));
    const link = make("a", "mono", shown(event.key));
    link.href = list.dataset.key + "&key=" + encodeURIComponent(event.key);
    const key = make("span", "what", "");
    key.append(kind === "put" ? link : make("span", "mono", shown(event.key)));
    if (event.metadata !== undefined) key.append(" ", make("code", "small muted", shown(JSON.stringify(event.metadata)).slice(0, 120)));
    item.append(key, make("span", "num small muted", event.size === undefined ? "" : bytes(event.size)));
    return item;
  };
  // Many changes at once are drawn together.
  const draw = () => {
    if (paused || waiting.length === 0) return;
    list.prepend(...waiting.reverse());
    waiting = [];
    while (list.children.length > most) list.lastChild.remove();
    none.hidden = true;
  };
  setInterval(draw, 100);

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    pause.setAttribute("aria-pressed", String(paused));
    draw();
  });

  const source = new EventSource(list.dataset.source);
  for (const kind of Object.keys(names)) {
    source.addEventListener(kind, (e) => {
      waiting.push(row(kind, JSON.parse(e.data), new Date()));
      if (waiting.length > most) waiting = waiting.slice(-most);
    });
  }
  source.addEventListener("open", () => say("Live", "good"));
  source.addEventListener("ready", () => say("Live", "good"));
  source.addEventListener("reset", () => say("Live; some changes were missed", "good"));
  source.addEventListener("error", (e) => {
    if (e.data) {
      say(JSON.parse(e.data).message, "bad");
      source.close();
    } else if (source.readyState === EventSource.CLOSED) {
      say("Ended: reload the page", "bad");
    } else {
      say("Connecting again…", "bad");
    }
  });
  addEventListener("pagehide", () => source.close());
})();
