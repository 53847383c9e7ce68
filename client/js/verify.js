// @ts-check
import { bytesOfBase64, headerOf, bytesOf } from "./bytes.js";

const TOLERANCE = 300; // seconds between a webhook's timestamp and now, at most
const MOST_SIGNATURES = 16; // bounds the work for a sender that is not known yet

/**
 * A webhook that is refused. code is "unsigned" (it has no id, timestamp or signature), "id"
 * (the id has a full stop, which ends the id in the signed text), "timestamp" (malformed, or
 * too far from now) or "signature" (none fits).
 */
export class WebhookError extends Error {
  /** @param {"unsigned"|"id"|"timestamp"|"signature"} code */
  constructor(code) {
    super("headgate: the webhook is refused: " + code);
    this.name = "WebhookError";
    this.code = code;
  }
}

/**
 * Checks a webhook of Headgate's, or any other Standard Webhook, and resolves to its id, which
 * stays the same when it is sent again. It rejects with a WebhookError.
 * @param {object} webhook
 * @param {import("./bytes.js").AnyHeaders} webhook.headers
 * @param {string | Uint8Array | ArrayBuffer} webhook.body the bytes as they arrived; not what a parser made of them
 * @param {string | string[]} webhook.secrets whsec_… (v1) or whpk_… (v1a): each of them is valid, so list two while one is rotated
 * @param {number} [webhook.tolerance] in seconds; default: five minutes
 * @param {number} [webhook.now] in milliseconds; default: the clock
 * @returns {Promise<string>}
 */
export async function verify({ headers, body, secrets, tolerance = TOLERANCE, now = Date.now() }) {
  const id = headerOf(headers, "webhook-id"), timestamp = headerOf(headers, "webhook-timestamp"), given = headerOf(headers, "webhook-signature");
  if (!id || !timestamp || !given) throw new WebhookError("unsigned");
  if (id.includes(".")) throw new WebhookError("id");
  if (!/^[+-]?\d+$/.test(timestamp) || !(Math.abs(now / 1000 - Number(timestamp)) <= tolerance)) throw new WebhookError("timestamp");
  const head = new TextEncoder().encode(`${id}.${timestamp}.`), content = bytesOf(body);
  const signed = new Uint8Array(head.length + content.length);
  signed.set(head);
  signed.set(content, head.length);
  const signatures = signaturesOf(given);
  for (const secret of [secrets].flat()) {
    const key = await keyOf(secret);
    if (!key) continue;
    for (const one of signatures) { // WebCrypto compares in constant time
      if (one.version === key.version && await crypto.subtle.verify(key.algorithm, key.key, one.bytes, signed)) return id;
    }
  }
  throw new WebhookError("signature");
}

/** @param {string} header */
function signaturesOf(header) {
  const all = [];
  for (const one of header.split(/\s+/)) {
    const comma = one.indexOf(",");
    const version = one.slice(0, comma), bytes = bytesOfBase64(one.slice(comma + 1));
    if (bytes && (version === "v1" || version === "v1a") && all.push({ version, bytes }) === MOST_SIGNATURES) break;
  }
  return all;
}

/** Resolves to null if the secret is malformed. @param {string} secret */
async function keyOf(secret) {
  const open = secret.startsWith("whpk_");
  const raw = bytesOfBase64(open ? secret.slice(5) : secret.replace(/^whsec_/, ""));
  if (!raw || raw.length === 0 || (open && raw.length !== 32)) return null;
  const algorithm = open ? { name: "Ed25519" } : { name: "HMAC", hash: "SHA-256" };
  return { version: open ? "v1a" : "v1", algorithm, key: await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]) };
}
