"""Schedules: a rule with a ScheduleExpression fires while the engine runs, as EventBridge fires it.

When a rule is due next is kept with the rule, so it survives a kill; what was due while no engine ran is made up for
once. ministack's own ticker is not started: it fires beside the bus, on a thread of its own, and forgets what it did.
A schedule that AWS does not know is refused, in a template too.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html (expressions),
https://docs.aws.amazon.com/eventbridge/latest/userguide/event-reference.html (the event)
"""

from __future__ import annotations

import contextvars
import math
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from . import emulator
from .host import Host

Clock = Callable[[], float]
"""Seconds since the epoch."""
Result = TypeVar("Result")
Rule = dict[str, Any]
Key = tuple[str, str, str]
"""Account, region, bus and name."""

TYPE = "AWS::Events::Rule"
READ_SECONDS = 1.0
"""How often the clock is read."""
DUE = "_due"
NOT_VALID = "Parameter ScheduleExpression is not valid."
OTHER_BUS = "ScheduleExpression is supported only on the default event bus."

_RATE = re.compile(r"rate\(([1-9][0-9]*) (minute|hour|day)(s?)\)")
_UNITS = {"minute": 60, "hour": 3600, "day": 86400}


class ScheduleRefusedError(ValueError):
    """The reason CloudFormation shows for the resource."""


class Schedules:
    """The scheduled rules of a host, which go by `clock`."""

    def __init__(self, clock: Clock = time.time) -> None:
        self._clock = clock
        self._host: Host | None = None
        self._stopping = threading.Event()

    def install(self, host: Host) -> None:
        """Extension for `Host`: fire what is due until it stops, and refuse schedules that AWS does not know."""
        self._host = host
        events = emulator.module("services.eventbridge")
        emulator.wrap(events, "start_scheduler", lambda _original: lambda: None)
        emulator.wrap(events, "_put_rule", _known_only)
        handlers: dict[str, Any] = emulator.module("services.cloudformation.provisioners")._RESOURCE_HANDLERS[TYPE]
        create = handlers["create"]

        def create_strictly(logical_id: str, properties: Rule, stack_name: str) -> Any:
            if problem := problem_of(properties):
                raise ScheduleRefusedError(problem)
            return create(logical_id, properties, stack_name)

        handlers["create"] = create_strictly
        thread = threading.Thread(target=self._run, name="schedules", daemon=True)

        def end() -> None:
            self._stopping.set()
            thread.join()

        def begin() -> None:
            thread.start()
            host.before_stop(end)

        host.after_start(begin)

    def tick(self) -> None:
        """Fire every rule that is due by the clock. Returns when what that set off would survive a kill."""
        host = self._installed()
        if _on_loop(host, lambda: _fire_due(host, self._clock())):
            host.wait_until_committed()

    def fire(self, name: str) -> None:
        """Fire a rule of the default bus now, whatever it waits for. Returns as `tick` does.

        Raises:
            LookupError: where no enabled rule of that name has a schedule.
        """
        host = self._installed()

        def fire() -> None:
            key = next((key for key, rule in _scheduled() if rule["Name"] == name), None)
            if key is None:
                raise LookupError(f"no enabled rule {name} has a schedule")
            _fire(host, key, self._clock())

        _on_loop(host, fire)
        host.wait_until_committed()

    def _run(self) -> None:
        while not self._stopping.wait(READ_SECONDS):
            self.tick()

    def _installed(self) -> Host:
        if self._host is None:
            raise RuntimeError("the schedules are not installed in a host")
        return self._host


def next_after(expression: str, moment: float) -> float | None:
    """When a schedule that was due at `moment` is due again, both in seconds since the epoch; None: never again.

    Raises:
        ValueError: where AWS knows no such expression.
    """
    if found := _RATE.fullmatch(expression):
        number, unit, plural = int(found[1]), found[2], found[3]
        if (number > 1) is bool(plural):
            return moment + number * _UNITS[unit]
    elif expression.startswith("cron("):
        events = emulator.module("services.eventbridge")
        if (fields := events._parse_cron_fields(expression)) is not None:
            found_at = events._cron_next_fire(fields, datetime.fromtimestamp(moment, UTC))
            return None if found_at is None else float(found_at.timestamp())
    raise ValueError(NOT_VALID)


def problem_of(rule: Rule) -> str:
    """What AWS would refuse about the schedule of a rule, as PutRule or a template has it; empty for nothing."""
    expression = str(rule.get("ScheduleExpression") or "")
    if not expression:
        return ""
    if str(rule.get("EventBusName") or "default").rpartition("/")[2] != "default":
        return OTHER_BUS
    try:
        next_after(expression, 0)
    except ValueError as error:
        return str(error)
    return ""


def _on_loop(host: Host, action: Callable[[], Result]) -> Result:
    # A context of its own: the caller's must not change under it, whatever thread it is on.
    return host.run(lambda: contextvars.copy_context().run(action))


def _known_only(original: Callable[[Rule], Any]) -> Callable[[Rule], Any]:
    def put(request: Rule) -> Any:
        if problem := problem_of(request):
            refuse = emulator.module("core.responses").error_response_json
            return refuse("ValidationException", problem, 400)
        return original(request)

    return put


def _scheduled() -> list[tuple[Key, Rule]]:
    rules: dict[Key, Rule] = emulator.module("services.eventbridge")._rules._data
    return [(key, rule) for key, rule in rules.items() if rule.get("ScheduleExpression") and rule["State"] == "ENABLED"]


def _fire_due(host: Host, now: float) -> bool:
    """Fire what is due, and note when it is next; whether there was anything to note."""
    changed = False
    for key, rule in _scheduled():
        expression, due = rule["ScheduleExpression"], rule.get(DUE)
        if due is None:
            # The countdown begins when the rule is made.
            due = next_after(expression, now)
        elif due <= now:
            _fire(host, key, now)
            while due is not None and due <= now:
                due = next_after(expression, due)
        else:
            continue
        rule[DUE] = math.inf if due is None else due
        changed = True
    if changed:
        host.activity.touch("events")
    return changed


def _fire(host: Host, key: Key, now: float) -> None:
    events = emulator.module("services.eventbridge")
    account, region, _ = key
    rule = events._rules._data[key]
    event = {
        "EventId": str(uuid.uuid4()),
        "Source": "aws.events",
        "DetailType": "Scheduled Event",
        "Detail": "{}",
        "EventBusName": "default",
        "Time": int(now),
        "Resources": [rule["Arn"]],
        "Account": account,
        "Region": region,
    }
    with emulator.module("core.responses").request_scope(account, region):
        # To the bus, as an event of any service, unless it is to be lost; and to the rule's own targets.
        if events._dispatch_event(event):
            host.activity.touch("events", "sqs")
            for target in events._targets._data.get(key, ()):
                events._invoke_target(target, event, rule)
