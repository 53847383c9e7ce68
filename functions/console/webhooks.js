// @ts-check
// Webhooks: the URLs that are called when a list changes or something else happens, and what
// was sent to them.

import { call, get, segment, send } from "./api.js";
import { el, update, table, time, said, count, coalesce, button, say, ask, show } from "./ui.js";

const MOST = 50;

/** @param {import("./app.js").Context} ctx */
export function webhooksView(ctx) {
  const targets = el("section", { class: "card listed", "aria-label": "Webhooks" });
  const log = el("section", { class: "card listed", "aria-label": "Deliveries" });
  const [id] = ctx.rest;
  const refresh = coalesce(async () => {
    const { webhooks } = await get("webhooks");
    update(targets, el("h2", {}, count(webhooks.length, "webhook")),
      table("Registered URLs", ["URL", "What", "State", { text: "Waiting", number: true }, "Last answer", "Actions"],
        webhooks.map((/** @type {any} */ t) => [
          el("div", { class: "wide" }, said(t.url, 120)), el("div", { class: "key" }, said(wanted(t), 200)), state(t), waiting(t), answer(t.lastStatus, t.lastError),
          el("span", { class: "actions" }, el("a", { href: `#webhooks/${encodeURIComponent(t.id)}` }, "Deliveries"),
            button("Test", () => test(t)), button("Rotate secret", () => rotate(t, refresh))),
        ]), "No URL is registered: POST /register-for-webhook registers one.", webhooks.map((/** @type {any} */ t) => t.id)));
    const chosen = webhooks.find((/** @type {any} */ t) => t.id === id);
    if (!chosen) return update(log, el("p", { class: "soft" }, id ? "This webhook is not registered any more." : "Choose a webhook to see what was sent to it."));
    const { deliveries } = await get(`webhooks/${segment(id)}/deliveries?limit=${MOST}`);
    update(log, el("h2", {}, "Deliveries to ", said(chosen.url, 120)),
      table("Deliveries, newest first", [{ text: "Number", number: true }, "Made", "What", "State", { text: "Tries", number: true }, "Last answer", "Actions"],
        deliveries.map((/** @type {any} */ d) => {
          const last = d.attempts?.at(-1);
          return [d.n, time(d.createdAt), said(sent(d), 120), el("span", { class: d.state === "delivered" ? "good" : "warn" }, d.state), d.tries,
            last ? [answer(last.status, last.error), " ", time(last.at)] : "none yet",
            button(d.state === "delivered" ? "Send again" : "Retry now", () => retry(id, d.n, refresh))];
        }), "Nothing was sent yet.", deliveries.map((/** @type {any} */ d) => String(d.n))));
  });
  ctx.listen("headgate/webhooks", "all", refresh);
  ctx.onOpen(refresh);
  refresh();
  return [targets, log];
}

/** @param {any} t */
const wanted = (t) => t.types ? t.types.join(", ") + (t.subjects ? " of " + t.subjects.join(", ") : "") : `list ${t.externalTaskListId}`;

/** @param {any} t */
const waiting = (t) => `${t.next - t.head}${t.dropped ? `, ${t.dropped} dropped` : ""}`;

/** @param {any} d */
const sent = (d) => d.occurrence ? `${d.occurrence.type} of ${d.occurrence.subject}` : `version ${d.version}`;

/** @param {any} t */
const state = (t) => el("span", { class: t.state === "paused" ? "bad" : t.failures ? "warn" : "good" },
  t.state === "paused" ? "paused" : t.failures ? `failing, ${count(t.failures, "failure")}` : "active",
  t.state !== "paused" && t.nextAttempt && t.failures ? [", next try ", time(t.nextAttempt)] : null);

/** @param {number} [status] @param {string} [error] */
const answer = (status, error) => error ? el("span", { class: "bad" }, said(error, 200)) : status ? el("span", { class: "good" }, String(status)) : "none yet";

/** @param {any} t */
async function test(t) {
  const out = await send("POST", `webhooks/${segment(t.id)}/test`);
  if (out.ok) say(["The URL answered ", String(out.status), " to the test delivery."]);
  else say(["The test delivery failed: ", said(out.error, 300)], true);
}

/** @param {any} t @param {() => any} refresh */
async function rotate(t, refresh) {
  if (!await ask("Rotate the secret", ["Deliveries to ", said(t.url, 120), " get a new secret. For 24 hours they are signed with the present one, too."], "Rotate")) return;
  const out = await send("POST", `webhooks/${segment(t.id)}/rotate`);
  show("The new secret", el("p", {}, "It is shown only now. Give it to the receiver within 24 hours."), el("p", { class: "mono" }, said(out.secret)));
  refresh();
}

/** @param {string} id @param {number} n @param {() => any} refresh */
async function retry(id, n, refresh) {
  await call("POST", `webhooks/${segment(id)}/deliveries/${n}/retry`);
  say("The delivery will be tried now.");
  refresh();
}
