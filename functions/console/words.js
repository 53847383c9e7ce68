// @ts-check
// What a configuration, a window and a message say, in words. Names and keys come from
// outside: they are only put into text nodes.

import { el, said, lasts, inTime, count } from "./ui.js";

const LISTED = 10; // endpoints that a sentence names
export const BRIEFLY = 3; // where a list beside it has them all
export const COUNTED = 10_000; // events of all keys that the server counts at most, at each endpoint
const LONGEST = 400; // characters of a condition that is put into words

/** Reports whether the windows of a service close as a whole. @param {any} svc */
export const closes = (svc) => svc.trigger.type === "window" && (svc.trigger.window ?? "sliding") !== "sliding";

/** @param {string} text */
const code = (text) => el("code", {}, said(text));

/** @param {string} text of a schedule, which is short and read as one */
const cron = (text) => el("code", { class: "short" }, said(text));

/**
 * Says when messages are released, in which windows, and what becomes of windows that
 * close incomplete.
 * @param {any} svc
 */
export function ruleInWords(svc) {
  const t = svc.trigger;
  const parts = [];
  if (t.type !== "window") parts.push("A message is released only on a trigger.");
  else if (t.release === "close") parts.push("When its window closes, a message is released if ", enough(svc, ""), ".");
  else parts.push("A message is released when ", enough(svc, closes(svc) ? "" : ` within ${lasts(t.observationPeriod * 1000)}`), ".");
  if (closes(svc)) parts.push(" ", ...windowInWords(t), " ", ...incompleteInWords(svc));
  if (svc.correlation) {
    const own = svc.endpoints.filter((/** @type {any} */ e) => e.key).length;
    parts.push(" The events of each key wait in windows of their own. The key is ", code(svc.correlation.key), own > 0 && ` (${count(own, "endpoint has", "endpoints have")} another expression)`, ".");
  }
  for (const r of svc.reset ?? []) parts.push(" Events that wait are dropped at ", cron(r.cron), ` (${r.timeZone || "UTC"}).`);
  for (const x of svc.expect ?? []) parts.push(" A complete message is expected by ", cron(x.cron), ` (${x.timeZone || "UTC"}).`);
  if (svc.maxPending) parts.push(` While more than ${svc.maxPending.toLocaleString()} events wait, further ones are refused.`);
  parts.push(" Messages go to ", ...receivers(svc), ".");
  return parts;
}

/** Names the topic and the targets of messages. @param {any} svc */
function receivers(svc) {
  const list = (svc.targets ?? []).map((/** @type {any} */ t) => [said(t.name, 80), t.pubsub ? [" (", said(t.pubsub.topic), ")"] : t.http ? [" (", said(t.http.url, 200), ")"] : t.sync ? [" (the sync ", said(t.sync.id), ")"] : ""]);
  if (svc.targetPubSub) list.unshift([said(svc.targetPubSub.topic)]);
  if (svc.onMessage?.sync) list.push(["the sync ", said(svc.onMessage.sync)]);
  return list.map((/** @type {any[]} */ r, /** @type {number} */ i) => [i === 0 ? "" : i === list.length - 1 ? " and " : ", ", r]);
}

/** @param {any} svc @param {string} within the period of a sliding window */
function enough(svc, within) {
  if (svc.trigger.condition) return [`these have the events that they need${within}: `, conditionInWords(svc.trigger.condition)];
  const all = svc.endpoints.some((/** @type {any} */ e) => e.optional) ? "every endpoint that is not optional" : "every endpoint";
  return `${all} has the events that it needs${within}`;
}

/**
 * Writes a condition with words for its operators. The server has checked it, so that
 * splitting it is enough.
 * @param {string} text
 */
export function conditionInWords(text) {
  const token = /\s+|&&|\|\||atLeast\s*\(\s*(\d+)\s*,\s*|endpoint\s*\(\s*("(?:[^"\\]|\\.)*")\s*\)|[A-Za-z_][A-Za-z0-9_]*|[(),]/gy;
  const parts = [];
  let end = 0;
  for (let m = token.exec(text); m; m = token.exec(text)) {
    end = token.lastIndex;
    if (m[0] === "&&") parts.push(" and ");
    else if (m[0] === "||") parts.push(" or ");
    else if (m[1]) parts.push(`at least ${m[1]} of (`);
    else if (m[2]) parts.push(said(unquoted(m[2])));
    else if (m[0] === ",") parts.push(", ");
    else if (m[0].trim()) parts.push(/^[()]$/.test(m[0]) ? m[0] : said(m[0]));
  }
  return end === text.length && end <= LONGEST ? parts : code(text);
}

/** @param {string} quoted */
function unquoted(quoted) {
  try {
    return JSON.parse(quoted);
  } catch {
    return quoted;
  }
}

/** @param {any} t the trigger */
function windowInWords(t) {
  const period = lasts((t.observationPeriod ?? 0) * 1000);
  if (t.window === "anchored") return [`A window is open for ${period} from its first event.`];
  if (t.window === "session") return [`A window is open until ${period} pass without an event`, t.maxPeriod ? `, for ${lasts(t.maxPeriod * 1000)} at most.` : "."];
  const long = typeof t.every === "string" && !/^\d+$/.test(t.every) ? `one ${t.every}` : `${lasts(Number(t.every) * 1000)}`;
  return [`A window is ${long} of the calendar`, t.at && `, from ${t.at}`, (t.at || t.timeZone) && ` (${t.timeZone || "UTC"})`,
    t.grace ? `. It closes ${lasts(t.grace * 1000)} after its end.` : "."];
}

/** @param {any} svc */
function incompleteInWords(svc) {
  switch (svc.trigger.onClose) {
    case "partial": return ["If it closes incomplete, a partial message says what is missing."];
    case "deadLetter": return ["If it closes incomplete, its message goes to ", said(svc.deadLetter?.topic), "."];
    default: return ["If it closes incomplete, it is dropped."];
  }
}

/** Names the events that endpoints lack. @param {any[]} shortfalls */
export function lacks(shortfalls, most = LISTED) {
  const list = shortfalls.map((m) => [count(m.need - m.have, "more event").replace(" ", "\u00a0"), " at ", said(m.eventKey)]);
  /** @type {any[]} */
  const parts = [];
  list.slice(0, most).forEach((p, i) => parts.push(i === 0 ? "" : i === list.length - 1 ? " and " : ", ", ...p));
  if (list.length > most) parts.push(` and at ${count(list.length - most, "other endpoint")}`);
  return parts;
}

/** How many events wait at endpoints of /status: of all keys, the server counts only so many. @param {any} svc @param {any[]} endpoints */
export function eventsAt(svc, endpoints) {
  const n = endpoints.reduce((sum, e) => sum + e.have, 0);
  return svc.correlation && endpoints.some((e) => e.have >= COUNTED) ? `${n.toLocaleString()} or more events` : count(n, "event");
}

/** What is missing, in words. @param {any} svc @param {any} status @param {any} open the oldest open window, of a service whose windows close @param {number} now */
export function inWords(svc, status, open, now) {
  const parts = [];
  const waiting = eventsAt(svc, status.endpoints);
  if (svc.correlation) {
    parts.push(`${waiting} in the windows of all keys.`);
  } else if (status.triggerType === "none") { // only a trigger releases
    parts.push(`${waiting} in the window. Press Trigger to release a message.`);
  } else {
    parts.push(...status.complete ? ["Nothing is missing."] : ["Missing: ", ...lacks(status.missing, svc.endpoints.length > LISTED ? BRIEFLY : LISTED), "."]);
    if (closes(svc)) parts.push(open ? ` The window closes at ${clock(open.closes)}.` : " No window is open.");
    else if (!status.complete) {
      const leaving = status.endpoints.filter((/** @type {any} */ e) => e.oldestLeavesAt && Date.parse(e.oldestLeavesAt) > now)
        .sort((/** @type {any} */ a, /** @type {any} */ b) => Date.parse(a.oldestLeavesAt) - Date.parse(b.oldestLeavesAt))[0];
      if (leaving) parts.push(" The next event leaves ", said(leaving.eventKey), " at ", clock(leaving.oldestLeavesAt), ".");
    }
  }
  if (status.outbox.backlog > 0) parts.push(` ${count(status.outbox.backlog, "message")} could not be published yet; the oldest has been waiting since ${clock(status.outbox.oldest)}.`);
  return parts;
}

/** The time of day, and the date if it is another day. The time stays in one line. @param {string} at */
export function clock(at) {
  const d = new Date(at);
  const day = d.toDateString() === new Date().toDateString() ? "" : d.toLocaleDateString() + ", ";
  return day + d.toLocaleTimeString().replaceAll(" ", "\u00a0");
}

/** Says how far away the end of a window is. @param {any} open @param {number} now */
export function closesIn(open, now) {
  if (!open.closes) return "each event leaves by itself";
  const left = Date.parse(open.closes) - now;
  return open.state === "closing" || left <= 0 ? "now" : inTime(left);
}

/** Says what became of an event that the server acknowledged. @param {any} receipt */
export function receiptInWords(receipt) {
  if (receipt.filtered) return "The endpoint's filter is false for the event: it was not stored.";
  if (receipt.dropped === "noKey") return "The event has no correlation key: it was dropped.";
  if (receipt.dropped === "late") return "The window of the event has closed: the event was dropped.";
  if (receipt.dropped === "noRoute") return "No route of the feed takes the event: it was dropped.";
  if (receipt.dropped) return ["The event was dropped: ", said(receipt.dropped), "."];
  if (receipt.deadLetter) return ["The event goes to the dead letters because of ", said(receipt.deadLetter), "."];
  if (receipt.superseded) return "The event was superseded: another one with the same distinct value counts.";
  if (receipt.duplicate) return "An event of this name was stored before: it counts once.";
  return "The event was stored.";
}

/** @type {Record<string, string>} */
const completions = { complete: "complete", partial: "partial", manual: "manual", dropped: "dropped", deadLetter: "dead letter" };

/** Shows why a window was released or closed. @param {any} message */
export function completion(message) {
  const why = message.reason ? "Because of " + message.reason : null;
  const short = (message.missing ?? []).map((/** @type {any} */ m) => `${m.eventKey}: ${m.have} of ${m.need}`).join(", ");
  return el("span", { class: message.completion === "complete" ? "good" : message.completion === "manual" ? null : "warn", title: short ? "Missing: " + short.slice(0, 400) : why },
    completions[message.completion] ?? said(message.completion));
}

/** A content for a test event. It has the fields that the endpoint's rules read, as far as they are nothing but fields of the body. @param {any} svc @param {any} e */
export function sample(svc, e) {
  const whole = Object.create(null); // so that a field may have any name
  for (const rule of [e?.key ?? svc.correlation?.key, e?.id, e?.distinct]) {
    const path = /^\s*event\.body((?:\.[A-Za-z_]\w*)+)\s*$/.exec(rule ?? "")?.[1].slice(1).split(".");
    if (!path) continue;
    let at = whole;
    for (const name of path.slice(0, -1)) at = at[name] = typeof at[name] === "object" ? at[name] : Object.create(null);
    at[path[path.length - 1]] ??= 1;
  }
  return Object.keys(whole).length > 0 ? JSON.stringify(whole) : "hello";
}

/** An error in short: without the packages that it came through. @param {string} text */
export function errorIn(text) {
  const topic = /no such topic/.test(text) && /projects\/[^/\s]+\/topics\/[^\s:)]+/.exec(text);
  if (topic) return `the topic ${topic[0]} does not exist`;
  return text.replace(/^the bus did not take the message: /, "").replace(/^(?:[a-z]+: )+(?=\S)/, "");
}
