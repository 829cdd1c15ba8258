"""Comma lists of patterns."""

from __future__ import annotations

import pytest

from deployer.patterns import allowed, matches, patterns_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), (" , ", ()), ("*", ("*",)), ("acme/*, other/site,", ("acme/*", "other/site"))],
)
def test_a_comma_list(text: str, expected: tuple[str, ...]) -> None:
    assert patterns_of(text) == expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        pytest.param("acme/site", "*", True, id="everybody"),
        pytest.param("acme/site", "", False, id="F17-nobody"),
        pytest.param("Acme/Site", "acme/site", True, id="no-case"),
        pytest.param("acme/site", "ACME/*", True, id="an-owner"),
        pytest.param("acme-evil/site", "acme/*", False, id="F17-a-longer-owner"),
    ],
)
def test_repositories_are_allowed_in_any_case(name: str, text: str, *, expected: bool) -> None:
    assert allowed(name, patterns_of(text)) is expected


def test_branches_have_case_and_a_star_takes_slashes() -> None:
    assert matches("dependabot/pip/x", ("dependabot/**",))
    assert not matches("Main", ("main",))
