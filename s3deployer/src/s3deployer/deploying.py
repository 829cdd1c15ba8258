"""One job from its event to its posted result: gather, decide, publish.

A result is posted for every job, whatever goes wrong; the event and its credentials are never logged.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, Protocol

from deployer import deadline, lengths
from deployer.errors import Broken, DeployerError, Rejected
from deployer.observability import logger
from s3deployer.archive import announced, entries, readable, verify
from s3deployer.choosing import bucket_of, choose, distribution_of, outputs_of
from s3deployer.job import Artifact, Credentials, Job, job_id, parse
from s3deployer.planning import plan
from s3deployer.publishing import AT_ONCE, Archive, Site
from s3deployer.updating import Deployed, Invalidate, Target, Unfinished, Update

log = logger(__name__)

# Seconds kept back from publishing: what one more group of objects may take.
RESERVE = 60.0
MAX_OUTPUTS = 1 << 20  # bytes
MAX_MESSAGE = 5000  # characters, https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_FailureDetails.html
MAX_SUMMARY = 2048  # characters, .../API_ExecutionDetails.html


class Results(Protocol):
    """How a job's result is posted."""

    def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None: ...

    def goes_on(self, job: str, summary: str, percent: int, token: str) -> None: ...

    def failed(self, job: str, message: str) -> None: ...


class Proof(Protocol):
    """Shows that a bucket or a distribution is the caller's environment's, or raises ``Rejected``."""

    def show(self, bucket: str, job: Job) -> str: ...

    def show_distribution(self, distribution: str, environment: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Source:
    """An artifact as a seekable file of ``size`` bytes."""

    file: IO[bytes]
    size: int


OpenArtifact = Callable[[Artifact, Credentials], Source]
OpenSite = Callable[[str, str], Site]


@dataclass(frozen=True, slots=True)
class S3Deployer:
    """The function, over its collaborators."""

    open_artifact: OpenArtifact
    open_site: OpenSite
    ownership: Proof
    results: Results
    invalidate: Invalidate
    alarm: deadline.Alarm = deadline.alarm
    at_once: int = AT_ONCE

    def __call__(self, event: Mapping[str, Any], context: deadline.Context) -> None:
        """Handle a job.

        Raises:
            Rejected: where the event is no job, so that there is nothing to post a result for.
        """
        job = job_id(event)
        left = deadline.time_left(context, RESERVE)
        once = deadline.Once()

        def last_word() -> None:
            if once.claim():
                log.error("the deadline came first", job=job)
                self.results.failed(job, "the function ran out of time within one call; pages are written last")

        with self.alarm(left() + RESERVE - deadline.LAST_WORD, last_word):
            outcome = self._outcome(event, job, left)
            if not once.claim():
                return
        if not isinstance(outcome, str):
            log.info("published" if isinstance(outcome, Deployed) else "goes on", job=job, summary=outcome.summary)
            try:
                self._post(job, outcome)
            except (Rejected, Broken) as error:  # for good: trying again would end here again
                log.exception("the success is not taken", job=job)
                outcome = f"published, and CodePipeline did not take the result: {error}"
            else:
                return
        self.results.failed(job, lengths.cut(outcome, MAX_MESSAGE))

    def _post(self, job: str, outcome: Deployed | Unfinished) -> None:
        summary = lengths.cut(outcome.summary, MAX_SUMMARY)
        if isinstance(outcome, Deployed):
            self.results.succeeded(job, summary, outcome.variables)
        else:
            self.results.goes_on(job, summary, outcome.percent, outcome.progress.token())

    def _outcome(self, event: Mapping[str, Any], job: str, left: deadline.TimeLeft) -> Deployed | Unfinished | str:
        try:
            return self._deploy(parse(event), left)
        except Broken as error:
            log.exception("broken", job=job)
            return str(error)
        except DeployerError as error:
            log.warning("not published", job=job, reason=str(error))
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the pipeline waits for a result
            # The type alone: another library's message may quote what it was given.
            log.error("unexpected", job=job, error_type=type(error).__name__, where=_where(error))
            return f"unexpected {type(error).__name__}; the function's log has more"

    def _deploy(self, job: Job, left: deadline.TimeLeft) -> Deployed | Unfinished:
        with ExitStack() as stack:
            archives: dict[str, tuple[zipfile.ZipFile, int]] = {}
            for artifact in job.artifacts:
                source = self.open_artifact(artifact, job.credentials)
                with readable(f"input artifact {artifact.name} is no readable zip"):
                    announced(source.file)
                    archives[artifact.name] = stack.enter_context(zipfile.ZipFile(source.file)), source.size
            names = {
                name: frozenset(info.filename for info in archive.infolist() if not info.is_dir())
                for name, (archive, _) in archives.items()
            }
            choice = choose(names, job.parameters)
            outputs = _outputs(archives[choice.outputs][0], job.parameters.outputs) if choice.outputs else {}
            bucket, distribution = bucket_of(outputs, job.parameters), distribution_of(outputs, job.parameters)
            if bucket in {artifact.location.bucket for artifact in job.artifacts}:
                raise Rejected(f"bucket {bucket} is refused: the pipeline's artifacts are in it")
            environment = self.ownership.show(bucket, job)
            log.info("shown to be the caller's", job=job.id, bucket=bucket, environment=environment)
            if distribution:
                self.ownership.show_distribution(distribution, environment)
            archive, size = archives[choice.site]
            files = entries(archive.infolist(), size)
            waves = plan(files, job.parameters)
            contents = verify(archive, files, left)
            target = Target(bucket, self.open_site(bucket, job.account), distribution)
            update = Update(
                target,
                job.parameters,
                waves,
                Archive(archive, contents),
                job.id,
                job.progress,
                self.invalidate,
                left,
                self.at_once,
            )
            return update()


def _outputs(archive: zipfile.ZipFile, file: str) -> Mapping[str, str]:
    with readable(file):
        if archive.getinfo(file).file_size > MAX_OUTPUTS:
            raise Rejected(f"{file} is larger than {MAX_OUTPUTS} bytes")
        return outputs_of(archive.read(file), file)


def _where(error: BaseException) -> str:
    """File and line of the innermost frame: where to look, without any value."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
