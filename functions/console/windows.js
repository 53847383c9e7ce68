// @ts-check
// The open windows of a service that waits for each correlation key separately.

import { get, send } from "./api.js";
import { el, svg, update, table, time, said, short, clip, count, button, say, ask, complain, reveal } from "./ui.js";
import { lacks, clock, closesIn } from "./words.js";

const PAGE = 25; // windows of a page: each is a read of the store on every refresh
const COUNTED = 10_000; // events that are read unasked to count the keys, once
const COUNTED_ALL = 200_000; // and when the user asks
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
  /** @type {string[]} where the pages before this one and this one begin; the first begins at the oldest */
  let pages = [""];
  /** @type {{keys: number, more: boolean}|null} */
  let counted = null;
  let counting = COUNTED; // events that the next load reads to count the keys; 0: none
  let asked = 0; // the latest request: only its answer is shown
  const rows = el("div", { class: "windows listed" });
  const field = el("input", { type: "search", name: "correlation-key", maxlength: 1000, autocomplete: "off", spellcheck: "false" });

  async function load() {
    const turn = ++asked;
    const after = pages[pages.length - 1];
    const count = counting;
    counting = 0;
    const answer = await get(base + "windows?" + (sought ? `key=${encodeURIComponent(sought)}` : `limit=${PAGE}${after ? `&after=${encodeURIComponent(after)}` : ""}${count ? `&count=${count}` : ""}`));
    if (answer.count) counted = answer.count;
    else if (sought) counting = count; // it was not asked for
    if (turn !== asked) return;
    list = answer;
    draw(Date.now());
  }

  /** @param {string} key */
  async function find(key) {
    const before = sought;
    sought = key;
    pages = [""];
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
    const first = (pages.length - 1) * PAGE + 1;
    const windows = [...list.windows.filter(incomplete), ...list.windows.filter((/** @type {any} */ w) => !incomplete(w))];
    update(rows, el("p", { class: "small soft", role: "status" }, howMany()), table(sought ? "Open windows of one key" : "Open windows, incomplete and oldest first", ["Key", "Missing", "Events", "Opened", "Closes", "Actions"],
      windows.map((/** @type {any} */ w) => [
        el("div", { class: "key" }, said(w.correlationKey, 200)), incomplete(w) ? lacks(w.missing) : el("span", { class: "good" }, "nothing"),
        has(w.endpoints), time(w.opened), [closesIn(w, now), deadline(w, now)],
        el("div", { class: "row" },
          button("Trigger", () => trigger(w.correlationKey), { class: "slim", "aria-label": `Trigger ${clip(w.correlationKey, 200)}` }),
          button("Reset", () => reset(w.correlationKey), { class: "slim danger", "aria-label": `Reset ${clip(w.correlationKey, 200)}` })),
      ]), sought ? "This key has no open window." : "No windows are open.", windows.map((/** @type {any} */ w) => JSON.stringify([w.correlationKey, w.opened]))),
    el("p", { class: "actions" },
      sought && button("Show all keys", () => { field.value = ""; return find(""); }, { class: "slim" }),
      pages.length > 1 && button("Back", () => { pages.pop(); return load().then(() => reveal(card)); }, { class: "slim" }),
      !sought && list.next && button("More", () => { pages.push(list.next); return load().then(() => reveal(card)); }, { class: "slim" }),
      windows.length > 0 && !sought && (list.next || pages.length > 1) && el("span", { class: "small soft" }, `${first.toLocaleString()} to ${(first + windows.length - 1).toLocaleString()}` + (list.next ? "; there are more" : "; there are no more")),
      counted?.more && !sought && button("Count all", () => { counting = COUNTED_ALL; return load(); }, { class: "slim" })));
  }

  function howMany() {
    if (!list || !counted || sought) return "";
    if (!list.next && pages.length === 1) return `${count(new Set(list.windows.map((/** @type {any} */ w) => w.correlationKey)).size, "key waits", "keys wait")}.`; // all of them are listed
    return counted.more ? `More than ${count(counted.keys, "key")} wait.` : `${count(counted.keys, "key waits", "keys wait")}, as of when this page was opened.`;
  }

  /** @param {string} key */
  async function trigger(key) {
    if (!await ask("Release this key now?", async () => el("p", {}, await held(key), " are published as one message now, whether its window is complete or not."), "Trigger")) return;
    const r = await send("POST", `${base}trigger?key=${encodeURIComponent(key)}`);
    say(r.repeated ? ["Message ", short(r.triggered), ", which was released before, has the events of the window."]
      : r.triggered ? ["Message ", short(r.triggered), " was released."] : "The window is empty: no message was released.");
    refresh();
  }

  /** @param {string} key */
  async function reset(key) {
    if (!await ask("Reset this key?", async () => el("p", {}, await held(key), " are removed, and no message will contain them. This cannot be undone."), "Reset", { danger: true })) return;
    const r = await send("POST", `${base}reset?key=${encodeURIComponent(key)}`);
    say(`${count(r.reset, "event")} removed from the window.`);
    refresh();
  }

  /** Reads how much waits for a key. @param {string} key */
  async function held(key) {
    const { windows, next } = await get(`${base}windows?limit=1000&key=${encodeURIComponent(key)}`);
    const n = windows.flatMap((/** @type {any} */ w) => w.endpoints).reduce((/** @type {number} */ sum, /** @type {any} */ e) => sum + e.have, 0);
    return ["The events that wait for the key ", said(key, 200), ` (${next ? `${n.toLocaleString()} or more events` : count(n, "event")})`];
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
