"""A few of the worlds of `make simulate`: every one of them comes to rest, with all in place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.simulation import __main__ as simulation
from tests.simulation.report import live

ROOT = Path(__file__).resolve().parents[1]
# Every tenth is a silent one, where an operation whose answer was lost would be done twice if it had no token.
SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS, ids="world-{}".format)
def test_F24_a_world_that_went_wrong_comes_to_rest(seed: int) -> None:
    outcome = live(seed)
    assert outcome.problems == (), f"see it with: python -m tests.simulation --seed {seed}"


def test_the_same_seed_is_the_same_world_whatever_the_hashes() -> None:
    traces = [
        subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "7"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        ).stdout
        for hashes in ("1", "2")
    ]
    assert len(traces[0].splitlines()) > 100
    assert traces[0] == traces[1]


def test_what_became_of_many_worlds_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    code = simulation.main(["--worlds", "20", "--jobs", "1"])
    said = capsys.readouterr()
    assert code == 0, said.out
    rows = {line[:20].strip(): line[20:] for line in said.out.splitlines()}
    assert set(rows) >= {"worlds", "pushes", "lost", "doubled", "kill points", "convergence", "calls a push"}
    assert "20 of 20 worlds" in said.err
