// @ts-check
// Charts of a gate: events over time, and how long messages took, each with its axes and units,
// for an hour, a day or a week.

import { get } from "./api.js";
import { el, svg, update, lasts, count } from "./ui.js";

const PAST = 5000; // ms between two requests for the history, the most expensive one; longer if there are many events

/** @type {[string, string][]} */
const SPANS = [["hour", "Hour"], ["day", "Day"], ["week", "Week"]];

/**
 * Returns the charts, and what loads them: at once, or when it may be asked for again.
 * @param {import("./app.js").Context} ctx @param {string} base of the service's addresses
 */
export function charts(ctx, base) {
  const box = el("div", { class: "columns charts" });
  let span = "hour";
  let looked = 0; // when the history was loaded
  let rest = PAST;
  let later = 0;
  let turn = 0;
  const look = async () => {
    later = 0;
    looked = Date.now();
    const mine = ++turn;
    try {
      const history = await get(`${base}history?span=${span}`);
      if (mine !== turn) return;
      rest = PAST + 5 * history.steps.reduce((/** @type {number} */ n, /** @type {any} */ s) => n + s.events, 0);
      update(box, events(history), lags(history));
    } catch (err) {
      if (mine === turn) update(box, el("p", { class: "card soft" }, `The history is unknown: ${/** @type {Error} */ (err).message}`));
    }
  };
  const load = () => { if (!later) later = setTimeout(look, Math.max(0, looked + rest - Date.now())); };
  ctx.onLeave(() => clearTimeout(later));
  const choose = el("fieldset", { class: "choice" }, el("legend", { class: "visually-hidden" }, "Range of the charts"), SPANS.map(([value, words]) => el("label", {},
    el("input", { type: "radio", name: "span", value, checked: value === span, onchange: () => { span = value; clearTimeout(later); look(); } }), words)));
  return { node: el("section", { class: "stack tight", "aria-label": "History" }, el("div", { class: "title" }, el("h2", {}, "History"), choose), box), load };
}

/** @type {Record<number, [string, string]>} by the seconds of a step: the title, and the span in words */
const steps = { 60: ["Events per minute", "in the last hour"], 1800: ["Events per 30 minutes", "in the last day"], 10800: ["Events per 3 hours", "in the last week"] };

/** @param {any} h */
function events(h) {
  const step = h.stepSeconds * 1000;
  const from = Date.parse(h.since);
  const n = Math.floor((Date.now() - from) / step) + 1;
  const top = Math.max(1, ...h.steps.map((/** @type {any} */ s) => s.events));
  const most = top + top % 2; // so that the middle of the axis is a whole number
  const sum = (/** @type {string} */ of) => h.steps.reduce((/** @type {number} */ m, /** @type {any} */ s) => m + s[of], 0);
  const [title, when] = steps[h.stepSeconds] ?? ["Events", ""];
  const least = h.partial ? "at least " : ""; // what was read of events or of messages is not all
  const words = `${least}${count(sum("events"), "event")} ${when}, ${least}${count(sum("messages"), "message")}`;
  return chart(title, words, `${title}: ${words}, at most ${top.toLocaleString()} in a step`, most, (v) => Math.round(v).toLocaleString(), [at(from, step), at(from + n * step / 2, step), "now"],
    h.steps.map((/** @type {any} */ s) => ({ x: (Date.parse(s.at) - from) / step / n, w: 1 / n, v: s.events, words: `${at(Date.parse(s.at), step)}: ${count(s.events, "event")}, ${count(s.messages, "message")}` })));
}

/** A time as an axis names it. @param {number} t @param {number} step */
function at(t, step) {
  const d = new Date(t);
  return step >= 3600_000 ? d.toLocaleDateString(undefined, { weekday: "short", day: "numeric", month: "short" }) : d.toLocaleTimeString(undefined, { hour: "numeric", minute: "2-digit" });
}

const LAGS = 20; // messages whose times the server gives

/** @param {any} h */
function lags(h) {
  const all = h.messages.map((/** @type {any} */ m) => ({ ...m, ms: Date.parse(m.publishedAt) - Date.parse(m.firstEvent) }));
  const most = Math.max(1, ...all.map((/** @type {any} */ m) => m.ms));
  const latest = all[all.length - 1];
  const when = steps[h.stepSeconds]?.[1] ?? "";
  const words = latest ? `the latest took ${lasts(latest.ms)}, the longest ${lasts(most)}` + (all.length >= LAGS ? `; the latest ${LAGS} messages` : "") : `no message ${when}`;
  return chart("From first event to message", words, `From first event to message: ${words}`, most, (v) => lasts(v), all.length > 0 ? [all.length > 1 ? `${all.length} messages ago` : "", "", "latest message"] : [],
    all.map((/** @type {any} */ m, /** @type {number} */ i) => ({ x: (LAGS - all.length + i) / LAGS, w: 1 / LAGS, v: m.ms, words: `${new Date(m.publishedAt).toLocaleString()}: ${lasts(m.ms)}` })));
}

/**
 * @param {string} title @param {string} words @param {string} label
 * @param {number} most @param {(v: number) => string} unit @param {string[]} ends of the horizontal axis
 * @param {{x: number, w: number, v: number, words: string}[]} bars their place and width are parts of 1
 */
function chart(title, words, label, most, unit, ends, bars) {
  return el("figure", { class: "card" }, el("figcaption", {}, el("h3", {}, title), el("p", { class: "small soft" }, words)),
    el("div", { class: "plot" },
      el("div", { class: "scale small soft", "aria-hidden": "true" }, bars.length > 0 && [el("span", {}, unit(most)), el("span", {}, most > 1 ? unit(most / 2) : ""), el("span", {}, "0")]),
      svg("svg", { class: "chart", viewBox: "0 0 1000 100", preserveAspectRatio: "none", role: "img", "aria-label": label },
        [0.5, 50, 99.5].map((y) => svg("line", { x1: 0, x2: 1000, y1: y, y2: y })),
        bars.map((b) => {
          const high = Math.max(1, 99 * b.v / most);
          return svg("rect", { x: 1000 * b.x + 150 * b.w, y: 99.5 - high, width: 700 * b.w, height: high }, svg("title", {}, b.words));
        })),
      el("p", { class: "ends small soft", "aria-hidden": "true" }, ends.map((e) => el("span", {}, e)))));
}
