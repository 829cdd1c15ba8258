"""What is sent as parameters, and what is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.errors import Rejected
from deployer.parameters import RESERVED, resolve


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_F53_reserved_parameters_are_refused_by_name(name: str) -> None:
    with pytest.raises(Rejected, match=f"set by the deployer, not by the repository: {name}"):
        resolve({name: {"Type": "String", "NoEcho": True}}, {name: "x"}, {})


def test_everything_wrong_is_named_together() -> None:
    with pytest.raises(Rejected) as caught:
        resolve({"Mine": {}, "Other": {"Default": ""}}, {"Stage": "x", "Unknown": "y"}, {})
    text = str(caught.value)
    assert "not by the repository: Stage" in text
    assert "not declared in the template: Unknown" in text
    assert "without a value: Mine" in text


def read(calls: list[str]) -> Callable[[], str]:
    def token() -> str:
        calls.append("read")
        return "canary"

    return token


@pytest.mark.parametrize("echo", ["true", True], ids=["F92-text", "F92-boolean"])
def test_F92_the_token_goes_to_a_template_that_declares_it_with_noecho(echo: object) -> None:
    values = resolve({"RepoToken": {"Type": "String", "NoEcho": echo}}, {}, {"RepoToken": lambda: "canary"})
    assert values == {"RepoToken": "canary"}


@pytest.mark.parametrize(
    "declared", [pytest.param({}, id="F92-undeclared"), pytest.param({"Stage": {}}, id="F92-others-declared")]
)
def test_F92_no_token_is_read_where_none_is_declared(declared: dict[str, Any]) -> None:
    calls: list[str] = []
    resolve(declared, {}, {"RepoToken": read(calls), "Stage": lambda: "staging"})
    assert calls == []


@pytest.mark.parametrize("declaration", [{}, {"NoEcho": False}, {"NoEcho": "no"}], ids=["F92-none", "F92-no", "F92-n"])
def test_F92_a_token_declared_for_all_to_see_is_refused_and_not_read(declaration: dict[str, Any]) -> None:
    calls: list[str] = []
    with pytest.raises(Rejected, match="RepoToken must be declared with NoEcho: true"):
        resolve({"RepoToken": {"Type": "String", **declaration}}, {}, {"RepoToken": read(calls)})
    assert calls == []


def test_only_what_is_declared_is_sent() -> None:
    provided = {"Stage": lambda: "staging", "SourceKey": lambda: "key"}
    assert resolve({"Stage": {}}, {}, provided) == {"Stage": "staging"}
