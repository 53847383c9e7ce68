export { connect } from "./live.js";
export { send, sendBatch } from "./send.js";
export { HeadgateError, PermanentError } from "./error.js";
export { consumePush, memoryStore, nodeListener } from "./consume.js";
export { bodyOf, parseMessage, parsePush } from "./message.js";
export { verify, WebhookError } from "./verify.js";
