"""The server and what rests on it, without an emulated AWS: starts, stops, errors across threads."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer_local.aws.activity import EVERYTHING, Activity
from deployer_local.aws.bus import Bus
from deployer_local.aws.host import Host
from deployer_local.aws.serving import LoopbackServer, ServingError
from deployer_local.aws.snapshots import Saver
from deployer_local.aws.stack_operations import Hold, StackOperation, StackOperations
from deployer_local.engine import Engine


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Starts and stops as asked."""
    while scope["type"] == "lifespan":
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


def free(port: int) -> bool:
    """Whether somebody else could take the port."""
    with socket.socket() as other:
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", port))
            return True
        return False


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    running = LoopbackServer()
    running.start(application, "a test")
    yield running
    running.stop()


class TestServer:
    def test_a_port_that_was_never_served_is_given_back(self) -> None:
        server = LoopbackServer()
        assert not free(server.port)
        with pytest.raises(ServingError, match="not running"):
            _ = server.loop
        server.stop()
        assert free(server.port)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
    def test_what_does_not_start_says_so(self) -> None:
        async def refusing(_scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": "no data"})

        server = LoopbackServer()
        with pytest.raises(ServingError, match="the thing did not start") as caught:
            server.start(refusing, "the thing")
        assert "no data" in str(caught.value.__cause__)
        server.stop()
        assert not server.running

    def test_what_does_not_stop_says_so(self) -> None:
        go = threading.Event()

        async def stubborn(scope: Any, receive: Any, send: Any) -> None:
            await application(scope, receive, send)
            await asyncio.to_thread(go.wait, 30)

        server = LoopbackServer(patience=0.0)
        server.start(stubborn, "a test")
        with pytest.raises(ServingError, match=r"did not stop within 0\.0 s"):
            server.stop()
        go.set()
        server._thread.join(30)  # type: ignore[union-attr]
        server.stop()
        assert not server.running


class TestHost:
    """What a host does on its server's loop."""

    def test_what_an_action_on_the_loop_raises_is_raised_where_it_was_asked_for(
        self, server: LoopbackServer, tmp_path: Path
    ) -> None:
        host = Host(tmp_path, server)

        def broken() -> None:
            raise LookupError(threading.current_thread().name)

        with pytest.raises(LookupError, match="a test"):
            host.run(broken)

    def test_the_loop_does_not_wait_for_itself(self, server: LoopbackServer, tmp_path: Path) -> None:
        host = Host(tmp_path, server)
        assert host.run(lambda: (host.run(lambda: "at once"), host.wait_until_committed())) == ("at once", None)

    def test_another_loop_waits_as_any_thread_does(self, server: LoopbackServer, tmp_path: Path) -> None:
        host = Host(tmp_path, server)

        async def asked() -> str:
            host.wait_until_committed()
            return host.run(lambda: threading.current_thread().name)

        assert asyncio.run(asked()) == "a test"


UNSTARTABLE = """
import sys
from pathlib import Path
from deployer_local.aws.host import Host
from deployer_local.aws.serving import LoopbackServer
for _ in range(2):
    try:
        Host(Path(sys.argv[1]), LoopbackServer()).start()
    except Exception as error:
        print(type(error).__name__)
"""


def test_a_host_that_cannot_start_lets_the_next_one_try(tmp_path: Path) -> None:
    """In a process of its own, as this one may run a host already."""
    (tmp_path / "state").write_text("no directory")
    tried = subprocess.run(
        [sys.executable, "-c", UNSTARTABLE, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert tried.stdout.split() == ["FileExistsError", "FileExistsError"]


def test_an_engine_that_cannot_start_gives_back_what_it_took(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ours = LoopbackServer()
        ours.stop()
        (tmp_path / "engine.json").write_text(f'{{"web_port": {taken}}}')

        engine = Engine(tmp_path, ours.port)
        with pytest.raises(ServingError, match=str(taken)), engine:
            pytest.fail("it started")

        assert free(ours.port)


CREATION = StackOperation("s", "arn:s", "CREATE")


class TestHolds:
    @pytest.mark.parametrize(
        ("stack", "release"),
        [
            pytest.param("other", lambda operations, hold: None, id="another-stack"),
            pytest.param("s", lambda operations, hold: hold.release(), id="released"),
            pytest.param("s", lambda operations, hold: operations.release_all(), id="the-host-stops"),
        ],
    )
    def test_who_is_not_held_passes(self, stack: str, release: Callable[[StackOperations, Hold], None]) -> None:
        operations = StackOperations()
        with operations.hold(lambda operation: operation.stack == stack) as hold:
            release(operations, hold)
            asyncio.run(asyncio.wait_for(hold.pass_through(CREATION), 30))
        assert hold.held == []

    def test_who_is_held_passes_on_release(self) -> None:
        async def held() -> list[StackOperation]:
            hold = Hold(lambda operation: operation.kind == "CREATE")
            passing = asyncio.create_task(hold.pass_through(CREATION))
            await asyncio.to_thread(hold.wait)
            assert not passing.done()
            hold.release()
            await asyncio.wait_for(passing, 30)
            return hold.held

        assert asyncio.run(held()) == [CREATION]

    def test_waiting_for_what_never_comes_ends(self) -> None:
        with pytest.raises(TimeoutError, match="no matching stack operation"):
            Hold(lambda _operation: True).wait(0)


class TestBusWithoutHost:
    def test_nothing_is_emitted(self) -> None:
        with pytest.raises(RuntimeError, match="not installed"):
            Bus().emit("aws.test", "Said", {})

    def test_subscriptions_end_with_the_bus_and_may_be_ended_again(self) -> None:
        before = set(threading.enumerate())
        bus = Bus()
        ends = [bus.subscribe(lambda _event: None) for _ in range(2)]
        subscribers = set(threading.enumerate()) - before
        assert len(subscribers) == 2
        ends[0]()
        bus.close()
        for subscriber in subscribers:
            subscriber.join(30)
        assert not any(subscriber.is_alive() for subscriber in subscribers)
        for end in ends:
            end()


class TestSaver:
    """When the state is saved, over a host that only knows its loop."""

    def saver(self, saved: list[frozenset[str]], loop: asyncio.AbstractEventLoop | None = None) -> Saver:
        post = loop.call_soon_threadsafe if loop else None
        host: Any = SimpleNamespace(activity=Activity(), post=post)
        return Saver(host, saved.append)

    def test_a_host_that_stops_before_it_answered_still_saves(self) -> None:
        saved: list[frozenset[str]] = []
        saver = self.saver(saved)
        saver.stop()
        assert saved == [frozenset({EVERYTHING})]
        asyncio.run(asyncio.wait_for(saver.committed(), 30))

    def test_who_no_longer_waits_keeps_nobody_else_waiting(self) -> None:
        async def both() -> bool:
            saver = self.saver([], asyncio.get_running_loop())
            saver.start()
            gone, waiting = (asyncio.create_task(saver.committed()) for _ in range(2))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.wait_for(waiting, 30)
            await asyncio.to_thread(saver.stop)
            return gone.cancelled()

        assert asyncio.run(both())
