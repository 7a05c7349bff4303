// How far an export or an import has come.
"use strict";
(() => {
  const count = (n) => n.toLocaleString("en").replaceAll(",", "\u202f");
  const bytes = (n) => (n < 1024 ? n + " B" : n < 1048576 ? (n / 1024).toFixed(1) + " KiB" : (n / 1048576).toFixed(1) + " MiB");
  const keys = (n) => count(n) + (n === 1 ? " key" : " keys");
  const name = () => [...crypto.getRandomValues(new Uint8Array(12))].map((b) => b.toString(16).padStart(2, "0")).join("");

  // follow shows what the node says of a job until it has ended, and returns what stops it.
  const follow = (job, box, show) => {
    const bar = box.querySelector("progress");
    const text = box.querySelector("p");
    let over = false;
    box.hidden = false;
    bar.removeAttribute("value");
    text.textContent = "Starting…";
    const poll = async () => {
      if (over) return;
      try {
        const response = await fetch("/dashboard/progress?job=" + job, { cache: "no-store" });
        if (response.ok && !over) {
          const p = await response.json();
          if (p.known) show(p, bar, text);
          if (p.ended) return;
        }
      } catch {
        // The node is away: the page says so.
      }
      setTimeout(poll, 400);
    };
    poll();
    return () => { over = true; };
  };

  const out = document.getElementById("export");
  if (out) {
    out.addEventListener("submit", () => {
      const all = out.elements.prefix.value === "" ? Number(out.dataset.keys) : -1;
      out.elements.job.value = name();
      follow(out.elements.job.value, document.getElementById("export-going"), (p, bar, text) => {
        if (all > 0) [bar.max, bar.value] = [all, Math.min(p.keys, all)];
        if (p.ended) [bar.max, bar.value] = [1, 1];
        text.textContent = keys(p.keys) + ", " + bytes(p.bytes) + (p.ended ? ": sent" : "");
      });
    });
  }

  const form = document.getElementById("import");
  if (form) {
    let stop = () => {};
    let size = 0;
    form.addEventListener("htmx:configRequest", (e) => {
      form.elements.job.value = name();
      e.detail.timeout = 0; // it takes as long as the file does
      if (e.detail.formData) e.detail.formData.set("job", form.elements.job.value);
    });
    form.addEventListener("htmx:beforeRequest", () => {
      size = form.elements.file.files[0] ? form.elements.file.files[0].size : 0;
      document.getElementById("imported").replaceChildren();
      stop = follow(form.elements.job.value, document.getElementById("import-going"), (p, bar, text) => {
        if (size > 0) [bar.max, bar.value] = [size, Math.min(p.read, size)];
        text.textContent = keys(p.keys) + " of " + bytes(p.read) + " read, " + bytes(size) + " in all";
      });
    });
    form.addEventListener("htmx:afterRequest", (e) => {
      if (e.target !== form) return;
      stop();
      document.getElementById("import-going").hidden = true;
      document.getElementById("imported").focus();
    });
  }
})();
