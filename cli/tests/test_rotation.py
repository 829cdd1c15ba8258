"""The steps of a rotation of the webhook's secret, over secrets in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deployer.errors import Rejected
from deployer.rotation import FORMER_FOR, SETTLED_AFTER
from deployer_cli.checkout import FullName
from deployer_cli.config.names import FORMER_HMAC, GITHUB_HMAC
from deployer_cli.config.parameters import Description
from deployer_cli.config.rotate import settle, settled, told
from deployer_cli.config.rotation import Begun, begin, ends, replace, settles_in
from deployer_cli.findings import Verdict
from deployer_cli.output import Output
from deployer_cli.webhooks.settings import Delivery, Hook

START = datetime(2026, 11, 25, tzinfo=UTC)


@dataclass
class Vault:
    """Secrets in memory. ``fails``: raised where something is to be written and it says so."""

    now: datetime = START
    kept: dict[str, tuple[str, datetime, str]] = field(default_factory=dict)
    fails: Callable[[str], bool] = lambda _: False

    def get(self, name: str) -> str:
        return self.kept[name][0]

    def put(self, name: str, value: str, key: str = "") -> None:
        if self.fails(name):
            raise KeyboardInterrupt
        self.kept[name] = (value, self.now, key or (self.kept[name][2] if name in self.kept else "aws"))

    def describe(self, name: str) -> Description | None:
        if name not in self.kept:
            return None
        _, modified, key = self.kept[name]
        return Description(name, modified, key, 1)

    @property
    def values(self) -> tuple[str | None, str | None]:
        """The current one and the former."""
        return tuple(self.kept[name][0] if name in self.kept else None for name in (GITHUB_HMAC, FORMER_HMAC))  # type: ignore[return-value]


def vault(current: str | None = "old", former: str | None = None, since: float = 0.0) -> Vault:
    """``since``: seconds for which they are there."""
    made = Vault(START - timedelta(seconds=since))
    for name, value in ((GITHUB_HMAC, current), (FORMER_HMAC, former)):
        if value is not None:
            made.put(name, value, "mine")
    made.now = START
    return made


def test_F18_a_new_secret_is_made_and_the_former_kept_under_the_same_key() -> None:
    kept = vault()
    begun = begin(kept, START, lambda: "new")
    assert begun == Begun("new", SETTLED_AFTER, START + timedelta(seconds=FORMER_FOR), anew=True)
    assert kept.values == ("new", "old")
    assert {key for _, _, key in kept.kept.values()} == {"mine"}
    assert len(begin(vault(), START).secret) == 64


@pytest.mark.parametrize(
    ("since", "anew", "waits"),
    [
        pytest.param(0.0, False, SETTLED_AFTER, id="just-begun"),
        pytest.param(20.0, False, SETTLED_AFTER - 20, id="a-moment-ago"),
        pytest.param(FORMER_FOR - 1, False, 0.0, id="almost-a-day-ago"),
        pytest.param(FORMER_FOR, True, SETTLED_AFTER, id="over"),
    ],
)
def test_F93_one_that_broke_off_is_gone_on_with(since: float, anew: bool, waits: float) -> None:
    kept = vault("new", "old", since)
    begun = begin(kept, START, lambda: "newer")
    assert (begun.anew, begun.settles_in) == (anew, pytest.approx(waits))
    assert begun.until == START + timedelta(seconds=FORMER_FOR - (0 if anew else since))
    assert kept.values == (("newer", "new") if anew else ("new", "old"))


def test_F93_one_that_was_killed_before_the_new_secret_was_written_begins_anew() -> None:
    kept = vault()
    kept.fails = lambda name: name == GITHUB_HMAC
    with pytest.raises(KeyboardInterrupt):
        begin(kept, START, lambda: "new")
    assert kept.values == ("old", "old")
    kept.fails = lambda _: False
    assert begin(kept, START, lambda: "new").anew
    assert kept.values == ("new", "old")


def test_without_a_secret_there_is_nothing_to_rotate() -> None:
    with pytest.raises(Rejected, match="config set hmac"):
        begin(vault(None), START)


def test_F18_one_that_github_may_still_use_is_not_set_over() -> None:
    kept = vault("new", "old", 60.0)
    with pytest.raises(Rejected, match="--finish"):
        replace(kept, "newer", START)
    replace(kept, "new", START)
    assert kept.values == ("new", "old")
    kept = vault("new", "old", FORMER_FOR)
    replace(kept, "newer", START, "another")
    assert kept.values == ("newer", "new")
    assert {key for _, _, key in kept.kept.values()} == {"another"}


def test_a_first_secret_has_none_before_it() -> None:
    kept = vault(None)
    replace(kept, "first", START)
    assert kept.values == ("first", None)
    assert ends(kept.describe(FORMER_HMAC), START) is None


@pytest.mark.parametrize("since", [-3600.0, 1e9], ids=["the-clock-is-behind", "long-ago"])
def test_it_never_waits_longer_than_need_be(since: float) -> None:
    found = vault(since=since).describe(GITHUB_HMAC)
    assert found
    assert 0.0 <= settles_in(found, START) <= SETTLED_AFTER


def test_waiting_is_said() -> None:
    slept: list[float] = []
    settle(Output(), 0.0, slept.append)
    settle(Output(), 3.0, slept.append)
    assert slept == [3.0]


@pytest.mark.parametrize(
    ("kept", "waits"),
    [
        pytest.param(vault(None), [], id="no-secret"),
        pytest.param(vault("new"), [], id="never-rotated"),
        pytest.param(vault("new", "old", 5.0), [SETTLED_AFTER - 5], id="a-moment-ago"),
        pytest.param(vault("new", "old", 3600.0), [], id="an-hour-ago"),
    ],
)
def test_F18_a_webhook_is_told_no_secret_that_is_not_taken_yet(kept: Vault, waits: list[float]) -> None:
    slept: list[float] = []
    settled(Output(), kept, START, slept.append)
    assert slept == waits


@dataclass
class Repository:
    """The webhooks of one repository. ``refuses``: it may not be asked; ``code``: how a ping is answered."""

    urls: tuple[str, ...] = ("here",)
    refuses: bool = False
    code: int = 200
    secret: str = "old"

    def all(self) -> list[Hook]:
        if self.refuses:
            raise Rejected("needs admin:repo_hook")
        return [Hook(number, url, "json", "0", True, True, ("push",)) for number, url in enumerate(self.urls)]

    def set(self, hook: Hook, url: str, secret: str) -> Hook:
        self.secret = secret
        return hook

    def ping(self, hook: Hook) -> Delivery:
        return Delivery(1, "now", "ping", self.code, "")


def test_each_webhook_is_told_and_what_could_not_be_is_named() -> None:
    repositories: dict[str, Any] = {
        "a/fine": Repository(("elsewhere", "here")),
        "a/shut": Repository(refuses=True),
        "a/none": Repository(("elsewhere",)),
        "a/deaf": Repository(code=401),
    }
    found = list(told(((FullName.parse(name), hooks) for name, hooks in repositories.items()), "here", "new"))
    assert [each.verdict for each in found] == [Verdict.RIGHT, Verdict.WRONG, Verdict.UNKNOWN, Verdict.WRONG]
    assert [each.secret for each in repositories.values()] == ["new", "old", "old", "new"]
    assert "admin:repo_hook" in found[1].said
    assert found[1].fix.endswith("`deployer config rotate --repo a/shut` goes on")
