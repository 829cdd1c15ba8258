"""Whose a run is: the generation's that is wanted, an earlier one's, or nobody's.

Pure. What a run read is read back from its revisions, never assumed.
"""

from __future__ import annotations

import re

from builder.situation import Situation
from deployer.ports import Environment, Run
from deployer.refs import Stage
from deployer.runs import belongs
from deployer.states import RunState

_COMMIT = re.compile(r"[0-9a-f]{40}")


def has_run(item: Environment, runs: tuple[Run, ...], *, elsewhere: bool = False) -> bool:
    """Whether a generation has its run. One that failed before it had read its source is made up for, once.

    A new pipeline's first run may fail so: its role is seconds old, and not known everywhere yet.
    """
    own = [run for run in runs if belongs(item, run, elsewhere=elsewhere)]
    unread = [run for run in own if run.state is RunState.FAILED and not run.revisions]
    return len(own) > len(unread) or len(unread) > 1


def strays_of(situation: Situation, item: Environment) -> list[tuple[str, Run]]:
    """Production's runs of other commits than the one that is wanted, since it is: what a connection gave them."""
    if situation.id.stage is not Stage.PRODUCTION or not item.source:
        return []
    return [
        (name, run)
        for name, run in situation.every_run
        if name not in situation.elsewhere
        and run.started >= item.source_at
        and run.state is not RunState.CANCELLED
        and not {item.source, item.commit} & set(run.revisions.values())
        and any(map(_COMMIT.fullmatch, run.revisions.values()))
    ]


def misread(situation: Situation, item: Environment, found: list[tuple[str, Run]]) -> str:
    """What is to be said of production where another commit may be there, or empty.

    A new pipeline's first run reads whatever its branch is at: the one that is wanted is started after it, once.
    """
    for name in dict.fromkeys(name for name, _ in found):
        runs = situation.runs[name]
        own = next((number for number, run in enumerate(runs) if belongs(item, run)), None)
        others = [run for pipeline, run in found if pipeline == name]
        if len(others) > 1 if own is None else any(run in others for run in runs[:own]):
            read = next(filter(_COMMIT.fullmatch, others[0].revisions.values()))
            return f"a run read {read[:7]}, not {item.commit[:7]}, and was stopped if it still ran; ask for it by hand"
    return ""
