// @ts-check
// Loading and saying when what is shown is not up to date: a page that shows old data as if
// they were new tells its reader something that may be false.

import { el, update, said, coalesce } from "./ui.js";
import { clock } from "./words.js";
import { nextStep } from "./health.js";

const RETRY = 5000; // ms until what the server could not answer is requested again

/**
 * Returns what loads a view again, and the element that says why that failed. The live channel
 * reports when a server that was away is there again, but not when a store is, so a failure
 * of the server is followed by another attempt.
 * @param {import("./app.js").Context} ctx
 * @param {() => Promise<any>} load
 * @param {(unknown: boolean) => void} [tell] is called with true when what is shown may be wrong, and with false when it is up to date
 */
export function fresh(ctx, load, tell = () => {}) {
  const trouble = el("div", { role: "alert" });
  let loaded = 0; // when the server answered last
  let again = 0;
  let left = false;
  const refresh = coalesce(async () => {
    clearTimeout(again);
    if (left) return;
    try {
      await load();
      loaded = Date.now();
      update(trouble);
      tell(false);
    } catch (err) {
      const { message, status } = /** @type {any} */ (err);
      if (left) return;
      update(trouble, notUpToDate(message, loaded));
      tell(true);
      if (!status || status === 429 || status >= 500) again = setTimeout(refresh, RETRY);
      if (status === undefined) throw err; // a fault of this page
    }
  });
  ctx.onLeave(() => {
    left = true;
    clearTimeout(again);
  });
  return { trouble, refresh, loaded: () => loaded };
}

/** @param {string} why @param {number} loaded when the server answered last; 0: never */
export function notUpToDate(why, loaded) {
  return el("section", { class: "alarm" },
    el("p", {}, el("strong", {}, "This view is not up to date"), loaded > 0 && ` (what you see is of ${clock(new Date(loaded).toISOString())})`, ": ", said(why, 600)), nextStep(why));
}
