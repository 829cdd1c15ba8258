"""Settings from the environment: all that is missing is reported together."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.settings import READ, load


@dataclass(frozen=True)
class Example:
    looks_queue_url: str
    artifact_store: str
    slack_channel: str = "deployments"
    idle_days: int = 0


GIVEN = {"LOOKS_QUEUE_URL": "https://sqs", "ARTIFACT_STORE": "bucket", "PATH": "/bin"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        pytest.param(GIVEN, Example("https://sqs", "bucket"), id="default"),
        pytest.param({**GIVEN, "SLACK_CHANNEL": "x"}, Example("https://sqs", "bucket", "x"), id="given"),
        pytest.param({**GIVEN, "SLACK_CHANNEL": ""}, Example("https://sqs", "bucket"), id="empty-is-missing"),
        pytest.param({**GIVEN, "IDLE_DAYS": "14"}, Example("https://sqs", "bucket", idle_days=14), id="number"),
        pytest.param({**GIVEN, "IDLE_DAYS": ""}, Example("https://sqs", "bucket"), id="empty-number"),
    ],
)
def test_loaded(environ: dict[str, str], expected: Example) -> None:
    assert load(Example, environ) == expected


@pytest.mark.parametrize("environ", [{}, {"LOOKS_QUEUE_URL": "", "looks_queue_url": "x"}], ids=["unset", "empty"])
def test_everything_that_is_missing_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(Broken, match="LOOKS_QUEUE_URL, ARTIFACT_STORE"):
        load(Example, environ)


@pytest.mark.parametrize("value", ["-1", "1.5", "two", "1_0", "٣"])
def test_what_is_no_number_is_named_with_what_is_missing(value: str) -> None:
    with pytest.raises(Broken, match="not set: ARTIFACT_STORE, no whole number: IDLE_DAYS;"):
        load(Example, {"LOOKS_QUEUE_URL": "https://sqs", "IDLE_DAYS": value})


def colour(text: str) -> tuple[str, ...]:
    if "plaid" in text:
        raise ValueError(f"{text} is no colour")
    return tuple(text.split())


@dataclass(frozen=True)
class Painted:
    name: str
    roof: tuple[str, ...] = field(default=(), metadata={READ: colour})
    wall: tuple[str, ...] = field(default=("white",), metadata={READ: colour})


def test_a_field_may_say_how_its_text_is_read() -> None:
    assert load(Painted, {"NAME": "x", "ROOF": "red grey"}) == Painted("x", ("red", "grey"))


def test_what_cannot_be_read_is_named_with_the_rest() -> None:
    with pytest.raises(Broken, match="not set: NAME, ROOF: plaid is no colour, WALL: plaid too is no colour;"):
        load(Painted, {"ROOF": "plaid", "WALL": "plaid too"})


@pytest.mark.parametrize("kind", [Transient, Rejected, Broken])
def test_an_error_says_what_to_do(kind: type[DeployerError]) -> None:
    assert issubclass(kind, DeployerError)
    assert str(kind("why")) == "why"


def test_how_long_to_wait() -> None:
    assert Transient("why").retry_after is None
    assert Transient("why", 3.5).retry_after == 3.5
