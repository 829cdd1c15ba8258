"""What the fuzzer checks is able to fail: each promise of the listener's is broken, and its seeds notice."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.webhooks import mangled, promises, target
from tests.webhooks.fuzz import Said, main, seeds
from tests.webhooks.listening import NAME, Queue

from deployer.errors import DeployerError
from deployer.events import Look
from deployer.observability import logger
from listener.handler import Listener
from listener.signature import Verifier

SEEDS = list(seeds())


def test_everything_holds_for_what_the_fuzzer_begins_with() -> None:
    for seed in SEEDS:
        target.check(seed)


def test_the_seeds_bring_every_documented_answer() -> None:
    seen = set()

    class Watched(Listener):
        def answer(self, event: Any) -> dict[str, Any]:
            answer = super().answer(event)
            seen.add(answer["statusCode"])
            return answer

    for seed in SEEDS:
        target.check(seed, Watched)
    assert seen == promises.DOCUMENTED


def test_the_same_bytes_make_the_same_webhook() -> None:
    assert all(mangled.webhook(seed) == mangled.webhook(seed) for seed in SEEDS)


class Trusting(Verifier):
    """Believes every signature of the right form."""

    def verify(self, body: bytes, digest: str) -> bool:
        super().verify(body, digest)
        return True


def trusting(verifier: Verifier, looks: Any, patterns: str) -> Listener:
    return Listener(Trusting(verifier._secrets, verifier._name, verifier._clock), looks, patterns)


class Hasty(Listener):
    """Reads the secret before it has looked for a signature."""

    def answer(self, event: Any) -> dict[str, Any]:
        with contextlib.suppress(DeployerError):
            self.verifier._secrets.get(NAME)
        return super().answer(event)


class Raising(Listener):
    """Cannot take a body in base64."""

    def answer(self, event: Any) -> dict[str, Any]:
        if isinstance(event, dict) and event.get("isBase64Encoded") is True:
            raise UnicodeError("broken by base64")
        return super().answer(event)


class Failing(Listener):
    """Answers 500 where AWS doesn't answer."""

    def answer(self, event: Any) -> dict[str, Any]:
        answer = super().answer(event)
        return answer | {"statusCode": 500} if answer["statusCode"] == 503 else answer


class Talkative(Listener):
    """Says in the log what it compares."""

    def answer(self, event: Any) -> dict[str, Any]:
        for each in mangled.signatures_of(event):
            logger("listener").info("compared", header=each)
        return super().answer(event)


class Echoing(Listener):
    """Sends back what it refuses."""

    def answer(self, event: Any) -> dict[str, Any]:
        answer = super().answer(event)
        return answer | {"body": json.dumps({"message": str(event)})} if answer["statusCode"] == 401 else answer


class Strict(Listener):
    """Knows headers in lower case alone."""

    def answer(self, event: Any) -> dict[str, Any]:
        headers = event.get("headers") if isinstance(event, dict) else None
        if isinstance(headers, dict) and any(name != name.lower() for name in headers):
            return super().answer({**event, "headers": {}, "multiValueHeaders": {}})
        return super().answer(event)


Send = Callable[[Queue, Look], None]


class Broken:
    """A queue in front of the queue, with a way of its own."""

    def __init__(self, queue: Queue, send: Send) -> None:
        self._queue, self._send = queue, send

    def send(self, look: Look) -> None:
        self._send(self._queue, look)


def queueing(send: Send) -> target.Make:
    """A listener that queues so."""
    return lambda verifier, looks, patterns: Listener(verifier, Broken(looks, send), patterns)


def twice(queue: Queue, look: Look) -> None:
    queue.send(look)
    queue.send(look)


def by_the_last_part_of_the_name(queue: Queue, look: Look) -> None:
    number, last = look.environment.partition("/")[0], look.ref.rpartition("/")[2]
    queue.send(replace(look, environment=f"{number}/refs/heads/{last}"))


def never(queue: Queue, look: Look) -> None:
    pass


def without_complaint(queue: Queue, look: Look) -> None:
    with contextlib.suppress(DeployerError):
        queue.send(look)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param(trusting, "without a valid signature", id="F1-accepts-any-signature"),
        pytest.param(Hasty, "a secret was read", id="F1-reads-the-secret-first"),
        pytest.param(Raising, "broken by base64", id="F4-raises"),
        pytest.param(Failing, "status 500 is not documented", id="F4-answers-500"),
        pytest.param(Echoing, "an answer of", id="F6-answers-without-end"),
        pytest.param(queueing(never), "was not looked at", id="F7-loses-a-push"),
        pytest.param(Strict, "401 for push signed by current", id="F8-wants-lower-case"),
        pytest.param(queueing(twice), "several looks", id="F12-queues-twice"),
        pytest.param(queueing(without_complaint), "202 for push", id="F16-swallows-the-queues-failure"),
        pytest.param(queueing(by_the_last_part_of_the_name), "another environment", id="F31-looks-elsewhere"),
        pytest.param(Talkative, "a digest in it", id="F91-logs-a-digest"),
    ],
)
def test_a_broken_listener_is_noticed(broken: Callable[..., Any], said: str) -> None:
    found = []
    for seed in SEEDS:
        try:
            target.check(seed, broken)
        except (AssertionError, UnicodeError) as error:
            found.append(str(error))
    assert any(said in each for each in found), found[:3]


def test_what_libfuzzer_says_is_understood() -> None:
    said = Said()
    news = [
        said.is_news(line)
        for line in (
            "#8192\tpulse  cov: 199 ft: 559 corp: 202/35Kb lim: 9277 exec/s: 676 rss: 110Mb",
            "#8200\tNEW    cov: 201 ft: 560 corp: 203/35Kb lim: 9277 exec/s: 676 rss: 110Mb L: 9/9 MS: 1 CopyPart-",
            "AssertionError: a look was queued without a valid signature",
            "artifact_prefix='build/fuzz/findings/'; Test unit written to build/fuzz/findings/crash-1f",
            "stat::number_of_executed_units: 18263",
        )
    ]
    assert news == [True, False, True, True, False]
    assert said == Said("18263", "201", "build/fuzz/findings/crash-1f")


def test_a_finding_is_given_to_the_listener_again(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "crash").write_bytes(SEEDS[0])
    monkeypatch.setattr("sys.argv", ["fuzz", str(tmp_path / "crash")])
    assert main() == 0
    assert "everything holds" in capsys.readouterr().out
