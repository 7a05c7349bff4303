// What pages do beyond forms and links. Everything works without it.
"use strict";
(() => {
  const $ = (selector, from = document) => from.querySelector(selector);

  // What one session has left in the tab is not for the next.
  if ($("#token")) {
    try {
      sessionStorage.clear();
    } catch {
      // The browser keeps nothing.
    }
  }

  // A node that is away is said to be, until it answers again.
  const unreachable = $("#unreachable");
  const away = (is) => { if (unreachable) unreachable.hidden = !is; };
  document.addEventListener("htmx:sendError", () => away(true));
  document.addEventListener("htmx:timeout", () => away(true));
  document.addEventListener("htmx:afterOnLoad", () => away(false));

  // A page on which something was typed stays when the session ends, and says so. Others
  // are led away.
  const typed = (f) => {
    if (f.type === "hidden" || f.type === "submit") return false;
    if (f.type === "checkbox" || f.type === "radio") return f.checked !== f.defaultChecked;
    if (f.type === "file") return f.files.length > 0;
    if (f.type === "textarea" || f.defaultValue !== undefined) return f.value !== f.defaultValue;
    const was = [...f.options].findIndex((o) => o.defaultSelected);
    return f.selectedIndex !== Math.max(was, 0);
  };
  const unsaved = () => $("main[data-unsaved]") ||
    [...document.querySelectorAll("main form[method=post] :is(input, textarea, select)")].some(typed);
  const ended = $("#ended");
  document.addEventListener("htmx:beforeOnLoad", (e) => {
    if (!ended) return;
    if (e.detail.xhr.status !== 401) {
      ended.hidden = true;
    } else if (unsaved()) {
      e.preventDefault();
      ended.hidden = false;
    }
  });

  // Selected keys are counted, and can be selected all at once.
  const ticks = () => [...document.querySelectorAll("input[name=pick]")];
  const tell = () => {
    const n = ticks().filter((t) => t.checked).length;
    for (const out of document.querySelectorAll("[data-picked]")) out.textContent = String(n);
    for (const b of document.querySelectorAll("[data-needs-picked]")) b.disabled = n === 0;
    for (const part of document.querySelectorAll("[data-shown-picked]")) part.hidden = n === 0;
    const all = $("#pick-all");
    if (all) {
      all.checked = n > 0 && n === ticks().length;
      all.indeterminate = n > 0 && n < ticks().length;
    }
  };
  document.addEventListener("change", (e) => {
    if (e.target.id === "pick-all") for (const t of ticks()) t.checked = e.target.checked;
    if (e.target.id === "pick-all" || e.target.name === "pick") tell();
    if (e.target.type === "checkbox" && e.target.name === "ns" && e.target.checked) {
      const some = $("input[name=reach][value=some]", e.target.form);
      if (some) some.checked = true;
    }
    if (e.target.type === "file" && e.target.dataset.names) {
      const name = document.getElementById(e.target.dataset.names);
      if (name && !name.value && e.target.files[0]) name.value = e.target.files[0].name;
    }
  });
  document.addEventListener("htmx:afterSwap", (e) => {
    tell();
    const found = $("#found");
    if (found && e.target.id === "list") {
      const n = document.querySelectorAll("#list tbody tr").length;
      found.textContent = n === 0 ? "No key begins with this" : n + (n === 1 ? " key" : " keys") + (document.querySelector("#list a[rel=next]") ? " and more" : "");
    }
  });
  tell();

  // Copying tells that it was done.
  document.addEventListener("click", async (e) => {
    const button = e.target.closest("[data-copy]");
    if (!button) return;
    const from = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(from.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(from);
      button.textContent = "Press Ctrl+C";
    }
  });
})();
