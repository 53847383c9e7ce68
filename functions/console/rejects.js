// @ts-check
// The rows that a sync rejected: how many, by reason, a page at a time, and as CSV.

import { get, send } from "./api.js";
import { cell } from "./csv.js";
import { el, update, table, time, said, count, button, ask, say, reveal } from "./ui.js";

const PAGE = 25;
const EXPORTED = 1000; // rows that one request of an export reads

/**
 * @param {string} base of the sync's addresses @param {string} id of the sync @param {() => any} refresh loads the sync again
 */
export function rejectList(base, id, refresh) {
  const card = el("section", { class: "card listed", "aria-label": "Rejects" });
  /** @type {any} */
  let summary = null;
  let reason = ""; // of the rejects that are shown; "": any
  /** @type {string[]} where the pages before this one and this one begin */
  let pages = [""];

  /** @param {string} after @param {number} limit */
  const query = (after, limit) => `${base}/rejects?limit=${limit}${reason ? `&reason=${encodeURIComponent(reason)}` : ""}${after ? `&after=${encodeURIComponent(after)}` : ""}`;

  /** Reads how many there are, by reason. */
  const counted = async () => (await get(`${base}/rejects?limit=1&summary=true`)).summary;

  /** Loads the counts and the page again. */
  async function load() {
    const [all, list] = await Promise.all([counted(), get(query(pages[pages.length - 1], PAGE))]);
    summary = all;
    draw(list);
  }

  async function turn() {
    draw(await get(query(pages[pages.length - 1], PAGE)));
    reveal(card.querySelector(".rows") ?? card);
  }

  /** @param {string} to */
  const sift = (to) => {
    reason = to;
    pages = [""];
    return turn();
  };

  /** @param {any} list */
  function draw(list) {
    const of = reason ? summary.reasons.find((/** @type {any} */ r) => r.reason === reason)?.count ?? 0 : summary.total;
    const first = (pages.length - 1) * PAGE + 1;
    const n = list.rejects.length;
    update(card, el("div", { class: "title" }, el("h2", {}, summary.total > 0 ? count(summary.total, "rejected row") : "Rejected rows"),
      summary.total > 0 && el("div", { class: "row" }, button("Export CSV", exportAll, { id: "export-rejects" }), button("Retry rejects", retry, { id: "retry" }))),
    summary.total > 0 && summary.reasons.length > 1 && table(`By reason${summary.partial ? ", of those that were counted" : ""}${summary.more ? `: the ${summary.reasons.length.toLocaleString()} most frequent` : ""}`, ["Field", "Reason", { text: "Rows", number: true }, "Latest", "Actions"], summary.reasons.map((/** @type {any} */ r) => [
      said(r.field ?? "", 80), said(r.reason), r.count.toLocaleString(), time(r.lastRejectedAt),
      r.reason === reason ? button("Show all", () => sift(""), { class: "slim" }) : button("Show", () => sift(r.reason), { class: "slim", "aria-label": `Show the rows: ${r.field ?? ""} ${r.reason.slice(0, 80)}` }),
    ]), "", summary.reasons.map((/** @type {any} */ r) => JSON.stringify([r.field, r.reason]))),
    summary.total === 0 ? el("p", { class: "soft" }, "None: every row was accepted.") : el("div", { class: "rows" }, table(reason ? "Rows of one reason" : "Rows", ["Line or key", "Field", "Reason", "Original row", { text: "Runs", number: true }], list.rejects.map((/** @type {any} */ r) => [
      r.line ? `line ${r.line.toLocaleString()}` : said(r.key ?? "", 80), said(r.field ?? "", 80), said(r.reason), el("code", {}, said(r.raw ?? r.mapped ?? "")), r.count.toLocaleString(),
    ]), "There are none on this page.")),
    summary.total > 0 && el("p", { class: "actions" },
      pages.length > 1 && button("Back", () => { pages.pop(); return turn(); }, { class: "slim" }),
      list.next && button("More", () => { pages.push(list.next); return turn(); }, { class: "slim" }),
      n > 0 && el("span", { class: "small soft" }, `${first.toLocaleString()} to ${(first + n - 1).toLocaleString()} of ${count(of, "row")}`)));
  }

  async function retry() {
    if (!await ask("Retry the rejected rows?", async () => el("p", {}, "A run tries ", el("strong", {}, count((await counted()).total, "row")), " again with the present definition, without reading the source."), "Retry")) return;
    await send("POST", base + "/rejects/retry");
    refresh();
  }

  /** Reads all rejects that are selected, a thousand at a time, and saves them. */
  async function exportAll() {
    const lines = [["phase", "datatype", "line", "key", "field", "reason", "row", "runs", "first", "last"].join(",")];
    for (let after = ""; ;) {
      const list = await get(query(after, EXPORTED));
      for (const r of list.rejects) lines.push([r.phase, r.datatype, r.line, r.key, r.field, r.reason, r.raw ?? r.mapped, r.count, r.firstRejectedAt, r.lastRejectedAt].map(cell).join(","));
      if (!list.next) break;
      after = list.next;
    }
    const link = el("a", { href: URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" })), download: `rejects-${id}.csv` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    say(`${count(lines.length - 1, "row")} exported.`);
  }

  return { card, load, counted };
}
