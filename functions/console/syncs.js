// @ts-check
// Syncs: the list, and one sync with its runs, rejects, conflicts and records.

import { get, send, segment } from "./api.js";
import { el, set, update, table, time, said, shown, short, lasts, count, bytes, button, say, ask, coalesce, complain } from "./ui.js";
import { editor } from "./editor.js";

const ROWS = 25;
const PLANNED = 10; // changes of a validation that are shown first
const MOST_PLANNED = 200; // and that the server keeps

/** @param {import("./app.js").Context} ctx */
export function syncsView(ctx) {
  const list = el("ul", { class: "list", "aria-label": "Syncs" });
  const detail = el("div", { class: "stack" });
  /** @type {(() => void)|null} */
  let end = null;
  let open = "";

  const refresh = coalesce(async () => {
    const { syncs } = await get("sync");
    update(list, syncs.map((/** @type {any} */ s) => el("li", { "data-key": s.id }, el("button", { type: "button", "aria-current": s.id === open ? "true" : null, onclick: () => go(s.id) },
      said(s.sync.name || s.id, 80), el("br"), el("span", { class: "small soft" }, s.sync.type, " ", said(s.sync.datasource.type, 60))))));
    if (syncs.length === 0) update(list, el("li", { class: "soft" }, "No syncs yet."));
  });

  /** @param {string} id */
  function go(id) {
    history.replaceState(null, "", "#syncs/" + encodeURIComponent(id));
    choose(id);
  }

  /** @param {string} id */
  function choose(id) {
    open = id;
    end?.();
    end = null;
    if (!id) set(detail, el("section", { class: "card" }, el("h2", {}, "Select a sync, or create one"),
      el("p", {}, "A sync keeps records in sync with a database, a file or a service.")));
    else {
      const one = oneSync(ctx, id, { edit: (stored) => define(stored), gone: () => go(""), });
      end = one.end;
      set(detail, one.node);
    }
    refresh();
  }

  /** @param {any} [stored] */
  function define(stored) {
    end?.();
    end = null;
    set(detail, editor(stored, {
      done: (id) => { say(stored ? "Definition saved." : "Sync created."); go(id); },
      cancel: () => choose(open),
    }));
    detail.querySelector("input")?.focus();
  }

  ctx.listen("headgate/syncs", "all", refresh);
  ctx.onOpen(refresh);
  ctx.onLeave(() => end?.());
  choose(ctx.rest[0] ?? "");
  return el("div", { class: "side" },
    el("section", { class: "card stack", "aria-label": "All syncs" }, button("New sync", () => define(), { class: "primary", id: "new-sync" }), list), detail);
}

/** @param {import("./app.js").Context} ctx @param {string} id @param {{edit: (stored: any) => void, gone: () => void}} o */
function oneSync(ctx, id, o) {
  const base = `sync/${segment(id)}`;
  const about = el("section", { class: "card", "aria-label": "Definition" });
  const runBox = el("section", { class: "card listed", "aria-label": "Run" });
  const rejectBox = el("section", { class: "card listed", "aria-label": "Rejects" });
  const conflictBox = el("section", { class: "card listed", "aria-label": "Conflicts" });
  const rowBox = el("section", { class: "card", "aria-label": "Rows" });
  let ended = false;
  let read = { rows: "", rejects: "" }; // the run and its state for which rows and rejects were loaded
  /** @type {any} */
  let stored = null;
  let shownRun = ""; // the run that the user selected; "": the newest
  let whole = ""; // the run whose plan is shown completely

  const refresh = coalesce(async () => {
    if (ended) return;
    try {
      await readAll();
    } catch (err) {
      if (ended) return;
      const gone = /** @type {any} */ (err).status === 404 && await get(base).then(() => false, (e) => e.status === 404);
      if (!gone) throw err;
      o.gone(); // it was deleted by another user
    }
  });

  async function readAll() {
    stored = await get(base);
    const { runs } = await get(base + "/runs?limit=10");
    drawAbout();
    const run = runs.find((/** @type {any} */ r) => r.id === shownRun) ?? runs[0];
    drawRun(run, runs);
    const now = run ? run.id + run.state : ""; // during a run, only its counts are loaded again
    const rejected = run ? `${now} ${run.counts.rejected}` : "";
    await Promise.all([run && read.rejects === rejected ? null : drawRejects(), drawConflicts(), run && read.rows === now ? null : drawRows()]);
    read = { rows: now, rejects: rejected };
  }

  function drawAbout() {
    const s = stored.sync;
    update(about, el("h2", {}, said(s.name || s.id)),
      el("dl", { class: "facts" },
        fact("Id", short(s.id)), fact("Organisation", said(s.orgId)), fact("Direction", s.type), fact("Source", said(s.datasource.type), " ", said(s.datasource.url ?? s.datasource.fileUrl ?? "")),
        fact("Schedule", s.frequency ? [said(s.frequency), " ", said(s.timeZone ?? "UTC")] : s.isOneTime ? "once, on demand" : "on demand"), fact("Conflicts", s.conflict || "source"), fact("Version", stored.version),
        stored.owner === "config" && fact("Owner", "the configuration"),
        Object.entries(stored.cursors ?? {}).flatMap(([type, c]) => [
          c.pulledUpTo && fact(`Pulled up to, ${type}`, time(c.pulledUpTo)), c.pushedUpTo && fact(`Pushed up to, ${type}`, time(c.pushedUpTo))])),
      stored.owner === "config" && el("p", { class: "soft" }, "The configuration declares this sync. Change it there."),
      stored.owner === "dropped" && el("p", { class: "warn" }, "The configuration declared this sync and does so no longer. The sync goes on as it was: delete it, edit it to make it yours, or declare it again."),
      el("p", { class: "actions" },
        button("Validate", () => start("validate"), { id: "validate" }), button("Run", () => start(""), { class: "primary", id: "run" }),
        stored.owner !== "config" && [button("Edit", () => o.edit(stored)), button("Delete", remove, { class: "danger" })]));
  }

  /** @param {string} method */
  async function start(method) {
    shownRun = "";
    await send("POST", `${base}/run${method ? `?method=${method}` : ""}`);
    await refresh();
  }

  async function remove() {
    if (!await ask("Delete this sync?", "Its definition and its state are deleted. The records stay.", "Delete")) return;
    await send("DELETE", base, undefined, { "If-Match": `"${stored.version}"` });
    o.gone();
  }

  /** @param {any} run @param {any[]} runs */
  function drawRun(run, runs) {
    if (!run) {
      update(runBox, el("h3", {}, "No runs yet"), el("p", { class: "soft" }, "Validate shows what a run would change, field by field. It changes nothing."));
      return;
    }
    const going = run.state === "pending" || run.state === "running";
    const ends = run.finishedAt ? Date.parse(run.finishedAt) : Date.parse(run.updatedAt);
    const c = run.counts;
    update(runBox, el("div", { class: "row" }, el("h3", {}, run.method === "validate" ? "Validation" : "Run"), el("span", { class: "badge " + tone(run.state), id: "run-state", role: "status" }, run.state),
      el("span", { class: "small soft" }, "by ", said(run.trigger), ", ", time(run.startedAt), ", ", lasts(ends - Date.parse(run.startedAt))),
      going && button("Cancel run", () => send("POST", `${base}/runs/${segment(run.id)}/cancel`), { class: "slim danger" })),
    run.results.map(step),
    el("dl", { class: "counts" }, [["read", c.read], ["created", c.created], ["updated", c.updated], ["deleted", c.deleted], ["unchanged", c.unchanged], ["rejected", c.rejected], ["conflicts", c.conflicts]]
      .map(([k, n]) => el("div", {}, el("dt", {}, k), el("dd", { class: (k === "rejected" || k === "conflicts") && n > 0 ? "warn" : null }, n.toLocaleString())))),
    run.errors.map((/** @type {string} */ e) => el("p", { class: "bad" }, said(e, 1000))),
    run.warnings.map((/** @type {string} */ w) => el("p", { class: "warn" }, said(w, 1000))),
    run.method === "validate" && !going && plan(run, runs),
    table("Latest runs", ["Started", "Method", "State", "Counts", "Actions"], runs.map((r) => [time(r.startedAt), r.method, el("span", { class: tone(r.state) }, r.state),
      `${r.counts.read} read, ${r.counts.created} new, ${r.counts.updated} changed, ${r.counts.rejected} rejected`,
      button("Show", () => { shownRun = r.id; return refresh(); }, { class: "slim", "aria-label": `Show the run of ${new Date(r.startedAt).toLocaleString()}` })]), "", runs.map((r) => r.id)));
  }

  /** @param {any} s */
  function step(s) {
    const p = s.progress;
    const text = s.message || (p.total ? `${amount(p.done, p.unit)} of ${amount(p.total, p.unit)}` : p.done ? amount(p.done, p.unit) : count(s.counts.read, "row"));
    const part = s.state === "finished" || s.state === "partial" ? 1 : p.total ? p.done / p.total : 0;
    const bar = el("div", {});
    bar.style.width = `${Math.min(100, 100 * part)}%`;
    return el("div", { class: "endpoint" },
      el("div", { class: "head" }, el("span", {}, s.settle ? "settle" : s.phase, " ", said(s.datatype)), el("span", { class: "small soft" }, text)),
      el("div", { class: "meter" + (part === 1 ? " full" : ""), role: "progressbar", "aria-label": `${s.phase} ${s.datatype}`, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": p.total || part === 1 ? Math.round(100 * part) : null }, bar));
  }

  /** @param {any} run @param {any[]} runs */
  function plan(run, runs) {
    const all = run.plan ?? [];
    const n = whole === run.id ? all.length : PLANNED;
    return el("div", { class: "stack" }, planTable(all.slice(0, n)), all.length > n && el("p", { class: "row" },
      el("span", { class: "soft" }, `${n} of ${count(all.length, "change")} are shown.`), button("Show all", () => { whole = run.id; drawRun(run, runs); }, { class: "slim" })),
    all.length === MOST_PLANNED && el("p", { class: "soft" }, `A validation keeps the first ${MOST_PLANNED} changes; the counts include all.`));
  }

  /** @param {any[]} changes */
  function planTable(changes) {
    return table("What a run would do", ["Action", "Record", "Field", "From", "To"], changes.flatMap((/** @type {any} */ p) => {
      const what = [el("span", { class: p.action === "reject" || p.action === "conflict" ? "warn" : null }, p.action), el("span", { class: "small soft" }, ` ${p.phase}`)];
      const which = [said(p.id || (p.line ? `line ${p.line}` : ""), 80), p.reason && el("div", { class: "small" }, said(p.reason))];
      if (!p.fields?.length) return [[what, which, "", "", ""]];
      return p.fields.map((/** @type {any} */ f, /** @type {number} */ i) => [i === 0 ? what : "", i === 0 ? which : "", said(f.field, 80), shown(f.old), shown(f.new)]);
    }), "Nothing: both sides are in sync.");
  }

  async function drawRejects() {
    const { rejects, next } = await get(base + "/rejects?limit=50");
    update(rejectBox, table("Rejected rows", ["Line or key", "Field", "Reason", "Original row", "Count"], rejects.map((/** @type {any} */ r) => [
      r.line ? `line ${r.line}` : said(r.key ?? "", 80), said(r.field ?? "", 80), said(r.reason), el("code", {}, said(r.raw ?? r.mapped ?? "")), r.count,
    ]), "None: every row was accepted."),
    next && el("p", { class: "soft" }, "Only the first 50 are shown."),
    rejects.length > 0 && el("p", { class: "actions" }, button("Retry rejects", () => send("POST", base + "/rejects/retry").then(refresh), { id: "retry" })));
  }

  async function drawConflicts() {
    const { conflicts } = await get(base + "/conflicts?limit=50");
    const decide = (/** @type {any} */ c, /** @type {any} */ decision) => async () => {
      await send("POST", `${base}/conflicts/${segment(c.recordId)}?type=${encodeURIComponent(c.datatype)}`, decision);
      await refresh();
    };
    update(conflictBox, table("Conflicts to decide", ["Record", "Field", "Base", "Here", "At the source", "Actions"], conflicts.flatMap((/** @type {any} */ c) => {
      const which = () => [said(c.datatype, 60), " ", said(c.recordId, 80)];
      if (c.deleted) return [[which(), el("em", {}, "deleted at the source, changed here"), "", "", "", el("div", { class: "row" },
        button("Keep ours", decide(c, { choose: "store" }), { class: "slim" }), button("Delete here", decide(c, { choose: "source" }), { class: "slim danger" }))]];
      if (c.deletedHere) return [[which(), el("em", {}, "deleted here, changed at the source"), "", "", "", el("div", { class: "row" },
        button("Keep deleted", decide(c, { choose: "store" }), { class: "slim danger" }), button("Restore theirs", decide(c, { choose: "source" }), { class: "slim" }))]];
      return c.fields.map((/** @type {any} */ f) => [which(), said(f.field, 80), shown(f.base), shown(f.store), shown(f.source), el("div", { class: "row" },
        button("Keep ours", decide(c, { fields: { [f.field]: "store" } }), { class: "slim", "aria-label": `Keep ours for ${f.field.slice(0, 80)}` }),
        button("Take theirs", decide(c, { fields: { [f.field]: "source" } }), { class: "slim", "aria-label": `Take theirs for ${f.field.slice(0, 80)}` }))]);
    }), "None.", conflicts.flatMap((/** @type {any} */ c) => (c.deleted || c.deletedHere ? [""] : c.fields.map((/** @type {any} */ f) => f.field)).map((/** @type {string} */ f) => JSON.stringify([c.datatype, c.recordId, f])))));
  }

  async function drawRows() {
    const s = stored.sync;
    const types = s.datasource.selectedDatatypes?.length ? s.datasource.selectedDatatypes : Object.keys(s.mapping ?? {});
    update(rowBox, await Promise.all(types.map(async (/** @type {string} */ t) => {
      const { records, next } = await get(`orgs/${segment(s.orgId)}/${segment(t)}?limit=${ROWS}`);
      const fields = [...new Set(records.flatMap((/** @type {any} */ r) => Object.keys(r.data ?? {})))].slice(0, 12);
      return [table(`Records: ${t.slice(0, 80)}`, ["Id", ...fields, "Version"].map((f) => ({ text: String(f).slice(0, 80) })),
        records.map((/** @type {any} */ r) => [said(r.id, 80), ...fields.map((f) => said(r.data?.[/** @type {string} */ (f)], 80)), r.version]), "No records yet."),
      next && el("p", { class: "soft" }, `Only the first ${ROWS} are shown.`)];
    }).flat()).then((parts) => parts.flat()));
  }

  const off = ctx.listen("headgate/syncs", id, refresh);
  ctx.onOpen(refresh);
  refresh()?.catch(complain);
  return { node: el("div", { class: "stack" }, about, runBox, conflictBox, rejectBox, rowBox), end: () => { ended = true; off(); } };
}

/** Says a number of what progress counts. @param {number} n @param {string} [unit] */
const amount = (n, unit) => unit === "bytes" ? bytes(n) : count(n, unit === "records" ? "record" : "row");

/** @param {string} term @param {...any} text */
const fact = (term, ...text) => [el("dt", {}, term), el("dd", {}, text)];

/** @param {string} state */
const tone = (state) => state === "finished" ? "good" : state === "failed" ? "bad" : state === "partial" || state === "cancelled" ? "warn" : "";
