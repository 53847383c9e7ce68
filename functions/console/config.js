// @ts-check
// Config: the effective configuration, with its secrets redacted, and what of it is not used.

import { get } from "./api.js";
import { el, update, said, count, copier } from "./ui.js";
import { tree } from "./tree.js";
import { fresh } from "./fresh.js";

const NAMED = 5; // endpoints that a finding names

/** @param {import("./app.js").Context} ctx */
export function configView(ctx) {
  const unused = el("section", { class: "card", "aria-label": "Not used" }, el("p", { class: "soft" }, "Loading…"));
  const whole = el("section", { class: "card", "aria-label": "Configuration" });
  const loading = fresh(ctx, async () => {
    const config = await get("config");
    update(whole, el("div", { class: "title" }, el("h2", {}, "Configuration"), copier(() => JSON.stringify(config, null, 2), "the configuration")),
      el("p", { class: "soft small" }, "What is in effect, defaults included. Secrets are shown as REDACTED."), el("div", { class: "json" }, tree(config)));
    const maybe = (/** @type {string} */ path) => get(path).catch(() => null);
    const [syncs, webhooks, ...statuses] = await Promise.all([maybe("sync"), maybe("webhooks"), ...ctx.services.map((s) => maybe((ctx.services.length === 1 ? "" : `services/${encodeURIComponent(s.serviceName)}/`) + "status"))]);
    const found = unusedOf(config, ctx.services, syncs?.syncs, webhooks?.webhooks, statuses);
    update(unused, el("h2", {}, found.length > 0 ? `${count(found.length, "setting")} that nothing uses` : "Everything is used"),
      found.length > 0 ? el("ul", {}, found.map((f) => el("li", {}, el("code", {}, said(f.path, 120)), ": ", said(f.why, 300)))) : el("p", { class: "soft" }, "As far as the syncs, webhooks and windows of this moment show."));
  });
  loading.refresh();
  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Configuration")), loading.trouble, unused, whole];
}

/**
 * Finds settings that have no effect now. What could not be read (null or undefined) finds nothing.
 * @param {any} config @param {any[]} services @param {any[]|undefined} syncs @param {any[]|undefined} webhooks @param {any[]} statuses of the services
 * @returns {{path: string, why: string}[]}
 */
export function unusedOf(config, services, syncs, webhooks, statuses) {
  /** @type {{path: string, why: string}[]} */
  const found = [];
  const add = (/** @type {string} */ path, /** @type {string} */ why) => found.push({ path, why });
  services.forEach((svc, i) => {
    const at = services.length === 1 ? "" : `services[${i}].`;
    const { deadLetter, ...others } = svc;
    if (deadLetter && !JSON.stringify(others).includes(':"deadLetter"')) add(at + "deadLetter", "no policy sends anything to the dead letters");
    if (svc.timers && (svc.trigger.window ?? "sliding") === "sliding") add(at + "timers", "sliding windows do not close");
    const status = statuses[i];
    const silent = status?.lastMessage ? [] : (status?.endpoints ?? []).filter((/** @type {any} */ e) => e.have === 0 && !e.counts && e.expired === 0).map((/** @type {any} */ e) => e.eventKey);
    if (silent.length > 0) add(at + "endpoints", "no event has come yet, as far as is known, at " + silent.slice(0, NAMED).join(", ") + (silent.length > NAMED ? ` and ${(silent.length - NAMED).toLocaleString()} others` : ""));
  });
  if (syncs) {
    if (config.sync?.directory && !syncs.some((s) => s.sync.datasource.type === "csv")) add("sync.directory", "no sync reads a file");
    const texts = syncs.map((s) => JSON.stringify(s.sync));
    for (const host of config.sync?.allowHosts ?? []) if (!texts.some((t) => t.includes(host.split(":")[0]))) add("sync.allowHosts: " + host, "no sync names this host");
    for (const { ref } of config.sync?.secrets ?? []) if (!texts.some((t) => t.includes(ref))) add("sync.secrets: " + ref, "no sync names this secret");
  }
  if (webhooks) for (const host of config.echo?.allowTargets ?? []) if (!webhooks.some((t) => t.url.includes(host.split(":")[0])) && !JSON.stringify(services).includes(host.split(":")[0])) add("echo.allowTargets: " + host, "no webhook or target is there");
  return found;
}
