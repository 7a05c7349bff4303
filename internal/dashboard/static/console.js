// What makes the console one: keys, and the commands of this tab. The node says how a
// command is kept: without its value.
"use strict";
(() => {
  const form = document.getElementById("console");
  if (!form) return;
  const field = document.getElementById("command");
  const answers = document.getElementById("answers");
  const kept = "godwit-console"; // of this tab alone
  const most = 100; // commands, and answers
  let past = [];
  try {
    past = JSON.parse(sessionStorage.getItem(kept)) || [];
  } catch {
    // What is there is not ours, or the browser keeps nothing.
  }
  let at = past.length;
  let typed = "";

  const fit = () => { field.rows = Math.min(12, field.value.split("\n").length); };
  const put = (text) => {
    field.value = text;
    fit();
    field.setSelectionRange(text.length, text.length);
  };
  const go = (to) => {
    if (to < 0 || to > past.length) return;
    if (at === past.length) typed = field.value;
    at = to;
    put(at === past.length ? typed : past[at]);
  };
  field.addEventListener("input", fit);
  field.addEventListener("keydown", (e) => {
    if (e.isComposing) return;
    const alone = !field.value.includes("\n");
    if (e.key === "Enter" && !e.shiftKey) {
      e.preventDefault();
      form.requestSubmit();
    } else if (e.key === "ArrowUp" && alone) {
      e.preventDefault();
      go(at - 1);
    } else if (e.key === "ArrowDown" && alone) {
      e.preventDefault();
      go(at + 1);
    }
  });
  form.addEventListener("htmx:afterRequest", (e) => {
    if (e.target !== form || !e.detail.successful) return;
    const answer = answers.firstElementChild;
    if (!answer) return;
    const command = answer.dataset.command;
    if (command && past[past.length - 1] !== command) {
      past = [...past, command].slice(-most);
      try {
        sessionStorage.setItem(kept, JSON.stringify(past));
      } catch {
        // The browser keeps nothing.
      }
    }
    if (answer.dataset.good === "1") put("");
    at = past.length;
    typed = field.value;
    while (answers.children.length > most) answers.lastElementChild.remove();
    field.focus();
  });
  form.addEventListener("htmx:responseError", (e) => {
    const problem = document.createElement("li");
    problem.className = "card stopped";
    problem.textContent = `The node answered ${e.detail.xhr.status}, and nothing was carried out. Reload the page.`;
    answers.prepend(problem);
  });
  fit();
})();
