// @ts-check
// One message: what it is, what became of it at each target, the events that made it, and its
// content.

import { get, head, segment } from "./api.js";
import { el, update, table, time, said, short, lasts, bytes, count, button, copier } from "./ui.js";
import { lacks, completion, errorIn } from "./words.js";
import { messageState, targetState, replay } from "./messages.js";
import { tree } from "./tree.js";
import { fresh } from "./fresh.js";
import { nextStep } from "./health.js";

const CONTENT = 512 << 10; // bytes of a message's content that are shown
const EVENTS = 100; // rows of events that are shown

/** @param {import("./app.js").Context} ctx @param {any} svc @param {string} base @param {string} id */
export function messagePage(ctx, svc, base, id) {
  const top = el("div", { class: "title page" }, el("h2", { class: "top mono" }, said(id, 80)));
  const about = el("section", { class: "card", "aria-label": "Message" }, el("p", { class: "soft" }, "Loading…"));
  const places = el("section", { class: "card listed", "aria-label": "Targets" });
  const events = el("section", { class: "card listed events", "aria-label": "Events" });
  const content = el("section", { class: "card", "aria-label": "Content" });
  for (const part of [places, events, content]) part.classList.add("hidden");
  /** @type {string|null} */
  let text = null; // a message's content never changes

  const loading = fresh(ctx, async () => {
    const m = (await get(`${base}messages?eventID=${encodeURIComponent(id)}`)).messages[0];
    if (!m) {
      update(about, el("h2", {}, "There is no such message"), el("p", {}, "No message of ", said(svc.serviceName, 80), " has the id ", el("bdi", { class: "mono" }, said(id, 80)), ". It may have expired: messages are kept for ", count(svc.retentionDays ?? 7, "day"), "."));
      return;
    }
    drawTargets(m);
    if (text !== null || m.state === "dropped") return drawAbout(m, parsed(text));
    drawAbout(m, null);
    const got = await head(base + "messages/" + segment(id), CONTENT).catch((err) => { if (err.status === 410) return null; throw err; });
    if (!got) {
      content.classList.remove("hidden");
      return update(content, el("h2", {}, "Content"), el("p", { class: "soft" }, "The events of this message have expired."));
    }
    text = got.text;
    const whole = got.whole ? parsed(text) : null;
    drawAbout(m, whole);
    drawEvents(m, whole);
    drawContent(whole, text, got.whole, m.size);
  });

  /** @param {any} m @param {any} whole the message, if it could be parsed */
  function drawAbout(m, whole) {
    const trace = traceOf(whole);
    const first = whole && firstEvent(whole);
    update(top, el("div", { class: "row" }, el("h2", { class: "top mono" }, said(m.eventID, 80)), messageState(m), copier(() => m.eventID, "the id")),
      m.state !== "dropped" && el("div", { class: "row" }, button("Replay", () => replay(base, m), { class: "primary", "aria-label": `Replay ${m.eventID}` })));
    update(about, m.lastError && !m.targets && el("div", { class: "alarm" }, el("p", {}, said(errorIn(m.lastError), 600)), nextStep(m.lastError)),
    el("dl", { class: "facts" },
      fact("Claimed", time(m.date)), fact("Published", m.publishedAt ? [time(m.publishedAt), first && el("span", { class: "soft" }, `, ${lasts(Date.parse(m.publishedAt) - first)} after the first event`)] : m.state === "dropped" ? "never: the window was dropped" : "not yet"),
      fact("Events", m.numberOfEvents.toLocaleString()), fact("Size", bytes(m.size)), fact("Attempts", m.attempts.toLocaleString()),
      m.completion && fact("Completion", completion(m)), m.correlationKey !== undefined && fact("Key", said(m.correlationKey)),
      m.opened && fact("Window", ["from ", time(m.opened), m.closes && [" to ", time(m.closes)]]), m.missing?.length > 0 && fact("Missing", lacks(m.missing)),
      trace && fact("Trace", [el("bdi", { class: "mono" }, trace), " ", copier(() => trace, "the trace id")])));
  }

  /** @param {any} m */
  function drawTargets(m) {
    places.classList.toggle("hidden", !m.targets);
    if (!m.targets) return;
    update(places, table("Targets", ["Target", "State", { text: "Attempts", number: true }, "Delivered", "Next attempt", "Last error", "Actions"], m.targets.map((/** @type {any} */ t) => [
      said(t.name, 80), targetState(t), t.attempts.toLocaleString(), t.deliveredAt ? time(t.deliveredAt) : "not yet", t.nextAttempt && t.state === "pending" ? time(t.nextAttempt) : "none", t.lastError ? el("div", { class: "wide" }, said(errorIn(t.lastError), 300)) : "",
      m.state !== "dropped" && button(`Replay to ${t.name}`, () => replay(base, m, t.name), { class: "slim", "aria-label": `Replay ${m.eventID} to ${t.name}` }),
    ]), "", m.targets.map((/** @type {any} */ t) => t.name)));
  }

  /** @param {any} m @param {any} whole */
  function drawEvents(m, whole) {
    const list = whole ? eventsOf(whole) : [];
    events.classList.toggle("hidden", list.length === 0);
    update(events, table(list.length > EVENTS || list.length < m.numberOfEvents ? `Events: ${Math.min(EVENTS, list.length).toLocaleString()} of ${m.numberOfEvents.toLocaleString()}` : "Events", ["Endpoint", "Received", "Id", "Content", "Actions"], list.slice(0, EVENTS).map((e) => [
      said(e.eventKey, 80), time(e.datetime), short(e.id ?? ""), el("code", {}, said(e.content ?? "", 240)),
      copier(() => typeof e.content === "string" ? e.content : JSON.stringify(e.content ?? null), `the content of an event of ${e.eventKey.slice(0, 80)}`),
    ]), ""));
  }

  /** @param {any} whole @param {string} raw @param {boolean} all @param {number} size */
  function drawContent(whole, raw, all, size) {
    content.classList.remove("hidden");
    update(content, el("div", { class: "title" }, el("h2", {}, "Content"), copier(() => raw, "the content")),
      !all && el("p", { class: "soft" }, `The first ${bytes(CONTENT)} of ${bytes(size)} are shown.`),
      whole ? el("div", { class: "json" }, tree(whole, "", 3)) : el("pre", { tabindex: "0" }, raw));
  }

  ctx.listen("headgate/gates", svc.serviceName, loading.refresh);
  ctx.onOpen(loading.refresh);
  loading.refresh();
  return el("div", { class: "stack" }, loading.trouble, top, about, places, events, content);
}

/** @param {string} term @param {any} text */
const fact = (term, text) => [el("dt", {}, term), el("dd", {}, text)];

/** @param {string|null} text */
function parsed(text) {
  try {
    return text === null ? null : JSON.parse(text);
  } catch {
    return null; // not JSON: it is shown as it is
  }
}

/** The events of a message, in order. @param {any} whole @returns {any[]} */
function eventsOf(whole) {
  return Object.values(whole.events ?? {}).flatMap((/** @type {any} */ l) => l?.events ?? []).filter((e) => e?.eventKey !== undefined);
}

/** When the first of its events was received. @param {any} whole @returns {number} */
function firstEvent(whole) {
  const times = Object.values(whole.events ?? {}).map((/** @type {any} */ l) => Date.parse(l?.FirstEventDate ?? l?.firstEventDate ?? "")).filter((t) => t > 0);
  return times.length > 0 ? Math.min(...times) : 0;
}

/** The trace id of a message, or of its first event that has one. @param {any} whole @returns {string} */
function traceOf(whole) {
  if (!whole) return "";
  const of = (/** @type {any} */ v) => /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(typeof v === "string" ? v : Array.isArray(v) ? v[0] : "")?.[1] ?? "";
  const header = (/** @type {any} */ e) => Object.entries(e.headers ?? {}).find(([name]) => name.toLowerCase() === "traceparent")?.[1];
  return whole.traceId || of(whole.traceparent) || eventsOf(whole).map((e) => of(header(e) ?? e.cloudEvent?.traceparent)).find(Boolean) || "";
}
