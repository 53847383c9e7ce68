// @ts-check
// The latest alerts of a service: when, what happened, of which key, and what was missing.

import { el, table, said, clip, count } from "./ui.js";
import { lacks, clock } from "./words.js";

const KEYS = 3; // keys that an overdue message of a service with correlation names

/** @type {Record<string, string>} */
const kinds = { incomplete: "window closed incomplete", expired: "events left the window", overdue: "no complete message in time" };

/** @param {any[]} alerts of /status, the newest first */
export function alertList(alerts) {
  if (alerts.length === 0) return null;
  return table("Latest alerts", ["Time", "What", "Key", "Missing", "Sent"], alerts.map((a) => [
    el("time", { datetime: a.at, title: new Date(a.at).toLocaleString() }, clock(a.at)),
    el("span", { class: "warn" }, kinds[a.kind] ?? said(a.kind), a.kind === "expired" && ` (${count(expired(a), "event")})`),
    said(a.correlationKey ?? ""),
    missing(a),
    a.waiting ? el("span", { class: "warn", title: clip(a.lastError ?? "", 400) }, "waits") : "yes",
  ]), "", alerts.map((a) => a.id));
}

/** @param {any} a */
function expired(a) {
  return (a.endpoints ?? []).reduce((/** @type {number} */ n, /** @type {any} */ e) => n + (e.expired ?? 0), 0);
}

/** @param {any} a */
function missing(a) {
  if (!a.windows) return lacks(a.missing ?? []);
  const windows = a.windows.filter((/** @type {any} */ w) => (w.missing ?? []).length > 0);
  return [windows.slice(0, KEYS).map((/** @type {any} */ w, /** @type {number} */ i) => [i > 0 && "; ", said(w.correlationKey), ": ", lacks(w.missing)]),
    (windows.length > KEYS || a.moreWindows) && "; and further keys"];
}
