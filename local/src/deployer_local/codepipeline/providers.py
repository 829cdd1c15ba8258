"""Which function runs which kind of action."""

from __future__ import annotations

from collections.abc import Callable

from deployer_local.codebuild.service import CodeBuild

from .actions import approval, cloudformation, code_build, lambda_invoke, s3_source
from .actions.job import Job, Outcome


class Providers:
    """Dispatches a job by its provider; ``rules`` lets a pipeline name no other."""

    def __init__(self, builds: CodeBuild, stack_poll: Callable[[], float], reply: float, pause: float) -> None:
        self._known: dict[str, Callable[[Job], Outcome]] = {
            "S3": s3_source.run,
            "CodeBuild": lambda job: code_build.run(job, builds),
            "CloudFormation": lambda job: cloudformation.run(job, stack_poll),
            "Lambda": lambda job: lambda_invoke.run(job, reply, pause),
            "Manual": approval.run,
        }

    def run(self, job: Job) -> Outcome:
        """Run the job to its end; raises Interrupted."""
        return self._known[job.action["actionTypeId"]["provider"]](job)
