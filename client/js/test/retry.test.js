import assert from "node:assert/strict";
import test from "node:test";
import { retryOf } from "../retry.js";
import { vectors } from "./vectors.js";

test("a request is sent again where the server's rule says so", () => {
  assert.ok(vectors.retries.length > 30);
  for (const v of vectors.retries) {
    const headers = new Map(Object.entries(v.headers));
    const got = retryOf(v.status, { get: (name) => headers.get(name) ?? null }, Date.parse(v.now));
    assert.deepEqual(got, { retry: v.retry, after: v.afterSeconds * 1000 }, `${v.status} ${v.name}`);
  }
});

test("the obsolete forms of dates are read", () => {
  const headers = (text) => ({ get: (name) => (name === "Retry-After" ? text : null) });
  const now = Date.parse("2026-05-01T12:00:00Z");
  for (const text of ["Friday, 01-May-26 12:01:30 GMT", "Fri May  1 12:01:30 2026"]) {
    assert.deepEqual(retryOf(503, headers(text), now), { retry: true, after: 90_000 }, text);
  }
});
