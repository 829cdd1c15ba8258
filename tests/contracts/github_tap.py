"""Listens to a GitHub that is served as an ASGI application, and holds what it hears to the contract.

Goes around the application (`Tap(app)` is one itself). Keeps every exchange; judges none before it is asked to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .github import Exchange, check, wrong_answer, wrong_request


@dataclass
class Tap:
    """Hears the REST API, which is served below `root`; everything else passes unheard."""

    app: ASGIApp
    root: str = "/api/v3"
    exchanges: list[Exchange] = field(default_factory=list)
    _excused: set[int] = field(default_factory=set)
    _nonsense: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        raw = (scope.get("raw_path") or b"").partition(b"?")[0].decode("latin-1")
        if scope["type"] != "http" or not raw.startswith(f"{self.root}/"):
            await self.app(scope, receive, send)
            return
        asked, answered = bytearray(), bytearray()
        start: Message = {}
        begun: list[bool] = []

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)  # goes with the body: without one, a client has its answer with the head
                return
            answered.extend(message.get("body", b""))
            if not message.get("more_body"):  # kept before the client has its answer: it may look at once
                query = scope["query_string"].decode("latin-1")
                target = raw[len(self.root) :] + (f"?{query}" if query else "")
                request = (scope["method"], target, _text(scope["headers"]), bytes(asked))
                self._keep(Exchange(*request, start["status"], _text(start.get("headers", [])), bytes(answered)))
            if not begun:
                begun.append(True)
                await send(start)
            await send(message)

        await self.app(scope, hear, say)

    def _keep(self, exchange: Exchange) -> None:
        if self._nonsense:
            self._excused.add(len(self.exchanges))
        self.exchanges.append(exchange)

    @contextmanager
    def nonsense(self) -> Iterator[None]:
        """Around requests that GitHub does not describe, sent on purpose. Their answers are held to the contract.

        A request that GitHub does describe is an error here: nobody is excused without need.
        """
        before, self._nonsense = len(self.exchanges), True
        try:
            yield
        finally:
            self._nonsense = False
        sent = self.exchanges[before:]
        assert sent, "nothing was sent"
        assert not (right := [str(each) for each in sent if not wrong_request(each)]), f"no nonsense: {right}"

    def check(self) -> None:
        """Raises ContractError with all that was wrong so far."""
        found = []
        for at, exchange in enumerate(self.exchanges):
            found += ([] if at in self._excused else wrong_request(exchange)) + wrong_answer(exchange)
        check(found)


def _text(headers: Any) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
