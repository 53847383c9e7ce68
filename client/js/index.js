// @ts-check
// Headgate's client: it sends events, consumes messages once, verifies webhooks and shows
// changes live. It runs in Node 20 or newer and in browsers, and has no dependencies.
export { send, sendBatch } from "./send.js";
export { HeadgateError, PermanentError } from "./error.js";
export { consumePush, memoryStore, nodeListener } from "./consume.js";
export { bodyOf, parseMessage, parsePush } from "./message.js";
export { verify, WebhookError } from "./verify.js";
export { connect } from "./live.js";
