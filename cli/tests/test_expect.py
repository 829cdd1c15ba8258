"""Waiting for something to hold."""

from __future__ import annotations

import pytest

from deployer_cli.demo.expect import Unmet, until


def test_until_ends_as_soon_as_it_holds() -> None:
    answers = iter(["not yet", "nearly", None])
    assert until("it holds", lambda: next(answers), 60) < 60


def test_until_says_what_was_seen_instead() -> None:
    with pytest.raises(Unmet) as caught:
        until("the page is served", lambda: "it answers 404", 0)
    assert caught.value.what == "the page is served"
    assert caught.value.seen.startswith("it answers 404")


def test_a_check_can_end_the_wait() -> None:
    def hopeless() -> str | None:
        raise Unmet("the build is green", "it failed")

    with pytest.raises(Unmet, match="it failed"):
        until("anything", hopeless, 60)
