// @ts-check
// One sync: its definition, its runs, rejects, conflicts and records.

import { get, send, segment } from "./api.js";
import { el, set, update, table, time, said, shown, short, lasts, count, bytes, button, pill, ask, reveal } from "./ui.js";
import { fresh } from "./fresh.js";
import { rejectList } from "./rejects.js";

const ROWS = 25; // records of a datatype that are shown
const BRIEF = 24; // characters of a value that are not broken
const CONFLICTS = 50;
const PLANNED = 10; // changes of a validation that are shown first
const MOST_PLANNED = 200; // and that the server keeps

/** The counts of a run that the list of runs has. @type {[string, string][]} */
const RESULTS = [["read", "Rows read"], ["created", "New"], ["updated", "Changed"], ["rejected", "Rejected"]];

/** @param {import("./app.js").Context} ctx @param {string} id @param {{edit: (stored: any) => void, gone: () => void}} o */
export function oneSync(ctx, id, o) {
  const base = `sync/${segment(id)}`;
  const top = el("div", { class: "title page" }, el("h2", { class: "top" }, said(id, 80)));
  const about = el("section", { class: "card", "aria-label": "Definition" }, el("p", { class: "soft" }, "Loading…"));
  const runBox = el("section", { class: "card listed", "aria-label": "Run" });
  const conflictBox = el("section", { class: "card listed", "aria-label": "Conflicts" });
  const rowBox = el("section", { class: "card records", "aria-label": "Records" });
  let ended = false;
  let read = { rows: "", rejects: "" }; // the run and its state for which rows and rejects were loaded
  /** @type {any} */
  let stored = null;
  let shownRun = ""; // the run that the user selected; "": the newest
  let whole = ""; // the run whose plan is shown completely

  const loading = fresh(ctx, async () => {
    if (ended) return;
    try {
      await readAll();
    } catch (err) {
      const gone = !ended && /** @type {any} */ (err).status === 404 && await get(base).then(() => false, (e) => e.status === 404);
      if (gone) missing();
      else if (!ended) throw err;
    }
  });
  const refresh = loading.refresh;
  const rejects = rejectList(base, id, () => refresh());

  /** The sync was deleted, by this user or another, or never existed. */
  function missing() {
    if (stored) return o.gone();
    set(node, el("section", { class: "card", role: "alert" }, el("h2", {}, "There is no such sync"), el("p", {}, "No sync has the id ", said(id, 80), "."), el("p", {}, el("a", { href: "#/syncs" }, "All syncs"))));
  }

  async function readAll() {
    stored = await get(base);
    const { runs } = await get(base + "/runs?limit=10");
    drawAbout();
    const run = runs.find((/** @type {any} */ r) => r.id === shownRun) ?? runs[0];
    drawRun(run, runs);
    const now = run ? run.id + run.state : ""; // during a run, only its counts are loaded again
    const rejected = run ? `${now} ${run.counts.rejected}` : "";
    await Promise.all([run && read.rejects === rejected ? null : rejects.load(), drawConflicts(), run && read.rows === now ? null : drawRows()]);
    read = { rows: now, rejects: rejected };
  }

  function drawAbout() {
    const s = stored.sync;
    update(top, el("h2", { class: "top" }, said(s.name || s.id)),
      el("div", { class: "row" }, stored.owner !== "config" && [button("Edit", () => o.edit(stored)), button("Delete", remove, { class: "danger" })],
        button("Validate", () => start("validate"), { id: "validate" }), button("Run", () => start(""), { class: "primary", id: "run" })));
    update(about, el("dl", { class: "facts" },
        fact("Id", short(s.id)), fact("Organisation", said(s.orgId)), fact("Direction", s.type), fact("Source", said(s.datasource.type), " ", said(s.datasource.url ?? s.datasource.fileUrl ?? "")),
        stored.next && fact("Next run", time(stored.next)), fact("Schedule", s.frequency ? [said(s.frequency), " ", said(s.timeZone ?? "UTC")] : s.isOneTime ? "once, on demand" : "on demand"), fact("Conflicts", s.conflict || "source"), fact("Version", stored.version),
        stored.owner === "config" && fact("Owner", "the configuration"),
        Object.entries(stored.cursors ?? {}).flatMap(([type, c]) => [
          c.pulledUpTo && fact(`Pulled up to, ${type}`, time(c.pulledUpTo)), c.pushedUpTo && fact(`Pushed up to, ${type}`, time(c.pushedUpTo))])),
      stored.owner === "config" && el("p", { class: "soft" }, "The configuration declares this sync. Change it there."),
      stored.owner === "dropped" && el("p", { class: "warn" }, "The configuration declared this sync and does so no longer. The sync goes on as it was: delete it, edit it to make it yours, or declare it again."));
  }

  /** @param {string} method */
  async function start(method) {
    shownRun = "";
    await send("POST", `${base}/run${method ? `?method=${method}` : ""}`);
    await refresh();
    reveal(runBox);
  }

  async function remove() {
    let version = 0; // the one that the user was asked about
    if (!await ask("Delete this sync?", async () => {
      const [now, { total }] = await Promise.all([get(base), rejects.counted()]);
      version = now.version;
      return el("p", {}, "The sync ", el("strong", {}, said(now.sync.name || id, 80)), `, its state and its list of ${count(total, "rejected row")} are deleted. The records of ${count(typesOf(now.sync).length, "datatype")} stay.`);
    }, "Delete", { danger: true })) return;
    await send("DELETE", base, undefined, { "If-Match": `"${version}"` });
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
    update(runBox, el("div", { class: "row" }, el("h3", {}, run.method === "validate" ? "Validation" : "Run"), pill(run.state, tone(run.state), { id: "run-state", role: "status" }),
      el("span", { class: "small soft" }, "by ", said(run.trigger), ", ", time(run.startedAt), ", ", lasts(ends - Date.parse(run.startedAt))),
      going && button("Cancel run", () => send("POST", `${base}/runs/${segment(run.id)}/cancel`), { class: "slim danger" })),
    run.results.map(step),
    el("dl", { class: "counts" }, [["rows read", c.read], ["created", c.created], ["updated", c.updated], ["deleted", c.deleted], ["unchanged", c.unchanged], ["rejected", c.rejected], ["conflicts", c.conflicts]]
      .map(([k, n]) => el("div", {}, el("dt", {}, k), el("dd", { class: n === 0 ? "soft" : k === "rejected" || k === "conflicts" ? "warn" : null }, n.toLocaleString())))),
    run.errors.map((/** @type {string} */ e) => el("p", { class: "bad" }, said(e, 1000))),
    run.warnings.map((/** @type {string} */ w) => el("p", { class: "warn" }, said(w, 1000))),
    run.method === "validate" && !going && plan(run, runs),
    table("Latest runs", ["Started", "Method", "State", ...RESULTS.map(([, text]) => ({ text, number: true })), "Actions"], runs.map((r) => [time(r.startedAt), r.method, pill(r.state, tone(r.state)),
      ...RESULTS.map(([of]) => el("span", { class: r.counts[of] === 0 ? "soft" : of === "rejected" ? "warn" : null }, r.counts[of].toLocaleString())),
      button("Show", async () => { shownRun = r.id; await refresh(); reveal(runBox); }, { class: "slim", "aria-label": `Show the run of ${new Date(r.startedAt).toLocaleString()}` })]), "", runs.map((r) => r.id)));
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
    return el("div", { class: "stack" }, planTable(all.slice(0, n), run.state === "finished" ? "Nothing: both sides are in step." : `Unknown: the validation is ${run.state}, so it did not see all of both sides.`), all.length > n && el("p", { class: "row" },
      el("span", { class: "soft" }, `${n} of ${all.length === MOST_PLANNED ? "more than " : ""}${count(all.length, "change")} are shown.`), button("Show all", () => { whole = run.id; drawRun(run, runs); }, { class: "slim" })),
    all.length === MOST_PLANNED && el("p", { class: "soft" }, `A validation keeps the first ${MOST_PLANNED} changes; the counts include all.`));
  }

  /** @param {any[]} changes @param {string} none */
  function planTable(changes, none) {
    return table("What a run would do", ["Action", "Record", "Field", "From", "To"], changes.flatMap((/** @type {any} */ p) => {
      const what = [el("span", { class: p.action === "reject" || p.action === "conflict" ? "warn" : null }, p.action), el("span", { class: "small soft" }, ` ${p.phase}`)];
      const which = [said(p.id || (p.line ? `line ${p.line}` : ""), 80), p.reason && el("div", { class: "small" }, said(p.reason))];
      if (!p.fields?.length) return [[what, which, "", "", ""]];
      return p.fields.map((/** @type {any} */ f, /** @type {number} */ i) => [i === 0 ? what : "", i === 0 ? which : "", said(f.field, 80), ...f.old === undefined && f.new === undefined ? ["", ""] : [shown(f.old), shown(f.new)]]);
    }), none);
  }

  async function drawConflicts() {
    const { conflicts, next } = await get(base + `/conflicts?limit=${CONFLICTS}`);
    const decide = (/** @type {any} */ c, /** @type {any} */ decision) => async () => {
      await send("POST", `${base}/conflicts/${segment(c.recordId)}?type=${encodeURIComponent(c.datatype)}`, decision);
      await refresh();
    };
    conflictBox.classList.toggle("hidden", conflicts.length === 0);
    update(conflictBox, table("Conflicts to decide", ["Record", "Field", "Base", "Here", "At the source", "Actions"], conflicts.flatMap((/** @type {any} */ c) => {
      const which = () => [said(c.datatype, 60), " ", said(c.recordId, 80)];
      if (c.deleted) return [[which(), el("em", {}, "deleted at the source, changed here"), "", "", "", el("div", { class: "row" },
        button("Keep ours", decide(c, { choose: "store" }), { class: "slim" }), button("Delete here", decide(c, { choose: "source" }), { class: "slim danger" }))]];
      if (c.deletedHere) return [[which(), el("em", {}, "deleted here, changed at the source"), "", "", "", el("div", { class: "row" },
        button("Keep deleted", decide(c, { choose: "store" }), { class: "slim danger" }), button("Restore theirs", decide(c, { choose: "source" }), { class: "slim" }))]];
      return c.fields.map((/** @type {any} */ f) => [which(), said(f.field, 80), shown(f.base), shown(f.store), shown(f.source), el("div", { class: "row" },
        button("Keep ours", decide(c, { fields: { [f.field]: "store" } }), { class: "slim", "aria-label": `Keep ours for ${f.field.slice(0, 80)}` }),
        button("Take theirs", decide(c, { fields: { [f.field]: "source" } }), { class: "slim", "aria-label": `Take theirs for ${f.field.slice(0, 80)}` }))]);
    }), "None.", conflicts.flatMap((/** @type {any} */ c) => (c.deleted || c.deletedHere ? [""] : c.fields.map((/** @type {any} */ f) => f.field)).map((/** @type {string} */ f) => JSON.stringify([c.datatype, c.recordId, f])))),
    next && el("p", { class: "soft" }, `The first ${CONFLICTS} records are shown, of more than ${CONFLICTS}.`));
  }

  async function drawRows() {
    const s = stored.sync;
    const types = typesOf(s);
    update(rowBox, await Promise.all(types.map(async (/** @type {string} */ t) => {
      const { records, next } = await get(`orgs/${segment(s.orgId)}/${segment(t)}?limit=${ROWS}`);
      const fields = /** @type {string[]} */ ([...new Set(records.flatMap((/** @type {any} */ r) => Object.keys(r.data ?? {})))].slice(0, 12));
      return [table(`Records: ${t.slice(0, 80)}`, ["Id", ...fields.map((f) => ({ text: f.slice(0, 80), number: records.every((/** @type {any} */ r) => (r.data?.[f] ?? null) === null || typeof r.data[f] === "number") })), { text: "Version", number: true }],
        records.map((/** @type {any} */ r) => [value(r.id), ...fields.map((f) => value(r.data?.[f])), r.version.toLocaleString()]), "No records yet."),
      next && el("p", { class: "soft" }, `The first ${ROWS} records are shown, of more than ${ROWS}.`)];
    }).flat()).then((parts) => parts.flat()));
  }

  const off = ctx.listen("headgate/syncs", id, refresh);
  ctx.onOpen(refresh);
  refresh();
  const node = el("div", { class: "stack" }, loading.trouble, top, about, runBox, conflictBox, rejects.card, rowBox);
  return { node, end: () => { ended = true; off(); } };
}

/** @param {any} s a definition @returns {string[]} */
const typesOf = (s) => s.datasource.selectedDatatypes?.length ? s.datasource.selectedDatatypes : Object.keys(s.mapping ?? {});

/** Says a number of what progress counts. @param {number} n @param {string} [unit] */
const amount = (n, unit) => unit === "bytes" ? bytes(n) : count(n, unit === "records" ? "record" : "row");

/** @param {string} term @param {...any} text */
const fact = (term, ...text) => [el("dt", {}, term), el("dd", {}, text)];

/** A value of a record: a short one stays in one line. @param {any} v */
const value = (v) => el("span", { class: typeof v !== "string" || v.length <= BRIEF ? "short" : null }, said(v, 80));

/** @param {string} state */
const tone = (state) => state === "finished" ? "good" : state === "failed" ? "bad" : state === "partial" || state === "cancelled" ? "warn" : "busy";
