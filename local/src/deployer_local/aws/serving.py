"""An ASGI application on one loopback port, served by hypercorn on a thread of its own.

The port is bound before the application is built, so that the application can know it; nothing but 127.0.0.1 is ever
bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

HOST = "127.0.0.1"
STOP_SECONDS = 30


class ServingError(RuntimeError):
    """The port is taken, or the server did not start or stop."""


class LoopbackServer:
    """`port`: 0 takes a free one. The port is held from here on. Raises `ServingError`.

    `patience`: how many seconds it may take to stop.
    """

    def __init__(self, port: int = 0, patience: float = STOP_SECONDS) -> None:
        self._patience = patience
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # hypercorn sets this only on sockets that it opens itself; without it small answers wait for an ACK.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise ServingError(f"port {port} of {HOST} is taken") from error
        self.port: int = self._socket.getsockname()[1]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:{port}`"""
        return f"http://{HOST}:{self.port}"

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that serves. Raises `ServingError` when there is none."""
        if self._loop is None:
            raise ServingError("the server is not running")
        return self._loop

    @property
    def running(self) -> bool:
        """Whether the serving thread lives."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, application: Any, name: str, ended: Callable[[], None] = lambda: None) -> None:
        """Serve `application` from now on; returns when its start-up is over and the port answers.

        `ended` is called on the loop when the last answer was given, before the loop's tasks are cancelled.
        """
        started = threading.Event()
        # hypercorn listens a moment after the start-up is over: who comes before waits instead of being refused.
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, args=(application, started, ended), name=name, daemon=True)
        self._thread.start()
        started.wait()
        if self._failure is not None:
            raise ServingError(f"{name} did not start") from self._failure

    def _serve(self, application: Any, started: threading.Event, ended: Callable[[], None]) -> None:
        config = Config()
        config.bind = [f"fd://{self._socket.detach()}"]
        config.keep_alive_timeout = 75
        config.graceful_timeout = 1
        config.errorlog = logging.getLogger("hypercorn.error")

        async def announced(scope: Any, receive: Any, send: Any) -> None:
            async def watch(message: Any) -> None:
                await send(message)
                if message["type"] == "lifespan.startup.complete":
                    started.set()

            await application(scope, receive, watch if scope["type"] == "lifespan" else send)

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            await serve(announced, config, shutdown_trigger=self._stop.wait)
            ended()

        try:
            asyncio.run(run())
        except BaseException as error:
            self._failure = error
            raise
        finally:
            started.set()

    def stop(self) -> None:
        """Stop serving. Raises `ServingError` when the thread does not end."""
        if self._thread is None:
            self._socket.close()
            return
        if self.running and self._loop is not None and self._stop is not None:
            with contextlib.suppress(RuntimeError):  # the loop ended by itself meanwhile
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(self._patience)
        if self._thread.is_alive():
            raise ServingError(f"the server did not stop within {self._patience} s")
        self._loop = None
