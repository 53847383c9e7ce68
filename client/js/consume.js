// @ts-check
import { HeadgateError, PermanentError } from "./error.js";
import { parseMessage, parsePush } from "./message.js";
import { exchange } from "./retry.js";
import { verify, WebhookError } from "./verify.js";

/** @typedef {import("./message.js").Message} Message */

/** The most that a request may have, in bytes. A message has at most 10 MB on Pub/Sub, which a push makes longer by a third. */
const LONGEST_PUSH = 32 << 20;
/** Milliseconds to read what is behind a claim check. A message that is not handled by then is delivered again. */
const WHOLE_WITHIN = 120_000;

/**
 * Remembers which messages were handled, in the place where the work is done. Tx is the
 * handle that makes the work a part of the same commit, such as a database's transaction.
 *
 * once calls work with a transaction, and commits what work did together with eventID. If
 * eventID was committed before, it does not call work. If work fails, it commits nothing, and
 * rejects with that error. Of several calls at the same time with one eventID, from any
 * number of processes, only one may commit: the others wait for it, or fail.
 * @template [Tx=void]
 * @typedef {{once(eventID: string, work: (tx: Tx) => Promise<void>): Promise<unknown>}} Store
 */

/**
 * Returns a store in this process's memory. It is for one process, and what it remembers ends
 * with it: a message that is delivered again after that is handled again.
 * @param {number} [most] how many messages it remembers
 * @returns {Store<void>}
 */
export function memoryStore(most = 100_000) {
  /** @type {Map<string, Promise<void>>} */
  const handled = new Map();
  return {
    async once(eventID, work) {
      for (let before; (before = handled.get(eventID));) {
        try {
          return await before;
        } catch {
          // The call that was first failed, so this one tries, unless another one does.
        }
      }
      const done = work();
      handled.set(eventID, done);
      try {
        await done;
      } catch (error) {
        handled.delete(eventID);
        throw error;
      }
      for (const oldest of handled.keys()) {
        if (handled.size <= most) break;
        handled.delete(oldest);
      }
    },
  };
}

/**
 * @template Tx
 * @typedef {object} Consumer
 * @property {Store<Tx>} store
 * @property {(message: Message, tx: Tx) => unknown} handle what it does in the store's
 *   transaction is done exactly once. If it throws, the message is delivered again later, and
 *   never again after a PermanentError
 * @property {import("./retry.js").Gate} [gate] reads the whole message behind a claim check.
 *   Only this address is asked, whichever one the message names, so that the token goes
 *   nowhere else; it needs the role read. Without it, a claim check fails, and is delivered again
 * @property {string | string[]} [secrets] of a target with a secret: then only requests that
 *   one of them signed are taken. Pub/Sub does not sign: there, have the platform check its ID token
 * @property {(error: unknown, message: Message | null) => void} [report] is told of every
 *   failure; default: console.error
 */

/**
 * Returns a function that handles a message that Pub/Sub pushes, wrapped or not, or that a
 * target of Headgate's sends by HTTP. It answers 204 if the message is handled, was handled
 * before or can never be, and 503 if it should be delivered again. With secrets it answers
 * 401 to a request that is not signed.
 *
 * The function takes and returns what fetch does, as servers of Deno, Bun, Hono and workers
 * want it. For node:http and Express, see nodeListener.
 * @template [Tx=void]
 * @param {Consumer<Tx>} consumer
 * @returns {(request: Request) => Promise<Response>}
 */
export function consumePush(consumer) {
  const report = consumer.report ?? ((error, message) => console.error("headgate: a message failed", message?.eventID, error));
  return async (request) => {
    if (request.method !== "POST") return answer(405, "a message is sent by POST", { Allow: "POST" });
    const body = await read(request);
    if (!body) return answer(413, "larger than any message");
    if (consumer.secrets !== undefined) { // an empty list lets nobody in
      try {
        await verify({ headers: request.headers, body, secrets: consumer.secrets });
      } catch (error) {
        if (error instanceof WebhookError) return answer(401, error.message);
        throw error;
      }
    }
    /** @type {Message | null} */
    let message = null;
    try {
      message = await whole(consumer.gate, parsePush(body));
      const m = message;
      await consumer.store.once(m.eventID, async (tx) => void await consumer.handle(m, tx));
    } catch (error) {
      report(error, message);
      if (!(error instanceof PermanentError)) return answer(503, "the message could not be handled now");
    }
    return new Response(null, { status: 204 });
  };
}

/** Returns the whole message behind a claim check. @param {import("./retry.js").Gate | undefined} gate @param {Message} m */
async function whole(gate, m) {
  if (!m.contentURL) return m;
  if (!gate) throw new Error("headgate: this message is a claim check, and the consumer has no gate to read the whole from");
  const service = new URL(gate.url).pathname.includes("/services/") ? "" : `/services/${encodeURIComponent(m.serviceName)}`;
  try {
    const all = parseMessage(await exchange(gate, `${service}/messages/${encodeURIComponent(m.eventID)}`, { method: "GET" }, { timeout: WHOLE_WITHIN }));
    if (all.eventID !== m.eventID || all.contentURL) throw new Error("headgate: what is behind the claim check is not its whole message");
    return { ...all, attributes: m.attributes };
  } catch (error) {
    if (error instanceof HeadgateError && error.status === 410) throw new PermanentError(`headgate: message ${m.eventID} was not read before its events expired`, { cause: error });
    if (error instanceof PermanentError) throw new Error(error.message, { cause: error }); // the answer is at fault, and not the message
    throw error;
  }
}

/** @param {number} status @param {string} text @param {Record<string, string>} [headers] */
function answer(status, text, headers) {
  return new Response(text + "\n", { status, headers: { "Content-Type": "text/plain; charset=utf-8", ...headers } });
}

/** Resolves to null if the body is too long. @param {Request} request */
async function read(request) {
  if (Number(request.headers.get("Content-Length")) > LONGEST_PUSH) return null;
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  let size = 0;
  const reader = request.body?.getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    size += next.value.length;
    if (size > LONGEST_PUSH) {
      await reader?.cancel();
      return null;
    }
    parts.push(next.value);
  }
  return new Blob(parts).arrayBuffer();
}

/**
 * Makes a listener of node:http, Express or the Functions Framework of a function that
 * consumePush returns.
 * @param {(request: Request) => Promise<Response>} handler
 */
export function nodeListener(handler) {
  return async (/** @type {any} */ req, /** @type {any} */ res) => {
    try {
      const headers = new Headers();
      for (let i = 0; i < req.rawHeaders.length; i += 2) headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
      const body = ["GET", "HEAD"].includes(req.method) ? undefined : req.rawBody ?? req; // the Functions Framework has read it already
      const response = await handler(new Request("http://localhost/", /** @type {any} */ ({ method: req.method, headers, body, duplex: "half" })));
      res.writeHead(response.status, Object.fromEntries(response.headers));
      res.end(await response.text());
    } catch (error) {
      console.error("headgate: a request failed", error);
      if (!res.headersSent) res.writeHead(500);
      res.end();
    }
  };
}
