// @ts-check
import { exchange } from "./retry.js";

/** @typedef {import("./retry.js").Gate} Gate */
/** @typedef {import("./retry.js").Patience} Patience */

/**
 * What is sent.
 * @typedef {object} Event
 * @property {string} [eventKey] the endpoint that takes the event
 * @property {string} [feed] in place of eventKey: a feed, whose routes choose the endpoint
 * @property {string | Uint8Array<ArrayBuffer> | ArrayBuffer} [body] any bytes; a text is sent as UTF-8
 * @property {unknown} [json] in place of body: a value that is sent as JSON
 * @property {string} [contentType] of the body; default: of a text text/plain, of bytes application/octet-stream
 * @property {string} [idempotencyKey] names the event: events of an endpoint with the same
 *   name count once. Default: a new name, which all attempts of this call have. Give one that
 *   you keep if you may send the event again after send has failed or your process ended.
 * @property {Record<string, string>} [headers] further headers, which are kept with the event
 */

/**
 * What the server says about an event. The event is durable, or filtered or dropped say why
 * it is not kept.
 * @typedef {object} Receipt
 * @property {string} [id] of the event
 * @property {string} [eventKey] the endpoint that took it
 * @property {string} [receivedAt] RFC 3339
 * @property {boolean} [duplicate] an event of this name was stored before, perhaps by an attempt whose answer was lost
 * @property {boolean} [filtered] the endpoint's filter does not want it
 * @property {string} [dropped] noKey, late or noRoute: why it counts in no window
 * @property {string} [deadLetter] why it goes to the dead letters
 * @property {boolean} [superseded] another event with the same distinct value counts
 * @property {string | null} [triggered] the eventID of the message that this request released
 * @property {boolean} [published] whether the bus has that message already
 */

/**
 * Sends an event, and resolves once the server has stored it. It tries again while the server
 * cannot be reached, restarts or is busy, with growing random pauses and not before a
 * Retry-After. An event that arrived in several attempts counts once.
 *
 * It rejects with a HeadgateError if the server refuses the event, with the signal's reason
 * if that ends the attempts, or with the last failure as the cause if the time is over. After
 * the latter two, the event may have been stored.
 * @param {Gate} gate
 * @param {Event} event
 * @param {Patience} [patience]
 * @returns {Promise<Receipt>}
 */
export async function send(gate, event, patience) {
  const headers = named(event.headers, event.idempotencyKey ?? crypto.randomUUID());
  let body = event.body ?? "";
  let type = typeof body === "string" ? "text/plain; charset=utf-8" : "application/octet-stream";
  if (event.json !== undefined) {
    body = JSON.stringify(event.json);
    type = "application/json";
  }
  if (event.contentType || !has(headers, "content-type")) headers["Content-Type"] = event.contentType ?? type;
  return parse(await exchange(gate, pathOf("event", "feed", event), { method: "POST", headers, body }, patience));
}

/**
 * @typedef {object} Batch
 * @property {string} [eventKey] the endpoint that takes the events
 * @property {string} [feed] in place of eventKey: a feed, whose routes choose the endpoints
 * @property {unknown[]} items each becomes the body of an event, as JSON
 * @property {boolean} [cloudEvents] the items are CloudEvents in the JSON format: their source
 *   and id name them, unless idempotencyKey is given
 * @property {string} [idempotencyKey] names the batch, and so each item by its place in it: a
 *   batch that you send again must have the same items. Default: a new name, as for send
 * @property {Record<string, string>} [headers] further headers, which are kept with each event
 */

/**
 * What the server says about an item: status is 200, or what the item would have got alone,
 * and then error says why.
 * @typedef {Receipt & {status: number, error?: string}} Result
 */

/** Bounds of a request to /events and /feeds. */
const MOST_ITEMS = 1000;
const MOST_BYTES = 16 << 20;

/**
 * Sends a batch as send sends an event, in as many requests as its size needs. An item that
 * the server refuses does not stop the others: see its result. If the call rejects, send the
 * same batch again, under the same idempotencyKey or as CloudEvents, and no item counts twice.
 * @param {Gate} gate
 * @param {Batch} batch
 * @param {Patience} [patience]
 * @returns {Promise<{results: Result[], triggered: string[]}>} triggered are the eventIDs of the messages that it released
 */
export async function sendBatch(gate, batch, patience) {
  const path = pathOf("events", "feeds", batch);
  const key = batch.idempotencyKey ?? (batch.cloudEvents ? "" : crypto.randomUUID());
  const items = batch.items.map((item, i) => {
    const text = JSON.stringify(item);
    if (text === undefined) throw new TypeError(`headgate: item ${i} of the batch is not JSON`);
    return new TextEncoder().encode(text);
  });
  /** @type {Result[]} */
  const results = [];
  /** @type {string[]} */
  const triggered = [];
  for (let at = 0; at < items.length;) {
    const part = items.slice(at, at + fits(items, at));
    // The server numbers the items of each request from 0.
    const headers = named(batch.headers, key && part.length < items.length ? `${key}/${at}` : key);
    headers["Content-Type"] = batch.cloudEvents ? "application/cloudevents-batch+json" : "application/json";
    const body = new Blob(part.flatMap((item, i) => [i === 0 ? "[" : ",", item]).concat("]"));
    const answer = parse(await exchange(gate, path, { method: "POST", headers, body }, patience));
    if (answer.results?.length !== part.length) throw new Error(`headgate: the server answers with ${answer.results?.length} results to ${part.length} items`);
    results.push(...answer.results);
    if (answer.triggered) triggered.push(answer.triggered);
    at += part.length;
  }
  return { results, triggered };
}

/** How many of the items from at on go into one request: at least one. @param {Uint8Array[]} items @param {number} at */
function fits(items, at) {
  let n = 0, size = 1;
  while (at + n < items.length && n < MOST_ITEMS) {
    size += items[at + n].length + 1;
    if (size > MOST_BYTES && n > 0) break;
    n++;
  }
  return n;
}

/** @param {string} endpoint @param {string} feed @param {{eventKey?: string, feed?: string}} to */
function pathOf(endpoint, feed, to) {
  if (!to.eventKey === !to.feed) throw new TypeError("headgate: one of eventKey and feed must be given");
  if (to.feed) return `/${feed}/${encodeURIComponent(to.feed)}`;
  return `/${endpoint}/${encodeURIComponent(/** @type {string} */ (to.eventKey)).replace(/%2F/g, "/")}`;
}

/** @param {Record<string, string> | undefined} headers @param {string} key */
function named(headers, key) {
  if (key.trim() !== key) throw new TypeError("headgate: the idempotencyKey begins or ends with white space, which servers remove");
  const all = { ...headers };
  if (key) all["Idempotency-Key"] = key;
  return all;
}

/** @param {Record<string, string>} headers @param {string} name in lower case */
function has(headers, name) {
  return Object.keys(headers).some((one) => one.toLowerCase() === name);
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error("headgate: the answer is not Headgate's", { cause: error });
  }
}
