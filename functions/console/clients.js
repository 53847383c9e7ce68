// @ts-check
// Live: the connected clients, their subscriptions, and the latest changes that were sent.

import { get } from "./api.js";
import { el, update, table, time, said, count } from "./ui.js";
import { fresh } from "./fresh.js";

const MOST = 200;

/** @param {import("./app.js").Context} ctx */
export function liveView(ctx) {
  const clients = el("section", { class: "card listed", "aria-label": "Clients" });
  const sent = el("section", { class: "card listed", "aria-label": "Latest changes" });
  const loading = fresh(ctx, async () => {
    const now = await get(`live/clients?limit=${MOST}`);
    update(clients, el("h2", {}, count(now.count, "client"), " connected to this instance"),
      table("Clients", ["Since", "Address", "Transport", "Subscribes to", { text: "Frames sent", number: true }, "Last sent", { text: "Frames waiting", number: true }],
        now.clients.map((/** @type {any} */ c) => [
          time(c.since), said(c.remote ?? ""), `${c.transport}, protocol ${c.protocol}`,
          el("ul", { class: "list" }, (c.subscriptions ?? []).map((/** @type {any} */ s) => el("li", {}, said(s.entity, 80), " ", said(s.id, 80))),
            c.count > (c.subscriptions ?? []).length && el("li", { class: "soft" }, `and ${count(c.count - c.subscriptions.length, "more", "more")}`)),
          c.sent.toLocaleString(), c.lastSent ? time(c.lastSent) : "never", c.waiting,
        ]), "No clients are connected.", now.clients.map((/** @type {any} */ c) => c.id)),
      now.count > now.clients.length && el("p", { class: "soft" }, `The newest ${now.clients.length.toLocaleString()} of ${count(now.count, "client")} are shown.`));
    update(sent, el("h2", {}, "Latest changes"),
      table("Changes that were sent to clients", ["When", "Entity", "Id", "Version", { text: "Clients", number: true }],
        now.sent.map((/** @type {any} */ s) => [time(s.at), said(s.entity, 120), said(s.id, 120), s.gone ? el("em", {}, "deleted") : said(s.version ?? "", 40), s.clients]),
        "Nothing yet: change a record that a client subscribes to, or POST /notify."));
  });
  ctx.listen("headgate/connections", "all", loading.refresh);
  ctx.onOpen(loading.refresh);
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Live")), loading.trouble, clients, sent];
}
