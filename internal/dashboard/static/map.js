// What has reached a node since the map was drawn before lights up: the node, and the
// way to it.
"use strict";
(() => {
  const revisions = () => new Map([...document.querySelectorAll("[data-node]")].map((n) => [n.dataset.node, n.dataset.revision]));
  const scroll = () => document.getElementById("map-scroll") || { scrollLeft: 0 };
  let before = revisions();
  let left = 0;
  const middle = () => { // where the nodes are
    left = (scroll().scrollWidth - scroll().clientWidth) / 2 || 0;
    scroll().scrollLeft = left;
  };
  middle();
  let wide = innerWidth;
  addEventListener("resize", () => { // a phone also hides its bars, which moves nothing
    if (innerWidth !== wide) middle();
    wide = innerWidth;
  });
  document.addEventListener("htmx:beforeSwap", () => { left = scroll().scrollLeft; });
  document.addEventListener("htmx:afterSwap", (e) => {
    if (e.target.id !== "drawn") return;
    const now = revisions();
    for (const node of document.querySelectorAll("[data-node]")) {
      const id = node.dataset.node;
      if (!before.has(id) || before.get(id) === now.get(id)) continue;
      node.classList.add("lit");
      for (const way of document.querySelectorAll("[data-way]")) {
        if (way.dataset.way === id) way.classList.add("lit");
      }
    }
    before = now;
    scroll().scrollLeft = left;
  });
})();
