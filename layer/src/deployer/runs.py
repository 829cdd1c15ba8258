"""Whose a pipeline's run is, and where the console shows it.

Pure. What a run read is read back from its revisions, never assumed; which commit that is, `progress` says.
"""

from __future__ import annotations

from deployer.consoles import console
from deployer.ports import Environment, Run
from deployer.states import RunState


def belongs(item: Environment, run: Run, *, elsewhere: bool = False) -> bool:
    """Whether a run is this generation's: it read the generation's source, or can read nothing else.

    Where the pipeline reads its source elsewhere (``elsewhere``: an image, another repository), its start alone can
    tell.
    One that was cancelled is nobody's: the pipeline was changed under it, and it is made up for.
    """
    if not item.source or run.state is RunState.CANCELLED:
        return False
    if run.revisions and not elsewhere:
        if item.commit in run.revisions.values():  # through a connection: an earlier generation may have wanted it, too
            return run.started >= item.source_at
        return item.source in run.revisions.values()
    return run.started >= item.source_at


def pipeline_url(region: str, pipeline: str) -> str:
    """The pipeline in CodePipeline's console: where its approvals are given."""
    return f"{_console(region, pipeline)}/view?region={region}"


def run_url(region: str, pipeline: str, run: str) -> str:
    """A run in CodePipeline's console."""
    return f"{_console(region, pipeline)}/executions/{run}/timeline?region={region}"


def _console(region: str, pipeline: str) -> str:
    return f"https://{console(region)}/codesuite/codepipeline/pipelines/{pipeline}"
