"""CodeBuild for pipelines: takes an order, runs it here, remembers it, answers for it.

The project comes from the emulated CodeBuild (BatchGetProjects), source and artifact from S3, parameters from SSM, the
log goes to CloudWatch Logs. ``handle`` serves only what concerns builds that ran here and returns None for the rest,
which the host leaves to the emulator. Container images are not run: the commands run on this machine, and the log
says so.
"""

from __future__ import annotations

import shutil
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer_local.contract import Contract

from . import answers, archive, environment, selection
from .buildspec import Buildspec, BuildspecError, parse
from .errors import ServiceError
from .ledger import Ledger
from .logs import BuildLog
from .records import ArtifactPlace, Build, BuildOrder, PhaseRecord
from .runner import PhaseFailedError, Progress, Runner, Workshop

__all__ = ["CodeBuild", "ProjectNotFoundError"]

CONTRACT = Contract("codebuild", "InvalidInputException")
_REFUSED = frozenset({"StartBuild", "StartBuildBatch", "RetryBuild", "RetryBuildBatch", "StartSandbox"})
_SERVED = _REFUSED | {"BatchGetBuilds", "ListBuilds", "ListBuildsForProject", "StopBuild"}


class ProjectNotFoundError(Exception):
    """There is no such project."""


class CodeBuild:
    """Runs builds below ``store``; ``variables`` are given to every build by the engine's owner (endpoint, region).

    ``client`` returns a boto3 client for a service's name; ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        store: Path,
        client: Callable[[str], Any],
        account: str,
        region: str,
        *,
        variables: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        store.mkdir(parents=True, exist_ok=True)
        self._scratch = store / "builds"
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._client, self._account, self._region, self._clock = client, account, region, clock
        self._variables = dict(variables or {})
        self._ledger = Ledger(store / "codebuild.sqlite", clock)
        self._lock = threading.Lock()
        self._runners: dict[str, Runner] = {}
        self._stopping: set[str] = set()

    def begin(self, order: BuildOrder) -> Build:
        """Number and record a build of ``order.project``; raises ProjectNotFoundError."""
        project = self._project(order.project)
        source = _primary(order)
        with self._lock:
            build = Build(
                id=f"{order.project}:{uuid.uuid4()}",
                project=order.project,
                number=self._ledger.next_number(order.project),
                started=self._clock(),
                initiator=order.initiator,
                source_version=f"arn:aws:s3:::{source.bucket}/{source.key}",
                resolved_version=source.version,
                described=_described(project),
            )
            self._ledger.put(build)
        return build

    def run(self, build: Build, order: BuildOrder) -> Build:
        """Run ``build`` to its end, in the calling thread, and return it ended."""
        root = self._scratch / build.uuid
        for name in ("src", "home", "tmp", "artifacts"):
            (root / name).mkdir(parents=True)
        log = BuildLog(self._client("logs"), f"/aws/codebuild/{build.project}", build.uuid, self._clock)
        try:
            return _Work(self, build, order, root, log).run()
        finally:
            log.close()
            shutil.rmtree(root, ignore_errors=True)
            with self._lock:
                self._runners.pop(build.id, None)
                self._stopping.discard(build.id)

    def stop(self, identifier: str) -> None:
        """Ask a running build to stop; unknown or ended ones are left alone."""
        with self._lock:
            self._stopping.add(identifier)
            runner = self._runners.get(identifier)
        if runner is not None:
            runner.stop()

    def close(self) -> None:
        """Stop every build."""
        with self._lock:
            running = list(self._runners)
        for identifier in running:
            self.stop(identifier)

    def handle(self, action: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        """Answer for builds that ran here, None for what the emulator should answer; raises ServiceError."""
        if action not in _SERVED:
            return None
        with CONTRACT.errors(action):
            CONTRACT.check_request(action, body)
            answer = self._answer(action, body)
            if answer is not None:
                CONTRACT.check_answer(action, answer)
            return answer

    def _answer(self, action: str, body: Mapping[str, Any]) -> dict[str, Any] | None:
        match action:
            case "BatchGetBuilds":
                builds = {identifier: self._ledger.get(identifier) for identifier in body.get("ids", [])}
                return {
                    "builds": [answers.answer(b, self._account, self._region) for b in builds.values() if b],
                    **({"buildsNotFound": missing} if (missing := [i for i, b in builds.items() if not b]) else {}),
                }
            case "ListBuildsForProject":
                return self._list(self._ledger.builds(body.get("projectName", "")), body)
            case "ListBuilds":
                return self._list(self._ledger.builds(), body)
            case "StopBuild" if (found := self._ledger.get(body.get("id", ""))) is not None:
                self.stop(found.id)
                return {"build": answers.answer(found, self._account, self._region)}
            case name if name in _REFUSED:
                # The emulator would record a build that succeeded without running anything.
                message = f"{action} is not served by this engine, which runs builds as pipeline actions only"
                raise ServiceError("InvalidInputException", message)
            case _:
                return None

    def _list(self, builds: list[Build], body: Mapping[str, Any]) -> dict[str, Any]:
        """The newest 100 ids; there are no further pages."""
        identifiers = [build.id for build in builds]
        if body.get("sortOrder", "DESCENDING") == "ASCENDING":
            identifiers.reverse()
        return {"ids": identifiers[:100]} if identifiers else {}

    def _project(self, name: str) -> Mapping[str, Any]:
        found = self._client("codebuild").batch_get_projects(names=[name]).get("projects", [])
        if not found:
            raise ProjectNotFoundError(f"Project cannot be found: {name}")
        project: Mapping[str, Any] = found[0]
        return project


class _Work:
    """One build under way."""

    def __init__(self, service: CodeBuild, build: Build, order: BuildOrder, root: Path, log: BuildLog) -> None:
        self._service, self._build, self._order, self._root, self._log = service, build, order, root, log
        self._client = service._client
        self._project = build.described
        self._progress = Progress(log, service._clock, self._save)
        self._spec: Buildspec
        self._runner: Runner

    def run(self) -> Build:
        """The whole build; every way out leaves an ended build."""
        log, progress = self._log, self._progress
        log.say("Waiting for agent ping")
        log.say(f"Commands run on this machine, not in {self._project['environment']['image']}")
        for kind in ("SUBMITTED", "QUEUED", "PROVISIONING"):
            progress.run(kind, lambda: None)
        if progress.run("DOWNLOAD_SOURCE", self._prepare):
            with closing(self._runner):
                if self._runner.phases() and (output := self._order.output) is not None:
                    progress.run("UPLOAD_ARTIFACTS", partial(self._upload, output))
                progress.run("FINALIZING", self._export)
        else:
            progress.run("FINALIZING", lambda: None)
        ended = self._service._clock()
        self._build = replace(
            self._build,
            status=progress.failed or "SUCCEEDED",
            ended=ended,
            phases=(*progress.phases, PhaseRecord("COMPLETED", ended)),
        )
        self._service._ledger.put(self._build)
        return self._build

    def _save(self, phases: tuple[PhaseRecord, ...]) -> None:
        self._build = replace(self._build, phases=phases)
        self._service._ledger.put(self._build)

    def _prepare(self) -> None:
        """Source, buildspec and variables: whatever is wrong with them ends the build in DOWNLOAD_SOURCE, as on AWS."""
        self._source()
        self._spec = self._read_spec()
        for remark in self._spec.remarks:
            self._log.say(remark)
        self._runner = self._made_runner()

    def _source(self) -> None:
        s3 = self._client("s3")
        primary = _primary(self._order)
        for place in self._order.inputs:
            target = self._root / ("src" if place == primary else f"src-{place.name}")
            target.mkdir(exist_ok=True)
            packed = self._root / "input.zip"
            try:
                s3.download_file(place.bucket, place.key, str(packed))
                archive.extract(packed, target)
            except (ClientError, BotoCoreError, OSError, zipfile.BadZipFile, archive.UnsafeArchiveError) as error:
                message = f"the source artifact {place.name} cannot be unpacked: {error}"
                raise PhaseFailedError("CLIENT_ERROR", message) from error
            packed.unlink()

    def _read_spec(self) -> Buildspec:
        declared = self._project["source"].get("buildspec") or "buildspec.yml"
        if "\n" in declared or declared.lstrip().startswith("{"):
            text = declared
        else:
            path = (self._root / "src" / declared).resolve()
            if not path.is_relative_to((self._root / "src").resolve()) or not path.is_file():
                message = f"stat {declared}: no such file in the source"
                raise PhaseFailedError("YAML_FILE_ERROR", message)
            text = path.read_text()
        try:
            return parse(text)
        except BuildspecError as error:
            raise PhaseFailedError("YAML_FILE_ERROR", str(error)) from error

    def _made_runner(self) -> Runner:
        """The runner with its environment."""
        service, spec, build = self._service, self._spec, self._build
        declared = (*self._project["environment"].get("environmentVariables", ()), *self._order.variables)
        try:
            values, hidden = environment.values(spec, declared, self._client("ssm"))
        except environment.VariableError as error:
            raise PhaseFailedError("Decrypted Variables Error", str(error)) from error
        self._log.hide(hidden)
        arns = answers.arns(build, service._account, service._region)
        image = self._project["environment"]["image"]
        everything = {
            **environment.clean(self._root),
            **service._variables,
            **values,
            **environment.builtin(build, arns, image, service._region, self._root),
            **{
                f"CODEBUILD_SRC_DIR_{place.name}": str(self._root / f"src-{place.name}")
                for place in self._order.inputs
                if place != _primary(self._order)
            },
        }
        timeout = self._project["timeoutInMinutes"] * 60
        runner = Runner(spec, Workshop(self._root, everything, timeout), self._progress)
        with service._lock:
            service._runners[build.id] = runner
            stopping = build.id in service._stopping
        if stopping:
            runner.stop()
        return runner

    def _upload(self, place: ArtifactPlace) -> None:
        if self._spec.artifacts is None:
            raise PhaseFailedError("CLIENT_ERROR", "no matching artifact paths found")
        try:
            chosen = selection.select(self._spec.artifacts, self._root / "src")
            packed = self._root / "output.zip"
            archive.pack(packed, chosen)
            self._log.say(f"Found {len(chosen)} file(s)")
            self._client("s3").upload_file(str(packed), place.bucket, place.key)
        except (selection.NoArtifactsError, ClientError, BotoCoreError, OSError) as error:
            raise PhaseFailedError("CLIENT_ERROR", str(error)) from error
        self._build = replace(self._build, artifact=f"arn:aws:s3:::{place.bucket}/{place.key}")

    def _export(self) -> None:
        if self._progress.failed is None:
            self._build = replace(self._build, exported=self._runner.exported())


def _primary(order: BuildOrder) -> ArtifactPlace:
    if order.primary is None:
        return order.inputs[0]
    return next(place for place in order.inputs if place.name == order.primary)


def _described(project: Mapping[str, Any]) -> dict[str, Any]:
    """What a build copies from its project."""
    return {
        "source": {
            "type": "CODEPIPELINE",
            **({"buildspec": spec} if (spec := project.get("source", {}).get("buildspec")) else {}),
        },
        "environment": {
            "type": "LINUX_CONTAINER",
            "image": "aws/codebuild/standard:7.0",
            "computeType": "BUILD_GENERAL1_SMALL",
            **project.get("environment", {}),
        },
        "timeoutInMinutes": int(project.get("timeoutInMinutes") or 60),
        **({"serviceRole": role} if (role := project.get("serviceRole")) else {}),
    }
