"""Headgate's client for Python 3.9 or newer: one module, of the standard library only.

send sends an event and tries again until it is stored, parse_push reads the messages that
Pub/Sub pushes, dedupe makes sure that each is handled once, and verify checks webhooks.
"""

from __future__ import annotations

import base64
import datetime
import email.utils
import hashlib
import hmac
import http.client
import json
import random
import re
import sqlite3
import ssl
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import uuid
from typing import Any, Callable, Iterable, Mapping, TypedDict, Union

Token = Union[str, Callable[[], str], None]


class HeadgateError(Exception):
    """An answer of the server that says no. status is that of HTTP, detail a sentence for a person."""

    def __init__(self, status: int, title: str = "", detail: str = "", instance: str = "", errors: list[dict[str, str]] | None = None) -> None:
        super().__init__(f"headgate answers {status} {title}" + (f": {detail}" if detail else ""))
        self.status, self.detail, self.instance, self.errors = status, detail, instance, errors or []


class PermanentError(ValueError):
    """What another delivery of a message would not change: acknowledge it."""


class WebhookError(ValueError):
    """A webhook that is refused. code is "unsigned" (it has no id, timestamp or signature), "id" (it has
    a full stop, which ends the id in the signed text), "timestamp" (malformed, or too far from now) or "signature"."""

    def __init__(self, code: str) -> None:
        super().__init__("headgate: the webhook is refused: " + code)
        self.code = code


# Events

class Receipt(TypedDict, total=False):
    """What the server says about an event. It is durable, or filtered or dropped say why it is not kept."""

    id: str
    eventKey: str  # the endpoint that took it
    receivedAt: str  # RFC 3339
    duplicate: bool  # an event of this name was stored before, perhaps by an attempt whose answer was lost
    filtered: bool  # the endpoint's filter does not want it
    dropped: str  # noKey, late or noRoute: why it counts in no window
    deadLetter: str  # why it goes there
    superseded: bool  # another event with the same distinct value counts
    triggered: str | None  # the eventID of the message that this request released
    published: bool  # whether the bus has that message already


_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 10.0  # seconds, at most, beside Retry-After
_LONGEST_ASKED = 86_400  # seconds, of Retry-After
_SILENCE = 60.0  # seconds without a byte after which an attempt ends: a machine that vanished sends no reset
_LONGEST_PROBLEM = 65_536  # bytes that are read of an answer that says no


def send(
    url: str, event_key: str | None = None, body: bytes | str = b"", *, feed: str | None = None, idempotency_key: str | None = None,
    content_type: str | None = None, headers: Mapping[str, str] | None = None, token: Token = None, timeout: float = 300,
) -> Receipt:
    """Sends an event, and returns once the server has stored it.

    It tries again while the server cannot be reached, restarts or is busy, with growing
    random pauses and not before a Retry-After, for timeout seconds. An event that arrived in
    several attempts counts once: all attempts have one idempotency_key. Give one that you
    keep if you may send the event again after send has failed or your process ended.

    url is the deployment's, or that of one of its services. In place of event_key, feed names
    a feed. body is sent as it is, a text as UTF-8. token is a bearer token, or a function that
    is called before each attempt.

    It raises HeadgateError if the server refuses the event, and TimeoutError, with the last
    failure as its cause, if the time is over: then the event may have been stored.
    """
    if (not event_key) == (not feed):
        raise ValueError("headgate: one of event_key and feed must be given")
    key = str(uuid.uuid4()) if idempotency_key is None else idempotency_key
    if not key or key.strip() != key:
        raise ValueError("headgate: the idempotency_key is empty, or begins or ends with white space, which servers remove")
    path = "/feed/" + urllib.parse.quote(feed, safe="") if feed else "/event/" + urllib.parse.quote(event_key or "")
    all_headers = {"Content-Type": "text/plain; charset=utf-8" if isinstance(body, str) else "application/octet-stream"}
    all_headers.update({name.title(): value for name, value in (headers or {}).items()})
    if content_type:
        all_headers["Content-Type"] = content_type
    all_headers["Idempotency-Key"] = key
    data = body.encode() if isinstance(body, str) else body
    receipt: Receipt = _exchange(url, path, "POST", data, all_headers, token, timeout)
    return receipt


def retry_of(status: int, headers: Mapping[str, str], now: datetime.datetime) -> tuple[bool, float]:
    """Says whether a request may be sent again after an answer of this status (0: none), and
    after how many seconds at the earliest."""
    if not (status in (0, 408, 425, 429) or status >= 500 and status not in (501, 505)):
        return False, 0
    text = _header(headers, "retry-after").strip()
    if re.fullmatch("[0-9]+", text):
        return True, _LONGEST_ASKED if len(text) > 9 else min(int(text), _LONGEST_ASKED)
    at = _date(text)
    if at is None:
        return True, 0
    clock = _date(_header(headers, "date")) or now  # the server's clock, by which it also chose the other time
    return True, min(max((at - clock).total_seconds(), 0), _LONGEST_ASKED)


def _date(text: str) -> datetime.datetime | None:
    if not re.match("(Mon|Tue|Wed|Thu|Fri|Sat|Sun)", text):
        return None
    try:
        at = email.utils.parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=datetime.timezone.utc)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is not followed: the request could lose its method and its body by it."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _exchange(url: str, path: str, method: str, data: bytes | None, headers: dict[str, str], token: Token, timeout: float) -> Any:
    """Sends a request until its answer is final, and returns the answer's JSON. The same
    request must be harmless if it arrives twice."""
    base = urllib.parse.urlsplit(url)
    if base.scheme not in ("http", "https") or not base.netloc or "@" in base.netloc or base.query or base.fragment:
        raise ValueError("headgate: the URL must be http or https, with a host, and without credentials and a query")  # it is not shown: it may have some
    opener = urllib.request.build_opener(_NoRedirect)
    end = time.monotonic() + timeout
    attempt = 0
    while True:
        attempt += 1
        request = urllib.request.Request(url.rstrip("/") + path, data=data, headers=headers, method=method)
        bearer = token() if callable(token) else token
        if bearer:
            request.add_header("Authorization", "Bearer " + bearer)
        failure: Exception
        after = 0.0
        try:
            with opener.open(request, timeout=max(min(_SILENCE, end - time.monotonic()), 0.001)) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                failure = _refusal(error)
            retry, after = retry_of(error.code, error.headers, datetime.datetime.now(datetime.timezone.utc))
            if not retry:
                raise failure from None
        except http.client.InvalidURL:
            raise
        except (OSError, http.client.HTTPException) as error:
            if isinstance(getattr(error, "reason", error), ssl.SSLCertVerificationError):
                raise
            failure = error
        else:
            try:
                return json.loads(text)
            except ValueError as error:
                raise ValueError("headgate: the answer is not Headgate's") from error
        pause = after + random.uniform(0, min(_FIRST_PAUSE * 2 ** min(attempt - 1, 10), _LONGEST_PAUSE))
        if time.monotonic() + pause >= end:
            raise TimeoutError(f"headgate: gave up after {attempt} attempts: {failure}") from failure
        time.sleep(pause)


def _refusal(error: urllib.error.HTTPError) -> HeadgateError:
    if error.code < 400:
        return HeadgateError(error.code, detail="redirects are not followed: use the address that they lead to")
    problem: dict[str, Any] = {"title": error.reason}
    if error.headers.get("Content-Type", "").startswith("application/problem+json"):
        try:
            problem = json.loads(error.read(_LONGEST_PROBLEM))
        except (ValueError, OSError, http.client.HTTPException):
            pass  # the status says enough
    return HeadgateError(error.code, **{name: problem[name] for name in ("title", "detail", "instance", "errors") if name in problem})


# Messages

class PublishedEvent(TypedDict, total=False):
    id: str
    datetime: str
    eventKey: str
    headers: dict[str, list[str]]  # without credentials
    queryParams: dict[str, list[str]]
    rawQuery: str
    redacted: list[str]  # the headers and parameters that were dropped
    content: str  # see body_of
    contentEncoding: str
    httpMethod: str
    cloudEvent: dict[str, Any]  # the attributes, if it was one
    pubsub: dict[str, Any]  # what a push said about its message, if content is the push's data


class EventList(TypedDict, total=False):
    firstEventDate: str
    lastEventDate: str
    numberOfEvents: int  # in the window, however many are sent
    minNbOfOccurrence: int
    eventToSend: str  # ALL, FIRST, LAST or BOUNDARIES: which of them are in events
    events: list[PublishedEvent]  # in the order of their receipt


class Message(TypedDict, total=False):
    """What Headgate publishes, in any of its formats: those of EventSync have fewer fields."""

    eventID: str  # the same at each delivery
    date: str  # when its events were taken, RFC 3339
    serviceName: str
    triggerType: str  # window or none
    correlationKey: str  # what the events share
    completion: str  # why it was published: complete, partial, manual or deadLetter
    reason: str  # why a single event went to the dead letters
    missing: list[dict[str, Any]]  # what the window lacked: eventKey, have, need
    window: dict[str, str]  # the times between which it was open: opened, closes
    contentURL: str  # says that this is a claim check: read it with whole
    events: dict[str, EventList]  # by eventKey, also of endpoints that have none
    attributes: dict[str, str]  # those of the Pub/Sub message, where it came with them


def parse_message(data: bytes | str) -> Message:
    """Decodes a message. It keeps fields that it does not know. It raises PermanentError."""
    return _checked(_object(data))


def parse_push(body: bytes | str) -> Message:
    """Decodes the body of a request by which Pub/Sub pushes a message, wrapped or not, or by
    which a target of Headgate's sends it. It raises PermanentError: acknowledge the request,
    because Pub/Sub would send it again until its retention ends."""
    value = _object(body)
    wrapped = value.get("message")
    if not isinstance(wrapped, dict) or "eventID" in value:
        return _checked(value)
    try:
        data = base64.b64decode(wrapped["data"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError("headgate: this push has no data") from error
    message = parse_message(data)
    message["attributes"] = wrapped.get("attributes") or {}
    return message


def body_of(event: PublishedEvent) -> bytes:
    """Returns the bytes that the source sent; none in a claim check."""
    content, encoding = event.get("content", ""), event.get("contentEncoding", "")
    if encoding == "base64":
        return base64.b64decode(content, validate=True)
    if encoding:
        raise PermanentError(f"headgate: unknown contentEncoding {encoding}")
    return content.encode()


def whole(url: str, message: Message, *, token: Token = None, timeout: float = 120) -> Message:
    """Returns the whole message behind a claim check, and any other message itself.

    Only url is asked, whichever address the message names, so that the token goes nowhere
    else; it needs the role read. It tries again as send does. It raises PermanentError if the
    events have expired.
    """
    if not message.get("contentURL"):
        return message
    service = "" if "/services/" in urllib.parse.urlsplit(url).path else "/services/" + urllib.parse.quote(message["serviceName"], safe="")
    path = f"{service}/messages/{urllib.parse.quote(message['eventID'], safe='')}"
    try:
        answer = _exchange(url, path, "GET", None, {}, token, timeout)
    except HeadgateError as error:
        if error.status == 410:
            raise PermanentError(f"headgate: message {message['eventID']} was not read before its events expired") from error
        raise
    if not isinstance(answer, dict) or answer.get("eventID") != message["eventID"] or answer.get("contentURL") or not isinstance(answer.get("events"), dict):
        raise RuntimeError("headgate: what is behind the claim check is not its whole message")
    found = _checked(answer)
    return {**found, "attributes": message["attributes"]} if "attributes" in message else found


def _object(data: bytes | str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PermanentError("headgate: this is no message: it is not JSON") from error
    if not isinstance(value, dict):
        raise PermanentError("headgate: this is no message: it is not a JSON object")
    return value


def _checked(m: dict[str, Any]) -> Message:
    event_id, events = m.get("eventID"), m.get("events")
    if not isinstance(event_id, str) or not event_id or not isinstance(events, dict):
        raise PermanentError("headgate: this is no message: it has no eventID, or no events")
    if len(event_id.encode(errors="replace")) > 255 or any(unicodedata.category(c) in ("Cc", "Cs") for c in event_id):
        raise PermanentError("headgate: this is no message: its eventID is too long, or not a line of text")
    for of_endpoint in events.values():
        if "FirstEventDate" in of_endpoint:
            of_endpoint.setdefault("firstEventDate", of_endpoint.pop("FirstEventDate"))
    return m  # type: ignore[return-value]


# Once

def create_table(db: sqlite3.Connection) -> None:
    """Creates the table headgate_handled if it is missing."""
    columns = "consumer TEXT NOT NULL, event_id TEXT NOT NULL, handled_at BIGINT NOT NULL, PRIMARY KEY (consumer, event_id)"
    db.execute(f"CREATE TABLE IF NOT EXISTS headgate_handled ({columns}) WITHOUT ROWID")


def dedupe(db: sqlite3.Connection, event_id: str, consumer: str = "") -> bool:
    """Records in the caller's transaction that a message is handled, and reports whether it
    was not before. What is done in the same transaction is then done exactly once:

        with db:  # commits, or rolls back if handle raises
            if headgate.dedupe(db, message["eventID"]):
                handle(db, message)

    consumer names the job: two jobs with different names each handle every message. Call
    dedupe first in the transaction: another delivery of the message then waits here until
    this transaction ends, at most for the timeout of its connection. A connection that
    commits each statement by itself needs a BEGIN before: otherwise this raises ValueError.
    """
    if not db.in_transaction and (db.isolation_level is None or getattr(db, "autocommit", None) is True):
        raise ValueError("headgate: dedupe must be a part of a transaction: begin one before")
    row = (consumer, event_id, time.time_ns() // 1_000_000)
    return db.execute("INSERT INTO headgate_handled (consumer, event_id, handled_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount == 1


def forget(db: sqlite3.Connection, before: datetime.datetime, consumer: str = "") -> int:
    """Deletes what dedupe recorded before a time, and returns the number. A message that is
    delivered or replayed after that is handled again, so keep them for longer than the
    subscription and Headgate (retentionDays) keep messages."""
    row = (consumer, int(before.timestamp() * 1000))
    return db.execute("DELETE FROM headgate_handled WHERE consumer = ? AND handled_at < ?", row).rowcount


# Webhooks

_MOST_SIGNATURES = 16  # bounds the work for a sender that is not known yet


def verify(headers: Mapping[str, str], body: bytes, secrets: str | Iterable[str], *, tolerance: float = 300, now: float | None = None) -> str:
    """Checks a webhook of Headgate's, or any other Standard Webhook of version v1, and returns
    its id, which stays the same when it is sent again. It raises WebhookError.

    body must be the bytes as they arrived. Each of the secrets (whsec_…) is valid, so list
    two while one is rotated. Python's standard library cannot verify v1a (whpk_…): such a
    secret raises ValueError. tolerance and now are in seconds.
    """
    secrets = [secrets] if isinstance(secrets, str) else list(secrets)
    if any(secret.startswith("whpk_") for secret in secrets):
        raise ValueError("headgate: v1a (whpk_…) needs Ed25519, which Python's standard library does not have")
    webhook_id, timestamp, given = (_header(headers, "webhook-" + name) for name in ("id", "timestamp", "signature"))
    if not webhook_id or not timestamp or not given:
        raise WebhookError("unsigned")
    if "." in webhook_id:
        raise WebhookError("id")
    if not re.fullmatch("[+-]?[0-9]{1,20}", timestamp) or abs((time.time() if now is None else now) - int(timestamp)) > tolerance:
        raise WebhookError("timestamp")
    signed = f"{webhook_id}.{timestamp}.".encode("latin-1", "replace") + body
    signatures = [s for version, s in (_signature(one) for one in given.split()) if version == "v1" and s is not None][:_MOST_SIGNATURES]
    for secret in secrets:
        key = _base64(secret[len("whsec_"):] if secret.startswith("whsec_") else secret)
        if not key:
            continue
        want = hmac.new(key, signed, hashlib.sha256).digest()
        if any(hmac.compare_digest(want, one) for one in signatures):
            return webhook_id
    raise WebhookError("signature")


def _signature(text: str) -> tuple[str, bytes | None]:
    version, _, signature = text.partition(",")
    return version, _base64(signature)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _header(headers: Mapping[str, str], name: str) -> str:
    """Returns a header, whatever the letter case of the names."""
    return next((value for one, value in headers.items() if one.lower() == name), "") or ""
