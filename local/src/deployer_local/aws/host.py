"""The emulated AWS as a server on one loopback port, run by a thread of this process.

It starts ministack with every extension of this package installed, and is ready when it answers. State lives below one
directory; a host on the same directory and port continues where the last one was, killed or not. Only one host runs in
a process at a time. It never listens on anything but loopback.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from . import emulator
from .activity import Activity
from .serving import LoopbackServer

Result = TypeVar("Result")
Extension = Callable[["Host"], None]

_one_at_a_time = threading.Lock()

ANSWER_SECONDS = 60


class HostError(RuntimeError):
    """The emulated AWS runs in this process already."""


class Host:
    """ministack with `extensions`, which are installed after it is imported and before it answers.

    `data`: directory for all state. `server`: the port to serve on.
    """

    def __init__(self, data: Path, server: LoopbackServer, extensions: Sequence[Extension] = ()) -> None:
        self.data = data.resolve()
        self.activity = Activity()
        self.server = server
        self.committed: Callable[[], Awaitable[None]] = _nothing
        """Wait until the state up to now would survive a kill; the snapshots set it."""
        self._extensions = extensions
        self._resources = ExitStack()
        self._after_start: list[Callable[[], None]] = []
        self._before_stop: list[Callable[[], None]] = []
        self._when_ended: list[Callable[[], None]] = []

    def start(self) -> None:
        """Start and wait until it answers. Raises `HostError` or `ServingError`."""
        if not _one_at_a_time.acquire(blocking=False):
            raise HostError("an emulated AWS runs in this process already")
        self._resources.callback(_one_at_a_time.release)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        # Left by the workers of a killed host.
        shutil.rmtree(self.data / "tmp", ignore_errors=True)
        for name in ("state", "objects", "tmp"):
            (self.data / name).mkdir(parents=True, exist_ok=True)
        self._resources.enter_context(emulator.environment(emulator.settings(self.data, self.server.port)))
        self._resources.enter_context(_warnings_to(self.data / "emulator.log"))
        self._resources.callback(emulator.forget)
        application = emulator.module("app").app
        for extension in self._extensions:
            extension(self)
        self.server.start(application, "the emulated AWS", self._ended)
        for action in self._after_start:
            action()

    def after_start(self, action: Callable[[], None]) -> None:
        """Run `action` once the host answers."""
        self._after_start.append(action)

    def before_stop(self, action: Callable[[], None]) -> None:
        """Run `action` when the host is about to stop, while it still answers."""
        self._before_stop.append(action)

    def when_ended(self, action: Callable[[], None]) -> None:
        """Run `action` on the loop when the state was saved for good and nothing is answered any more."""
        self._when_ended.append(action)

    def _ended(self) -> None:
        for action in self._when_ended:
            action()

    def stop(self) -> None:
        """Stop answering, end the workers, keep the state on disk. Does nothing when it is not running."""
        if self.server.running:
            for action in self._before_stop:
                action()
        self._after_start.clear()
        self._before_stop.clear()
        self.server.stop()
        self._when_ended.clear()
        self._resources.close()

    def run(self, action: Callable[[], Result]) -> Result:
        """Run `action` on the serving loop and return what it returns; callable from any thread."""
        loop = self.server.loop
        if _runs_on(loop):
            return action()

        future: Future[Result] = Future()

        def on_loop() -> None:
            try:
                future.set_result(action())
            except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
                future.set_exception(error)

        loop.call_soon_threadsafe(on_loop)
        return future.result(ANSWER_SECONDS)

    def wait_until_committed(self) -> None:
        """Wait until the state up to now would survive a kill. On the serving loop, which cannot wait: returns."""
        loop = self.server.loop
        if _runs_on(loop):
            return

        async def wait() -> None:
            await self.committed()

        asyncio.run_coroutine_threadsafe(wait(), loop).result(ANSWER_SECONDS)

    def post(self, action: Callable[[], None]) -> None:
        """Run `action` on the serving loop soon, in the order of the calls, under the caller's context variables."""
        self.server.loop.call_soon_threadsafe(action)


def _runs_on(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


async def _nothing() -> None:
    pass


@contextmanager
def _warnings_to(path: Path) -> Iterator[None]:
    """Send warnings to a file; ministack would send them to the terminal if nobody handled them."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()
