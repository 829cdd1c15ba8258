"""Which commits say that they are not to be built."""

from __future__ import annotations

import pytest

from deployer.skipping import skips_ci


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("Mend a typo [skip ci]", "the commit says [skip ci]"),
        ("[CI Skip] Mend a typo\n\nMore", "the commit says [CI Skip]"),
        ("Mend a typo\n\n[no ci]", "the commit says [no ci]"),
        ("[skip actions]", "the commit says [skip actions]"),
        ("[actions skip]", "the commit says [actions skip]"),
        ("Mend a typo\n\nskip-checks: true", "the commit says skip-checks: true"),
        ("Mend\n\nskip-checks:true\nReviewed-by: Ada", "the commit says skip-checks:true"),
        ("Mend\n\nskip-checks:" + " " * 300_000 + "true", "the commit says skip-checks: true"),
        ("Say what skip-checks: true does", ""),
        ("skip-checks: true story", ""),
        ("skip ci", ""),
        ("[skip  ci]", ""),
        ("", ""),
    ],
    ids=lambda text: repr(text[:30]),
)
def test_F43c_a_commit_is_skipped_by_its_message(message: str, said: str) -> None:
    assert skips_ci(message) == said
