// @ts-check
// Gates: the list, one gate, and one of its messages, each at its own address.

import { segment } from "./api.js";
import { el, update, table, said, count, trail, searchField } from "./ui.js";
import { fresh } from "./fresh.js";
import { gate } from "./gate.js";
import { messagePage } from "./message.js";
import { readGates } from "./standing.js";

const HEADS = ["Gate", "State", "Last message", "Next", "Missing", "Errors"];

/** @param {import("./app.js").Context} ctx */
export function gatesView(ctx) {
  const [name, part, id] = ctx.rest;
  if (ctx.services.length === 0) {
    return el("section", { class: "card" }, el("h2", {}, "No gate"),
      el("p", {}, "The configuration of this deployment names no service, so no events are taken and no messages are published."));
  }
  const svc = name ? ctx.services.find((s) => s.serviceName === name) : ctx.services.length === 1 ? ctx.services[0] : null;
  if (!svc && !name) return list(ctx);
  if (!svc) {
    return el("section", { class: "card", role: "alert" }, el("h2", {}, "There is no such gate"), el("p", {}, "The configuration names no service ", said(name, 80), "."), el("p", {}, el("a", { href: "#/gates" }, "All gates")));
  }
  if (ctx.services.length > 1 && /^\.\.?$/.test(svc.serviceName)) { // browsers would resolve the name, and the requests reach another service
    return el("section", { class: "card" }, el("h2", {}, said(svc.serviceName)), el("p", {}, "The console cannot show a service of that name: browsers treat it as a step in a path."));
  }
  const base = ctx.services.length === 1 ? "" : `services/${segment(svc.serviceName)}/`;
  const home = "#/gates/" + encodeURIComponent(svc.serviceName);
  if (part === "messages" && id) return [trail(["Gates", "#/gates"], [svc.serviceName, home], ["Message"]), messagePage(ctx, svc, base, id)];
  return [ctx.services.length > 1 && trail(["Gates", "#/gates"], [svc.serviceName]), gate(ctx, svc, base, home)];
}

/** @param {import("./app.js").Context} ctx */
function list(ctx) {
  const card = el("section", { class: "card listed overview", "aria-label": "Gates" });
  /** @type {import("./standing.js").Row[]} */
  let rows = [];
  let sought = "";
  const draw = () => {
    const now = Date.now();
    const found = rows.map((r) => ({ r, s: r.state(now) })).filter(({ r }) => r.name.toLowerCase().includes(sought)).sort((a, b) => a.s.rank - b.s.rank);
    update(card, table(`${count(found.length, "gate")}${sought ? ` of ${ctx.services.length.toLocaleString()}` : ""}`, HEADS, found.map(({ r, s }) => r.cells(s, now)), "None has that in its name.", found.map(({ r }) => r.key)));
  };
  const changed = new Set(["*"]); // the names of gates that are read again; "*": all
  const loading = fresh(ctx, async () => {
    const what = new Set(changed);
    changed.clear();
    rows = await readGates(ctx, rows, what);
    draw();
    await new Promise((r) => setTimeout(r, 1000)); // several requests each: not at every event
  });
  const anew = (/** @type {string} */ name) => {
    changed.add(name);
    loading.refresh();
  };
  ctx.listen("headgate/gates", "*", (change) => anew(change.type === "resync" ? "*" : change.id));
  ctx.onOpen(() => anew("*"));
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Gates"), searchField("Search gates", (text) => { sought = text; draw(); })), loading.trouble, card];
}
