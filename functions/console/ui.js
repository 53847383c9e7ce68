// @ts-check
// What every view of the console uses. Whatever came from outside goes through
// text nodes: there is no way in here to make markup of a string.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node|string|number|null|undefined|false} Child */

/**
 * @param {Element} node
 * @param {Record<string, any>} attributes on… are listeners, class names join, true is "" and null or false are left out
 * @param {(Child|Child[])[]} children
 */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

/** @param {Element} node @param {(Child|Child[])[]} children */
function append(node, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
}

/**
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Child|Child[])} children
 * @returns {any}
 */
export const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** @returns {any} @param {string} tag @param {Record<string, any>} [attributes] @param {...(Child|Child[])} children */
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Replaces what the node holds. @param {Element} node @param {...(Child|Child[])} children */
export const set = (node, ...children) => {
  node.replaceChildren();
  append(node, children);
};

const LONGEST = 400;

/** @param {string} text @param {number} [longest] in characters */
export function clip(text, longest = LONGEST) {
  if (text.length <= longest) return text;
  const cut = /[\uD800-\uDBFF]/.test(text[longest - 1]) ? longest - 1 : longest;
  return text.slice(0, cut) + `… (${text.length.toLocaleString()} characters)`;
}

/** Text from outside: set apart, so that its direction does not run into ours. @param {any} value */
export const said = (value, longest = LONGEST) => el("bdi", {}, clip(typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value), longest));

/** A value with its kind to be seen: text in quotes. @param {any} value */
export const shown = (value) => value === undefined ? el("em", { class: "soft" }, "nothing") : el("bdi", { class: "mono" }, clip(JSON.stringify(value), LONGEST));

/** @param {string} text */
export const short = (text) => el("bdi", { class: "mono", title: clip(text) }, text.length > 12 ? text.slice(0, 10) + "…" : text);

/** @param {string|number|Date} at */
export const time = (at) => {
  const d = new Date(at);
  const today = d.toDateString() === new Date().toDateString();
  return el("time", { datetime: d.toISOString(), title: d.toISOString() }, today ? d.toLocaleTimeString() : d.toLocaleString());
};

/** @param {number} ms */
export function lasts(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return `${Math.round(ms)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  const two = (/** @type {number} */ whole, /** @type {string} */ a, /** @type {number} */ rest, /** @type {string} */ b) => rest > 0 ? `${whole} ${a} ${rest} ${b}` : `${whole} ${a}`;
  if (s < 3600) return two(Math.floor(s / 60), "min", Math.floor(s % 60), "s");
  if (s < 172800) return two(Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "min");
  return `${Math.round(s / 86400)} days`;
}

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = one + "s") => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/**
 * A button that does one thing at a time. It is never disabled meanwhile: it would
 * lose the focus.
 * @param {string} text @param {(e: Event) => any} act @param {Record<string, any>} [attributes]
 */
export const button = (text, act, attributes = {}) => el("button", {
  type: "button", ...attributes,
  onclick: async (/** @type {Event} */ e) => {
    const b = /** @type {HTMLButtonElement} */ (e.currentTarget);
    if (b.ariaBusy === "true") return;
    b.ariaBusy = "true";
    try {
      await act(e);
    } catch (err) {
      complain(err);
    } finally {
      b.ariaBusy = null;
    }
  },
}, text);

/**
 * @param {string} caption
 * @param {(string|{text: string, number?: boolean})[]} heads
 * @param {(Child|Child[])[][]} rows
 * @param {string} none is said where there are no rows
 */
export function table(caption, heads, rows, none) {
  if (rows.length === 0) return el("div", {}, el("h3", {}, caption), el("p", { class: "soft" }, none));
  const number = (/** @type {number} */ i) => { const h = heads[i]; return typeof h !== "string" && h.number ? "number" : null; };
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((h, i) => el("th", { scope: "col", class: number(i) }, typeof h === "string" ? h : h.text)))),
    el("tbody", {}, rows.map((r) => el("tr", {}, r.map((c, i) => el("td", { class: number(i) }, c)))))));
}

/** Says something, for a while. @param {Child} text */
export function say(text, bad = false) {
  const p = el("p", { class: bad ? "bad" : null }, text);
  document.getElementById("toasts")?.append(p);
  setTimeout(() => p.remove(), bad ? 12000 : 5000);
}

/** @param {any} err */
export function complain(err) {
  if (err?.name === "AbortError") return;
  say(said(err?.message ?? String(err), 600), true);
}

/** Asks; resolves to whether it is wanted. @param {string} title @param {Child} text @param {string} yes */
export function ask(title, text, yes) {
  return new Promise((resolve) => {
    const id = "ask-" + Math.random().toString(36).slice(2);
    const d = el("dialog", { class: "ask", "aria-labelledby": id },
      el("h2", { id }, title), el("p", {}, text),
      el("p", { class: "actions" },
        el("button", { type: "button", class: "primary", onclick: () => d.close("yes") }, yes),
        el("button", { type: "button", onclick: () => d.close("") }, "Leave it")));
    d.addEventListener("close", () => { resolve(d.returnValue === "yes"); d.remove(); });
    document.body.append(d);
    d.showModal();
  });
}

/** Shows something in front of the page. @param {string} title @param {...Child} content */
export function show(title, ...content) {
  const id = "shown-" + Math.random().toString(36).slice(2);
  const d = el("dialog", { "aria-labelledby": id }, el("h2", { id }, title), content,
    el("p", { class: "actions" }, el("button", { type: "button", onclick: () => d.close() }, "Close")));
  d.addEventListener("close", () => d.remove());
  document.body.append(d);
  d.showModal();
}

/**
 * Runs at most once at a time; a call meanwhile makes it run once more.
 * @param {() => Promise<any>} work
 */
export function coalesce(work) {
  /** @type {Promise<any>|null} */
  let running = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await work();
    } while (again);
  };
  return () => {
    if (running) again = true;
    else running = run().catch(complain).finally(() => { running = null; });
    return running;
  };
}
