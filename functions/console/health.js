// @ts-check
// Whether the deployment is ready: the store takes writes, the bus answers, the topics exist.
// Nothing reports that one of these changed, so the page asks, while somebody looks at it.

import { el, update, said, copyable } from "./ui.js";
import { remedy } from "./remedy.js";
import { clock } from "./words.js";

const EVERY = 8000; // ms
const ABOUT = 10000; // ms that an answer may take

/** Shows in the element what is wrong with the deployment, and what to do. @param {HTMLElement} at */
export function watchHealth(at) {
  let since = 0; // when it was found wrong; 0: it is ready
  let timer = 0;
  let asked = 0;

  async function ask() {
    clearTimeout(timer);
    timer = setTimeout(ask, EVERY);
    if (document.visibilityState === "hidden") return;
    const turn = ++asked;
    const wrong = await trouble();
    if (turn !== asked) return;
    if (!wrong) since = 0;
    else since ||= Date.now();
    update(at, wrong && el("section", { class: "alarm", "aria-label": "Not ready" },
      el("p", {}, el("strong", {}, "Not ready since ", clock(new Date(since).toISOString()), ": "), said(wrong, 600), "."), nextStep(wrong)));
  }
  document.addEventListener("visibilitychange", ask);
  addEventListener("online", ask);
  ask();
}

/** Returns what is wrong, or "". */
async function trouble() {
  try {
    const resp = await fetch("readyz", { cache: "no-store", credentials: "same-origin", signal: AbortSignal.timeout(ABOUT) });
    if (resp.ok) return "";
    const problem = await resp.json().catch(() => null);
    return problem?.detail || `the server answered ${resp.status}`;
  } catch {
    return "the server does not respond";
  }
}

/** What to do about an error, with the command. @param {string} text @param {import("./remedy.js").Step|null} [step] */
export function nextStep(text, step = remedy(text)) {
  return step && el("p", { class: "step" }, "Next step: ", step.words, step.command && [" ", copyable(step.command)]);
}
