// @ts-check
// The console: one page, one live connection, an address for each thing. A view loads its data
// again when the live channel reports a change. Only whether the deployment is ready is asked
// for now and then, because nothing reports that a topic was deleted.

import { connect } from "../live/client.js";
import { get, token, forget } from "./api.js";
import { showCaller } from "./caller.js";
import { el, set, complain, said, clip } from "./ui.js";
import { overviewView } from "./overview.js";
import { gatesView } from "./gates.js";
import { syncsView } from "./syncs.js";
import { draftView } from "./draft.js";
import { liveView } from "./clients.js";
import { webhooksView } from "./webhooks.js";
import { auditView } from "./audit.js";
import { configView } from "./config.js";
import { watchHealth } from "./health.js";
import { keyboard } from "./keyboard.js";

/**
 * The parameters of a view. Its subscriptions end when the user leaves the view.
 * @typedef {object} Context
 * @property {any} config the effective configuration
 * @property {any[]} services
 * @property {string[]} rest of the address, after the view's name
 * @property {(entity: string, id: string, handler: (change: any) => void) => () => void} listen
 * @property {(handler: () => void) => void} onOpen called whenever the connection opens
 * @property {(end: () => void) => void} onLeave
 */

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const connection = /** @type {HTMLElement} */ (document.getElementById("connection"));
const theme = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));

theme.value = localStorage.getItem("headgate-theme") ?? "";
const dress = () => {
  document.documentElement.dataset.theme = theme.value;
  localStorage.setItem("headgate-theme", theme.value);
};
theme.addEventListener("change", dress);
dress();

/** @type {Record<string, {title: string, key: string, view: (c: Context) => any}>} the key goes there, after g */
const views = {
  overview: { title: "Overview", key: "o", view: overviewView },
  gates: { title: "Gates", key: "g", view: gatesView },
  syncs: { title: "Syncs", key: "s", view: syncsView },
  drafts: { title: "Drafts", key: "d", view: draftView },
  live: { title: "Live", key: "l", view: liveView },
  webhooks: { title: "Webhooks", key: "w", view: webhooksView },
  audit: { title: "Audit", key: "a", view: auditView },
  config: { title: "Configuration", key: "c", view: configView },
};

/** @type {(() => void)[]} */
let opened = [];
/** @type {(() => void)[]} */
let leaving = [];
/** @type {ReturnType<typeof connect>|null} */
let live = null;

function open() {
  live?.close();
  live = connect({
    base: new URL(".", document.baseURI).href,
    token: token() || undefined,
    path: config.live?.path || undefined,
    onState: (state, transport) => {
      connection.className = state;
      connection.textContent = state === "open" ? (transport === "sse" ? "live (event stream)" : "live") : state === "closed" ? "disconnected: reconnecting" : "connecting";
      if (state === "open") for (const f of opened) f();
      // A refused connection does not tell why. A request does: if the token is not valid, it asks for another.
      if (state === "closed" && token()) get("config").catch(() => {});
    },
    onError: (frame) => complain(new Error(`${frame.message}${frame.entity ? ` (${frame.entity})` : ""}`)),
  });
}

/** @type {any} */
let config = {};

/** @param {string} part of an address, which may not be validly escaped */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The services of the deployment: a list, the only one in its place, or none. */
function services() {
  return config.services ?? (config.serviceName === undefined ? [] : [config]);
}

function visit() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  const at = Object.hasOwn(views, name) ? name : name === "" ? "overview" : "";
  for (const f of leaving) f();
  opened = [];
  leaving = [];
  for (const a of document.querySelectorAll("#views a")) {
    if (a.getAttribute("href") === "#/" + at) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  document.title = [...rest.filter((part) => part !== "messages").reverse().map((part) => clip(part, 40)), views[at]?.title ?? "Not found", "Headgate"].join(" · ");
  set(main, viewOf(views[at]?.view ?? (() => nowhere(name)), {
    config, services: services(), rest,
    listen: (entity, id, handler) => {
      const off = live?.subscribe(entity, id, handler) ?? (() => {});
      leaving.push(off);
      return off;
    },
    onOpen: (f) => opened.push(f),
    onLeave: (f) => leaving.push(f),
  }));
}

/** @param {string} name of a view that does not exist */
function nowhere(name) {
  return el("section", { class: "card", role: "alert" }, el("h2", {}, "There is no such page"), el("p", {}, "The console has no view ", said(name, 80), "."), el("p", {}, el("a", { href: "#/overview" }, "Go to the overview")));
}

/** Returns a view, or what went wrong, because an empty page tells nobody anything. @param {(c: Context) => any} view @param {Context} context */
function viewOf(view, context) {
  try {
    return view(context);
  } catch (err) {
    console.error(err);
    return el("section", { class: "card", role: "alert" }, el("h2", {}, "This view cannot be shown"), el("p", {}, said(String(err))));
  }
}

async function begin() {
  try {
    config = await get("config");
  } catch (err) {
    set(main, el("section", { class: "card" }, el("h2", {}, "The console cannot start"),
      el("p", {}, said(/** @type {Error} */ (err).message)), el("p", { class: "soft" }, "It needs the functions status and live at the same origin, and the role “read”."),
      el("p", { class: "actions" }, el("button", { type: "button", onclick: begin }, "Try again"),
        token() && el("button", { type: "button", onclick: () => { forget(); begin(); } }, "Use another token"))));
    return;
  }
  open();
  visit();
  showCaller();
  addEventListener("hashchange", (e) => {
    if (location.hash === "#main") return history.replaceState(null, "", new URL(e.oldURL).hash || "#/overview"); // the link that skips the navigation
    visit();
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  });
  watchHealth(/** @type {HTMLElement} */ (document.getElementById("health")));
  keyboard(Object.entries(views).map(([name, { title, key }]) => ({ name, title, key })));
  addEventListener("signedin", () => { open(); visit(); showCaller(); });
}

begin();
