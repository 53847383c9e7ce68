// @ts-check
import { HeadgateError } from "./error.js";

const FIRST_PAUSE = 100; // ms, at most, before the second attempt
const LONGEST_PAUSE = 10_000; // ms, at most, before any attempt, beside Retry-After
const LONGEST_ASKED = 86_400_000; // ms, of Retry-After
/** Milliseconds for all attempts, if the caller says nothing. */
const PATIENCE = 300_000;
/** Milliseconds in which an attempt must be answered: a machine that vanished sends no reset. */
const SILENCE = 60_000;
/** The most that is read of an answer that says no, in characters. */
const LONGEST_PROBLEM = 65_536;

/**
 * Where Headgate is.
 * @typedef {object} Gate
 * @property {string} url as in "https://gate.example.com", or of one of its services, as in "https://gate.example.com/services/orders"
 * @property {string | (() => string | Promise<string>)} [token] a bearer token, or a function that is called before each attempt
 * @property {typeof globalThis.fetch} [fetch] makes the calls; default: the global one
 */

/**
 * @typedef {object} Patience
 * @property {AbortSignal} [signal] ends the attempts
 * @property {number} [timeout] milliseconds for all attempts; default: five minutes
 */

/**
 * Says whether a request may be sent again after an answer of this status, and after how
 * many milliseconds at the earliest.
 * @param {number} status 0: there was no answer
 * @param {{get(name: string): string | null}} headers
 * @param {number} [now] the client's clock
 * @returns {{retry: boolean, after: number}}
 */
export function retryOf(status, headers, now = Date.now()) {
  const temporary = status === 0 || status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
  if (!temporary) return { retry: false, after: 0 };
  const text = (headers.get("Retry-After") ?? "").trim();
  if (/^\d+$/.test(text)) return { retry: true, after: Math.min(Number(text) * 1000, LONGEST_ASKED) };
  const at = dateOf(text);
  if (at === null) return { retry: true, after: 0 };
  const clock = dateOf(headers.get("Date") ?? "") ?? now; // the server's clock, by which it also chose the other time
  return { retry: true, after: Math.min(Math.max(at - clock, 0), LONGEST_ASKED) };
}

/** @param {string} text a date of HTTP */
function dateOf(text) {
  if (!/^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? .*\d$|^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*, .* GMT$/.test(text)) return null; // Date.parse takes almost anything
  const at = Date.parse(text.endsWith("GMT") ? text : text + " GMT");
  return Number.isNaN(at) ? null : at;
}

/**
 * Sends a request until its answer is final, and returns the answer's text. The same request
 * must be harmless if it arrives twice.
 * @param {Gate} gate
 * @param {string} path
 * @param {{method: string, headers?: Record<string, string>, body?: BodyInit}} request
 * @param {Patience} [patience]
 * @returns {Promise<string>}
 */
export async function exchange(gate, path, request, patience = {}) {
  const address = gate.url.replace(/\/+$/, "") + path;
  const { username, password } = new URL(address); // throws if it is malformed
  if (username || password) throw new TypeError("headgate: the URL must not have credentials: give a token");
  const end = Date.now() + (patience.timeout ?? PATIENCE);
  for (let attempt = 1; ; attempt++) {
    patience.signal?.throwIfAborted();
    let failure, after = 0;
    const token = typeof gate.token === "function" ? await gate.token() : gate.token;
    const headers = new Headers(request.headers); // throws what no attempt would change
    if (token) headers.set("Authorization", "Bearer " + token);
    const silent = new AbortController();
    const stop = () => silent.abort(patience.signal?.reason);
    const timer = setTimeout(() => silent.abort(new Error("no answer in time")), Math.max(Math.min(SILENCE, end - Date.now()), 1));
    patience.signal?.addEventListener("abort", stop, { once: true });
    try {
      // A redirect is not followed: the request could lose its method and its body by it.
      const answer = await (gate.fetch ?? globalThis.fetch)(address, { ...request, headers, signal: silent.signal, redirect: "manual" });
      if (answer.ok) return await answer.text(); // which fails if the answer breaks off
      const status = answer.type === "opaqueredirect" ? 300 : answer.status; // a browser does not say which one it was
      failure = await refusal(status, answer);
      const decision = retryOf(status, answer.headers);
      if (!decision.retry) throw failure;
      after = decision.after;
    } catch (error) {
      patience.signal?.throwIfAborted();
      if (error === failure || untrusted(error)) throw error;
      failure = error;
    } finally {
      clearTimeout(timer);
      patience.signal?.removeEventListener("abort", stop);
    }
    const pause = after + Math.random() * Math.min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE);
    if (Date.now() + pause >= end) throw new Error(`headgate: gave up after ${attempt} attempts: ${reasonOf(failure)}`, { cause: failure });
    await sleep(pause, patience.signal);
  }
}

/** Says why an attempt failed: fetch itself only says that it did. @param {any} error */
function reasonOf(error) {
  const cause = error?.cause?.message || error?.cause?.code; // the message of several failures is empty
  return cause ? `${error.message}: ${cause}` : error?.message;
}

/** Reports whether the server's certificate is not trusted, which no other attempt changes. @param {any} error */
function untrusted(error) {
  return /CERT|LEAF_SIGNATURE/.test(error?.cause?.code ?? "");
}

/** @param {number} status @param {Response} answer */
async function refusal(status, answer) {
  if (status < 400) return new HeadgateError(status, { detail: "redirects are not followed: use the address that they lead to" });
  let problem = { title: answer.statusText };
  if ((answer.headers.get("Content-Type") ?? "").startsWith("application/problem+json")) {
    try {
      problem = JSON.parse((await answer.text()).slice(0, LONGEST_PROBLEM));
    } catch {
      // The status says enough.
    }
  } else {
    await answer.body?.cancel();
  }
  return new HeadgateError(status, problem);
}

/** @param {number} ms @param {AbortSignal} [signal] */
function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve(undefined);
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}
