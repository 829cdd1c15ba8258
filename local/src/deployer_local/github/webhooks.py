"""Webhooks: who wants to hear of what, and every delivery that was tried.

Records a delivery before it is sent, sends it in the background, once, and keeps what came back: GitHub never retries,
and neither does this. A delivery whose sending was cut off by a kill is sent when the engine starts again. Secrets sign
and are never logged or shown.

https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers
"""

import hashlib
import hmac
import json
import logging
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from .repositories import Clock, Repository
from .store import Store

log = logging.getLogger(__name__)

LARGEST_PAYLOAD = 25 * 1024 * 1024
"""Bytes; GitHub does not send a larger one."""

ANSWER_WITHIN = 10.0
"""Seconds that GitHub waits for an answer."""


@dataclass(frozen=True)
class Hook:
    """A subscription. `repository_id` None: every repository. `content_type` is json or form."""

    id: int
    repository_id: int | None
    url: str
    secret: str
    events: tuple[str, ...]
    active: bool
    content_type: str
    insecure_ssl: str
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class Delivery:
    """One attempt. `status_code` is None until it was tried, 0 when no answer came. Times: seconds since the epoch."""

    id: int
    guid: str
    hook_id: int
    repository_id: int | None
    event: str
    action: str | None
    payload: dict[str, Any]
    redelivery: bool
    delivered_at: float | None
    duration: float | None
    status: str
    status_code: int | None
    request_headers: dict[str, str]
    request_body: bytes
    response_headers: dict[str, str]
    response_body: str | None


class Webhooks:
    """Hooks and deliveries of the whole local GitHub."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Starts nothing; threads appear with the first delivery."""
        self._store = store
        self._clock = clock
        self._http = urllib3.PoolManager(maxsize=8, block=True)
        self._threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="github-hookshot")
        self._lock = threading.Lock()
        self._running: dict[int, Future[None]] = {}
        self._drops: list[Callable[[Delivery], bool]] = []

    def add(
        self, repository: Repository | None, url: str, secret: str, events: tuple[str, ...], **settings: str
    ) -> Hook:
        """A new hook. `settings` may hold content_type (json or form) and insecure_ssl ("0" or "1")."""
        now = int(self._clock())
        with self._store.change() as rows:
            added = rows.execute(
                "insert into hooks (repository_id, url, secret, events, active, content_type, insecure_ssl, created_at,"
                " updated_at) values (?, ?, ?, ?, 1, ?, ?, ?, ?)",
                (
                    *(repository.id if repository else None, url, secret, json.dumps(events)),
                    *(settings.get("content_type", "json"), settings.get("insecure_ssl", "0"), now, now),
                ),
            )
        return self.hook(int(added.lastrowid or 0))

    def hook(self, identity: int) -> Hook:
        """The hook with this number; KeyError when there is none."""
        row = self._store.first("select * from hooks where id = ?", identity)
        if row is None:
            raise KeyError(identity)
        return _hook(row)

    def hooks(self) -> list[Hook]:
        """Every hook, oldest first."""
        return [_hook(row) for row in self._store.read("select * from hooks order by id")]

    def change(self, identity: int, **columns: object) -> Hook:
        """Sets columns of a hook: url, secret, events, active, content_type, insecure_ssl."""
        hook = self.hook(identity)
        given = {key: json.dumps(value) if key == "events" else value for key, value in columns.items()}
        wrong = given.keys() - {"url", "secret", "events", "active", "content_type", "insecure_ssl"}
        if wrong:
            msg = f"no such setting of a hook: {', '.join(sorted(wrong))}"
            raise ValueError(msg)
        with self._store.change() as rows:
            for key, value in given.items():
                rows.execute(f"update hooks set {key} = ? where id = ?", (value, hook.id))  # noqa: S608 - from the set above
            rows.execute("update hooks set updated_at = ? where id = ?", (int(self._clock()), hook.id))
        return self.hook(identity)

    def remove(self, identity: int) -> None:
        """Removes a hook; its deliveries stay on record."""
        with self._store.change() as rows:
            rows.execute("delete from hooks where id = ?", (self.hook(identity).id,))

    def record(
        self, repository: Repository | None, event: str, payload: dict[str, Any], only: Hook | None = None
    ) -> None:
        """Notes a delivery for each hook that wants this event; call within the transaction that makes the event true.

        `only`: this hook alone, whatever it subscribes to (a ping).
        """
        body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
        if len(body) > LARGEST_PAYLOAD:
            log.warning("a %s payload of %d bytes is over GitHub's limit: not sent", event, len(body))
            return
        guid = str(uuid.uuid4())
        for hook in [only] if only else self.hooks():
            here = hook.repository_id is None or (repository is not None and hook.repository_id == repository.id)
            if only or (here and hook.active and ("*" in hook.events or event in hook.events)):
                self._insert(guid, hook.id, repository.id if repository else None, event, payload.get("action"), body)

    def send_pending(self) -> None:
        """Sends, in the background, every delivery that was recorded and not yet tried."""
        with self._lock:
            for row in self._store.read("select id from deliveries where status = 'pending' order by id"):
                identity = int(row["id"])
                if identity not in self._running:
                    self._running[identity] = self._threads.submit(self._send, identity)

    def redeliver(self, identity: int) -> Delivery:
        """Sends an earlier delivery's payload again under its GUID, in the background. KeyError if unknown."""
        row = self._store.first("select * from deliveries where id = ?", identity)
        if row is None:
            raise KeyError(identity)
        values = (row["guid"], row["hook_id"], row["repository_id"], row["event"], row["action"], row["payload"])
        again = self._insert(*values, redelivery=True)
        self.send_pending()
        return self.delivery(again)

    def delivery(self, identity: int) -> Delivery:
        """The delivery with this number; KeyError when there is none."""
        row = self._store.first("select * from deliveries where id = ?", identity)
        if row is None:
            raise KeyError(identity)
        return _delivery(row)

    def deliveries(self, hook_id: int | None = None) -> list[Delivery]:
        """Every delivery (of one hook), oldest first."""
        rows = self._store.read("select * from deliveries where ? is null or hook_id = ? order by id", hook_id, hook_id)
        return [_delivery(row) for row in rows]

    def drop(self, predicate: Callable[[Delivery], bool]) -> None:
        """Loses the next delivery for which `predicate` holds, as a network would: recorded, never sent."""
        with self._lock:
            self._drops.append(predicate)

    def settle(self, seconds: float) -> bool:
        """Sends what is recorded and waits until all of it was tried; False when that took longer than `seconds`."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send_pending()
            with self._lock:
                running = list(self._running.values())
            if not running:
                return True
            wait(running, max(0.0, end - time.monotonic()))
        return False

    def close(self) -> None:
        """Stops sending; what is pending is sent by the next start."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _insert(self, *values: object, redelivery: bool = False) -> int:
        with self._store.change() as rows:
            added = rows.execute(
                "insert into deliveries (guid, hook_id, repository_id, event, action, payload, redelivery, created_at,"
                " status, request_headers, request_body, response_headers)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, 'pending', '{}', x'', '{}')",
                (*values, redelivery, self._clock()),
            )
        return int(added.lastrowid or 0)

    def _send(self, identity: int) -> None:
        try:
            self._attempt(self.delivery(identity))
        except Exception:
            log.exception("delivery %d could not be recorded", identity)
            raise
        finally:
            with self._lock:
                self._running.pop(identity, None)

    def _attempt(self, delivery: Delivery) -> None:
        row = self._store.first("select * from hooks where id = ?", delivery.hook_id)
        if row is None:
            self._finish(delivery, 0.0, "hook removed", 0)
            return
        hook = _hook(row)
        stored = self._store.first("select payload from deliveries where id = ?", delivery.id)
        body: bytes = stored["payload"] if stored else b""
        if hook.content_type == "form":
            body = urlencode({"payload": body.decode()}).encode()
        headers = request_headers(delivery, hook, body)
        with self._store.change() as rows:
            rows.execute(
                "update deliveries set request_headers = ?, request_body = ? where id = ?",
                (json.dumps(headers), body, delivery.id),
            )
        if self._dropped(delivery):
            self._finish(delivery, 0.0, "lost", 0)
            return
        began = self._clock()
        try:
            answer = self._http.request(
                "POST",
                hook.url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                timeout=urllib3.Timeout(total=ANSWER_WITHIN),
            )
        except urllib3.exceptions.HTTPError as error:
            silent = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            log.info("delivery %s got no answer: %s", delivery.guid, type(error).__name__)
            word = "timed out" if silent else "failed to connect to host"
            self._finish(delivery, self._clock() - began, word, 0)
        else:
            word = "OK" if answer.status < 400 else f"Invalid HTTP Response: {answer.status}"
            text = answer.data.decode("utf-8", "replace")
            self._finish(delivery, self._clock() - began, word, answer.status, headers=dict(answer.headers), text=text)

    def _dropped(self, delivery: Delivery) -> bool:
        with self._lock:
            for predicate in self._drops:
                if predicate(delivery):
                    self._drops.remove(predicate)
                    return True
        return False

    def _finish(
        self,
        delivery: Delivery,
        seconds: float,
        status: str,
        code: int,
        *,
        headers: dict[str, str] | None = None,
        text: str | None = None,
    ) -> None:
        with self._store.change() as rows:
            rows.execute(
                "update deliveries set delivered_at = ?, duration = ?, status = ?, status_code = ?,"
                " response_headers = ?, response_body = ? where id = ?",
                (self._clock(), round(seconds, 3), status, code, json.dumps(headers or {}), text, delivery.id),
            )


def request_headers(delivery: Delivery, hook: Hook, body: bytes) -> dict[str, str]:
    """The headers of a delivery, signed where the hook has a secret."""
    form = hook.content_type == "form"
    target = delivery.repository_id if hook.repository_id is None else hook.repository_id
    headers = {
        "Accept": "*/*",
        "Content-Type": "application/x-www-form-urlencoded" if form else "application/json",
        "User-Agent": "GitHub-Hookshot/1a2b3c4",
        "X-GitHub-Delivery": delivery.guid,
        "X-GitHub-Event": delivery.event,
        "X-GitHub-Hook-ID": str(hook.id),
        "X-GitHub-Hook-Installation-Target-ID": str(target or 0),
        "X-GitHub-Hook-Installation-Target-Type": "repository",
    }
    if hook.secret:
        key = hook.secret.encode()
        headers["X-Hub-Signature"] = "sha1=" + hmac.new(key, body, hashlib.sha1).hexdigest()
        headers["X-Hub-Signature-256"] = "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
    return headers


def _hook(row: sqlite3.Row) -> Hook:
    values = {key: row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values
    return Hook(**values | {"events": tuple(json.loads(row["events"])), "active": bool(row["active"])})


def _delivery(row: sqlite3.Row) -> Delivery:
    values = {key: row[key] for key in Delivery.__dataclass_fields__}
    decoded = {key: json.loads(row[key]) for key in ("payload", "request_headers", "response_headers")}
    return Delivery(**values | decoded | {"redelivery": bool(row["redelivery"])})
