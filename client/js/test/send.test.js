import assert from "node:assert/strict";
import test from "node:test";
import { send, sendBatch } from "../index.js";
import { answering } from "./server.js";

const busy = { status: 503, headers: { "Retry-After": "0" } };
const reset = (req) => req.socket.destroy();
const cut = (req, res) => {
  res.writeHead(200, { "Content-Length": "100" });
  res.write("{");
  setTimeout(() => res.destroy(), 10);
};

test("an event has one name in all attempts", async (t) => {
  const { url, requests } = await answering(t, busy, reset, { status: 429 }, cut, { body: { id: "x", triggered: null } });
  const receipt = await send({ url: url + "/", token: async () => "secret" }, { eventKey: "a b/ü", body: "grüße", headers: { "X-More": "1" } });
  assert.deepEqual(receipt, { id: "x", triggered: null });
  assert.equal(requests.length, 5);
  assert.equal(new Set(requests.map((r) => r.headers["idempotency-key"])).size, 1);
  assert.match(requests[0].headers["idempotency-key"], /^.{20,}$/);
  for (const r of requests) {
    assert.equal(r.method, "POST");
    assert.equal(r.url, "/event/a%20b/%C3%BC");
    assert.equal(r.body.toString(), "grüße");
    assert.equal(r.headers["x-more"], "1");
    assert.equal(r.headers.authorization, "Bearer secret");
  }
  await send({ url }, { eventKey: "a" });
  assert.notEqual(requests[5].headers["idempotency-key"], requests[0].headers["idempotency-key"]);
});

test("bodies arrive as they are", async (t) => {
  const { url, requests } = await answering(t, {});
  for (const [event, body, type] of [
    [{ body: "a" }, "61", "text/plain; charset=utf-8"],
    [{}, "", "text/plain; charset=utf-8"],
    [{ body: Uint8Array.of(0, 255) }, "00ff", "application/octet-stream"],
    [{ body: Uint8Array.of(0, 255).buffer, contentType: "image/x" }, "00ff", "image/x"],
    [{ body: "a", headers: { "content-type": "text/csv" } }, "61", "text/csv"],
    [{ json: { a: [1] } }, Buffer.from('{"a":[1]}').toString("hex"), "application/json"],
    [{ json: null }, Buffer.from("null").toString("hex"), "application/json"],
  ]) {
    await send({ url }, { feed: "f/g", idempotencyKey: "mine", ...event });
    const r = requests.at(-1);
    assert.deepEqual([r.url, r.body.toString("hex"), r.headers["content-type"], r.headers["idempotency-key"]], ["/feed/f%2Fg", body, type, "mine"]);
  }
});

test("a refusal is final, and says why", async (t) => {
  const problem = { title: "Not Found", detail: "no endpoint", instance: "i", errors: [{ path: "$", message: "m" }] };
  const { url, requests } = await answering(t,
    { status: 404, headers: { "Content-Type": "application/problem+json" }, body: problem },
    { status: 404, headers: { "Content-Type": "application/problem+json" }, body: "{" },
    { status: 307, headers: { Location: "/other" } }, { body: "<html>" });
  await assert.rejects(send({ url }, { eventKey: "a" }), { name: "HeadgateError", status: 404, detail: "no endpoint", instance: "i", errors: problem.errors });
  await assert.rejects(send({ url }, { eventKey: "a" }), { status: 404, detail: "" });
  await assert.rejects(send({ url }, { eventKey: "a" }), { status: 307 });
  await assert.rejects(send({ url }, { eventKey: "a" }), /not Headgate's/);
  assert.equal(requests.length, 4);
  for (const event of [{}, { eventKey: "a", feed: "b" }, { eventKey: "a", idempotencyKey: " x" }]) await assert.rejects(send({ url }, event), TypeError);
  await assert.rejects(send({ url: "nowhere" }, { eventKey: "a" }), { code: "ERR_INVALID_URL" });
  await assert.rejects(send({ url }, { eventKey: "a", headers: { "X-A": "a\nb" } }), TypeError);
  assert.equal(requests.length, 4);
});

test("what no other attempt changes is not tried again", async () => {
  let calls = 0;
  const fetch = async () => {
    calls++;
    throw new TypeError("fetch failed", { cause: Object.assign(new Error("expired"), { code: "CERT_HAS_EXPIRED" }) });
  };
  await assert.rejects(send({ url: "https://gate.example", fetch }, { eventKey: "a" }), (error) => error.cause.code === "CERT_HAS_EXPIRED");
  assert.equal(calls, 1);
  await assert.rejects(send({ url: "https://me:secret@gate.example", fetch }, { eventKey: "a" }), /credentials/);
  assert.equal(calls, 1);
});

test("Retry-After is waited for", async (t) => {
  const { url, requests } = await answering(t, { status: 503, headers: { "Retry-After": "1" } }, {});
  const began = performance.now();
  await send({ url }, { eventKey: "a" });
  assert.ok(performance.now() - began >= 999);
  assert.equal(requests.length, 2);
});

test("a wait that is longer than the time left is not begun", async (t) => {
  const { url, requests } = await answering(t, { status: 429, headers: { "Retry-After": "3600" } });
  await assert.rejects(send({ url }, { eventKey: "a" }), (error) => error.cause.status === 429 && /gave up after 1 attempts/.test(error.message));
  assert.equal(requests.length, 1);
});

test("the last error says why nothing was reached", async () => {
  const failing = (cause) => async () => { throw new TypeError("fetch failed", { cause }); };
  const gate = (cause) => ({ url: "http://127.0.0.1:1", fetch: failing(cause) });
  await assert.rejects(send(gate(new Error("connect ECONNREFUSED 127.0.0.1:1")), { eventKey: "a" }, { timeout: 1 }),
    (error) => /gave up after \d+ attempts: fetch failed: connect ECONNREFUSED 127.0.0.1:1$/.test(error.message));
  await assert.rejects(send(gate(Object.assign(new Error(""), { code: "ECONNREFUSED" })), { eventKey: "a" }, { timeout: 1 }), /fetch failed: ECONNREFUSED$/);
});

test("a signal ends the attempts, a wait and an answer that does not come", async (t) => {
  const { url, requests } = await answering(t, { status: 503, headers: { "Retry-After": "100" } }, () => {});
  for (const n of [1, 2]) {
    const stop = new AbortController();
    const sent = send({ url }, { eventKey: "a" }, { signal: stop.signal, timeout: 1e9 });
    while (requests.length < n) await new Promise((resolve) => setTimeout(resolve, 5));
    stop.abort(new Error("enough"));
    await assert.rejects(sent, /enough/);
  }
  await assert.rejects(send({ url }, { eventKey: "a" }, { signal: AbortSignal.abort() }), { name: "AbortError" });
  assert.equal(requests.length, 2);
});

test("a batch goes in parts that the server takes, each with a name that stays", async (t) => {
  const { url, requests } = await answering(t, busy, (req, res) => res.end(JSON.stringify({ results: Array(1000).fill({ status: 200 }), triggered: "m1" })),
    (req, res) => res.end(JSON.stringify({ results: [{ status: 400, error: "no" }], triggered: null })));
  const items = Array.from({ length: 1001 }, (_, i) => ({ i }));
  const { results, triggered } = await sendBatch({ url }, { eventKey: "a", items });
  assert.equal(results.length, 1001);
  assert.equal(results[1000].error, "no");
  assert.deepEqual(triggered, ["m1"]);
  assert.deepEqual(requests.map((r) => r.url), ["/events/a", "/events/a", "/events/a"]);
  const [first, again, second] = requests.map((r) => r.headers["idempotency-key"]);
  assert.equal(first, again);
  assert.equal(second, first.replace(/\/0$/, "/1000"));
  assert.deepEqual(requests.slice(1).flatMap((r) => JSON.parse(r.body)), items);
});

test("CloudEvents keep their own names, and large items part a batch", async (t) => {
  const { url, requests } = await answering(t, (req, res) => res.end(JSON.stringify({ results: [{ status: 200 }] })));
  await sendBatch({ url }, { feed: "f", items: [{ id: "1" }], cloudEvents: true });
  assert.equal(requests[0].headers["content-type"], "application/cloudevents-batch+json");
  assert.equal(requests[0].headers["idempotency-key"], undefined);
  await sendBatch({ url }, { feed: "f", items: ["x".repeat(9 << 20), "y".repeat(9 << 20)] });
  assert.deepEqual(requests.slice(1).map((r) => r.body.length), [(9 << 20) + 4, (9 << 20) + 4]);
  assert.deepEqual(await sendBatch({ url }, { feed: "f", items: [] }), { results: [], triggered: [] });
  await assert.rejects(sendBatch({ url }, { feed: "f", items: [undefined] }), TypeError);
  await assert.rejects(sendBatch({ url }, { feed: "f", items: [1, 2] }), /1 results to 2 items/);
});
