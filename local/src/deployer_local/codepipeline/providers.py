"""Which function runs which kind of action."""

from __future__ import annotations

from collections.abc import Callable

from deployer_local.codebuild.service import CodeBuild

from .actions import approval, cloudformation, code_build, lambda_invoke, s3_source
from .actions.job import Failed, Job, Outcome


class Providers:
    """Dispatches a job by its provider."""

    def __init__(self, builds: CodeBuild, stack_poll: Callable[[], float], reply: float, pause: float) -> None:
        self._builds, self._stack_poll, self._reply, self._pause = builds, stack_poll, reply, pause

    def run(self, job: Job) -> Outcome:
        """Run the job to its end; raises Interrupted."""
        provider = job.action["actionTypeId"]["provider"]
        match provider:
            case "S3":
                return s3_source.run(job)
            case "CodeBuild":
                return code_build.run(job, self._builds)
            case "CloudFormation":
                return cloudformation.run(job, self._stack_poll)
            case "Lambda":
                return lambda_invoke.run(job, self._reply, self._pause)
            case "Manual":
                return approval.run(job)
        return Failed("ConfigurationError", f"Action provider {provider} is not served by this engine")
