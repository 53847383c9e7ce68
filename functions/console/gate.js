// @ts-check
// One gate: what it waits for, the events that each endpoint has and needs, its windows, its
// history and its messages.

import { get, send, call, segment } from "./api.js";
import { el, update, said, short, lasts, count, button, say, ask, pill, searchField } from "./ui.js";
import { closes, eventsAt, ruleInWords, inWords, lacks, clock, receiptInWords, sample } from "./words.js";
import { openWindows } from "./windows.js";
import { alertList } from "./alerts.js";
import { waiting, feedsAndSince } from "./counts.js";
import { compact, endpoint, rowsOf } from "./endpoints.js";
import { charts } from "./charts.js";
import { messageList } from "./messages.js";
import { fresh } from "./fresh.js";
import { gateRow, readStanding, stateOf } from "./standing.js";

const SHOWN = 300; // events that the time line of an endpoint shows
const DRAWN = 3000; // events of all endpoints together: each is requested and drawn on every refresh

/** @param {import("./app.js").Context} ctx @param {any} svc @param {string} base of the service's addresses @param {string} home the address of its page */
export function gate(ctx, svc, base, home) {
  const windowed = svc.trigger.type === "window";
  const closing = closes(svc); // its windows close as a whole
  const rows = compact(svc);
  const optional = new Set(svc.endpoints.filter((/** @type {any} */ e) => e.optional).map((/** @type {any} */ e) => e.eventKey));
  /** @type {any} */
  let status = null;
  /** @type {any} */
  let standing = null; // the status, as the overview judges it
  /** @type {any} */
  let pending = { endpoints: [] };
  /** @type {any[]} the open windows of a service that has one key and whose windows close, the oldest first */
  let opened = [];
  let unknown = false; // what is shown may be wrong
  let sought = ""; // in the names of endpoints
  let unfolded = false; // shows those that lack nothing, too
  const most = Math.min(SHOWN, Math.max(10, Math.floor(DRAWN / svc.endpoints.length)));

  const state = el("span", {}, pill("…"));
  const missing = el("p", { class: "missing", role: "status" }, "Loading…");
  const warnings = el("div", {});
  const alerts = el("section", { class: "card listed hidden", "aria-label": "Alerts" });
  const endpoints = el("div", { class: "endpoints listed" });

  const loading = fresh(ctx, load, (wrong) => {
    unknown = wrong;
    draw();
  });
  const refresh = loading.refresh;
  /** @type {any} */
  let messages = null;
  const keys = svc.correlation ? openWindows(base, refresh, () => messages.sift()) : null;
  messages = messageList(svc, base, home, () => keys?.sought() ?? "");
  const history = charts(ctx, base);

  async function load() {
    /** @type {Promise<any>[]} */
    const reads = [readStanding(base)];
    if (keys) reads.push(keys.load());
    else if (!rows) reads.push(get(base + `pending?limit=${most}`));
    if (!keys && closing) reads.push(get(base + "windows"));
    const [now, ...others] = await Promise.all(reads);
    status = now.status;
    standing = gateRow({ href: home, name: svc.serviceName }, svc, now);
    if (!keys && !rows) pending = others.shift();
    if (!keys && closing) opened = others.shift().windows;
    unknown = false;
    draw();
    await messages.load();
    history.load();
    // Each event is a read of the store: wait one millisecond per event before the next refresh.
    await new Promise((r) => setTimeout(r, keys ? keys.cost() : rows ? svc.endpoints.length : pending.endpoints.reduce((/** @type {number} */ n, /** @type {any} */ e) => n + e.events.length, 0)));
  }

  /** Draws the status. It is called every second, because the time line moves. */
  function draw() {
    if (unknown) {
      update(state, pill("unknown", "bad"));
      update(missing, "What is missing is unknown", loading.loaded() > 0 && ` since ${clock(new Date(loading.loaded()).toISOString())}`, ".");
      return;
    }
    if (!status) return;
    const now = Date.now();
    const waits = new Map(pending.endpoints.map((/** @type {any} */ e) => [e.eventKey, e]));
    const stands = standing.state(now);
    const alarms = stands.rank === 0 || stands.words === "retries";
    update(state, alarms ? stateOf(stands) : !windowed ? pill("by hand") : keys ? pill("by key") : status.complete ? pill("complete", "good") : pill("waits"));
    update(missing, inWords(svc, status, opened[0], now));
    const all = status.endpoints.reduce((/** @type {number} */ n, /** @type {any} */ e) => n + e.have, 0);
    update(warnings, alarms && stands.words !== "refuses events" && el("div", { class: stands.rank === 0 ? "alarm" : "notice" }, el("p", {}, standing.alarm(now)), standing.step(now)),
      [...status.warnings ?? [], status.outbox.warning].filter((w) => w).map((/** @type {string} */ w) => el("p", { class: "warn" }, said(w))),
      svc.maxPending && all > svc.maxPending && el("p", { class: "bad" }, `${eventsAt(svc, status.endpoints)} wait, which is more than maxPending: sources get 429 for further ones.`));
    const listed = alertList(status.alerts ?? [], svc);
    alerts.classList.toggle("hidden", !listed);
    update(alerts, listed);
    if (keys) {
      update(endpoints, waiting(status.endpoints, optional), feedsAndSince(status));
      keys.draw(now);
    } else update(endpoints, rows ? rowsOf(status.endpoints, optional, { sought, all: unfolded, toggle: () => { unfolded = !unfolded; draw(); } }, now)
      : status.endpoints.map((/** @type {any} */ e) => endpoint(svc, e, waits.get(e.eventKey), { optional: optional.has(e.eventKey), open: opened[0], closing, most }, now)),
      opened.length > 1 && el("p", { class: "small soft" }, `Beside it, ${count(opened.length - 1, "further window is", "further windows are")} open. The latest closes at ${clock(opened[opened.length - 1].closes)}.`), feedsAndSince(status));
  }

  const act = actions(svc, base, keys, refresh);
  ctx.listen("headgate/gates", svc.serviceName, refresh);
  ctx.onOpen(refresh);
  refresh();
  // Events move along their time line every second. When one leaves the window, the
  // status may change, so it is loaded once.
  let left = 0;
  const tick = setInterval(() => {
    draw();
    const leaves = keys ? keys.closesNext() : Math.min(...(status?.endpoints ?? []).map((/** @type {any} */ e) => e.oldestLeavesAt ? Date.parse(e.oldestLeavesAt) : Infinity));
    if (leaves < Date.now() && leaves !== left) {
      left = leaves;
      refresh();
    }
  }, 1000);
  ctx.onLeave(() => clearInterval(tick));

  return el("section", { class: "stack", "aria-label": svc.serviceName },
    el("div", { class: "title page" }, el("div", { class: "row" }, el("h2", { class: "top" }, said(svc.serviceName)), state),
      el("div", { class: "row" }, !keys && button("Trigger", act.trigger), button("Reset", act.reset, { class: "danger" }))),
    loading.trouble,
    el("div", { class: "card" },
      missing, el("p", { class: "soft small rule" }, ruleInWords(svc)), warnings, rows && searchField("Search endpoints", (text) => { sought = text; draw(); }), endpoints, act.form),
    keys?.card, alerts, messages.card, history.node);
}

/**
 * What a person can do with a gate.
 * @param {any} svc @param {string} base @param {any} keys @param {() => any} refresh
 */
function actions(svc, base, keys, refresh) {
  const key = el("select", { name: "key" }, svc.endpoints.map((/** @type {any} */ e) => el("option", { value: e.eventKey }, e.eventKey)));
  const chosen = () => svc.endpoints.find((/** @type {any} */ x) => x.eventKey === key.value);
  let suggested = sample(svc, chosen());
  const body = el("input", { name: "content", value: suggested, maxlength: 10000 });
  key.addEventListener("change", () => {
    if (body.value !== suggested) return; // a person's own text stays
    body.value = suggested = sample(svc, chosen());
  });
  const wait = (/** @type {any} */ status, /** @type {string} */ of) => eventsAt(svc, status.endpoints.filter((/** @type {any} */ e) => !of || e.eventKey === of));
  const one = (/** @type {string} */ events) => events === "1 event";

  async function event() {
    /** @type {string[]} */
    const methods = chosen()?.acceptedHttpMethods ?? ["POST"];
    const method = methods.find((m) => m !== "GET" && m !== "HEAD") ?? methods.find((m) => m === "GET") ?? methods[0];
    const text = method === "GET" || method === "HEAD" ? undefined : body.value;
    const answer = await call(method, base + "event/" + key.value.split("/").map(segment).join("/"), { text });
    const resp = method === "HEAD" ? {} : await answer.json();
    say(resp.triggered ? ["The window was complete: message ", short(resp.triggered), " was released."] : receiptInWords(resp));
    refresh(); // an event that is not stored changes counts, and signals nothing
  }

  async function trigger() {
    if (!await ask("Release the window now?", async () => {
      const s = await get(base + "status");
      const n = wait(s, "");
      return el("p", {}, el("strong", {}, n), ` of ${count(svc.endpoints.length, "endpoint")} ${one(n) ? "is" : "are"} published as one message now`,
        s.missing.length > 0 && s.triggerType !== "none" ? [", although the window is incomplete: it lacks ", lacks(s.missing)] : "", ". The next message begins without them.");
    }, "Trigger")) return;
    const r = await send("POST", base + "trigger");
    say(r.repeated ? ["Message ", short(r.triggered), ", which was released before, has the events of the window."]
      : r.triggered ? ["Message ", short(r.triggered), " was released."] : "The window is empty: no message was released.");
  }

  async function reset() {
    const which = el("select", { id: "reset-key", onchange: () => removal() }, el("option", { value: "" }, "all endpoints"), svc.endpoints.map((/** @type {any} */ e) => el("option", { value: e.eventKey }, e.eventKey)));
    /** @type {any} */
    let now = null;
    const words = el("p", { role: "status" });
    const removal = () => { // of the endpoint that is chosen
      const n = wait(now, which.value);
      update(words, el("strong", {}, n), ` ${one(n) ? "is" : "are"} removed from the window${keys ? "s of all keys" : ""}, and no message will contain ${one(n) ? "it" : "them"}. This cannot be undone.`);
    };
    if (!await ask(keys ? "Reset the windows of all keys?" : "Reset the window?", async () => {
      now = await get(base + "status");
      removal();
      return [words, el("label", {}, "Events of", which)];
    }, "Reset", { danger: true })) return;
    const r = await send("POST", base + "reset" + (which.value ? `?eventKey=${encodeURIComponent(which.value)}` : ""));
    say(`${count(r.reset, "event")} removed from the window.`);
  }

  const form = el("form", { class: "row try", onsubmit: (/** @type {Event} */ e) => e.preventDefault() },
    el("label", {}, "Endpoint", key), el("label", {}, "Content", body), button("Send a test event", event));
  return { form, trigger, reset };
}
