// @ts-check
// The latest alerts of a service: when, what happened, of which key, what was missing, and
// whether all receivers have it.

import { el, table, said, count } from "./ui.js";
import { lacks, clock } from "./words.js";

const KEYS = 3; // keys that an overdue message of a service with correlation names

/** @type {Record<string, string>} */
const kinds = { incomplete: "window closed incomplete", expired: "events left the window", overdue: "no complete message in time" };

/** @type {Record<string, string>} */
const became = { partial: ": partial message", dropped: ": dropped", deadLetter: ": dead letter" };

/** @param {any[]} alerts of /status, the newest first @param {any} svc */
export function alertList(alerts, svc) {
  if (alerts.length === 0) return null;
  const keyed = svc.correlation;
  return table("Latest alerts", ["Time", "What", keyed && "Key", "Missing", "Sent"].filter((h) => h), alerts.map((a) => [
    el("time", { datetime: a.at, title: new Date(a.at).toLocaleString() }, clock(a.at)),
    el("div", { class: "wide warn" }, kinds[a.kind] ?? said(a.kind), a.kind === "expired" && ` (${count(expired(a), "event")})`, a.kind === "incomplete" && became[a.completion]),
    keyed && el("div", { class: "key" }, said(a.correlationKey ?? (a.kind === "overdue" ? "all keys" : ""), 80)),
    el("div", { class: "wide" }, missing(a)),
    a.waiting ? el("div", { class: a.lastError ? "wide" : null }, el("span", { class: "warn" }, a.lastError ? "not yet: " : "not yet"), a.lastError && said(a.lastError, 200)) : svc.alerts ? "yes" : "only logged",
  ].filter((cell) => cell !== undefined)), "", alerts.map((a) => a.id));
}

/** @param {any} a */
function expired(a) {
  return (a.endpoints ?? []).reduce((/** @type {number} */ n, /** @type {any} */ e) => n + (e.expired ?? 0), 0);
}

/** @param {any} a */
function missing(a) {
  if (!a.windows) return lacks(a.missing ?? []);
  const windows = a.windows.filter((/** @type {any} */ w) => (w.missing ?? []).length > 0);
  if (windows.length === 0) return "no window was open";
  return [el("ul", { class: "list" }, windows.slice(0, KEYS).map((/** @type {any} */ w) => el("li", {}, said(w.correlationKey, 80), ": ", lacks(w.missing)))),
    (windows.length > KEYS || a.moreWindows) && el("span", { class: "soft" }, "and further keys")];
}
