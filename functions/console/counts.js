// @ts-check
// The events that are in no window: what became of them, by endpoint and by feed.

import { el, table, said } from "./ui.js";
import { clock, COUNTED } from "./words.js";

/** @type {[string, string][]} */
const ends = [["duplicate", "duplicate"], ["filtered", "filtered"], ["superseded", "superseded"], ["dropped", "dropped"], ["deadLettered", "to the dead letters"], ["refused", "refused"]];

/** Names the counts that are not 0. @param {any} counts undefined if all are 0 */
const named = (counts) => ends.filter(([name]) => counts?.[name] > 0).map(([name, words]) => `${counts[name].toLocaleString()} ${words}`).join(", ");

/** The events of one endpoint that are in no window. @param {any} e of /status */
export function uncounted(e) {
  const words = named(e.counts);
  return words && el("p", { class: "small soft" }, `In no window: ${words}.`);
}

/**
 * The endpoints of a service with correlation: the events of all keys.
 * @param {any[]} endpoints of /status @param {Set<string>} optional
 */
export function waiting(endpoints, optional) {
  return table("Events of all keys", ["Endpoint", { text: "Waiting", number: true }, { text: "Expired", number: true }, "In no window"], endpoints.map((e) => [
    [said(e.eventKey, 80), optional.has(e.eventKey) && " (optional)"],
    e.have >= COUNTED ? `${COUNTED.toLocaleString()} or more` : e.have.toLocaleString(),
    el("span", { class: e.expired > 0 ? "warn" : null, title: "left their window without a message" }, e.expired.toLocaleString()),
    named(e.counts),
  ]), "", endpoints.map((e) => e.eventKey));
}

/** What became of events of feeds that no route took, and since when all of it is counted. @param {any} status */
export function feedsAndSince(status) {
  return [
    ...(status.feeds ?? []).filter((/** @type {any} */ f) => named(f.counts)).map((/** @type {any} */ f) =>
      el("p", { class: "small soft" }, "Of the feed ", said(f.name, 80), `, no route took: ${named(f.counts)}.`)),
    status.countedSince && el("p", { class: "small soft" }, `Events in no window are counted by the instance that answered, since ${clock(status.countedSince)}.`),
  ];
}
