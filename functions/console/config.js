// @ts-check
// Config: the effective configuration, with its secrets redacted, and what of it is not used.

import { get } from "./api.js";
import { el, update, said, count, copier } from "./ui.js";
import { tree } from "./tree.js";
import { fresh } from "./fresh.js";

/** @param {import("./app.js").Context} ctx */
export function configView(ctx) {
  const unused = el("section", { class: "card", "aria-label": "Not used" }, el("p", { class: "soft" }, "Loading…"));
  const whole = el("section", { class: "card", "aria-label": "Configuration" });
  const loading = fresh(ctx, async () => {
    const config = await get("config");
    update(whole, el("div", { class: "title" }, el("h2", {}, "In effect"), copier(() => JSON.stringify(config, null, 2), "the configuration")),
      el("p", { class: "soft small" }, "What is in effect, defaults included. Secrets are shown as REDACTED."), el("div", { class: "json" }, tree(config)));
    /** @type {{path: string, why: string}[]} */
    const found = (await get("config/unused")).unused;
    update(unused, el("h2", {}, found.length > 0 ? `${count(found.length, "setting")} that nothing uses` : "Everything is used"),
      found.length > 0 ? el("ul", {}, found.map((f) => el("li", {}, el("code", {}, said(f.path, 120)), ": ", said(f.why, 300)))) : el("p", { class: "soft" }, "As far as the syncs and webhooks of this moment show."));
  });
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Configuration")), loading.trouble, unused, whole];
}
