// @ts-check
// Overview: one row for each gate, sync and webhook target, and what is wrong with them, with
// the next step. A part that cannot be read is unknown, and the page says why.

import { el, update, table, said, count, searchField, coalesce } from "./ui.js";
import { clock } from "./words.js";
import { nextStep } from "./health.js";
import { readGates, readSyncs, readWebhooks } from "./standing.js";

const SHOWN = 12; // rows of a part that are shown unasked, those with trouble first
const ALL = "*";
const PAUSE = 2000; // ms between two loads
const AGAIN = 5000; // ms until a part that could not be read is read again
const ALARMS = 8; // that are listed; the rows have all
const REDRAW = 5000; // ms: what was due in time is late now

/** @typedef {import("./standing.js").Row} Row */

/**
 * A part of the overview.
 * @typedef {object} Part
 * @property {string} name @property {string} one @property {string} href @property {string[]} heads
 * @property {string} none
 * @property {(ctx: import("./app.js").Context, known: Row[], changed: Set<string>) => Promise<Row[]|null>} read null: the deployment does not serve it
 */

/** @type {Part[]} */
const PARTS = [
  { name: "Gates", one: "gate", href: "#/gates", heads: ["Gate", "State", "Last message", "Next", "Missing", "Errors"], none: "The configuration names no gate.", read: readGates },
  { name: "Syncs", one: "sync", href: "#/syncs", heads: ["Sync", "State", "Last run", "Next", "Rejected", "Errors"], none: "No sync is defined.", read: readSyncs },
  { name: "Webhooks", one: "webhook", href: "#/webhooks", heads: ["Webhook", "State", "Last answer", "Next", "Waiting", "Errors"], none: "No URL is registered.", read: readWebhooks },
];

/** @param {import("./app.js").Context} ctx */
export function overviewView(ctx) {
  const alarms = el("div", { role: "alert" });
  const places = PARTS.map((p) => el("section", { class: "card overview", "aria-label": p.name }, el("h2", {}, p.name), el("p", { class: "soft" }, "Loading…")));
  /** What is known of each part. @type {{rows: Row[]|null, since: number, why: string, loaded: number}[]} */
  const known = PARTS.map(() => ({ rows: [], since: 0, why: "", loaded: 0 }));
  /** What changed in each part since it was read, by id; ALL: anything. Only that is read again. */
  const changed = PARTS.map(() => new Set([ALL]));
  let sought = "";
  let again = 0;

  const refresh = coalesce(async () => {
    clearTimeout(again);
    await Promise.all(PARTS.map(async (part, i) => {
      const k = known[i];
      const what = new Set(changed[i]);
      if (what.size === 0) return;
      changed[i].clear();
      try {
        k.rows = await part.read(ctx, k.rows ?? [], what);
        for (const r of k.rows ?? []) if (r.unknown) changed[i].add(r.key); // it is read again
        k.since = 0;
        k.loaded = Date.now();
      } catch (err) {
        k.since ||= Date.now();
        k.why = /** @type {Error} */ (err).message;
        changed[i].add(ALL);
      }
      draw();
    }));
    if (changed.some((c) => c.size > 0)) again = setTimeout(refresh, AGAIN);
    await new Promise((r) => setTimeout(r, PAUSE));
  });

  function draw() {
    const now = Date.now();
    /** @type {any[]} */
    const wrong = [];
    PARTS.forEach((part, i) => {
      const k = known[i];
      places[i].classList.toggle("hidden", k.rows === null && !k.since);
      if (k.since) wrong.push(alarm(part.name, `unknown since ${clock(new Date(k.since).toISOString())}, because ${k.why}`, nextStep(k.why), part.href, part.name));
      if (!k.loaded && !k.since) return;
      const rows = (k.rows ?? []).map((r) => ({ r, s: k.since ? { words: "unknown", tone: "warn", rank: 1 } : r.state(now) }));
      for (const { r, s } of rows) if (!k.since && s.rank === 0) wrong.push(alarm(r.name, r.alarm(now), r.step?.(now), r.href, r.key));
      drawPart(part, places[i], rows, k, now);
    });
    update(alarms, wrong.length > 0 && el("section", { class: "alarm", "aria-label": "What is wrong" }, el("h2", {}, count(wrong.length, "thing needs", "things need"), " attention"), el("ul", {}, listed(wrong))));
  }

  /** @param {Part} part @param {Element} at @param {{r: Row, s: import("./standing.js").State}[]} rows @param {{since: number, why: string, loaded: number}} k @param {number} now */
  function drawPart(part, at, rows, k, now) {
    const found = rows.filter(({ r }) => r.name.toLowerCase().includes(sought)).sort((a, b) => a.s.rank - b.s.rank);
    const shown = sought ? found : found.slice(0, SHOWN);
    const wrong = rows.filter(({ s }) => s.rank === 0).length;
    const look = rows.filter(({ s }) => s.rank === 1).length;
    update(at, el("div", { class: "title" }, el("h2", {}, el("a", { href: part.href }, part.name)),
      el("span", { class: "small soft" }, k.since ? `unknown since ${clock(new Date(k.since).toISOString())}, because ${k.why}` + (k.loaded ? `; what you see is of ${clock(new Date(k.loaded).toISOString())}` : "")
        : rows.length > 0 && [count(rows.length, part.one), wrong > 0 && `, ${wrong.toLocaleString()} with an alarm`, look > 0 && `, ${look.toLocaleString()} to look at`])),
    rows.length === 0 ? !k.since && el("p", { class: "soft" }, part.none) : el("div", { class: "listed" }, table(part.name, part.heads, shown.map(({ r, s }) => r.cells(s, now)), `None has “${sought}” in its name.`, shown.map(({ r }) => r.key))),
    shown.length < found.length && el("p", { class: "more" }, el("a", { href: part.href }, `All ${count(rows.length, part.one)}`), el("span", { class: "small soft" }, ` (${shown.length.toLocaleString()} of ${found.length.toLocaleString()} are shown, those with alarms first)`)));
  }

  const anew = (/** @type {number} */ i, /** @type {string} */ id) => {
    changed[i].add(id);
    refresh();
  };
  ctx.listen("headgate/gates", "*", (change) => anew(0, change.type === "resync" ? ALL : change.id));
  ctx.listen("headgate/syncs", "*", () => anew(1, ALL));
  ctx.listen("headgate/webhooks", "all", () => anew(2, ALL));
  ctx.onOpen(() => PARTS.forEach((_, i) => anew(i, ALL)));
  const tick = setInterval(draw, REDRAW);
  ctx.onLeave(() => {
    clearInterval(tick);
    clearTimeout(again);
  });
  refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Overview"), searchField("Search names", (text) => { sought = text; draw(); })), alarms, places];
}

/** @param {string} name @param {any} what @param {any} step @param {string} href @param {string} key */
const alarm = (name, what, step, href, key) => ({ key, line: el("p", {}, el("a", { href }, said(name, 80)), ": ", what), step: step && el("div", {}, step) });

/** The alarms as a list. Those with one cause have one next step, at the last of them. @param {ReturnType<typeof alarm>[]} wrong */
function listed(wrong) {
  const shown = wrong.slice(0, ALARMS);
  return [shown.map((a, i) => el("li", { "data-key": a.key }, a.line, !shown.slice(i + 1).some((b) => b.step?.textContent === a.step?.textContent) && a.step)),
    wrong.length > ALARMS && el("li", {}, `and ${count(wrong.length - ALARMS, "more", "more")}, which are first in the lists below`)];
}
