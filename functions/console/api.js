// @ts-check
// Calls of the server, with the user's token.

const KEY = "headgate-token";

/** An answer with an error status. */
export class Refused extends Error {
  /** @param {number} status @param {any} problem */
  constructor(status, problem) {
    super(problem?.detail || problem?.message || problem?.title || `the server answered ${status}`);
    this.status = status;
    /** @type {{path: string, message: string}[]} */
    this.errors = problem?.errors ?? [];
    this.body = problem;
  }
}

export const token = () => sessionStorage.getItem(KEY) ?? "";

/** Forgets the token, so that the next call asks for one. */
export const forget = () => sessionStorage.removeItem(KEY);

/** @type {Promise<void>|null} */
let asking = null;

/** Asks for a token, once for all calls that wait for one. */
function signIn() {
  asking ??= new Promise((resolve) => {
    const dialog = /** @type {HTMLDialogElement} */ (document.getElementById("signin"));
    const input = /** @type {HTMLInputElement} */ (document.getElementById("token"));
    dialog.onclose = () => {
      if (input.value) sessionStorage.setItem(KEY, input.value.trim());
      input.value = "";
      asking = null;
      dispatchEvent(new Event("signedin"));
      resolve();
    };
    dialog.showModal();
  });
  return asking;
}

/**
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, text?: string, headers?: Record<string, string>}} [o]
 * @returns {Promise<Response>}
 */
export async function call(method, path, o = {}) {
  for (;;) {
    const used = token();
    /** @type {Record<string, string>} */
    const headers = { ...o.headers };
    if (used) headers.Authorization = `Bearer ${used}`;
    if (o.body !== undefined) headers["Content-Type"] = "application/json";
    let resp;
    try {
      resp = await fetch(path, { method, headers, body: o.body === undefined ? o.text : JSON.stringify(o.body), cache: "no-store", credentials: "same-origin", redirect: "manual" });
    } catch {
      throw new Refused(0, { detail: "The server does not respond." });
    }
    if (resp.type === "opaqueredirect") { // the API redirects nowhere: a proxy in front wants the user to sign in
      throw new Refused(0, { detail: "Your sign-in has ended. Reload the page to sign in again." });
    }
    if (resp.status === 401) {
      if (token() === used) {
        sessionStorage.removeItem(KEY);
        await signIn();
      }
      continue;
    }
    if (resp.ok) return resp;
    throw new Refused(resp.status, await resp.json().catch(() => null));
  }
}

/** @param {string} path @returns {Promise<any>} */
export const get = async (path) => (await call("GET", path)).json();

/** @param {string} method @param {string} path @param {any} [body] @param {Record<string, string>} [headers] @returns {Promise<any>} */
export const send = async (method, path, body, headers) => {
  const resp = await call(method, path, { body, headers });
  return resp.status === 204 ? null : resp.json();
};

/** Returns the first bytes of an answer's text, and whether that is the whole. @param {string} path @param {number} most in bytes */
export async function head(path, most) {
  const resp = await call("GET", path);
  const reader = /** @type {ReadableStream<Uint8Array>} */ (resp.body).getReader();
  const decoder = new TextDecoder();
  let text = "";
  for (let size = 0; ;) {
    const { done, value } = await reader.read();
    if (done) return { text: text + decoder.decode(), whole: true };
    text += decoder.decode(value, { stream: true });
    if ((size += value.length) > most) {
      await reader.cancel();
      return { text: text.slice(0, most), whole: false };
    }
  }
}

/** Escapes a name as one segment of a path. Browsers treat "." and ".." as steps, also if escaped. @param {string} name */
export const segment = (name) => encodeURIComponent(name);
