// @ts-check
// Who did what by hand: found by person, action, object and time, a page at a time.

import { get } from "./api.js";
import { el, update, table, time, said, button, complain, pill, reveal } from "./ui.js";
import { fresh } from "./fresh.js";

const PAGE = 50;

/** @param {import("./app.js").Context} ctx */
export function auditView(ctx) {
  /** @type {string[]} where the pages before this one and this one begin; the first begins at the newest */
  let pages = [""];
  let turn = 0; // the latest request: only its answer is shown
  const rows = el("div", { class: "listed" }, el("p", { class: "soft" }, "Loading…"));
  const field = (/** @type {string} */ name, attributes = {}) => el("input", { type: "search", name, maxlength: 500, autocomplete: "off", spellcheck: "false", ...attributes });
  const who = field("who"), action = field("action"), object = field("object", { placeholder: "/sync/ID" });
  const since = el("input", { type: "datetime-local", name: "since" }), until = el("input", { type: "datetime-local", name: "until" });
  const fields = [who, action, object, since, until];

  function query() {
    const q = new URLSearchParams(`limit=${PAGE}`);
    for (const f of fields) if (f.value.trim()) q.set(f.name, f.type === "search" ? f.value.trim() : new Date(f.value).toISOString());
    const after = pages[pages.length - 1];
    if (after) q.set("after", after);
    return q;
  }

  async function load() {
    const mine = ++turn;
    const list = await get(`audit?${query()}`);
    if (mine === turn) draw(list);
  }

  const sift = () => {
    pages = [""];
    return load().catch(complain);
  };

  /** Goes to another page. @param {() => void} go */
  const turned = async (go) => {
    go();
    await load();
    reveal(card);
  };

  /** @param {any} list */
  function draw(list) {
    const nothing = list.next ? "There are none on this page; there may be older ones." : fields.some((f) => f.value.trim()) || pages.length > 1 ? "There are none." : "Nobody has done anything by hand yet.";
    update(rows, table("Acts, newest first", ["Time", "Who", "Action", "Object", "Details", "Outcome"], list.entries.map((/** @type {any} */ e) => [
      time(e.time), said(e.who, 80), el("code", {}, said(e.action, 60)), el("code", {}, said(e.object, 120)),
      Object.entries(e.detail ?? {}).map(([name, value]) => el("div", { class: "small" }, said(name, 60), ": ", said(value, 200))),
      [outcome(e.outcome), e.error && el("div", { class: "wide small bad" }, said(e.error, 200))],
    ]), nothing, list.entries.map((/** @type {any} */ e) => e.auditId)),
    el("p", { class: "actions" },
      pages.length > 1 && button("Newest", () => turned(() => { pages = [""]; }), { class: "slim" }),
      pages.length > 1 && button("Newer", () => turned(() => { pages.pop(); }), { class: "slim" }),
      list.next && button("Older", () => turned(() => { pages.push(list.next); }), { class: "slim" })));
  }

  const card = el("section", { class: "card", "aria-label": "Audit" },
    el("p", { class: "soft small" }, "What people did by hand and what it changed: triggers, resets, replays, edits, syncs and webhooks."),
    el("form", { class: "row find", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); sift(); } },
      el("label", {}, "Who", who), el("label", {}, "Action", action), el("label", {}, "Object", object), el("label", {}, "From", since), el("label", {}, "Until", until), el("button", { type: "submit" }, "Find")),
    rows);
  const loading = fresh(ctx, load);
  ctx.onOpen(loading.refresh);
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Audit")), loading.trouble, card];
}

/** @param {string} outcome */
const outcome = (outcome) => pill(outcome, outcome === "done" ? "good" : outcome === "failed" ? "bad" : "busy");
