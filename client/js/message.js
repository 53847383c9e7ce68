// @ts-check
import { bytesOf, bytesOfBase64 } from "./bytes.js";
import { PermanentError } from "./error.js";

/**
 * What Headgate publishes, in any of its formats: those of EventSync have fewer fields.
 * @typedef {object} Message
 * @property {string} eventID the same at each delivery
 * @property {string} date when its events were taken, RFC 3339
 * @property {string} serviceName
 * @property {string} triggerType window or none
 * @property {string} [correlationKey] what the events share
 * @property {string} [completion] why it was published: complete, partial, manual or deadLetter
 * @property {string} [reason] why a single event went to the dead letters
 * @property {{eventKey: string, have: number, need: number}[]} [missing] what the window lacked
 * @property {{opened: string, closes: string}} [window] the times between which it was open
 * @property {string} [contentURL] says that this is a claim check: the events have no content, or are left out
 * @property {Record<string, EventList>} events by eventKey, also of endpoints that have none
 * @property {Record<string, string>} [attributes] those of the Pub/Sub message, where it came with them
 *
 * @typedef {object} EventList
 * @property {string} [firstEventDate]
 * @property {string} [lastEventDate]
 * @property {number} numberOfEvents in the window, however many are sent
 * @property {number} [minNbOfOccurrence]
 * @property {string} [eventToSend] ALL, FIRST, LAST or BOUNDARIES: which of them are in events
 * @property {PublishedEvent[]} [events] in the order of their receipt
 *
 * @typedef {object} PublishedEvent
 * @property {string} [id]
 * @property {string} datetime
 * @property {string} eventKey
 * @property {Record<string, string[]>} [headers] without credentials
 * @property {Record<string, string[]>} [queryParams]
 * @property {string} [rawQuery]
 * @property {string[]} [redacted] the headers and parameters that were dropped
 * @property {string} [content] see bodyOf
 * @property {"base64"} [contentEncoding]
 * @property {string} [httpMethod]
 * @property {Record<string, unknown>} [cloudEvent] the attributes, if it was one
 * @property {{subscription?: string, messageId?: string, publishTime?: string, orderingKey?: string, attributes?: Record<string, string>}} [pubsub] what a
 *   push said about its message, if content is the push's data
 */

/** The longest eventID that stores have room for, in bytes. Headgate's have 32. */
const LONGEST_ID = 255;

/**
 * Decodes a message. It ignores fields that it does not know, so that a field which Headgate
 * adds stops no message. It throws a PermanentError.
 * @param {string | Uint8Array | ArrayBuffer} data
 * @returns {Message}
 */
export function parseMessage(data) {
  return checked(json(data));
}

/**
 * Decodes the body of a request by which Pub/Sub pushes a message, wrapped or not, or by
 * which a target of Headgate's sends it. It throws a PermanentError.
 * @param {string | Uint8Array | ArrayBuffer} body
 * @returns {Message}
 */
export function parsePush(body) {
  const value = json(body);
  const wrapped = value.message;
  if (typeof wrapped !== "object" || wrapped === null || value.eventID !== undefined) return checked(value);
  const data = typeof wrapped.data === "string" ? bytesOfBase64(wrapped.data) : null;
  if (!data) throw new PermanentError("headgate: this push has no data");
  return { ...parseMessage(data), attributes: wrapped.attributes ?? {} };
}

/**
 * Returns the bytes that the source sent; none in a claim check.
 * @param {PublishedEvent} event
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function bodyOf(event) {
  if (event.contentEncoding === "base64") {
    const bytes = bytesOfBase64(event.content ?? "");
    if (!bytes) throw new PermanentError("headgate: an event's content is not base64");
    return bytes;
  }
  if (event.contentEncoding) throw new PermanentError(`headgate: unknown contentEncoding ${event.contentEncoding}`);
  return new TextEncoder().encode(event.content ?? "");
}

/** @param {string | Uint8Array | ArrayBuffer} data @returns {any} an object */
function json(data) {
  let value;
  try {
    value = JSON.parse(new TextDecoder().decode(bytesOf(data)));
  } catch (error) {
    throw new PermanentError("headgate: this is no message: it is not JSON", { cause: error });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new PermanentError("headgate: this is no message: it is not a JSON object");
  return value;
}

/** @param {any} m @returns {Message} */
function checked(m) {
  if (typeof m.eventID !== "string" || m.eventID === "" || typeof m.events !== "object" || m.events === null || Array.isArray(m.events)) {
    throw new PermanentError("headgate: this is no message: it has no eventID, or no events");
  }
  if (new TextEncoder().encode(m.eventID).length > LONGEST_ID || /\p{Cc}/u.test(m.eventID)) {
    throw new PermanentError("headgate: this is no message: its eventID is too long, or not a line of text");
  }
  /** @type {Record<string, EventList>} */
  const events = Object.create(null); // an endpoint may be named __proto__
  for (const [key, list] of Object.entries(m.events)) {
    const { FirstEventDate, ...rest } = /** @type {any} */ (list);
    events[key] = FirstEventDate === undefined ? rest : { firstEventDate: FirstEventDate, ...rest };
  }
  return { ...m, events };
}
