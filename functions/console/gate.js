// @ts-check
// Gate: the events that each endpoint has and needs, when they leave the window, and the
// published messages.

import { get, send, call, head, segment } from "./api.js";
import { el, svg, update, table, time, said, short, lasts, count, button, say, ask, show, coalesce, complain } from "./ui.js";
import { closes, ruleInWords, inWords, lacks, clock, closesIn, receiptInWords, completion, sample } from "./words.js";
import { openWindows } from "./windows.js";
import { alertList } from "./alerts.js";
import { uncounted, waiting, feedsAndSince } from "./counts.js";

const SHOWN = 300; // events that the time line of an endpoint shows
const DRAWN = 3000; // events of all endpoints together: each is requested and drawn on every refresh
const PAST = 5000; // ms between two requests for the history, the most expensive one; longer if there are many events
const MESSAGES = 15;
const RETRY = 5000; // ms until what the server could not answer is requested again
const CONTENT = 512 << 10; // bytes of a message's content that are shown

/** @param {import("./app.js").Context} ctx */
export function gateView(ctx) {
  const names = ctx.services.map((s) => s.serviceName);
  const at = Math.max(0, names.indexOf(ctx.rest[0]));
  if (names.length === 0) {
    return el("section", { class: "card" }, el("h2", {}, "No gate"),
      el("p", {}, "The configuration of this deployment names no service, so no events are taken and no messages are published."));
  }
  if (names.length === 1) return service(ctx, ctx.services[0]);
  const choose = el("select", { id: "service", onchange: () => { location.hash = "#gate/" + encodeURIComponent(choose.value); } },
    names.map((n, i) => el("option", { value: n, selected: i === at }, n)));
  return [el("p", { class: "row" }, el("label", {}, "Service", choose)), service(ctx, ctx.services[at])];
}

/** @param {import("./app.js").Context} ctx @param {any} svc */
function service(ctx, svc) {
  if (ctx.services.length > 1 && /^\.\.?$/.test(svc.serviceName)) { // browsers would resolve the name, and the requests reach another service
    return el("section", { class: "card" }, el("h2", {}, said(svc.serviceName)), el("p", {}, "The console cannot show a service of that name: browsers treat it as a step in a path."));
  }
  const base = ctx.services.length === 1 ? "" : `services/${segment(svc.serviceName)}/`;
  const period = svc.trigger.observationPeriod * 1000;
  const windowed = svc.trigger.type === "window";
  const closing = closes(svc); // its windows close as a whole
  const optional = new Set(svc.endpoints.filter((/** @type {any} */ e) => e.optional).map((/** @type {any} */ e) => e.eventKey));
  /** @type {any} */
  let status = null;
  /** @type {any} */
  let pending = { endpoints: [] };
  /** @type {any[]} the open windows of a service that has one key and whose windows close, the oldest first */
  let opened = [];
  /** @type {string|null} */
  let after = null; // where the page of messages begins; null: at the newest
  let only = ""; // the messages that are listed, as a query; "": all
  let page = 0; // the latest request for messages: only its answer is shown
  const most = Math.min(SHOWN, Math.max(10, Math.floor(DRAWN / svc.endpoints.length)));

  const state = el("span", { class: "badge" }, "…");
  const missing = el("p", { class: "missing", role: "status" }, "Loading…");
  const warnings = el("div", {});
  const trouble = el("div", { role: "alert" });
  const alerts = el("div", { class: "card listed hidden" });
  const endpoints = el("div", { class: "endpoints listed" });
  const charts = el("div", { class: "columns charts" });
  const messages = el("div", { class: "listed" });

  let again = 0;
  let loaded = 0; // when the server answered last
  const refresh = coalesce(async () => {
    clearTimeout(again);
    try {
      await load();
      loaded = Date.now();
      update(trouble);
    } catch (err) {
      const { message, status: code } = /** @type {any} */ (err);
      update(trouble, el("p", { class: "bad" }, "This view is not up to date", loaded > 0 && ` (what you see is of ${clock(new Date(loaded).toISOString())})`, ": ", said(message)));
      // The live channel reports when a server that was away is there again, but not when a store is.
      if (code === 429 || code >= 500) again = setTimeout(refresh, RETRY);
      if (!code) throw err;
    }
  });
  ctx.onLeave(() => clearTimeout(again));

  async function load() {
    if (keys) [status] = await Promise.all([get(base + "status"), keys.load()]);
    else if (closing) {
      let list;
      [status, pending, list] = await Promise.all([get(base + "status"), get(base + `pending?limit=${most}`), get(base + "windows")]);
      opened = list.windows;
    } else [status, pending] = await Promise.all([get(base + "status"), get(base + `pending?limit=${most}`)]);
    draw();
    await loadMessages();
    if (!later) later = setTimeout(past, Math.max(0, looked + rest - Date.now()));
    // Each event is a read of the store: wait one millisecond per event before the next refresh.
    await new Promise((r) => setTimeout(r, keys ? keys.cost() : pending.endpoints.reduce((/** @type {number} */ n, /** @type {any} */ e) => n + e.events.length, 0)));
  }

  async function loadMessages() {
    const turn = ++page;
    const key = keys?.sought();
    const list = await get(base + `messages?limit=${MESSAGES}${only}` + (key ? `&key=${encodeURIComponent(key)}` : "") + (after ? `&after=${encodeURIComponent(after)}` : ""));
    if (turn === page) drawMessages(list);
  }

  /** Lists the messages from the newest again, because others are asked for. */
  const sift = () => {
    after = null;
    return loadMessages();
  };
  const keys = svc.correlation ? openWindows(base, refresh, sift) : null;

  let looked = 0; // when the history was loaded
  let rest = PAST;
  let later = 0;
  const past = () => {
    later = 0;
    looked = Date.now();
    get(base + "history").then((history) => {
      rest = PAST + 5 * history.minutes.reduce((/** @type {number} */ n, /** @type {any} */ m) => n + m.events, 0);
      update(charts, minutes(history), lags(history));
    }).catch(complain);
  };
  ctx.onLeave(() => clearTimeout(later));

  /** Draws the status. It is called every second, because the time line moves. */
  function draw() {
    if (!status) return;
    const now = Date.now();
    const waits = new Map(pending.endpoints.map((/** @type {any} */ e) => [e.eventKey, e]));
    state.className = "badge" + (!windowed || keys ? "" : status.complete ? " good" : " warn");
    update(state, !windowed ? "manual" : keys ? "by key" : status.complete ? "complete" : "waiting");
    update(missing, inWords(svc, status, opened[0], now));
    const all = status.endpoints.reduce((/** @type {number} */ n, /** @type {any} */ e) => n + e.have, 0);
    update(warnings, [...status.warnings ?? [], status.outbox.warning].filter((w) => w).map((/** @type {string} */ w) => el("p", { class: "warn" }, said(w))),
      svc.maxPending && all > svc.maxPending && el("p", { class: "bad" }, `${count(all, "event")} wait, which is more than maxPending: sources get 429 for further ones.`));
    const listed = alertList(status.alerts ?? [], svc);
    alerts.classList.toggle("hidden", !listed);
    update(alerts, listed);
    if (keys) {
      update(endpoints, waiting(status.endpoints, optional), feedsAndSince(status));
      keys.draw(now);
    } else update(endpoints, status.endpoints.map((/** @type {any} */ e) => endpoint(e, waits.get(e.eventKey), now)),
      opened.length > 1 && el("p", { class: "small soft" }, `Beside it, ${count(opened.length - 1, "further window is", "further windows are")} open. The latest closes at ${clock(opened[opened.length - 1].closes)}.`), feedsAndSince(status));
  }

  /** @param {any} e @param {any} waits @param {number} now */
  function endpoint(e, waits, now) {
    const open = opened[0];
    const until = open ? Date.parse(open.closes) : 0;
    // An event that was received after the window closed belongs to the next one.
    const events = (waits?.events ?? []).filter((/** @type {any} */ x) => closing ? Date.parse(x.receivedAt) < until : Date.parse(x.leavesAt) > now);
    const bar = el("div", {});
    bar.style.width = `${Math.min(100, 100 * e.have / Math.max(1, e.need))}%`;
    const id = "endpoint-" + btoa(encodeURIComponent(svc.serviceName + "\n" + e.eventKey)).replace(/=/g, "");
    return el("div", { class: "endpoint" },
      el("div", { class: "head" }, el("h3", { id }, said(e.eventKey), optional.has(e.eventKey) && " (optional)"), el("span", {}, `${e.have.toLocaleString()} of ${e.need.toLocaleString()}`)),
      el("div", { class: "meter" + (e.have >= e.need ? " full" : ""), role: "meter", "aria-labelledby": id, "aria-valuemin": 0, "aria-valuemax": e.need,
        "aria-valuenow": Math.min(e.have, e.need), "aria-valuetext": `${e.have} of ${e.need} events` }, bar),
      closing ? wholeTimeline(open, events, now) : timeline(events, now),
      closing ? wholeEnds(open, events, now) : el("p", { class: "ends small soft" }, el("span", {}, lasts(period), " ago"),
        el("span", {}, events.length > 0 ? ["the oldest leaves in ", lasts(Date.parse(events[0].leavesAt) - now)] : "no events"), el("span", {}, "now")),
      e.expired > 0 && el("p", { class: "small warn" }, `${count(e.expired, "event")} left the window without a message.`), uncounted(e),
      waits?.more && el("p", { class: "small soft" }, `Only the oldest ${most} events are shown.`));
  }

  /** @param {any[]} events @param {number} now */
  function timeline(events, now) {
    const at = (/** @type {any} */ e) => 6 + 988 * Math.min(1, Math.max(0, 1 - (now - Date.parse(e.receivedAt)) / period));
    return svg("svg", { class: "timeline", viewBox: "0 0 1000 30", preserveAspectRatio: "none", role: "img",
      "aria-label": events.length === 0 ? "No event is in the window" : `${count(events.length, "event")} in the window; the oldest leaves at ${new Date(events[0].leavesAt).toLocaleTimeString()}` },
    svg("line", { class: "axis", x1: 0, x2: 1000, y1: 15, y2: 15 }),
    events.map((e) => svg("line", { class: "event", x1: at(e), x2: at(e), y1: 6, y2: 24 },
      svg("title", {}, `received ${new Date(e.receivedAt).toLocaleTimeString()}, leaves ${new Date(e.leavesAt).toLocaleTimeString()}`))));
  }

  /** The time line of a window that closes as a whole. @param {any} open @param {any[]} events @param {number} now */
  function wholeTimeline(open, events, now) {
    const from = open ? Date.parse(open.opened) : 0;
    const long = open ? Math.max(1, Date.parse(open.closes) - from) : 1;
    const at = (/** @type {number} */ t) => 6 + 988 * Math.min(1, Math.max(0, (t - from) / long));
    return svg("svg", { class: "timeline", viewBox: "0 0 1000 30", preserveAspectRatio: "none", role: "img",
      "aria-label": open ? `${count(events.length, "event")} in the window, which opened at ${clock(open.opened)} and closes at ${clock(open.closes)}` : "No window is open" },
    svg("line", { class: "axis", x1: 0, x2: 1000, y1: 15, y2: 15 }),
    open && [svg("line", { class: "past", x1: 0, x2: at(now), y1: 15, y2: 15 }), svg("line", { class: "end", x1: 998, x2: 998, y1: 4, y2: 26 })],
    events.map((e) => svg("line", { class: "event", x1: at(Date.parse(e.receivedAt)), x2: at(Date.parse(e.receivedAt)), y1: 6, y2: 24 },
      svg("title", {}, `received ${clock(e.receivedAt)}`))));
  }

  /** @param {any} open @param {any[]} events @param {number} now */
  function wholeEnds(open, events, now) {
    if (!open) return el("p", { class: "ends small soft" }, el("span", {}, "no window is open"));
    return el("p", { class: "ends small soft" }, el("span", {}, "opened ", clock(open.opened)),
      el("span", {}, events.length > 0 ? "" : "no events, ", "closes ", closesIn(open, now)), el("span", {}, clock(open.closes)));
  }

  /** @param {any} list */
  function drawMessages(list) {
    // Only a service with keys, a condition or windows that close has these.
    const keyed = list.messages.some((/** @type {any} */ m) => m.correlationKey);
    const told = list.messages.some((/** @type {any} */ m) => m.completion);
    const sought = keys?.sought();
    update(messages, sought && el("p", { class: "small soft", "data-key": "sought" }, "Only those of the key ", said(sought, 80), "."), table("Messages, newest first", ["Event id", keyed && "Key", "Date", "State", told && "Completion", { text: "Events", number: true }, { text: "Bytes", number: true }, "Published", "Actions"].filter((h) => h !== false),
      list.messages.map((/** @type {any} */ m) => [
        short(m.eventID), keyed && (m.correlationKey === undefined ? "" : el("div", { class: "key" }, said(m.correlationKey, 80))), time(m.date),
        [el("span", { class: m.state === "published" ? "good" : "warn" }, m.state), m.targets ? targets(m) : m.lastError && [" ", said(m.lastError)]],
        told && (m.completion ? completion(m) : ""),
        m.numberOfEvents.toLocaleString(), m.size.toLocaleString(), m.publishedAt ? time(m.publishedAt) : m.state === "dropped" ? "never" : "not yet",
        el("div", { class: "row" },
          button("Content", () => content(m), { class: "slim", "aria-label": `Content of ${m.eventID}` }),
          m.state !== "dropped" && button("Replay", () => replay(m.eventID), { class: "slim", "aria-label": `Replay ${m.eventID}` }),
          (m.targets ?? []).filter((/** @type {any} */ t) => t.state === "failed").map((/** @type {any} */ t) =>
            button(`Replay to ${t.name}`, () => replay(m.eventID, t.name), { class: "slim", "aria-label": `Replay ${m.eventID} to ${t.name}` }))),
      ].filter((cell) => cell !== false)), only || sought ? "There are none." : "No messages yet.", list.messages.map((/** @type {any} */ m) => m.eventID)),
    el("p", { class: "actions" },
      after && button("Newest", () => { after = null; return refresh(); }, { class: "slim" }),
      list.next && button("Older", () => { after = list.next; return refresh(); }, { class: "slim" })));
  }

  /** What became of a message at each of several targets. @param {any} m */
  function targets(m) {
    return el("ul", { class: "small list wide" }, m.targets.map((/** @type {any} */ t) => el("li", {}, said(t.name, 80), " ",
      el("span", { class: t.state === "delivered" ? "good" : t.state === "failed" ? "bad" : "warn" }, t.state), t.lastError && [": ", said(t.lastError, 200)],
      t.state === "pending" && t.attempts > 0 && t.nextAttempt && [", again ", time(t.nextAttempt)])));
  }

  /** @param {any} m */
  async function content(m) {
    const { text, whole } = await head(base + "messages/" + segment(m.eventID), CONTENT);
    let pretty = text;
    try {
      if (whole) pretty = JSON.stringify(JSON.parse(text), null, 2);
    } catch { /* not JSON: show the text unchanged */ }
    show("Message", el("p", { class: "mono" }, m.eventID), m.completion && about(m), !whole && el("p", {}, `Only the first ${CONTENT.toLocaleString()} bytes are shown.`), el("pre", { tabindex: "0" }, pretty));
  }

  /** The window of a message. @param {any} m */
  function about(m) {
    const fact = (/** @type {string} */ name, /** @type {any} */ value) => value && [el("dt", {}, name), el("dd", {}, value)];
    return el("dl", { class: "facts" }, fact("Key", m.correlationKey && said(m.correlationKey)), fact("Completion", completion(m)),
      fact("Window", m.opened && ["from ", time(m.opened), m.closes && [" to ", time(m.closes)]]), fact("Missing", m.missing?.length > 0 && lacks(m.missing)));
  }

  /** @param {string} eventID @param {string} [target] */
  async function replay(eventID, target) {
    const consumers = target ? `The target ${target} gets` : "Consumers get";
    if (!await ask("Replay this message?", `${consumers} the message again, with the same eventID.`, "Replay")) return;
    const r = await send("POST", base + `messages/${segment(eventID)}/replay` + (target ? `?target=${encodeURIComponent(target)}` : ""));
    say(["Published again: ", short(r.eventID)]);
  }

  const choices = kindsOfMessages(svc);
  const which = el("select", { name: "messages", onchange: () => { only = which.value; sift().catch(complain); } },
    el("option", { value: "" }, "all messages"), choices.map(([query, words]) => el("option", { value: query }, words)));

  const key = el("select", { name: "key" }, svc.endpoints.map((/** @type {any} */ e) => el("option", { value: e.eventKey }, e.eventKey)));
  const chosen = () => svc.endpoints.find((/** @type {any} */ x) => x.eventKey === key.value);
  let suggested = sample(svc, chosen());
  const body = el("input", { name: "content", value: suggested, maxlength: 10000 });
  key.addEventListener("change", () => {
    if (body.value !== suggested) return; // a person's own text stays
    body.value = suggested = sample(svc, chosen());
  });
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
    if (!await ask("Release the window now?", "The events in the window are published as one message now, whether the window is complete or not.", "Trigger")) return;
    const r = await send("POST", base + "trigger");
    say(r.repeated ? ["Message ", short(r.triggered), ", which was released before, has the events of the window."]
      : r.triggered ? ["Message ", short(r.triggered), " was released."] : "The window is empty: no message was released.");
  }

  async function reset() {
    const which = el("select", { id: "reset-key" }, el("option", { value: "" }, "all endpoints"), svc.endpoints.map((/** @type {any} */ e) => el("option", { value: e.eventKey }, e.eventKey)));
    if (!await ask(keys ? "Reset the windows of all keys?" : "Reset the window?", el("span", { class: "stack" }, keys ? "Events of all keys are removed, and no message will contain them." : "Events are removed from the window, and no message will contain them.", el("label", {}, "Events of", which)), "Reset")) return;
    const r = await send("POST", base + "reset" + (which.value ? `?eventKey=${encodeURIComponent(which.value)}` : ""));
    say(`${count(r.reset, "event")} removed from the window.`);
  }

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
    el("div", { class: "card" },
      el("div", { class: "row" }, el("h2", {}, said(svc.serviceName)), state),
      el("p", { class: "soft small" }, ruleInWords(svc)),
      trouble, missing, warnings, endpoints,
      el("form", { class: "row actions", onsubmit: (/** @type {Event} */ e) => e.preventDefault() },
        el("label", {}, "Endpoint", key), el("label", {}, "Content", body),
        button("Send a test event", event, { class: "primary" }), !keys && button("Trigger", trigger), button("Reset", reset, { class: "danger" }))),
    keys?.card, alerts, charts, el("div", { class: "card" }, choices.length > 0 && el("p", { class: "row" }, el("label", {}, "Show", which)), messages));
}

/** The kinds of messages that a service can have beside those that are published. @param {any} svc @returns {[string, string][]} queries, with words */
function kindsOfMessages(svc) {
  /** @type {[string, string][]} */
  const kinds = [];
  if (closes(svc)) kinds.push(["&completion=partial", "partial"], ["&state=dropped", "dropped"]);
  if (svc.deadLetter) kinds.push(["&completion=deadLetter", "dead letters"]);
  if (svc.targets) kinds.push(["&state=claimed", "not at all targets yet"], ["&state=failed", "given up by a target"]);
  return kinds;
}

/** @param {any} h */
function minutes(h) {
  const first = Math.floor(Date.parse(h.since) / 60000);
  const most = Math.max(1, ...h.minutes.map((/** @type {any} */ m) => m.events));
  const all = h.minutes.reduce((/** @type {number} */ n, /** @type {any} */ m) => n + m.events, 0);
  const label = `Events per minute in the last hour: ${count(all, "event")}, at most ${most.toLocaleString()} in a minute`;
  return el("figure", { class: "card" }, el("figcaption", {}, el("h3", {}, "Events per minute"), el("p", { class: "small soft" }, `${count(all, "event")} in the last hour` + (h.partial ? ", counted in a part of the data" : ""))),
    svg("svg", { class: "chart", viewBox: "0 0 610 96", preserveAspectRatio: "none", role: "img", "aria-label": label },
      svg("line", { x1: 0, x2: 610, y1: 90, y2: 90 }),
      h.minutes.map((/** @type {any} */ m) => {
        const high = 84 * m.events / most;
        return svg("rect", { x: (Math.floor(Date.parse(m.at) / 60000) - first) * 10 + 1, y: 90 - high, width: 8, height: high },
          svg("title", {}, `${new Date(m.at).toLocaleTimeString()}: ${m.events}`));
      })));
}

/** @param {any} h */
function lags(h) {
  const all = h.messages.map((/** @type {any} */ m) => ({ ...m, ms: Date.parse(m.publishedAt) - Date.parse(m.firstEvent) }));
  const most = Math.max(1, ...all.map((/** @type {any} */ m) => m.ms));
  const latest = all[all.length - 1];
  const text = latest ? `the latest took ${lasts(latest.ms)}, the longest ${lasts(most)}` : "no message in the last hour";
  return el("figure", { class: "card" }, el("figcaption", {}, el("h3", {}, "From first event to message"), el("p", { class: "small soft" }, text)),
    svg("svg", { class: "chart", viewBox: "0 0 610 96", preserveAspectRatio: "none", role: "img", "aria-label": `From first event to message: ${text}` },
      svg("line", { x1: 0, x2: 610, y1: 90, y2: 90 }),
      all.map((/** @type {any} */ m, /** @type {number} */ i) => {
        const high = Math.max(1, 84 * m.ms / most);
        return svg("rect", { x: 610 - (all.length - i) * 30 + 3, y: 90 - high, width: 24, height: high }, svg("title", {}, `${m.eventID}: ${lasts(m.ms)}`));
      })));
}
