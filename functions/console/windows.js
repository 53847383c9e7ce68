// @ts-check
// The open windows of a service that waits for each correlation key separately.

import { get, send } from "./api.js";
import { el, svg, update, table, time, said, short, clip, count, button, say, ask, complain } from "./ui.js";
import { lacks, clock, closesIn } from "./words.js";

const PAGE = 20;
const MOST = 400; // windows that are shown: each is a read of the store on every refresh
const NAMED = 10; // endpoints that a row names

/**
 * Returns the list of open windows: its card, what loads it, what draws it, and the time
 * at which the next window closes.
 * @param {string} base of the service's addresses
 * @param {() => any} refresh loads the whole view again
 * @param {() => any} sift loads the messages again, because another key is searched for
 */
export function openWindows(base, refresh, sift) {
  /** @type {any} */
  let list = null;
  let sought = ""; // the key that is searched for; "": all
  let limit = PAGE;
  let asked = 0; // the latest request: only its answer is shown
  const rows = el("div", { class: "windows listed" });
  const field = el("input", { type: "search", name: "correlation-key", maxlength: 1000, autocomplete: "off", spellcheck: "false" });

  async function load() {
    const turn = ++asked;
    const answer = await get(base + "windows?" + (sought ? `key=${encodeURIComponent(sought)}` : `limit=${limit}`));
    if (turn !== asked) return;
    list = answer;
    draw(Date.now());
  }

  /** @param {string} key */
  async function find(key) {
    const before = sought;
    sought = key;
    limit = PAGE;
    try {
      await load();
    } catch (err) { // such as a key that is too long: what was shown stays
      sought = before;
      throw err;
    }
    await sift();
  }

  /** @param {number} now */
  function draw(now) {
    if (!list) return;
    const incomplete = (/** @type {any} */ w) => w.missing.length > 0;
    const windows = [...list.windows.filter(incomplete), ...list.windows.filter((/** @type {any} */ w) => !incomplete(w))];
    update(rows, table(sought ? "Open windows of one key" : "Open windows, incomplete and oldest first", ["Key", "Missing", "Events", "Opened", "Closes", "Actions"],
      windows.map((/** @type {any} */ w) => [
        el("div", { class: "key" }, said(w.correlationKey, 200)), incomplete(w) ? lacks(w.missing) : el("span", { class: "good" }, "nothing"),
        has(w.endpoints), time(w.opened), [closesIn(w, now), deadline(w, now)],
        el("div", { class: "row" },
          button("Trigger", () => trigger(w.correlationKey), { class: "slim", "aria-label": `Trigger ${clip(w.correlationKey, 200)}` }),
          button("Reset", () => reset(w.correlationKey), { class: "slim danger", "aria-label": `Reset ${clip(w.correlationKey, 200)}` })),
      ]), sought ? "This key has no open window." : "No windows are open.", windows.map((/** @type {any} */ w) => JSON.stringify([w.correlationKey, w.opened]))),
    el("p", { class: "actions" },
      sought && button("Show all keys", () => { field.value = ""; return find(""); }, { class: "slim" }),
      list.next && limit < MOST && button("More", () => { limit += PAGE; return load(); }, { class: "slim" }),
      list.next && limit >= MOST && el("span", { class: "small soft" }, `Only the oldest ${MOST} are shown. Search for a key to see another.`)));
  }

  /** @param {string} key */
  async function trigger(key) {
    if (!await ask("Release this key now?", ["The events that wait for the key ", said(key, 200), " are published as one message now, whether its window is complete or not."], "Trigger")) return;
    const r = await send("POST", `${base}trigger?key=${encodeURIComponent(key)}`);
    say(r.repeated ? ["Message ", short(r.triggered), ", which was released before, has the events of the window."]
      : r.triggered ? ["Message ", short(r.triggered), " was released."] : "The window is empty: no message was released.");
    refresh();
  }

  /** @param {string} key */
  async function reset(key) {
    if (!await ask("Reset this key?", ["The events that wait for the key ", said(key, 200), " are removed, and no message will contain them."], "Reset")) return;
    const r = await send("POST", `${base}reset?key=${encodeURIComponent(key)}`);
    say(`${count(r.reset, "event")} removed from the window.`);
    refresh();
  }

  const search = () => find(field.value.trim());
  const card = el("div", { class: "card" },
    el("form", { class: "row find", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); search().catch(complain); } },
      el("label", {}, "Find a key", field), button("Search", search)),
    rows);
  return {
    card, load, draw,
    sought: () => sought,
    /** The number of events and windows that the list was made from: about what a refresh costs. */
    cost: () => (list?.windows ?? []).reduce((/** @type {number} */ n, /** @type {any} */ w) => n + 5 + w.endpoints.reduce((/** @type {number} */ m, /** @type {any} */ e) => m + e.have, 0), 0),
    closesNext: () => Math.min(...(list?.windows ?? []).map((/** @type {any} */ w) => w.closes ? Date.parse(w.closes) : Infinity)),
  };
}

/** Draws how much of a window's time has passed. @param {any} w @param {number} now */
function deadline(w, now) {
  if (!w.closes) return null;
  const from = Date.parse(w.opened), end = Date.parse(w.closes);
  const at = 100 * Math.min(1, Math.max(0, (now - from) / Math.max(1, end - from)));
  return svg("svg", { class: "timeline deadline", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `opened ${clock(w.opened)}, closes ${clock(w.closes)}` },
    svg("title", {}, `closes ${clock(w.closes)}`),
    svg("line", { class: "axis", x1: 0, x2: 100, y1: 5, y2: 5 }), svg("line", { class: "past", x1: 0, x2: at, y1: 5, y2: 5 }),
    svg("line", { class: "end", x1: 99, x2: 99, y1: 1, y2: 9 }));
}

/** @param {any[]} endpoints */
function has(endpoints) {
  return el("ul", { class: "list inline" },
    endpoints.slice(0, NAMED).map((e) => el("li", { class: e.have >= e.need ? "good" : null }, said(e.eventKey, 80), ` ${e.have.toLocaleString()} of ${e.need.toLocaleString()}`)),
    endpoints.length > NAMED && el("li", { class: "soft" }, `and ${count(endpoints.length - NAMED, "more", "more")}`));
}
