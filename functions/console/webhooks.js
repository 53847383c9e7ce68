// @ts-check
// Webhooks: the URLs that are called when a list changes or something else happens, and at its
// own address what was sent to one of them.

import { call, get, segment, send } from "./api.js";
import { el, update, table, time, said, count, button, say, ask, show, pill, trail, searchField } from "./ui.js";
import { fresh } from "./fresh.js";
import { stateOf, waiting, wanted, webhookRow } from "./standing.js";
import { nextStep } from "./health.js";

const MOST = 50; // deliveries that are shown

/** @param {import("./app.js").Context} ctx */
export function webhooksView(ctx) {
  const [id] = ctx.rest;
  return id ? one(ctx, id) : list(ctx);
}

/** @param {import("./app.js").Context} ctx */
function list(ctx) {
  const card = el("section", { class: "card listed overview", "aria-label": "Webhooks" }, el("p", { class: "soft" }, "Loading…"));
  /** @type {import("./standing.js").Row[]} */
  let rows = [];
  let sought = "";
  const draw = () => {
    const now = Date.now();
    const found = rows.map((r) => ({ r, s: r.state(now) })).filter(({ r }) => r.name.toLowerCase().includes(sought)).sort((a, b) => a.s.rank - b.s.rank);
    update(card, table(sought ? `${found.length.toLocaleString()} of ${count(rows.length, "webhook")}` : count(rows.length, "webhook"), ["Webhook", "State", "Last answer", "Next try", "Waiting", "Errors"], found.map(({ r, s }) => r.cells(s, now)),
      sought ? `None has “${sought}” in its URL.` : "No URL is registered: POST /register-for-webhook registers one.", found.map(({ r }) => r.key)));
  };
  const loading = fresh(ctx, async () => {
    rows = (await get("webhooks")).webhooks.map(webhookRow);
    draw();
  });
  ctx.listen("headgate/webhooks", "all", loading.refresh);
  ctx.onOpen(loading.refresh);
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Webhooks"), searchField("Search URLs", (text) => { sought = text; draw(); })), loading.trouble, card];
}

/** @param {import("./app.js").Context} ctx @param {string} id */
function one(ctx, id) {
  const top = el("div", { class: "title page" });
  const about = el("section", { class: "card", "aria-label": "Webhook" }, el("p", { class: "soft" }, "Loading…"));
  const log = el("section", { class: "card listed", "aria-label": "Deliveries" });
  const loading = fresh(ctx, async () => {
    const t = (await get("webhooks")).webhooks.find((/** @type {any} */ x) => x.id === id);
    if (!t) {
      top.remove();
      log.remove();
      return update(about, el("h2", {}, "There is no such webhook"), el("p", {}, "This webhook is not registered any more."));
    }
    const { deliveries } = await get(`webhooks/${segment(id)}/deliveries?limit=${MOST}`);
    drawAbout(t);
    drawLog(t, deliveries);
  });
  const refresh = loading.refresh;

  /** @param {any} t */
  function drawAbout(t) {
    const row = webhookRow(t);
    const s = row.state(Date.now());
    update(top, el("div", { class: "row" }, el("h2", { class: "top" }, said(t.url, 120)), stateOf(s)),
      el("div", { class: "row" }, button("Test", () => test(t)), button("Rotate secret", () => rotate(t, refresh))));
    update(about, s.rank === 0 && el("div", { class: "alarm" }, el("p", {}, row.alarm(Date.now())), row.step?.(Date.now())),
    s.rank === 1 && nextStep(t.lastError ?? ""),
    el("dl", { class: "facts" },
      fact("Gets", said(wanted(t), 200)), fact("Format", t.format), t.filter && fact("Filter", el("code", {}, said(t.filter, 200))), fact("Registered", time(t.createdAt)),
      fact("Last answer", answer(t.lastStatus, t.lastError)), fact("Waiting", [count(waiting(t), "delivery", "deliveries"), t.dropped > 0 && el("span", { class: "warn" }, `; ${t.dropped.toLocaleString()} dropped`)]),
      t.failures > 0 && fact("Failures in a row", t.failures.toLocaleString()), t.failingSince && fact("Fails since", time(t.failingSince)),
      t.state !== "paused" && t.failures > 0 && t.nextAttempt && fact("Next try", time(t.nextAttempt))));
  }

  /** @param {any} t @param {any[]} deliveries */
  function drawLog(t, deliveries) {
    const made = t.next - 1;
    update(log,
      table(made > 0 ? `Deliveries, newest first: ${deliveries.length.toLocaleString()} of ${made.toLocaleString()}` : "Deliveries", [{ text: "Number", number: true }, "Made", "What", "State", { text: "Tries", number: true }, "Last answer", "Actions"],
        deliveries.map((/** @type {any} */ d) => {
          const last = d.attempts?.at(-1);
          return [d.n.toLocaleString(), time(d.createdAt), said(sent(d), 120), pill(d.state, d.state === "delivered" ? "good" : "warn"), d.tries.toLocaleString(),
            last ? [answer(last.status, last.error), " ", time(last.at)] : "none yet",
            button(d.state === "delivered" ? "Send again" : "Retry now", () => retry(t, d, refresh), { class: "slim", "aria-label": `${d.state === "delivered" ? "Send again" : "Retry now"}: delivery ${d.n}` })];
        }), "Nothing was sent yet.", deliveries.map((/** @type {any} */ d) => String(d.n))),
      deliveries.length < made && el("p", { class: "small soft" }, "Older deliveries are not kept, or not shown."));
  }

  ctx.listen("headgate/webhooks", "all", refresh);
  ctx.onOpen(refresh);
  refresh();
  return [trail(["Webhooks", "#/webhooks"], [id]), loading.trouble, top, about, log];
}

/** @param {string} term @param {any} text */
const fact = (term, text) => [el("dt", {}, term), el("dd", {}, text)];

/** @param {any} d */
const sent = (d) => d.occurrence ? `${d.occurrence.type} of ${d.occurrence.subject}` : `version ${d.version}`;

/** @param {number} [status] @param {string} [error] */
const answer = (status, error) => error ? el("span", { class: "bad" }, said(error, 200)) : status ? String(status) : "none yet";

/** @param {any} t */
async function test(t) {
  const out = await send("POST", `webhooks/${segment(t.id)}/test`);
  if (out.ok) say(["The URL answered ", String(out.status), " to the test delivery."]);
  else say(["The test delivery failed: ", said(out.error, 300)], true);
}

/** @param {any} t @param {() => any} refresh */
async function rotate(t, refresh) {
  if (!await ask("Rotate the secret?", async () => {
    const now = (await get("webhooks")).webhooks.find((/** @type {any} */ x) => x.id === t.id);
    if (!now) throw new Error("This webhook is not registered any more.");
    return el("p", {}, "The ", count(waiting(now), "delivery that waits", "deliveries that wait"), " and all later ones to ", said(t.url, 120), " get a new secret. For 24 hours they are signed with the present one, too.");
  }, "Rotate", { danger: true })) return;
  const out = await send("POST", `webhooks/${segment(t.id)}/rotate`);
  show("The new secret", el("p", {}, "It is shown only now. Give it to the receiver within 24 hours."), el("p", { class: "mono" }, said(out.secret)));
  refresh();
}

/** @param {any} t @param {any} d @param {() => any} refresh */
async function retry(t, d, refresh) {
  if (d.state === "delivered" && !await ask("Send it again?", () => el("p", {}, said(t.url, 120), ` gets delivery ${d.n.toLocaleString()} (`, said(sent(d), 120), ") a second time, with the same id."), "Send again")) return;
  await call("POST", `webhooks/${segment(t.id)}/deliveries/${d.n}/retry`);
  say("The delivery will be tried now.");
  refresh();
}
