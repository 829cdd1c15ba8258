"""Two things at once: what AWS says, while GitHub is asked.

The function does little but wait for answers, and is billed for it. Threads suffice for that, and boto3's clients are
made for it.
Source: https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from deployer.observability import logger
from deployer.tracing import carried

log = logger("builder")
T = TypeVar("T")


class Side(Protocol):
    """Where something can be done beside something else."""

    def beside(self, work: Callable[[], T]) -> AbstractContextManager[Callable[[], T]]:
        """Have ``work`` done beside the body. What it gives answers with the result, or raises what the work raised.

        When the body is left the work has come to its end, whether anybody asked for its result or not.
        """


class Threads:
    """One worker, made when it is first needed and kept for as long as the process."""

    def __init__(self) -> None:
        self._worker: ThreadPoolExecutor | None = None

    @contextmanager
    def beside(self, work: Callable[[], T]) -> Iterator[Callable[[], T]]:
        """See ``Side``. What is logged and traced in there is the invocation's."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(1, "beside")
        future = self._worker.submit(contextvars.copy_context().run, carried(work))
        try:
            yield future.result
        finally:
            # Never into the next invocation: Lambda would freeze it in the middle.
            if error := future.exception():
                log.info("what was done beside failed", error=type(error).__name__, reason=str(error))
