// @ts-check
// The endpoints of a gate: what each has and needs, and when its events leave the window. Few
// endpoints have time lines; many are rows that can be searched, those that lack events first.

import { el, svg, table, said, lasts, inTime, count, button } from "./ui.js";
import { clock, closesIn } from "./words.js";
import { uncounted } from "./counts.js";

const FEW = 12; // endpoints that have time lines
const MOST = 50; // rows that are shown unasked

/** Reports whether the endpoints of a service are rows. @param {any} svc */
export const compact = (svc) => svc.endpoints.length > FEW;

/**
 * Many endpoints, as rows. Those that lack nothing are only counted until somebody asks for
 * them or searches.
 * @param {any[]} endpoints of /status @param {Set<string>} optional @param {{sought: string, all: boolean, toggle: () => void}} o @param {number} now
 */
export function rowsOf(endpoints, optional, { sought, all, toggle }, now) {
  const lack = (/** @type {any} */ e) => e.have < e.need && !optional.has(e.eventKey);
  const found = endpoints.filter((e) => e.eventKey.toLowerCase().includes(sought));
  const missing = endpoints.filter(lack).length;
  const shown = sought || all ? [...found.filter(lack), ...found.filter((e) => !lack(e))] : found.filter(lack).slice(0, MOST);
  const words = [missing > shown.length && `${(missing - shown.length).toLocaleString()} more lack events`, missing < endpoints.length && `${(endpoints.length - missing).toLocaleString()} lack nothing`].filter((w) => w);
  return el("div", { class: "compact" }, table(`${count(endpoints.length, "endpoint")}, ${missing.toLocaleString()} of them missing events${sought ? `; ${found.length.toLocaleString()} with “${sought}” in the name` : ""}`,
    ["Endpoint", "Events", "Has of needs", "The oldest leaves", { text: "Expired", number: true }],
    shown.map((e) => [
      [said(e.eventKey, 120), optional.has(e.eventKey) && el("span", { class: "soft" }, " (optional)")], meter(e, e.eventKey),
      el("span", { class: lack(e) ? "warn" : null }, `${e.have.toLocaleString()} of ${e.need.toLocaleString()}`),
      e.oldestLeavesAt ? Date.parse(e.oldestLeavesAt) > now ? inTime(Date.parse(e.oldestLeavesAt) - now) : "now" : "", [e.expired > 0 && e.expired.toLocaleString(), uncounted(e)],
    ]), sought ? `No endpoint has “${sought}” in its name.` : "None lacks events.", shown.map((e) => e.eventKey)),
  !sought && (all || shown.length < endpoints.length) && el("p", { class: "actions" },
    button(all ? "Show only those that lack events" : `Show all ${count(endpoints.length, "endpoint")}`, toggle, { class: "slim" }), !all && el("span", { class: "small soft" }, words.join("; "))));
}

/** @param {any} e @param {string} label */
function meter(e, label) {
  const bar = el("div", {});
  bar.style.width = `${Math.min(100, 100 * e.have / Math.max(1, e.need))}%`;
  return el("div", { class: "meter" + (e.have >= e.need ? " full" : ""), role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": e.need, "aria-valuenow": Math.min(e.have, e.need), "aria-valuetext": `${e.have} of ${e.need} events` }, bar);
}

/**
 * One of a few endpoints, with its time line.
 * @param {any} svc @param {any} e of /status @param {any} waits of /pending @param {{optional: boolean, open: any, closing: boolean, most: number}} o @param {number} now
 */
export function endpoint(svc, e, waits, o, now) {
  const { open, closing } = o;
  const period = svc.trigger.observationPeriod * 1000;
  const until = open ? Date.parse(open.closes) : 0;
  // An event that was received after the window closed belongs to the next one.
  const events = (waits?.events ?? []).filter((/** @type {any} */ x) => closing ? Date.parse(x.receivedAt) < until : Date.parse(x.leavesAt) > now);
  return el("div", { class: "endpoint" },
    el("div", { class: "head" }, el("h3", {}, said(e.eventKey), o.optional && " (optional)"), el("span", { class: e.have >= e.need ? "soft" : null }, `${e.have.toLocaleString()} of ${count(e.need, "event")}`)),
    meter(e, e.eventKey),
    closing ? wholeTimeline(open, events, now) : timeline(period, events, now),
    closing ? wholeEnds(open, events, now) : el("p", { class: "ends small soft" }, el("span", {}, lasts(period), " ago"),
      el("span", {}, events.length > 0 ? ["the oldest leaves ", inTime(Date.parse(events[0].leavesAt) - now)] : "no events"), el("span", {}, "now")),
    e.expired > 0 && el("p", { class: "small soft" }, `${count(e.expired, "event")} left the window without a message.`), uncounted(e),
    waits?.more && el("p", { class: "small soft" }, `The time line shows the oldest ${o.most} of ${count(e.have, "event")}.`));
}

/** @param {number} period @param {any[]} events @param {number} now */
function timeline(period, events, now) {
  const at = (/** @type {any} */ e) => 6 + 988 * Math.min(1, Math.max(0, 1 - (now - Date.parse(e.receivedAt)) / period));
  return svg("svg", { class: "timeline", viewBox: "0 0 1000 30", preserveAspectRatio: "none", role: "img",
    "aria-label": events.length === 0 ? "No event is in the window" : `${count(events.length, "event")} in the window; the oldest leaves at ${new Date(events[0].leavesAt).toLocaleTimeString()}` },
  svg("line", { class: "axis", x1: 0, x2: 1000, y1: 15, y2: 15 }),
  events.map((e) => svg("line", { class: "event", x1: at(e), x2: at(e), y1: 6, y2: 24 },
    svg("title", {}, `received ${new Date(e.receivedAt).toLocaleTimeString()}, leaves ${new Date(e.leavesAt).toLocaleTimeString()}`))));
}

/** The time line of a window that closes as a whole. @param {any} open @param {any[]} events @param {number} now */
function wholeTimeline(open, events, now) {
  const from = open ? Date.parse(open.opened) : 0;
  const long = open ? Math.max(1, Date.parse(open.closes) - from) : 1;
  const at = (/** @type {number} */ t) => 6 + 988 * Math.min(1, Math.max(0, (t - from) / long));
  return svg("svg", { class: "timeline", viewBox: "0 0 1000 30", preserveAspectRatio: "none", role: "img",
    "aria-label": open ? `${count(events.length, "event")} in the window, which opened at ${clock(open.opened)} and closes at ${clock(open.closes)}` : "No window is open" },
  svg("line", { class: "axis", x1: 0, x2: 1000, y1: 15, y2: 15 }),
  open && [svg("line", { class: "past", x1: 0, x2: at(now), y1: 15, y2: 15 }), svg("line", { class: "end", x1: 998, x2: 998, y1: 4, y2: 26 })],
  events.map((e) => svg("line", { class: "event", x1: at(Date.parse(e.receivedAt)), x2: at(Date.parse(e.receivedAt)), y1: 6, y2: 24 },
    svg("title", {}, `received ${clock(e.receivedAt)}`))));
}

/** @param {any} open @param {any[]} events @param {number} now */
function wholeEnds(open, events, now) {
  if (!open) return el("p", { class: "ends small soft" }, el("span", {}, "no window is open"));
  return el("p", { class: "ends small soft" }, el("span", {}, "opened ", clock(open.opened)),
    el("span", {}, events.length > 0 ? "" : "no events, ", "closes ", closesIn(open, now)), el("span", {}, clock(open.closes)));
}
