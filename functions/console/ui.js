// @ts-check
// Functions that every view of the console uses. Text from outside only gets into text
// nodes: nothing here can turn a string into markup.

const SVG = "http://www.w3.org/2000/svg";

/** @typedef {Node|string|number|null|undefined|false|any[]} Child */

/**
 * @param {Element} node
 * @param {Record<string, any>} attributes names that begin with on are listeners; true becomes ""; null and false are omitted
 * @param {(Child|Child[])[]} children
 */
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) listen(node, name, value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  append(node, children);
  return node;
}

/** The listeners of nodes, so that become can copy them to other nodes. @type {WeakMap<Node, Record<string, any>>} */
const listeners = new WeakMap();

/** @param {any} node @param {string} name such as onclick @param {any} f */
function listen(node, name, f) {
  node[name] = f;
  listeners.set(node, { ...listeners.get(node), [name]: f });
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

/** Replaces the node's children. @param {Element} node @param {...(Child|Child[])} children */
export const set = (node, ...children) => {
  node.replaceChildren();
  append(node, children);
};

/**
 * Changes the node's children to match the given ones, and does not touch those that
 * match already. So it does not disturb the focus, a click, a word that is being typed,
 * or a screen reader. Children that may appear between others have a data-key.
 * @param {Element} node @param {...(Child|Child[])} children new nodes; an equal old one may stay in their place
 */
export function update(node, ...children) {
  const wanted = children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== "")
    .map((c) => c instanceof Node ? c : document.createTextNode(String(c)));
  fit(node, wanted);
}

/** @param {any} n */
const keyOf = (n) => n.nodeType === 1 ? n.getAttribute("data-key") ?? (n.id || null) : null;

/** @param {Element} node @param {Node[]} wanted */
function fit(node, wanted) {
  const keys = new Set(wanted.map(keyOf));
  /** @type {Map<string, Node>} */
  const kept = new Map();
  for (const old of [...node.childNodes]) {
    const k = keyOf(old);
    if (k === null) continue;
    if (keys.has(k)) kept.set(k, old);
    else old.remove();
  }
  /** @type {ChildNode|null} */
  let at = node.firstChild;
  for (const want of wanted) {
    const k = keyOf(want);
    const have = k === null ? (at && keyOf(at) === null ? at : null) : kept.get(k) ?? null;
    if (k !== null) kept.delete(k);
    if (!have || have !== want && have.nodeName !== want.nodeName) {
      node.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else node.insertBefore(have, at);
    become(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** Changes a node to match another of its kind. Text that the user is typing stays. @param {any} old @param {any} want */
export function become(old, want) {
  if (old === want) return;
  if (old.nodeType !== 1) {
    if (old.data !== want.data) old.data = want.data;
    return;
  }
  const typing = old instanceof HTMLInputElement && old === document.activeElement && old.value !== old.defaultValue;
  for (const { name, value } of want.attributes) {
    if (name === "style") {
      if (old.style.cssText !== want.style.cssText) old.style.cssText = want.style.cssText; // the page's policy forbids setting the attribute
    } else if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of old.getAttributeNames()) if (!want.hasAttribute(name) && name !== "aria-busy") old.removeAttribute(name);
  const before = listeners.get(old), after = listeners.get(want);
  if (before || after) {
    for (const name of Object.keys(before ?? {})) old[name] = null;
    listeners.delete(old);
    for (const [name, f] of Object.entries(after ?? {})) listen(old, name, f);
  }
  if (old instanceof HTMLInputElement) {
    if (!typing && old.value !== want.value) old.value = want.value;
    return;
  }
  fit(old, [...want.childNodes]);
}

const LONGEST = 400;

/** @param {string} text @param {number} [longest] in characters */
export function clip(text, longest = LONGEST) {
  if (text.length <= longest) return text;
  const cut = /[\uD800-\uDBFF]/.test(text[longest - 1]) ? longest - 1 : longest;
  return text.slice(0, cut) + `… (${text.length.toLocaleString()} characters)`;
}

/** Shows text from outside. Its writing direction does not affect the text around it. @param {any} value */
export const said = (value, longest = LONGEST) => el("bdi", {}, clip(typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value), longest));

/** Shows a value so that its kind is visible: text has quotes. @param {any} value */
export const shown = (value) => value === undefined ? el("em", { class: "soft" }, "nothing") : el("bdi", { class: "mono" }, clip(JSON.stringify(value), LONGEST));

/** @param {string} text */
export const short = (text) => el("bdi", { class: "mono short", title: clip(text) }, text.length > 12 ? text.slice(0, 10) + "…" : text);

/** @param {string|number|Date} at */
export const time = (at) => {
  const d = new Date(at);
  const now = new Date();
  const far = d.getFullYear() !== now.getFullYear();
  return el("time", { datetime: d.toISOString(), title: d.toISOString() }, (d.toDateString() === now.toDateString() ? d.toLocaleTimeString()
    : d.toLocaleString(undefined, { year: far ? "numeric" : undefined, month: "short", day: "numeric", hour: "numeric", minute: "2-digit" })).replace(/ (?=\D+$)/, "\u00a0")); // such as AM
};

/** A figure and its unit, which stay in one line. @param {string|number} n @param {string} unit */
const figure = (n, unit) => `${n}\u00a0${unit}`;

/** @param {number} ms */
export function lasts(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 1) return figure(Math.round(ms), "ms");
  if (s < 60) return figure(s < 10 ? Number(s.toFixed(1)) : Math.round(s), "s");
  const two = (/** @type {number} */ whole, /** @type {string} */ a, /** @type {number} */ rest, /** @type {string} */ b) => rest > 0 ? `${figure(whole, a)}\u00a0${figure(rest, b)}` : figure(whole, a);
  if (s < 3600) return two(Math.floor(s / 60), "min", Math.floor(s % 60), "s");
  if (s < 172800) return two(Math.floor(s / 3600), "h", Math.floor(s % 3600 / 60), "min");
  return figure(Math.round(s / 86400), "days");
}

/** How long it still is until something happens, in whole seconds. @param {number} ms */
export const inTime = (ms) => "in " + lasts(Math.ceil(ms / 1000) * 1000);

/** @param {number} n @param {string} one @param {string} [many] */
export const count = (n, one, many = one + "s") => `${n.toLocaleString()} ${n === 1 ? one : many}`;

/** @param {number} n in bytes */
export function bytes(n) {
  if (n < 1000) return figure(n, n === 1 ? "byte" : "bytes");
  const units = ["kB", "MB", "GB", "TB"];
  let i = -1;
  do { n /= 1000; i++; } while (n >= 999.5 && i < units.length - 1);
  return figure(n < 9.95 ? n.toFixed(1) : Math.round(n), units[i]);
}

/**
 * A button that ignores clicks while its action runs. It is not disabled meanwhile,
 * because it would lose the focus.
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

/** A button that copies a text. @param {() => string} text @param {string} [what] of the button's name */
export const copier = (text, what = "") => button("Copy", async () => {
  try {
    await navigator.clipboard.writeText(text());
  } catch {
    throw new Error("The browser did not let the page copy. Select the text instead.");
  }
  say("Copied.");
}, { class: "slim quiet", "aria-label": what ? `Copy ${what}` : null });

/** A command that can be copied. @param {string} command */
export const copyable = (command) => el("span", { class: "command" }, el("code", {}, said(command)), " ", copier(() => command, "the command"));

/** A state, as a word with a dot. @param {string} words @param {string} [tone] good, warn, bad, busy or "" */
export const pill = (words, tone = "", attributes = {}) => el("span", { class: tone ? "pill " + tone : "pill", ...attributes }, words);

/** Says how many of all are shown. @param {number} n shown @param {number|null} all null: unknown @param {boolean} [more] there are more than all */
export const outOf = (n, all, more = false) => all === null ? n.toLocaleString() : `${n.toLocaleString()} of ${more ? "more than " : ""}${all.toLocaleString()}`;

/** A field that sifts what a view shows, as its user types. @param {string} label @param {(text: string) => void} sift */
export function searchField(label, sift) {
  const field = el("input", { type: "search", placeholder: label, "aria-label": label, autocomplete: "off", spellcheck: "false", oninput: () => sift(field.value.trim().toLowerCase()),
    onkeydown: (/** @type {KeyboardEvent} */ e) => { if (e.key === "Escape" && field.value) { field.value = ""; sift(""); e.stopPropagation(); } } });
  return field;
}

/** Scrolls to what a button has changed, if that is not in sight. @param {Element} node */
export function reveal(node) {
  const { top } = node.getBoundingClientRect();
  if (top < 0 || top > innerHeight - 120) node.scrollIntoView({ block: "start" });
}

/** The way back to a list. @param {...[string, string?]} steps each with a name and, but for the last, an address */
export const trail = (...steps) => el("ol", { class: "trail", "aria-label": "Breadcrumb" }, steps.map(([name, href]) => el("li", {}, href ? el("a", { href }, said(name, 60)) : el("span", { "aria-current": "page" }, said(name, 60)))));

/**
 * @param {string} caption
 * @param {(string|{text: string, number?: boolean})[]} heads
 * @param {(Child|Child[])[][]} rows
 * @param {string} none is shown if there are no rows
 * @param {string[]} [keys] of the rows, if rows may be added or removed
 */
export function table(caption, heads, rows, none, keys = []) {
  if (rows.length === 0) return el("div", {}, el("h3", {}, caption), el("p", { class: "soft" }, none));
  const headOf = (/** @type {number} */ i) => { const h = heads[i]; return typeof h === "string" ? h : h.text; }; // a narrow screen shows it in each row
  const number = (/** @type {number} */ i) => { const h = heads[i]; return typeof h !== "string" && h.number ? "number" : null; };
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, el("table", {},
    el("caption", {}, caption),
    el("thead", {}, el("tr", {}, heads.map((_, i) => el("th", { scope: "col", class: number(i) }, headOf(i) === "Actions" ? el("span", { class: "visually-hidden" }, "Actions") : headOf(i))))),
    el("tbody", {}, rows.map((r, n) => el("tr", { "data-key": keys[n] }, r.map((c, i) => el("td", { class: number(i), "data-label": headOf(i) }, c)))))));
}

/** Shows a message for a while. @param {Child|Child[]} text */
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

let asked = 0; // the latest question: only that one is put

/**
 * Asks for confirmation; resolves to true if the user confirms. The text says what will happen,
 * in numbers. It is made when the question is put, and reads what it states from the server:
 * what the page shows may be older. If that fails, so does the question.
 * What cannot be undone has a red button, and the focus is on Cancel.
 * @param {string} title @param {() => Child|Child[]|Promise<Child|Child[]>} text @param {string} yes @param {{danger?: boolean}} [o]
 */
export async function ask(title, text, yes, o = {}) {
  const turn = ++asked, at = location.hash;
  const words = await text();
  if (turn !== asked || at !== location.hash) return false; // the user went on to something else meanwhile
  return new Promise((resolve) => {
    const id = "ask-" + Math.random().toString(36).slice(2);
    const d = el("dialog", { class: o.danger ? "ask grave" : "ask", role: "alertdialog", "aria-labelledby": id, "aria-describedby": id + "-text" },
      el("h2", { id }, title), el("div", { id: id + "-text", class: "text" }, words),
      el("p", { class: "actions end" },
        el("button", { type: "button", autofocus: o.danger, onclick: () => d.close("") }, "Cancel"),
        el("button", { type: "button", class: o.danger ? "primary danger" : "primary", autofocus: !o.danger, onclick: () => d.close("yes") }, yes)));
    d.addEventListener("close", () => { resolve(d.returnValue === "yes"); d.remove(); });
    document.body.append(d);
    d.showModal();
  });
}

/** Shows a dialog in front of the page. @param {string} title @param {...Child} content */
export function show(title, ...content) {
  const id = "shown-" + Math.random().toString(36).slice(2);
  const d = el("dialog", { "aria-labelledby": id }, el("h2", { id }, title), content,
    el("p", { class: "actions end" }, el("button", { type: "button", onclick: () => d.close() }, "Close")));
  d.addEventListener("close", () => d.remove());
  document.body.append(d);
  d.showModal();
}

/**
 * Returns a function that runs work, one run at a time. A call during a run causes one
 * more run.
 * @param {() => Promise<any>} work
 */
export function coalesce(work) {
  /** @type {Promise<any>|null} */
  let running = null;
  let again = false;
  const run = async () => {
    do {
      again = false;
      await work().catch(complain); // a failure must not lose the run that was requested meanwhile
    } while (again);
  };
  return () => {
    if (running) again = true;
    else running = run().finally(() => { running = null; });
    return running;
  };
}
