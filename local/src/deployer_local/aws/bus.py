"""Events: puts AWS's own on the default bus, and remembers everything that passed it.

Every event takes one road, whoever sent it (a service of ours, CloudFormation, PutEvents): recorded as EventBridge
would deliver it, then handed to ministack's rules on the serving loop. `drop` loses one on purpose, for tests.
"""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import emulator
from .courier import Courier
from .host import Host

Event = dict[str, Any]
Subscriber = Callable[[Event], None]
Predicate = Callable[[Event], bool]


@dataclass
class Drop:
    """A wish to lose the next event that `matches`; `event` is the one that was lost."""

    matches: Predicate
    event: Event | None = None


class Bus:
    """The default event bus. `events`: every event that passed, oldest first, as its full EventBridge envelope."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._host: Host | None = None
        self._drops: list[Drop] = []
        self._subscriptions: list[Courier[Event]] = []
        self._lock = threading.Lock()

    def install(self, host: Host) -> None:
        """Extension for `Host`: listen on ministack's bus and become able to emit.

        From then on ministack's dispatch of an event answers whether it passed, or was lost on purpose.
        """
        self._host = host
        eventbridge = emulator.module("services.eventbridge")

        def recording(original: Callable[..., None]) -> Callable[..., bool]:
            def dispatch(event: Event, view: Any = None) -> bool:
                view = view or eventbridge._pattern_event_view(event)
                if event.get("EventBusName", "default") == "default" and not self._record(view.event_with_detail()):
                    return False
                host.activity.touch("events", "sqs")
                original(event, view)
                return True

            return dispatch

        emulator.wrap(eventbridge, "_dispatch_event", recording)
        host.before_stop(self.close)

    def emit(self, source: str, detail_type: str, detail: dict[str, Any], resources: Sequence[str] = ()) -> None:
        """Put an event of an AWS service (`source` may be `aws.…`) on the default bus; callable from any thread.

        Away from the serving loop it returns when the event, and what it set off, would survive a kill.
        """
        if self._host is None:
            raise RuntimeError("the bus is not installed in a host")
        entry = {
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            "Resources": list(resources),
        }
        put = emulator.module("services.eventbridge")._put_events
        scope = emulator.module("core.responses").request_scope

        def on_loop() -> None:
            with scope(emulator.ACCOUNT, emulator.REGION):
                put({"Entries": [entry]}, allow_aws_source=True)

        # A context of its own: the caller's must not change under it, whatever thread it is on.
        self._host.run(lambda: contextvars.copy_context().run(on_loop))
        self._host.wait_until_committed()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call `subscriber` with every later event, in order, on a thread of its own; returns how to end it."""
        subscription = Courier(subscriber, "event-subscriber")
        with self._lock:
            self._subscriptions.append(subscription)

        def end() -> None:
            with self._lock:
                if subscription in self._subscriptions:
                    self._subscriptions.remove(subscription)
            subscription.close()

        return end

    def drop(self, matches: Predicate) -> Drop:
        """Lose the next event that `matches`, before the bus sees it."""
        drop = Drop(matches)
        with self._lock:
            self._drops.append(drop)
        return drop

    def close(self) -> None:
        """End all subscriptions."""
        with self._lock:
            subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            subscription.close()

    def _record(self, event: Event) -> bool:
        """Remember `event`; False when it is to be lost."""
        with self._lock:
            for drop in self._drops:
                if drop.matches(event):
                    drop.event = event
                    self._drops.remove(drop)
                    return False
            self.events.append(event)
            for subscription in self._subscriptions:
                subscription.send(event)
        return True
