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
export function verify({ headers, body, secrets, tolerance, now }: {
    headers: import("./bytes.js").AnyHeaders;
    body: string | Uint8Array | ArrayBuffer;
    secrets: string | string[];
    tolerance?: number | undefined;
    now?: number | undefined;
}): Promise<string>;
/**
 * A webhook that is refused. code is "unsigned" (it has no id, timestamp or signature), "id"
 * (the id has a full stop, which ends the id in the signed text), "timestamp" (malformed, or
 * too far from now) or "signature" (none fits).
 */
export class WebhookError extends Error {
    /** @param {"unsigned"|"id"|"timestamp"|"signature"} code */
    constructor(code: "unsigned" | "id" | "timestamp" | "signature");
    code: "id" | "timestamp" | "unsigned" | "signature";
}
