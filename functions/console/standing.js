// @ts-check
// How each gate, sync and webhook target stands: what the overview and the lists show in a row,
// and whether somebody should look at it.

import { get, segment } from "./api.js";
import { el, said, time, lasts, inTime, count, clip, pill } from "./ui.js";
import { lacks, clock, closes, errorIn, eventsAt, BRIEFLY } from "./words.js";
import { nextStep } from "./health.js";
import { targetRemedy } from "./remedy.js";

const AT_ONCE = 4; // gates that are read at the same time
const STUCK = 60_000; // ms that a message may wait for the bus before that is an alarm
const LATE = 300_000; // ms after a due time from which a run is late
const OVERDUE = 24 * 3600_000; // ms for which an alert about a late message counts

/**
 * @typedef {{words: string, tone: string, rank: number}} State rank 0: an alarm, 1: to look at, 2: as it should be
 * @typedef {object} Row
 * @property {string} key @property {string} name @property {string} href
 * @property {boolean} [unknown] it could not be read
 * @property {(now: number) => State} state
 * @property {(s: State, now: number) => any[]} cells
 * @property {(now: number) => any} alarm what is wrong, in words
 * @property {(now: number) => any} [step] what to do
 */

/** @param {string} href @param {string} name @param {any} [below] */
const named = (href, name, below) => el("div", { class: "name" }, el("a", { href }, said(name, 80)), below && el("div", { class: "small soft" }, below));

/** @param {State} s */
export const stateOf = (s) => pill(s.words, s.tone);

/** @param {any} text */
const wrong = (text) => text && el("div", { class: "error" }, said(text, 160));

/** @param {number} rank @param {string} words @param {string} [tone] */
const is = (rank, words, tone = ["bad", "warn", "good"][rank]) => ({ rank, words, tone });

/**
 * Reads gates, a few at a time. One that cannot be read does not hide the others.
 * @param {import("./app.js").Context} ctx @param {Row[]} [known] the rows until now @param {Set<string>} [changed] the names of gates that are read again; "*": all
 * @returns {Promise<Row[]>}
 */
export async function readGates(ctx, known = [], changed = new Set(["*"])) {
  const rows = known.slice();
  const left = ctx.services.map((svc, i) => ({ svc, i })).filter(({ svc, i }) => !rows[i] || changed.has("*") || changed.has(svc.serviceName));
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let next = left.shift(); next; next = left.shift()) rows[next.i] = await readGate(ctx, next.svc);
  }));
  return rows;
}

/** When a gate could not be read first, by name: until it can be read again. @type {Map<string, number>} */
const away = new Map();

/** @param {import("./app.js").Context} ctx @param {any} svc @returns {Promise<Row>} */
async function readGate(ctx, svc) {
  const name = svc.serviceName;
  const base = ctx.services.length === 1 ? "" : `services/${segment(name)}/`;
  const row = { key: name, name, href: "#/gates/" + encodeURIComponent(name) };
  try {
    if (base && /^\.\.?$/.test(name)) throw new Error("browsers treat its name as a step in a path");
    const standing = await readStanding(base);
    away.delete(name);
    return { ...row, ...gateRow(row, svc, standing) };
  } catch (err) {
    const why = /** @type {Error} */ (err).message;
    if (!away.has(name)) away.set(name, Date.now());
    const text = `unknown since ${clock(new Date(/** @type {number} */ (away.get(name))).toISOString())}, because ${why}`;
    return { ...row, unknown: true, state: () => is(0, "unknown"), alarm: () => text, step: () => nextStep(why), cells: (s) => [named(row.href, name), stateOf(s), "", "", "", wrong(text)] };
  }
}

/** Reads the status of a gate, and one of the messages that wait. @param {string} base of the service's addresses */
export async function readStanding(base) {
  const status = await get(base + "status");
  return { status, waits: status.outbox.backlog > 0 ? (await get(base + "messages?state=claimed&limit=1")).messages[0] : null };
}

/** @param {any} message @returns {string} the error of its latest attempt */
const errorOf = (message) => message?.lastError || message?.targets?.find((/** @type {any} */ t) => t.state !== "delivered" && t.lastError)?.lastError || "";

/** What to do about a message that waits. @param {string} error */
const stepOf = (error) => nextStep(error) ?? nextStep(error, targetRemedy(error));

/** @param {{href: string, name: string}} row @param {any} svc @param {{status: any, waits: any}} standing */
export function gateRow(row, svc, { status, waits }) {
  const box = status.outbox;
  const error = errorOf(waits) || (status.lastMessage?.state === "failed" ? errorOf(status.lastMessage) : "");
  const late = (status.alerts ?? []).find((/** @type {any} */ a) => a.kind === "overdue" && !(status.lastMessage && Date.parse(status.lastMessage.date) > Date.parse(a.at)));
  const have = status.endpoints.reduce((/** @type {number} */ n, /** @type {any} */ e) => n + e.have, 0);
  const refuses = svc.maxPending && have > svc.maxPending;
  const state = (/** @type {number} */ now) => {
    if (box.backlog > 0 && (now - Date.parse(box.oldest) > STUCK || /no such topic|does not exist/.test(error))) return is(0, "stuck");
    if (refuses) return is(0, "refuses events");
    if (late && now - Date.parse(late.at) < OVERDUE) return is(0, "late");
    if (status.lastMessage?.state === "failed") return is(0, "given up");
    if (box.backlog > 0 && error) return is(1, "retries");
    if ((status.warnings ?? []).length > 0) return is(1, "to correct");
    if (status.triggerType === "none") return is(2, "by hand", "");
    if (svc.correlation) return is(2, have > 0 ? "open" : "empty", "");
    return status.complete ? is(2, "complete") : is(2, "waits", "");
  };
  return {
    state,
    alarm: (/** @type {number} */ now) => {
      switch (state(now).words) {
        case "stuck": case "retries": return [count(box.backlog, "message"), ` could not be published; the oldest waits since ${clock(box.oldest)}`, error && [": ", said(errorIn(error), 300)], "."];
        case "refuses events": return `${eventsAt(svc, status.endpoints)} wait, which is more than maxPending: sources get 429.`;
        case "late": return `no complete message by ${clock(late.at)}.`;
        default: return ["a target gave the latest message up", error && [": ", said(errorIn(error), 300)], "."];
      }
    },
    step: (/** @type {number} */ now) => {
      const words = state(now).words;
      if (words === "stuck" || words === "retries") return stepOf(error) ?? el("p", { class: "step" }, "Next step: open the gate and see why its messages wait.");
      if (words === "given up") return el("p", { class: "step" }, "Next step: correct the target, and replay the message to it.");
      if (words === "late") return [el("p", { class: "step" }, "Next step: see why these did not report. ", status.missing.length > 0 && ["Missing now: ", lacks(status.missing), "."])];
      return el("p", { class: "step" }, "Next step: see which endpoint lacks events, and trigger or reset the window.");
    },
    cells: (/** @type {State} */ s, /** @type {number} */ now) => [
      named(row.href, row.name), stateOf(s),
      status.lastMessage ? time(status.lastMessage.date) : el("span", { class: "soft" }, "none yet"),
      nextOf(svc, status, now),
      svc.correlation ? el("span", { class: "soft" }, `by key: ${eventsAt(svc, status.endpoints)} ${have === 1 ? "waits" : "wait"}`) : status.triggerType === "none" ? el("span", { class: "soft" }, `${count(have, "event")} in the window`) : status.missing.length > 0 ? lacks(status.missing, BRIEFLY) : el("span", { class: "soft" }, "nothing"),
      [wrong(errorIn(error)), s.words === "retries" && stepOf(error), wrong(error ? "" : box.warning), (status.warnings ?? []).slice(0, 2).map((/** @type {string} */ w) => el("div", { class: "warn" }, said(w, 160)))],
    ],
  };
}

/** When something happens next at a gate by itself. @param {any} svc @param {any} status @param {number} now */
function nextOf(svc, status, now) {
  if (closes(svc) && status.window?.closes) return ["closes ", Date.parse(status.window.closes) > now ? inTime(Date.parse(status.window.closes) - now) : "now"];
  const leaves = Math.min(...status.endpoints.map((/** @type {any} */ e) => e.oldestLeavesAt && Date.parse(e.oldestLeavesAt) > now ? Date.parse(e.oldestLeavesAt) : Infinity));
  return Number.isFinite(leaves) && !svc.correlation ? ["an event leaves ", inTime(leaves - now)] : el("span", { class: "soft" }, "–");
}

/** @param {import("./app.js").Context} _ @returns {Promise<Row[]|null>} */
export async function readSyncs(_) {
  const { syncs } = await served("sync?runs=true") ?? {};
  return syncs?.map(syncRow) ?? null;
}

/** Gets what a deployment may not serve: then null. @param {string} path */
const served = (path) => get(path).catch((err) => { if (err.status === 404) return null; throw err; });

/** @type {Record<string, State>} */
const runStates = { pending: is(2, "pending", "busy"), running: is(2, "running", "busy"), finished: is(2, "finished"), partial: is(1, "partial"), failed: is(0, "failed"), cancelled: is(2, "cancelled", "") };

/** @param {any} s of GET /sync @returns {Row} */
export function syncRow(s) {
  const run = s.lastRun;
  const name = s.sync.name || s.id;
  const href = "#/syncs/" + encodeURIComponent(s.id);
  const lateBy = (/** @type {number} */ now) => s.next && now - Date.parse(s.next) > LATE ? now - Date.parse(s.next) : 0;
  const state = (/** @type {number} */ now) => run?.state === "failed" ? runStates.failed : lateBy(now) ? is(0, "late") : run ? runStates[run.state] ?? is(1, run.state) : is(2, "never ran", "");
  return {
    key: s.id, name, href, state,
    alarm: (now) => state(now).words === "late" ? `its run is ${lasts(lateBy(now))} late: nobody asked for due syncs.` : ["the run of ", clock(run.startedAt), " failed: ", said(run.error || "see the run", 300)],
    step: (now) => state(now).words === "late"
      ? el("p", { class: "step" }, "Next step: have Cloud Scheduler call POST /sync/due: docs/deploy.md has the job.")
      : nextStep(run.error ?? "") ?? el("p", { class: "step" }, "Next step: open the sync, test its connection under Edit, and run it again."),
    cells: (st, now) => [
      named(href, name, [s.sync.type, " ", said(s.sync.datasource.type, 40)]), stateOf(st),
      run ? [time(run.startedAt), run.method === "validate" && el("span", { class: "soft" }, " validation")] : el("span", { class: "soft" }, "never"),
      s.next ? lateBy(now) ? el("span", { class: "bad" }, `${lasts(lateBy(now))} late`) : time(s.next) : el("span", { class: "soft" }, s.sync.frequency ? "–" : "on demand"),
      run?.counts.rejected > 0 ? el("span", { class: "warn" }, count(run.counts.rejected, "row")) : run ? el("span", { class: "soft" }, "none") : "",
      [wrong(run?.error), run?.counts.conflicts > 0 && el("div", { class: "warn" }, count(run.counts.conflicts, "conflict"), " to decide"),
        s.owner === "dropped" && el("div", { class: "warn" }, "the configuration declares it no longer: open it to see what to do")],
    ],
  };
}

/** @param {import("./app.js").Context} _ @returns {Promise<Row[]|null>} */
export async function readWebhooks(_) {
  const { webhooks } = await served("webhooks") ?? {};
  return webhooks?.map(webhookRow) ?? null;
}

/** @param {any} t */
export const waiting = (t) => t.resume > t.head ? 1 + t.next - t.resume : t.next - t.head;

/** @param {any} t of GET /webhooks @returns {Row} */
export function webhookRow(t) {
  const href = "#/webhooks/" + encodeURIComponent(t.id);
  const state = () => t.state === "paused" ? is(0, "paused") : t.failures ? is(1, "fails") : is(2, "active");
  return {
    key: t.id, name: t.url, href, state,
    alarm: () => ["deliveries are paused", t.failingSince && ` since ${clock(t.failingSince)}`, t.lastError && [": ", said(t.lastError, 300)], "."],
    step: () => el("p", { class: "step" }, "Next step: correct the receiver, then retry its oldest delivery: that ends the pause."),
    cells: (s, now) => [
      el("div", { class: "name" }, el("a", { href }, said(t.url, 120)), el("div", { class: "small soft" }, said(clip(wanted(t), 80)))), stateOf(s),
      t.lastError ? t.lastStatus || el("span", { class: "soft" }, "none") : t.lastStatus || el("span", { class: "soft" }, "none yet"),
      t.failures > 0 && t.nextAttempt && t.state !== "paused" ? Date.parse(t.nextAttempt) > now ? inTime(Date.parse(t.nextAttempt) - now) : "now" : el("span", { class: "soft" }, "–"),
      [waiting(t) > 0 ? waiting(t).toLocaleString() : el("span", { class: "soft" }, "none"), t.dropped > 0 && el("span", { class: "warn" }, `, ${t.dropped.toLocaleString()} dropped`)],
      [t.failures > 0 && el("div", {}, count(t.failures, "failure")), wrong(t.lastError)],
    ],
  };
}

/** @param {any} t */
export const wanted = (t) => t.types ? t.types.join(", ") + (t.subjects ? " of " + t.subjects.join(", ") : "") : `list ${t.externalTaskListId}`;
