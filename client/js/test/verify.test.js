import assert from "node:assert/strict";
import test from "node:test";
import { verify } from "../index.js";
import { vectors } from "./vectors.js";

test("webhooks are judged as the server judges them", async (t) => {
  assert.ok(vectors.webhooks.length > 20);
  for (const v of vectors.webhooks) {
    await t.test(v.name, async () => {
      const body = Buffer.from(v.bodyBase64, "base64");
      for (const headers of [v.headers, new Headers(v.headers), Object.fromEntries(Object.entries(v.headers).map(([k, x]) => [k.toUpperCase(), [x]]))]) {
        const verdict = verify({ headers, body, secrets: v.secrets, now: v.now * 1000 });
        if (v.error) await assert.rejects(verdict, { name: "WebhookError", code: v.error });
        else assert.equal(await verdict, v.id);
      }
    });
  }
});

test("a body may be text or an ArrayBuffer, and one secret may stand alone", async () => {
  const v = vectors.webhooks.find((one) => one.name === "valid: unicode");
  const body = Buffer.from(v.bodyBase64, "base64");
  for (const same of [body.toString("utf8"), new Uint8Array(body).buffer]) {
    assert.equal(await verify({ headers: v.headers, body: same, secrets: v.secrets[0], now: v.now * 1000 }), v.id);
  }
  await assert.rejects(verify({ headers: v.headers, body, secrets: v.secrets }), { code: "timestamp" });
  assert.equal(await verify({ headers: v.headers, body, secrets: v.secrets, tolerance: 1e12 }), v.id);
});
