"""What the fuzzer runs: the webhook that its bytes stand for, given to the listener between fakes, and checked.

Needs no fuzzer, so that a finding can be looked at, and the checks be tested.
"""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tests.webhooks import promises
from tests.webhooks.listening import NAME, Clock, Queue, Vault
from tests.webhooks.mangled import webhook

from deployer.errors import Transient
from deployer.observability import JsonFormatter
from deployer.rotation import REREAD_AFTER
from listener.handler import Listener
from listener.signature import Verifier


class Answers(Protocol):
    """What is checked: ``listener.handler.Listener``, or a broken one."""

    def answer(self, event: Any) -> dict[str, Any]: ...


Make = Callable[[Verifier, Any, str], Answers]


def check(data: bytes, make: Make = Listener) -> None:
    """Give the webhook that ``data`` stands for to a listener, twice, and check all that must hold.

    Raises:
        AssertionError: for what does not hold; whatever else the listener raises is its own.
    """
    hook = webhook(data)
    vault = Vault(dict(hook.installed.values), failure=Transient("SSM is away") if hook.installed.unreadable else None)
    queue = Queue(failure=Transient("SQS is away") if hook.installed.queue_away else None)
    clock = Clock()
    listener = make(Verifier(vault, NAME, clock), queue, hook.installed.patterns)
    with _logged() as log:
        answer = listener.answer(hook.event)
        reads, looks = list(vault.reads), list(queue.looks)
        clock.now += REREAD_AFTER
        again = listener.answer(hook.event)
    status = promises.answer_is_proper(answer)
    if hook.endless:
        assert (status, vault.reads, queue.looks) == (413, [], []), "a body that is too large was not just refused"
        return
    promises.nothing_without_a_signature(hook, status, reads, looks)
    for look in looks:
        promises.look_is_proper(look, hook)
    promises.log_is_proper(log.getvalue(), hook)
    assert again == answer, "delivered again, it was answered otherwise"
    assert queue.looks[len(looks) :] == looks, "delivered again, it asked for something else"
    if status in promises.BEHIND_THE_SIGNATURE:
        assert vault.reads == reads, "delivered again, it read a secret again"
    assert len(vault.reads) <= 4, "the secrets were read more often than once in 30 s"
    promises.answer_is_as_documented(hook, status, looks)


@contextmanager
def _logged() -> Iterator[io.StringIO]:
    """What is logged meanwhile, as CloudWatch gets it."""
    stream, root = io.StringIO(), logging.getLogger()
    handler = _Loud(stream)
    handler.setFormatter(JsonFormatter())
    others, level = root.handlers[:], root.level
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        root.handlers[:] = others
        root.setLevel(level)


class _Loud(logging.StreamHandler[io.StringIO]):
    """Raises what cannot be logged, where logging itself would print it and go on."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise AssertionError("what was to be logged could not be") from sys.exception()
