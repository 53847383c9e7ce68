// @ts-check
// The editor of a sync: a form for the usual fields, and JSON for all of them. Both show
// the same definition. The server checks it while the user types.

import { send, call, segment } from "./api.js";
import { el, update, table, said, count, button, coalesce } from "./ui.js";

const SAMPLE = {
  id: "readings", orgId: "mywell", type: "pull",
  datasource: { type: "csv", fileUrl: "testdata/readings.csv", selectedDatatypes: ["reading"], options: { includesHeadings: true } },
  mapping: { reading: { key: ["well", "at"], fields: { well: { from: "well" }, at: { from: "at" }, value: { from: "value_m", type: "number", required: true } } } },
};

/**
 * A field of the form: its path in the definition, and how it is entered.
 * @typedef {{path: string, label: string, hint?: string, options?: string[], list?: boolean}} Field
 * @type {Field[]}
 */
const FIELDS = [
  { path: "id", label: "Id", hint: "letters, digits, . _ ~ -" },
  { path: "orgId", label: "Organisation" },
  { path: "name", label: "Name" },
  { path: "type", label: "Direction", options: ["pull", "push", "both"] },
  { path: "datasource.type", label: "Kind of source", options: ["csv", "api", "sql", "legacy-mywell", "openfn-adapter", "mock-sync-server"] },
  { path: "datasource.fileUrl", label: "File", hint: "below the allowed directory, https:// or gs://" },
  { path: "datasource.url", label: "URL" },
  { path: "datasource.selectedDatatypes", label: "Datatypes", hint: "separated by commas", list: true },
  { path: "frequency", label: "Frequency", hint: "hourly, daily, weekly or cron; empty: on demand" },
  { path: "timeZone", label: "Time zone", hint: "such as Asia/Kolkata; empty: UTC" },
  { path: "conflict", label: "In a conflict", options: ["", "source", "store", "newest", "manual"] },
];

/** @param {any} o @param {string} path */
const at = (o, path) => path.split(".").reduce((v, k) => v?.[k], o);

/** Sets a value in a copy; "" and [] remove it. @param {any} o @param {string} path @param {any} value */
function put(o, path, value) {
  const copy = structuredClone(o ?? {});
  const keys = path.split(".");
  const last = /** @type {string} */ (keys.pop());
  let in_ = copy;
  for (const k of keys) in_ = in_[k] && typeof in_[k] === "object" ? in_[k] : (in_[k] = {});
  if (value === "" || Array.isArray(value) && value.length === 0) delete in_[last];
  else in_[last] = value;
  return copy;
}

/**
 * @param {any} stored the sync to edit; undefined for a new one
 * @param {{done: (id: string) => void, cancel: () => void}} o
 */
export function editor(stored, o) {
  /** @type {any} */
  let def = stored?.sync ?? SAMPLE;
  const text = el("textarea", { class: "code", id: "definition", spellcheck: "false", "aria-describedby": "definition-errors", "aria-label": "Definition as JSON" });
  const summary = el("div", { id: "definition-errors", role: "status" });
  const found = el("div", { class: "stack", id: "columns", role: "status" });

  const fields = FIELDS.map((f) => {
    const id = "def-" + f.path.replace(/\./g, "-");
    const error = el("span", { class: "error", id: id + "-error" });
    const input = f.options
      ? el("select", { id }, f.options.map((v) => el("option", { value: v }, v || "default")))
      : el("input", { id, placeholder: f.hint ?? "", "aria-describedby": id + "-error" });
    input.setAttribute("aria-describedby", id + "-error");
    input.addEventListener(f.options ? "change" : "input", () => {
      const v = input.value.trim();
      def = put(def, f.path, f.list ? v.split(",").map((/** @type {string} */ s) => s.trim()).filter(Boolean) : v);
      text.value = JSON.stringify(def, null, 2);
      check();
    });
    return { f, input, error, node: el("label", {}, f.label, input, error) };
  });

  /** Shows the definition in the form. A value that a field cannot show is only in the JSON. */
  function fillForm() {
    for (const { f, input } of fields) {
      const v = at(def, f.path);
      const t = f.list && Array.isArray(v) ? v.join(", ") : typeof v === "string" ? v : "";
      if (f.options && t && !f.options.includes(t)) input.append(el("option", { value: t }, t));
      if (input !== document.activeElement) input.value = t;
    }
  }

  text.addEventListener("input", () => {
    try {
      def = JSON.parse(text.value);
      fillForm();
    } catch { /* the server reports where it is not valid */ }
    check();
  });

  const check = coalesce(async () => {
    await new Promise((r) => setTimeout(r, 250)); // until the user pauses
    const answer = await (await call("POST", "sync/check", { text: text.value, headers: { "Content-Type": "application/json" } })).json();
    tell(answer.errors);
  });

  /** @param {{path: string, message: string}[]} errors */
  function tell(errors) {
    for (const { f, input, error } of fields) {
      const mine = errors.filter((e) => e.path === f.path || e.path.startsWith(f.path + "["));
      update(error, mine.map((e) => said(e.message)));
      input.setAttribute("aria-invalid", String(mine.length > 0));
    }
    text.setAttribute("aria-invalid", String(errors.length > 0));
    update(summary, errors.length === 0 ? el("p", { class: "good" }, "The definition is valid.") : [
      el("p", { class: "bad" }, `${count(errors.length, "error")}:`),
      el("ul", { class: "error" }, errors.map((e) => el("li", {}, e.path && [el("code", {}, said(e.path)), ": "], said(e.message)))),
    ]);
  }

  /** Connects to the source as the form defines it, and shows the columns. */
  async function look() {
    update(found, el("p", { class: "soft" }, "Connecting to the source…"));
    try {
      const answer = await (await call("POST", "sync/columns", { text: text.value, headers: { "Content-Type": "application/json" } })).json();
      update(found, answer.datatypes.map(columns));
    } catch (err) {
      update(found);
      const errors = /** @type {any} */ (err).errors;
      if (!errors?.length) throw err;
      tell(errors);
    }
  }

  /** @param {{datatype: string, columns: {name: string, types: string[]}[], rows: number, rejected?: number, error?: string}} one */
  function columns(one) {
    if (one.error) return el("p", { class: "bad" }, said(one.datatype, 80), ": ", said(one.error, 1000));
    return [table(`Columns of ${one.datatype.slice(0, 80)}`, ["Column", "Type"], one.columns.map((c) => [el("code", {}, said(c.name, 80)), c.types.join(" or ") || "empty"]), "The source answers, and has no rows to learn the columns from."),
      el("p", { class: "soft" }, `Learnt from ${count(one.rows, "row")}.`, one.rejected ? ` ${count(one.rejected, "row")} could not be read.` : "")];
  }

  async function save() {
    const headers = { "Content-Type": "application/json" };
    try {
      const resp = stored
        ? await call("PUT", "sync/" + segment(stored.id), { text: text.value, headers: { ...headers, "If-Match": `"${stored.version}"` } })
        : await call("POST", "sync", { text: text.value, headers });
      o.done((await resp.json()).id);
    } catch (err) {
      const errors = /** @type {any} */ (err).errors;
      if (!errors?.length) throw err;
      tell(errors);
      fields.find((x) => x.input.getAttribute("aria-invalid") === "true")?.input.focus();
    }
  }

  text.value = JSON.stringify(def, null, 2);
  fillForm();
  check();
  return el("section", { class: "card stack", "aria-label": stored ? "Edit the sync" : "New sync" },
    el("h2", {}, stored ? ["Edit ", said(stored.sync.name || stored.id)] : "Create a sync"),
    el("p", { class: "soft" }, stored ? "Credentials are redacted. They stay the same unless you replace them." : "This is a working sample. Mapping, credentials and options are in the JSON: docs/sync.md describes them all."),
    el("form", { class: "fields", onsubmit: (/** @type {Event} */ e) => e.preventDefault() }, fields.map((f) => f.node)),
    el("label", {}, "The same as JSON", text), summary, found,
    el("p", { class: "actions" }, button(stored ? "Save" : "Create sync", save, { class: "primary", id: "define" }), button("Test connection", look, { id: "look" }), button("Cancel", () => o.cancel())));
}
