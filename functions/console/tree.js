// @ts-check
// A JSON value as a tree whose parts open. Parts are drawn when they are opened, because a
// message may have thousands of events.

import { el, clip, count, button } from "./ui.js";

const AT_ONCE = 100; // members of a part that are drawn at once
const LONGEST = 2000; // characters of a text that are shown

/** @param {any} value @param {string} [name] @param {number} [open] levels that are open from the start @param {boolean} [listed] it is an item of a list, of which a number says little */
export function tree(value, name = "", open = 2, listed = false) {
  if (value === null || typeof value !== "object") return el("div", { class: "leaf" }, label(name), leaf(value));
  const list = Array.isArray(value);
  const members = Object.entries(value);
  if (members.length === 0) return el("div", { class: "leaf" }, label(name), list ? "[]" : "{}");
  const body = el("div", { class: "members" });
  let drawn = 0;
  const draw = () => {
    body.querySelector(":scope > .more")?.remove();
    body.append(...members.slice(drawn, drawn + AT_ONCE).map(([k, v]) => tree(v, k, open - 1, list)));
    drawn = Math.min(members.length, drawn + AT_ONCE);
    if (drawn < members.length) body.append(el("p", { class: "more" }, `${drawn.toLocaleString()} of ${members.length.toLocaleString()} `, button("More", draw, { class: "slim" })));
  };
  const node = el("details", { class: "tree", open: open > 0, ontoggle: () => { if (node.open && drawn === 0) draw(); } },
    el("summary", {}, label(name), listed && called(value), el("span", { class: "soft" }, list ? `[ ${count(members.length, "item")} ]` : `{ ${count(members.length, "field")} }`)), body);
  if (open > 0) draw();
  return node;
}

/** What an object is called, if one of its fields says so. @param {any} value */
function called(value) {
  const name = ["serviceName", "eventKey", "name", "id"].map((field) => value[field]).find((v) => typeof v === "string" && v !== "");
  return name && [el("bdi", {}, clip(name, 120)), " "];
}

/** @param {string} name */
const label = (name) => name !== "" && [el("bdi", { class: "field" }, clip(name, 120)), ": "];

/** @param {any} value */
function leaf(value) {
  const kind = value === null ? "null" : typeof value;
  return el("bdi", { class: "value " + kind }, clip(kind === "string" ? value : String(value), LONGEST));
}
