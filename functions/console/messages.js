// @ts-check
// The messages of a gate: found by id, key, time and state, a page at a time.

import { get, send, segment } from "./api.js";
import { el, update, table, time, said, short, bytes, count, button, say, ask, complain, pill, reveal } from "./ui.js";
import { closes, completion, errorIn } from "./words.js";

const PAGE = 25;

/**
 * Returns the list of messages: its card, and what loads it.
 * @param {any} svc @param {string} base of the service's addresses @param {string} home the address of the gate's page
 * @param {() => string} key the key that is searched for elsewhere on the page; "": none
 */
export function messageList(svc, base, home, key) {
  /** @type {string[]} where the pages before this one and this one begin; the first begins at the newest */
  let pages = [""];
  let turn = 0; // the latest request: only its answer is shown
  const rows = el("div", { class: "listed messages" });
  const id = el("input", { type: "search", name: "message-id", maxlength: 64, autocomplete: "off", spellcheck: "false" });
  const kinds = kindsOfMessages(svc);
  const which = el("select", { name: "messages", onchange: sift }, el("option", { value: "" }, "all"), kinds.map(([query, words]) => el("option", { value: query }, words)));
  const since = el("input", { type: "datetime-local", name: "since", onchange: sift });
  const until = el("input", { type: "datetime-local", name: "until", onchange: sift });

  function sift() {
    pages = [""];
    return load().catch(complain);
  }

  const filtered = () => Boolean(which.value || id.value.trim() || since.value || until.value);

  function query() {
    const q = new URLSearchParams(id.value.trim() ? { eventID: id.value.trim() } : `limit=${PAGE}${which.value}`);
    if (q.has("eventID")) return q;
    for (const field of [since, until]) if (field.value) q.set(field.name, new Date(field.value).toISOString());
    const after = pages[pages.length - 1];
    if (after) q.set("after", after);
    if (key()) q.set("key", key());
    return q;
  }

  async function load() {
    const mine = ++turn;
    const list = await get(`${base}messages?${query()}`);
    if (mine === turn) draw(list);
  }

  /** Goes to another page. @param {() => void} go */
  const turned = async (go) => {
    go();
    await load();
    reveal(card);
  };

  /** @param {any} list */
  function draw(list) {
    // Only a service with keys, a condition or windows that close has these.
    const keyed = list.messages.some((/** @type {any} */ m) => m.correlationKey);
    const told = list.messages.some((/** @type {any} */ m) => m.completion);
    const first = (pages.length - 1) * PAGE + 1;
    const n = list.messages.length;
    update(rows, key() && el("p", { class: "small soft", "data-key": "sought" }, "Only those of the key ", said(key(), 80), "."),
      table("Messages, newest first", ["Event id", keyed && "Key", "Date", "State", told && "Completion", { text: "Events", number: true }, { text: "Size", number: true }, "Published", "Actions"].filter((h) => h !== false),
        list.messages.map((/** @type {any} */ m) => [
          el("a", { href: `${home}/messages/${encodeURIComponent(m.eventID)}`, "aria-label": `Message ${m.eventID}` }, short(m.eventID)), keyed && (m.correlationKey === undefined ? "" : el("div", { class: "key" }, said(m.correlationKey, 80))), time(m.date),
          [messageState(m), m.targets ? targetList(m) : m.lastError && el("div", { class: "wide small bad" }, said(errorIn(m.lastError), 200))],
          told && (m.completion ? completion(m) : ""),
          m.numberOfEvents.toLocaleString(), bytes(m.size), m.publishedAt ? time(m.publishedAt) : m.state === "dropped" ? "never" : "not yet",
          el("div", { class: "row" },
            m.state !== "dropped" && button("Replay", () => replay(base, m), { class: "slim", "aria-label": `Replay ${m.eventID}` }),
            (m.targets ?? []).filter((/** @type {any} */ t) => t.state === "failed").map((/** @type {any} */ t) =>
              button(`Replay to ${t.name}`, () => replay(base, m, t.name), { class: "slim", "aria-label": `Replay ${m.eventID} to ${t.name}` }))),
        ].filter((cell) => cell !== false)), filtered() || key() ? "There are none." : "No messages yet.", list.messages.map((/** @type {any} */ m) => m.eventID)),
      el("p", { class: "actions" },
        pages.length > 1 && button("Newest", () => turned(() => { pages = [""]; }), { class: "slim" }),
        pages.length > 1 && button("Newer", () => turned(() => { pages.pop(); }), { class: "slim" }),
        list.next && button("Older", () => turned(() => { pages.push(list.next); }), { class: "slim" }),
        n > 0 && (list.next || pages.length > 1) && el("span", { class: "small soft" }, `${first.toLocaleString()} to ${(first + n - 1).toLocaleString()}` + (list.next ? "; there are more" : "; there are no more"))));
  }

  const card = el("section", { class: "card", "aria-label": "Messages" }, el("h3", {}, "Messages, newest first"),
    el("form", { class: "row find", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); sift(); } },
      el("label", {}, "Message id", id), el("label", {}, "Show", which), el("label", {}, "From", since), el("label", {}, "Until", until), el("button", { type: "submit" }, "Find")),
    rows);
  return { card, load, sift };
}

/** @param {any} m */
export const messageState = (m) => pill(m.state, m.state === "published" ? "good" : m.state === "failed" ? "bad" : m.state === "dropped" ? "" : m.lastError ? "bad" : "warn");

/** What became of a message at each of several targets. @param {any} m */
function targetList(m) {
  return el("ul", { class: "small list wide" }, m.targets.map((/** @type {any} */ t) => el("li", {}, said(t.name, 80), " ",
    targetState(t), t.lastError && [": ", said(errorIn(t.lastError), 200)],
    t.state === "pending" && t.attempts > 0 && t.nextAttempt && [", again ", time(t.nextAttempt)])));
}

/** @param {any} t */
export const targetState = (t) => pill(t.state, t.state === "delivered" ? "good" : t.state === "failed" ? "bad" : "warn");

/** Publishes a message again, to one target or to all. @param {string} base @param {any} m @param {string} [target] */
export async function replay(base, m, target) {
  const whom = target ? ["The target ", said(target, 80), " gets"] : m.targets ? [count(m.targets.length, "target"), m.targets.length === 1 ? " gets" : " get"] : ["Consumers get"];
  if (!await ask("Replay this message?", () => el("p", {}, ...whom, ` the message again, with its ${count(m.numberOfEvents, "event")} (${bytes(m.size)}) and the same eventID, by which consumers recognise it.`), "Replay")) return;
  const r = await send("POST", base + `messages/${segment(m.eventID)}/replay` + (target ? `?target=${encodeURIComponent(target)}` : ""));
  say(["Published again: ", short(r.eventID)]);
}

/** The kinds of messages that a service can have. @param {any} svc @returns {[string, string][]} queries, with words */
function kindsOfMessages(svc) {
  /** @type {[string, string][]} */
  const kinds = [["&state=published", "published"], ["&state=claimed", svc.targets ? "not at all targets yet" : "not published yet"]];
  if (closes(svc)) kinds.push(["&completion=partial", "partial"], ["&state=dropped", "dropped"]);
  if (svc.deadLetter) kinds.push(["&completion=deadLetter", "dead letters"]);
  if (svc.targets) kinds.push(["&state=failed", "given up by a target"]);
  return kinds;
}
