// @ts-check
// The keyboard: / searches, g and a letter go to a view, ? lists the keys.

import { el, show } from "./ui.js";

const TOGETHER = 1500; // ms in which the letter follows the g

/** @param {{name: string, title: string, key: string}[]} views */
export function keyboard(views) {
  let g = 0; // when g was pressed
  const help = () => show("Keyboard", el("dl", { class: "keys" },
    [["/", "search"], ...views.map((v) => [`g ${v.key}`, v.title]), ["?", "this list"], ["Esc", "close a dialog"]]
      .map(([keys, what]) => [el("dt", {}, keys.split(" ").map((k, i) => [i > 0 && " then ", el("kbd", {}, k)])), el("dd", {}, what)])));
  document.getElementById("help")?.addEventListener("click", help);
  addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing || document.querySelector("dialog[open]")) return;
    const at = /** @type {HTMLElement} */ (e.target);
    if (at.closest?.("input, textarea, select, [contenteditable]")) return;
    const went = Date.now() - g < TOGETHER && views.find((v) => v.key === e.key);
    g = !went && e.key === "g" ? Date.now() : 0;
    if (went) location.hash = "#/" + went.name;
    else if (e.key === "?") help();
    else if (e.key === "/") {
      const field = /** @type {HTMLInputElement|null} */ (document.querySelector('main input[type="search"]'));
      if (!field) return;
      field.focus();
      field.select();
    } else return;
    e.preventDefault();
  });
}
