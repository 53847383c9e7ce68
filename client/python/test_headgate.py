import base64
import datetime
import hashlib
import hmac
import http.server
import json
import pathlib
import sqlite3
import tempfile
import threading
import time
import unittest

import headgate

# The test vectors that the server's tests write: go test ./functions -run TestClientVectors.
VECTORS = json.loads((pathlib.Path(__file__).parent.parent / "vectors.json").read_text("utf-8"))


class Server:
    """Gives the answers (status, headers, body) one after the other, and the last one from then on."""

    def __init__(self, test, *answers):
        self.requests = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.requests.append((self.command, self.path, self.headers, body))
                given = answers[min(len(outer.requests), len(answers)) - 1]
                if given is None:  # no answer: the connection ends
                    self.close_connection = True
                    return
                status, headers, body = given
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        test.addCleanup(lambda: (server.shutdown(), server.server_close(), thread.join()))
        self.url = f"http://127.0.0.1:{server.server_port}"


OK = (200, {}, b'{"id":"x","triggered":null}')
PROBLEM = {"Content-Type": "application/problem+json"}


class Send(unittest.TestCase):
    def test_an_event_has_one_name_in_all_attempts(self):
        broken = (200, {"Content-Length": "100"}, b"{")
        server = Server(self, (503, {"Retry-After": "0"}, b""), None, (429, {}, b""), broken, OK)
        receipt = headgate.send(server.url + "/", "a b/ü", "grüße", headers={"X-More": "1"}, token=lambda: "secret")
        self.assertEqual(receipt, {"id": "x", "triggered": None})
        self.assertEqual(len(server.requests), 5)
        self.assertEqual(len({r[2]["Idempotency-Key"] for r in server.requests}), 1)
        for method, path, headers, body in server.requests:
            self.assertEqual((method, path, body.decode()), ("POST", "/event/a%20b/%C3%BC", "grüße"))
            self.assertEqual((headers["Authorization"], headers["X-More"]), ("Bearer secret", "1"))
        headgate.send(server.url, "a")
        self.assertNotEqual(server.requests[5][2]["Idempotency-Key"], server.requests[0][2]["Idempotency-Key"])

    def test_bodies_arrive_as_they_are(self):
        server = Server(self, OK)
        for more, body, kind in [
            ({"body": "a"}, b"a", "text/plain; charset=utf-8"), ({}, b"", "application/octet-stream"),
            ({"body": b"\0\xff", "content_type": "image/x"}, b"\0\xff", "image/x"),
            ({"body": b"a", "headers": {"content-type": "text/csv"}}, b"a", "text/csv"),
        ]:
            headgate.send(server.url, feed="f/g", idempotency_key="mine", **more)
            _, path, headers, got = server.requests[-1]
            self.assertEqual((path, got, headers.get_all("Content-Type"), headers["Idempotency-Key"]), ("/feed/f%2Fg", body, [kind], "mine"))

    def test_a_refusal_is_final_and_says_why(self):
        problem = json.dumps({"title": "Not Found", "detail": "no endpoint", "instance": "i", "status": 404}).encode()
        server = Server(self, (404, PROBLEM, problem), (404, PROBLEM, b"{"), (307, {"Location": "/other"}, b""), (200, {}, b"<html>"))
        with self.assertRaises(headgate.HeadgateError) as caught:
            headgate.send(server.url, "a")
        self.assertEqual((caught.exception.status, caught.exception.detail, caught.exception.instance), (404, "no endpoint", "i"))
        for status in (404, 307):
            with self.assertRaises(headgate.HeadgateError) as caught:
                headgate.send(server.url, "a")
            self.assertEqual(caught.exception.status, status)
        with self.assertRaisesRegex(ValueError, "not Headgate's"):
            headgate.send(server.url, "a")
        for bad in [{}, {"event_key": "a", "feed": "b"}, {"event_key": "a", "idempotency_key": " x"}, {"event_key": "a", "idempotency_key": "x\ny"}]:
            with self.assertRaises(ValueError):
                headgate.send(server.url, **bad)
        for url in ["nowhere", "https://u:hush@127.0.0.1", "https://u:hush@127.0.0.1:x", "https://127.0.0.1?access_token=hush"]:
            with self.assertRaises(ValueError) as refused:
                headgate.send(url, "a")
            self.assertNotIn("hush", str(refused.exception))
        self.assertEqual(len(server.requests), 4)

    def test_retry_after_is_waited_for_and_bounded_by_the_timeout(self):
        server = Server(self, (503, {"Retry-After": "1"}, b""), OK)
        began = time.monotonic()
        headgate.send(server.url, "a")
        self.assertGreaterEqual(time.monotonic() - began, 1)
        server = Server(self, (429, {"Retry-After": "3600"}, b""))
        with self.assertRaises(TimeoutError) as caught:
            headgate.send(server.url, "a")
        self.assertEqual(caught.exception.__cause__.status, 429)
        self.assertEqual(len(server.requests), 1)

    def test_vectors_of_retries(self):
        self.assertGreater(len(VECTORS["retries"]), 30)
        for v in VECTORS["retries"]:
            with self.subTest(v["name"], status=v["status"]):
                now = datetime.datetime.fromisoformat(v["now"].replace("Z", "+00:00"))
                self.assertEqual(headgate.retry_of(v["status"], v["headers"], now), (v["retry"], v["afterSeconds"]))


class Consume(unittest.TestCase):
    def check(self, message, want):
        got = (message["eventID"], message["serviceName"], message["triggerType"], message["date"], message.get("completion", ""), message.get("correlationKey", ""))
        self.assertEqual(got, tuple(want[name] for name in ("eventID", "serviceName", "triggerType", "date", "completion", "correlationKey")))
        self.assertEqual([one["eventKey"] for one in message.get("missing", [])], want["missing"])
        lists = message["events"]
        self.assertEqual({key: one["numberOfEvents"] for key, one in lists.items()}, want["counts"])
        self.assertEqual({key: one["firstEventDate"] for key, one in lists.items() if "firstEventDate" in one}, want["firstEventDate"])
        contents = {key: [base64.b64encode(headgate.body_of(e)).decode() for e in one.get("events", [])] for key, one in lists.items()}
        self.assertEqual(contents, want["contentsBase64"])

    def test_vectors_of_messages(self):
        self.assertGreater(len(VECTORS["messages"]), 10)
        for v in VECTORS["messages"]:
            for envelope in ("wrapped", "unwrapped", "unwrappedWithoutMetadata"):
                with self.subTest(v["name"], envelope=envelope):
                    message = headgate.parse_push(v[envelope]["body"].encode())
                    if envelope == "wrapped":
                        self.assertEqual(message["attributes"], v["attributes"])
                    self.assertEqual(message.get("contentURL", ""), v["expect"]["contentURL"])
                    if v["expect"]["claimCheck"]:
                        server = Server(self, (503, {}, b""), (200, {}, v["whole"].encode()))
                        message = headgate.whole(server.url, message, token="t")
                        self.assertTrue(v["expect"]["contentURL"].endswith(server.requests[1][1]))
                        self.assertEqual(server.requests[1][2]["Authorization"], "Bearer t")
                    self.check(message, v["expect"])

    def test_what_can_never_be_a_message(self):
        self.assertGreater(len(VECTORS["refusedPushes"]), 8)
        deep = {"name": "deep", "body": "[" * 100_000}
        for v in [*VECTORS["refusedPushes"], deep]:
            with self.subTest(v["name"]), self.assertRaises(headgate.PermanentError):
                headgate.parse_push(v["body"])

    def test_a_claim_check_whose_whole_is_gone_or_another(self):
        v = next(v for v in VECTORS["messages"] if v["expect"]["claimCheck"])
        message = headgate.parse_message(v["data"])
        server = Server(self, (410, PROBLEM, b"{}"), (200, {}, v["data"].encode()), (403, PROBLEM, b"{}"))
        with self.assertRaises(headgate.PermanentError):
            headgate.whole(server.url, message)
        with self.assertRaisesRegex(RuntimeError, "not its whole message"):
            headgate.whole(server.url + "/services/x", message)
        with self.assertRaises(headgate.HeadgateError):
            headgate.whole(server.url, message)
        self.assertEqual(server.requests[1][1], "/services/x/messages/" + message["eventID"])


class Dedupe(unittest.TestCase):
    def open(self, **more):
        db = sqlite3.connect(self.file, **more)
        self.addCleanup(db.close)
        return db

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.file = directory.name + "/test.db"
        db = self.open()
        headgate.create_table(db)
        headgate.create_table(db)
        db.execute("CREATE TABLE work (n)")

    def count(self):
        return self.open().execute("SELECT count(*) FROM work").fetchone()[0]

    def test_work_is_done_once_and_again_after_a_failure(self):
        db = self.open()
        with self.assertRaisesRegex(RuntimeError, "fails"), db:
            self.assertTrue(headgate.dedupe(db, "a"))
            db.execute("INSERT INTO work VALUES (1)")
            raise RuntimeError("it fails")
        self.assertEqual(self.count(), 0)
        for first in (True, False, False):
            with db:
                self.assertEqual(headgate.dedupe(db, "a"), first)
                if first:
                    db.execute("INSERT INTO work VALUES (1)")
            self.assertEqual(self.count(), 1)
        with db:
            self.assertTrue(headgate.dedupe(db, "a", consumer="another job"))
            self.assertTrue(headgate.dedupe(db, "b"))
            later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
            self.assertEqual(headgate.forget(db, later), 2)
            self.assertFalse(headgate.dedupe(db, "a", consumer="another job"))

    def test_deliveries_at_the_same_time(self):
        firsts = []

        def deliver():
            db = sqlite3.connect(self.file, timeout=60)
            with db:
                if headgate.dedupe(db, "a"):
                    db.execute("INSERT INTO work VALUES (1)")
                    firsts.append(1)
            db.close()

        threads = [threading.Thread(target=deliver) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual((self.count(), len(firsts)), (1, 1))

    def test_without_a_transaction_nothing_is_recorded(self):
        db = self.open(isolation_level=None)
        with self.assertRaisesRegex(ValueError, "begin one"):
            headgate.dedupe(db, "a")
        db.execute("BEGIN IMMEDIATE")
        self.assertTrue(headgate.dedupe(db, "a"))
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        self.assertTrue(headgate.dedupe(db, "a"))


class Verify(unittest.TestCase):
    def test_vectors(self):
        self.assertGreater(len(VECTORS["webhooks"]), 20)
        for v in VECTORS["webhooks"]:
            body = base64.b64decode(v["bodyBase64"])
            for headers in (v["headers"], {name.title(): value for name, value in v["headers"].items()}):
                with self.subTest(v["name"]):
                    if any(secret.startswith("whpk_") for secret in v["secrets"]):
                        with self.assertRaisesRegex(ValueError, "Ed25519"):
                            headgate.verify(headers, body, v["secrets"], now=v["now"])
                    elif v["error"]:
                        with self.assertRaises(headgate.WebhookError) as caught:
                            headgate.verify(headers, body, v["secrets"], now=v["now"])
                        self.assertEqual(caught.exception.code, v["error"])
                    else:
                        self.assertEqual(headgate.verify(headers, body, v["secrets"], now=v["now"]), v["id"])

    def test_the_clock_and_one_secret(self):
        secret, at = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", str(int(time.time()))
        mac = hmac.new(base64.b64decode(secret[6:]), f"m.{at}.".encode() + b"{}", hashlib.sha256).digest()
        headers = {"webhook-id": "m", "webhook-timestamp": at, "webhook-signature": "v1," + base64.b64encode(mac).decode()}
        self.assertEqual(headgate.verify(headers, b"{}", secret), "m")


if __name__ == "__main__":
    unittest.main()
