"""F29, F30: names that differ by as little as possible; `make names` does the same with a million pairs."""

from __future__ import annotations

import pytest
from benchmarks.names import Count, Pair, count

from deployer.environments import EnvironmentId


def test_F29_F30_no_two_environments_share_a_name_and_every_name_is_legal() -> None:
    found = count(6_000, drawn=200)
    assert (found.collisions, found.illegal) == ([], [])
    assert found.pairs == 6_000
    assert found.identities > 4_000


@pytest.mark.parametrize(
    ("names", "illegal", "collisions"),
    [
        pytest.param([("stack", "one"), ("stack", "two")], 0, 0, id="different"),
        pytest.param([("stack", "one"), ("stack", "one")], 0, 1, id="the-same-twice"),
        pytest.param([("stack", "one"), ("tag", "one")], 0, 0, id="of-two-kinds"),
        pytest.param([("stack", "One")], 1, 0, id="upper-case"),
        pytest.param([("stack", "one-")], 1, 0, id="dash-at-its-end"),
        pytest.param([("group", "")], 1, 0, id="empty"),
    ],
)
def test_what_is_wrong_is_counted(names: list[tuple[str, str]], illegal: int, collisions: int) -> None:
    class Named(Count):
        def _names(self, _environment: EnvironmentId, _repository: str) -> list[tuple[str, str]]:  # type: ignore[override]
            return [names[self.identities - 1]]

    found = Named()
    for number in range(len(names)):
        found.take(Pair(number + 1, "site", "refs/heads/x"))
    assert (len(found.illegal), len(found.collisions)) == (illegal, collisions)


def test_F30_one_that_was_drawn_twice_is_one() -> None:
    found = Count()
    for _ in range(2):
        found.take(Pair(1, "site", "refs/heads/x"))
    assert (found.pairs, found.identities, found.collisions) == (2, 1, [])
