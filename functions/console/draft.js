// @ts-check
// Draft: a list that people edit together. Each field has three values: saved,
// incoming and the draft's. The live channel sends the whole draft with every change.

import { get, send, segment } from "./api.js";
import { el, update, become, said, shown, time, count, button, say, ask, complain, coalesce } from "./ui.js";
import { clock } from "./words.js";

const RETRY = 5000; // ms until a list that could not be read is read again

/** @param {import("./app.js").Context} ctx */
export function draftView(ctx) {
  const drafts = (ctx.config.drafts ?? []).map((/** @type {any} */ d) => d.name);
  if (drafts.length === 0) {
    return el("section", { class: "card" }, el("h2", {}, "No draft is configured"), el("p", {}, "Configure a list that people edit together under “drafts”: see docs/drafts.md."));
  }
  const name = drafts.includes(ctx.rest[0]) ? ctx.rest[0] : drafts[0];
  const choose = el("select", { onchange: () => { location.hash = "#/drafts/" + encodeURIComponent(choose.value); } },
    drafts.map((/** @type {string} */ d) => el("option", { value: d, selected: d === name }, d)));
  const me = el("input", { value: localStorage.getItem("headgate-name") ?? "", placeholder: "shown with your edits", maxlength: 100, autocomplete: "nickname",
    onchange: () => localStorage.setItem("headgate-name", me.value) });
  const path = "drafts/" + segment(name);
  const news = el("p", { role: "status", class: "soft" }, "Loading…");
  const decisions = el("p", { role: "status" });
  const box = el("div", { class: "draft scroll", tabindex: "0", role: "region", "aria-label": "Rows" });
  /** @type {any} */
  let view = null;
  let wrong = ""; // why the source's state is not known
  let since = 0; // from when on
  let again = 0;

  /** Notes that the state of the list or its source is not known, or (with "") that it is. @param {string} why */
  function doubt(why) {
    since = why ? since || Date.now() : 0;
    wrong = why;
    draw();
  }

  const act = (/** @type {string} */ what, /** @type {any} */ body = {}) => async () => {
    // A decision is about the version that is shown now, not about one that arrives meanwhile.
    const seen = what === "accept" || what === "keep" ? { sourceVersion: view?.sourceVersion } : {};
    await flush();
    try {
      const next = await send("POST", `${path}/${what}`, { by: me.value, ...seen, ...body });
      if (what === "fetch" || what === "save") doubt(""); // the source has answered
      take(next);
      if (what === "save") say("Saved to the source.");
    } catch (err) {
      if (/** @type {any} */ (err).status === 409 && /** @type {any} */ (err).body?.draft) take(/** @type {any} */ (err).body.draft);
      if (/** @type {any} */ (err).status >= 500) doubt(/** @type {Error} */ (err).message);
      throw err;
    }
  };

  /** Edits that the server has not confirmed yet, by row and field. They are shown instead of its values. @type {Map<string, Map<string, any>>} */
  const going = new Map();
  let sending = Promise.resolve();
  const flush = () => sending;

  /** @param {string} row @param {Record<string, any>|null} fields */
  function edit(row, fields) {
    const mine = going.get(row) ?? new Map();
    for (const [f, v] of Object.entries(fields ?? {})) mine.set(f, v);
    if (mine.size > 0) going.set(row, mine);
    sending = sending.then(async () => {
      try {
        take(await send("PATCH", path, { by: me.value, rows: { [row]: fields } }));
      } catch (err) {
        complain(err);
      } finally {
        for (const [f, v] of Object.entries(fields ?? {})) if (mine.get(f) === v) mine.delete(f);
        if (mine.size === 0 && going.get(row) === mine) going.delete(row);
        const drawn = lines.get(row);
        if (drawn) drawn.of = ""; // redraw the row: if the server refused the edit, the typed text must go
        draw();
      }
    });
    return sending;
  }

  /** Shows a state of the draft, unless a newer one is shown. @param {any} v */
  function take(v) {
    if (view && v.version < view.version) return;
    view = { ...v, draft: bare(v.draft), incoming: bare(v.incoming), saved: bare(v.saved) };
    draw();
  }

  function draw() {
    if (!view) return;
    update(news, `Version ${view.version}`, view.change && [`: ${words(view.change)}`, view.changedBy && [" by ", said(view.changedBy, 100)], ", ", time(view.changedAt)]);
    update(decisions, wrong ? el("span", { class: "bad" }, `Whether the draft matches the source is unknown since ${clock(new Date(since).toISOString())}, because `, said(wrong, 300), ".") : view.flags.length > 0 ? el("strong", {}, `${count(view.flags.length, "change")} at the source to decide about`) : view.edited ? "There are unsaved edits." : "The draft matches the source.");
    save.disabled = view.flags.length > 0 || !view.edited;
    discard.disabled = !view.edited && view.flags.length === 0;
    for (const b of [acceptAll, keepAll]) b.hidden = view.flags.length === 0;
    rows();
  }

  const caption = el("caption");
  const head = el("thead");
  const body = el("tbody");
  box.append(el("table", {}, caption, head, body));
  /** Rows that are drawn, with the values that they were drawn from. @type {Map<string, {node: Element, of: string}>} */
  const lines = new Map();

  /** Draws only the rows that changed: there may be thousands. */
  function rows() {
    const held = box.contains(document.activeElement);
    /** @type {Map<string, any[]>} */
    const flags = new Map();
    for (const f of view.flags) flags.set(f.row, [...(flags.get(f.row) ?? []), f]);
    const ids = [...new Set([...Object.keys(view.draft), ...flags.keys()])].sort(byNumber);
    const fields = [...new Set(ids.flatMap((id) => [...Object.keys(view.draft[id] ?? {}), ...Object.keys(view.incoming[id] ?? {})]))].sort();
    update(caption, `${name}: ${count(Object.keys(view.draft).length, "row")}`);
    update(head, el("tr", {}, ["Row", ...fields, "Actions"].map((h) => el("th", { scope: "col" }, said(h, 80)))));
    const columns = JSON.stringify(fields);
    const drawn = new Set(ids);
    for (const id of lines.keys()) if (!drawn.has(id)) lines.delete(id);
    for (const id of ids) {
      const its = flags.get(id) ?? [];
      const of = JSON.stringify([view.draft[id], view.incoming[id], view.saved[id], its, [...(going.get(id) ?? [])]]) + columns;
      const old = lines.get(id);
      if (old?.of === of) continue;
      const node = line(id, fields, its);
      if (old) become(old.node, node);
      lines.set(id, { node: old?.node ?? node, of });
    }
    update(body, ids.map((id) => /** @type {any} */ (lines.get(id)).node));
    if (held && !box.contains(document.activeElement)) box.focus({ preventScroll: true }); // the focused field was removed
  }

  /** @param {string} id @param {string[]} fields @param {any[]} flags of the row */
  function line(id, fields, flags) {
    const whole = flags.find((/** @type {any} */ f) => !f.field);
    const row = view.draft[id];
    const at = (/** @type {string} */ what) => `${what}-${encodeURIComponent(id)}`;
    return el("tr", { "data-key": id, class: whole ? "flagged" : null },
      el("th", { scope: "row" }, said(id, 80), whole && flagged(whole, at("row"))),
      fields.map((f) => {
        const flag = flags.find((/** @type {any} */ x) => x.field === f);
        if (!row) return el("td", { "data-key": f, "data-label": clipped(f) }, shown(view.incoming[id]?.[f]));
        return el("td", { "data-key": f, class: [flag && "flagged", !flag && differs(id, f) && "edited"].filter(Boolean).join(" ") || null, "data-label": clipped(f) },
          input(id, f, row[f]), flag && flagged(flag, at(encodeURIComponent(f))));
      }),
      el("td", {}, row && button("Remove", () => edit(id, null), { class: "slim", id: at("remove"), "aria-label": `Remove row ${clipped(id)}` })));
  }

  const clipped = (/** @type {string} */ s) => s.length > 80 ? s.slice(0, 79) + "…" : s;
  const differs = (/** @type {string} */ id, /** @type {string} */ f) => JSON.stringify(view.draft[id]?.[f]) !== JSON.stringify(view.incoming[id]?.[f]);

  /** Counts the fields, and the rows, in which the draft is not what the source has. */
  function edits() {
    const rows = new Set([...Object.keys(view.draft), ...Object.keys(view.incoming)]);
    return [...rows].reduce((n, id) => {
      if (!view.draft[id] || !view.incoming[id]) return n + 1;
      return n + [...new Set([...Object.keys(view.draft[id]), ...Object.keys(view.incoming[id])])].filter((f) => differs(id, f)).length;
    }, 0);
  }

  /** @param {string} id @param {string} field @param {any} value */
  function input(id, field, value) {
    const mine = going.get(id);
    if (mine?.has(field)) value = mine.get(field);
    const kind = value === undefined || value === null ? typeof (view.incoming[id]?.[field] ?? view.saved[id]?.[field] ?? "") : typeof value;
    const text = value === undefined || value === null ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
    const long = text.length > 20000;
    return el("input", {
      id: `field-${encodeURIComponent(id)}-${encodeURIComponent(field)}`, type: "text", inputmode: kind === "number" ? "decimal" : null,
      value: long ? text.slice(0, 200) + "…" : text, dir: "auto", "aria-label": `${clipped(field)} of row ${clipped(id)}`, readonly: long, title: long ? `${text.length.toLocaleString()} characters: too long to edit here` : null,
      onkeydown: (/** @type {any} */ e) => {
        const i = e.currentTarget;
        if (e.key === "Escape") i.value = i.defaultValue;
        if (e.key === "Enter") i.dispatchEvent(new Event("change"));
      },
      onchange: (/** @type {any} */ e) => {
        const i = e.currentTarget;
        if (i.value === i.defaultValue || long) return;
        const v = parse(i.value, kind);
        if (v === undefined) {
          i.setAttribute("aria-invalid", "true");
          say(`${clipped(field)} must be ${kind === "number" ? "a number" : "JSON"}.`, true);
          return;
        }
        i.removeAttribute("aria-invalid");
        i.setAttribute("value", i.value);
        edit(id, { [field]: v });
      },
    });
  }

  /** @param {any} f @param {string} id */
  function flagged(f, id) {
    const which = f.field ? { row: f.row, field: f.field } : { row: f.row };
    const of = f.field ? `${clipped(f.field)} of row ${clipped(f.row)}` : `row ${clipped(f.row)}`;
    return el("div", { class: "flag" },
      el("span", {}, f.kind === "deleted" ? (f.field ? "Removed at the source" : "Deleted at the source") : f.kind === "added" ? "New at the source: " : f.field ? "At the source: " : "Changed at the source: ",
        f.kind !== "deleted" && shown(f.incoming)),
      el("div", { class: "row" },
        button("Accept", act("accept", which), { class: "slim", id: "accept-" + id, "aria-label": `Accept the source's ${of}` }),
        button("Keep", act("keep", which), { class: "slim", id: "keep-" + id, "aria-label": `Keep our ${of}` })));
  }

  const newRow = el("input", { placeholder: "id", maxlength: 200, "aria-label": "Id of the new row" });
  async function add() {
    const id = newRow.value.trim();
    if (!id) throw new Error("A new row needs an id.");
    if (!view) throw new Error("The draft is not loaded yet.");
    if (view.draft[id]) throw new Error("There already is a row with that id.");
    const like = Object.values(view.draft)[0] ?? { name: "" };
    await edit(id, Object.fromEntries(Object.entries(like).map(([f, v]) => [f, typeof v === "number" ? 0 : typeof v === "boolean" ? false : ""])));
    newRow.value = "";
  }
  const save = button("Save to the source", act("save"), { class: "primary", id: "save" });
  const discard = button("Discard edits", async () => {
    if (await ask("Discard the edits?", async () => {
      await flush();
      take(await get(path));
      const n = edits();
      return el("p", {}, el("strong", {}, count(n, "edit")), ` of this list ${n === 1 ? "is" : "are"} lost for everybody, and the list is what the source has. This cannot be undone.`);
    }, "Discard", { danger: true })) await act("discard")();
  }, { class: "danger", id: "discard" });
  const acceptAll = button("Accept all", act("accept"), { id: "accept-all" });
  const keepAll = button("Keep all", act("keep"), { id: "keep-all" });

  const refresh = coalesce(async () => {
    clearTimeout(again);
    try {
      const next = await get(path);
      doubt("");
      take(next);
    } catch (err) {
      doubt(/** @type {Error} */ (err).message);
      if (view) again = setTimeout(refresh, RETRY);
      if (!view) update(news, "The draft cannot be loaded: ", said(/** @type {Error} */ (err).message, 600), ". Refresh from the source to try again.");
      throw err;
    }
  });
  ctx.onLeave(() => clearTimeout(again));
  const config = (ctx.config.drafts ?? []).find((/** @type {any} */ d) => d.name === name);
  ctx.listen("drafts", name, (change) => {
    if (change.data) take(change.data);
  });
  if (config?.echo) { // the server does not fetch on a change: the viewers' pages ask it to
    const look = coalesce(() => act("fetch")().catch((/** @type {any} */ err) => {
      if (err.status !== 403) complain(err); // a user with the role read cannot fetch; other viewers' pages do
    }));
    const of = config.records;
    if (config.externalData) ctx.listen("task-lists", config.externalData.list || name, look);
    if (of) ctx.listen(of.orgId === "default" ? of.type : `${of.orgId}/${of.type}`, "*", look);
  }
  ctx.onOpen(() => {
    view = null; // the server may have another store now, with lower versions
    return refresh();
  });
  for (const b of [save, discard]) b.disabled = true; // until there are edits
  for (const b of [acceptAll, keepAll]) b.hidden = true;
  refresh();

  return [el("div", { class: "title page" }, el("h2", { class: "top" }, "Drafts"), el("form", { class: "row", onsubmit: (/** @type {Event} */ e) => e.preventDefault() }, el("label", {}, "List", choose), el("label", {}, "Your name", me))), el("section", { class: "card" },
    news, decisions, box,
    el("form", { class: "actions", onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); add().catch(complain); } },
      save, discard, acceptAll, keepAll, newRow, el("button", { type: "submit" }, "Add a row"),
      button("Refresh from the source", act("fetch"))))];
}

/** Takes from the rows, and from the fields of each, what every object inherits: one may be called constructor. @param {Record<string, any>} rows */
function bare(rows) {
  for (const row of Object.values(rows ?? {})) if (row !== null && typeof row === "object") Object.setPrototypeOf(row, null);
  return Object.setPrototypeOf(rows ?? {}, null);
}

/** @param {string} change */
const words = (change) => ({ edit: "edited", accept: "a change at the source was accepted", keep: "the draft's value was kept", save: "saved", discard: "edits were discarded", fetch: "the source changed" })[change] ?? change;

/** Parses typed text as a value of the field's kind; undefined if it is not valid. @param {string} text @param {string} kind */
export function parse(text, kind) {
  if (kind === "number") return /^\s*-?\d+\s*$/.test(text) && !Number.isSafeInteger(Number(text)) ? undefined : text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
  if (kind === "boolean" || kind === "object") {
    try {
      return JSON.parse(text) ?? undefined;
    } catch {
      return undefined;
    }
  }
  return text;
}

/** @param {string} a @param {string} b */
const byNumber = (a, b) => a.localeCompare(b, undefined, { numeric: true });
