import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { bodyOf, consumePush, memoryStore, nodeListener, parseMessage, PermanentError } from "../index.js";
import { answering, serve } from "./server.js";
import { vectors } from "./vectors.js";

const push = (body, headers = {}, method = "POST") => new Request("http://localhost/", { method, headers, body: method === "POST" ? body : undefined });
const contents = (m) => Object.fromEntries(Object.entries(m.events).map(([k, list]) => [k, (list.events ?? []).map((e) => Buffer.from(bodyOf(e)).toString("base64"))]));
const plain = vectors.messages.find((m) => m.name === "headgate, complete");
const check = vectors.messages.find((m) => m.name === "headgate, claim check without content");

test("every message is read the same in every envelope, and handled once", async (t) => {
  for (const v of vectors.messages) {
    await t.test(v.name, async (t) => {
      const { url, requests } = await answering(t, { body: v.whole ?? "" });
      const seen = [];
      const handler = consumePush({ store: memoryStore(), gate: { url, token: "t" }, handle: (m) => void seen.push(m) });
      for (const e of [v.wrapped, v.unwrapped, v.unwrappedWithoutMetadata]) {
        assert.equal((await handler(push(e.body, e.headers))).status, 204);
      }
      assert.equal(seen.length, 1);
      for (const e of [v.wrapped, v.unwrapped, v.unwrappedWithoutMetadata]) {
        await consumePush({ store: memoryStore(), gate: { url }, handle: (m) => void seen.push(m) })(push(e.body, e.headers));
      }
      assert.equal(seen.length, 4);
      assert.deepEqual(seen[0].attributes, v.attributes);
      const want = v.expect;
      for (const m of seen) {
        assert.deepEqual([m.eventID, m.serviceName, m.triggerType, m.date, m.completion ?? "", m.correlationKey ?? ""],
          [want.eventID, want.serviceName, want.triggerType, want.date, want.completion, want.correlationKey]);
        assert.deepEqual((m.missing ?? []).map((one) => one.eventKey), want.missing);
        assert.deepEqual(Object.fromEntries(Object.entries(m.events).map(([k, l]) => [k, l.numberOfEvents])), want.counts);
        assert.deepEqual(Object.fromEntries(Object.entries(m.events).filter(([, l]) => l.firstEventDate).map(([k, l]) => [k, l.firstEventDate])), want.firstEventDate);
        assert.deepEqual(contents(m), want.contentsBase64);
      }
      assert.equal(requests.length, want.claimCheck ? 6 : 0);
      if (want.claimCheck) {
        assert.equal(requests[0].url, new URL(want.contentURL).pathname);
        assert.equal(requests[0].headers.authorization, "Bearer t");
      }
    });
  }
});

test("what can never be a message is acknowledged, and reported", async () => {
  for (const v of vectors.refusedPushes) {
    const reports = [];
    const handler = consumePush({ store: memoryStore(), handle: () => assert.fail("handled"), report: (error, m) => reports.push([error, m]) });
    assert.equal((await handler(push(v.body, v.headers))).status, 204, v.name);
    assert.equal(reports.length, 1, v.name);
    assert.ok(reports[0][0] instanceof PermanentError && reports[0][1] === null, v.name);
  }
});

test("a failure is delivered again, and a permanent one is not", async () => {
  let fails = new Error("later");
  const reports = [];
  let calls = 0;
  const handler = consumePush({
    store: memoryStore(), report: (error, m) => reports.push([error.message, m.eventID]),
    handle: () => { calls++; if (fails) throw fails; },
  });
  const status = async () => (await handler(push(plain.wrapped.body))).status;
  assert.equal(await status(), 503);
  fails = new PermanentError("never");
  assert.equal(await status(), 204);
  fails = null;
  assert.equal(await status(), 204, "a replay after a permanent failure is handled");
  assert.equal(await status(), 204);
  assert.equal(calls, 3);
  assert.deepEqual(reports, [["later", plain.expect.eventID], ["never", plain.expect.eventID]]);
});

test("deliveries at the same time are handled once; a second one waits for the first", async () => {
  let calls = 0, ended = 0, fail = true;
  const handler = consumePush({
    store: memoryStore(), report: () => {},
    handle: async () => {
      calls++;
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (fail) {
        fail = false;
        throw new Error("the first attempt");
      }
      ended++;
    },
  });
  const statuses = await Promise.all(Array.from({ length: 8 }, async () => {
    const { status } = await handler(push(plain.wrapped.body));
    if (status === 204) assert.equal(ended, 1, "acknowledged before it was handled");
    return status;
  }));
  assert.deepEqual(statuses.sort(), [204, 204, 204, 204, 204, 204, 204, 503]);
  assert.deepEqual([calls, ended], [2, 1]);
});

test("a store remembers as many as it is told to", async () => {
  const store = memoryStore(2);
  const done = [];
  for (const id of ["a", "b", "c", "c", "b", "a"]) await store.once(id, async () => void done.push(id));
  assert.deepEqual(done, ["a", "b", "c", "a"]);
});

test("a claim check fails without a gate, after a bad answer, and for good when its events are gone", async (t) => {
  const problem = (status) => ({ status, headers: { "Content-Type": "application/problem+json" }, body: { detail: "x" } });
  const { url, requests } = await answering(t, problem(410), problem(403), { body: "<html>" }, { body: plain.data }, { body: check.data }, { status: 503 }, { body: check.whole });
  const reports = [];
  const handled = [];
  const consumer = { store: memoryStore(), handle: (m) => void handled.push(m), report: (error) => reports.push(error) };
  assert.equal((await consumePush(consumer)(push(check.wrapped.body))).status, 503);
  const handler = consumePush({ ...consumer, gate: { url: url + "/services/x" } });
  const statuses = [];
  for (let i = 0; i < 6; i++) statuses.push((await handler(push(check.wrapped.body))).status);
  assert.deepEqual(statuses, [204, 503, 503, 503, 503, 204]);
  assert.equal(handled.length, 1);
  assert.equal(reports.length, 6);
  assert.equal(requests[0].url, "/services/x/messages/" + check.expect.eventID);
});

test("with secrets only signed requests are taken", async () => {
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  let calls = 0;
  const handler = consumePush({ store: memoryStore(), secrets: ["whsec_AAAAAAAAAAAAAAAAAAAAAA==", secret], handle: () => void calls++ });
  assert.equal((await handler(push(plain.data))).status, 401);
  const at = String(Math.floor(Date.now() / 1000));
  const signature = "v1," + createHmac("sha256", Buffer.from(secret.slice(6), "base64")).update(`m.${at}.${plain.data}`).digest("base64");
  const headers = { "webhook-id": "m", "webhook-timestamp": at, "webhook-signature": signature };
  assert.equal((await handler(push(plain.data + " ", headers))).status, 401);
  for (const secrets of [[], ""]) {
    const closed = consumePush({ store: memoryStore(), secrets, handle: () => void calls++ });
    assert.equal((await closed(push(plain.data, headers))).status, 401);
  }
  assert.equal(calls, 0);
  assert.equal((await handler(push(plain.data, headers))).status, 204);
  assert.equal(calls, 1);
});

test("requests that are no push, or too long", async () => {
  const handler = consumePush({ store: memoryStore(), handle: () => assert.fail("handled") });
  const got = await handler(push(null, {}, "GET"));
  assert.deepEqual([got.status, got.headers.get("Allow")], [405, "POST"]);
  assert.equal((await handler(push("x", { "Content-Length": String(64 << 20) }))).status, 413);
  assert.equal((await handler(push(new Uint8Array((32 << 20) + 1)))).status, 413);
});

test("it listens in node:http, and takes a body that was read before", async (t) => {
  const seen = [];
  const listener = nodeListener(consumePush({ store: memoryStore(), handle: (m) => void seen.push(m.eventID) }));
  const url = await serve(t, listener);
  const status = async (init) => (await fetch(url + "/any//path?x", init)).status;
  assert.equal(await status({}), 405);
  assert.equal(await status({ method: "POST", body: plain.wrapped.body }), 204);
  const raw = await serve(t, async (req, res) => {
    const parts = [];
    for await (const part of req) parts.push(part);
    req.rawBody = Buffer.concat(parts);
    await listener(req, res);
  });
  assert.equal((await fetch(raw, { method: "POST", body: check.data.replace(check.expect.contentURL, "") })).status, 204);
  assert.deepEqual(seen, [plain.expect.eventID, check.expect.eventID]);
});

test("an endpoint may have any name", () => {
  const m = parseMessage('{"eventID":"x","events":{"__proto__":{"numberOfEvents":1},"constructor":{"numberOfEvents":2}}}');
  assert.deepEqual(Object.keys(m.events), ["__proto__", "constructor"]);
  assert.equal(m.events.__proto__.numberOfEvents, 1);
});
