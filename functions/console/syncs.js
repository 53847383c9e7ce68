// @ts-check
// Syncs: the list, the editor, and one sync at its own address.

import { get } from "./api.js";
import { el, set, update, table, count, button, say, trail, searchField } from "./ui.js";
import { editor } from "./editor.js";
import { fresh } from "./fresh.js";
import { oneSync } from "./sync.js";
import { syncRow } from "./standing.js";

/** @param {import("./app.js").Context} ctx */
export function syncsView(ctx) {
  const [id] = ctx.rest;
  const page = el("div", { class: "stack" });
  /** @param {any} [stored] */
  const define = (stored) => {
    set(page, editor(stored, {
      done: (saved) => {
        say(stored ? "Definition saved." : "Sync created.");
        if (saved === id) open();
        else location.hash = "#/syncs/" + encodeURIComponent(saved);
      },
      cancel: open,
    }));
    page.querySelector("input")?.focus();
  };
  /** @type {{node: any, end: () => void}|null} */
  let shown = null;
  function open() {
    shown?.end();
    shown = id ? oneSync(ctx, id, { edit: define, gone: () => { location.hash = "#/syncs"; } }) : list(ctx, () => define());
    set(page, shown.node);
  }
  ctx.onLeave(() => shown?.end());
  open();
  return [id && trail(["Syncs", "#/syncs"], [id]), page];
}

/** @param {import("./app.js").Context} ctx @param {() => void} create */
function list(ctx, create) {
  const card = el("section", { class: "card listed overview", "aria-label": "Syncs" }, el("p", { class: "soft" }, "Loading…"));
  /** @type {import("./standing.js").Row[]} */
  let rows = [];
  let sought = "";
  let ended = false;
  const draw = () => {
    const now = Date.now();
    const found = rows.map((r) => ({ r, s: r.state(now) })).filter(({ r }) => `${r.name} ${r.key}`.toLowerCase().includes(sought)).sort((a, b) => a.s.rank - b.s.rank || a.r.name.localeCompare(b.r.name));
    update(card, rows.length === 0 ? [el("h3", {}, "No syncs yet."), el("p", { class: "soft" }, "A sync keeps records in step with a database, a file or a service.")]
      : table(sought ? `${found.length.toLocaleString()} of ${count(rows.length, "sync")}` : count(rows.length, "sync"), ["Sync", "State", "Last run", "Next", "Rejected", "Errors"], found.map(({ r, s }) => r.cells(s, now)), `None has “${sought}” in its name.`, found.map(({ r }) => r.key)));
  };
  const loading = fresh(ctx, async () => {
    if (ended) return;
    rows = (await get("sync?runs=true")).syncs.map(syncRow);
    draw();
    await new Promise((r) => setTimeout(r, 20 * rows.length)); // a read of the store each
  });
  const off = ctx.listen("headgate/syncs", "*", loading.refresh);
  ctx.onOpen(loading.refresh);
  loading.refresh();
  return {
    node: el("div", { class: "stack" }, el("div", { class: "title page" }, el("h2", { class: "top" }, "Syncs"),
      el("div", { class: "row" }, searchField("Search syncs", (text) => { sought = text; draw(); }), button("New sync", create, { class: "primary", id: "new-sync" }))), loading.trouble, card),
    end: () => { ended = true; off(); },
  };
}
