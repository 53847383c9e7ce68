// @ts-check
// Headgate's client: it sends events, consumes messages once, verifies webhooks and shows
// changes live. It runs in Node 20 or newer and in browsers, and has no dependencies.
export { send, sendBatch } from "./send.js";
export { HeadgateError, PermanentError } from "./error.js";
export { consumePush, memoryStore, nodeListener } from "./consume.js";
export { bodyOf, parseMessage, parsePush } from "./message.js";
export { verify, WebhookError } from "./verify.js";
export { connect } from "./live.js";

// The types that a program may want to name.
/** @typedef {import("./retry.js").Gate} Gate */
/** @typedef {import("./retry.js").Patience} Patience */
/** @typedef {import("./send.js").Event} Event */
/** @typedef {import("./send.js").Batch} Batch */
/** @typedef {import("./send.js").Receipt} Receipt */
/** @typedef {import("./send.js").Result} Result */
/** @typedef {import("./message.js").Message} Message */
/** @typedef {import("./message.js").EventList} EventList */
/** @typedef {import("./message.js").PublishedEvent} PublishedEvent */
/** @typedef {import("./live.js").Change} Change */
/** @template [Tx=void] @typedef {import("./consume.js").Store<Tx>} Store */
