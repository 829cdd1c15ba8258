"""Install, update or remove the deployer, stack by stack. The same for AWS and for the laptop engine.

Level-triggered like everything here: it looks, takes the step that `plan` names and looks again, so it can be killed
anywhere and run again. What hasn't changed is neither uploaded nor updated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken
from deployer_deploy import plan
from deployer_deploy.manifest import Manifest, read
from deployer_deploy.packaging import package
from deployer_deploy.plan import Step
from deployer_deploy.progress import Listener, Packaged, StackFinished, StackStarted, Uploaded, silent
from deployer_deploy.stacks import Failure, Stacks, StacksFailed
from deployer_deploy.target import Target
from deployer_deploy.tree import CORE, LAYER, PARTS, Tree

_DEADLINE = 30 * 60.0
_OUTCOMES = {Step.CREATE: "created", Step.UPDATE: "updated", Step.DELETE: "deleted"}


@dataclass(frozen=True)
class Configuration:
    """What an operator chooses. None: what the stacks have, else the templates' defaults."""

    name: str = "opolis-deployer"
    stage: str = "prod"
    allowed_repositories: str | None = None
    slack_channel: str | None = None
    alarm_email: str | None = None
    tracing: str | None = None

    @property
    def prefix(self) -> str:
        """How every name of this installation begins."""
        return f"{self.name}-{self.stage}"

    def stack(self, part: str) -> str:
        """The name of a part's stack."""
        return f"{self.prefix}-{part}"

    def parameters(self) -> dict[str, str]:
        """The template parameters that follow from it."""
        values = {
            "DeployerPrefix": self.prefix,
            "DeployerStage": self.stage,
            "AllowedRepositories": self.allowed_repositories,
            "SlackChannel": self.slack_channel,
            "AlarmEmail": self.alarm_email,
            "Tracing": self.tracing,
        }
        return {name: value for name, value in values.items() if value is not None}


class Installer:
    """One installation at one place. ``listener`` is told of each thing that happened."""

    def __init__(
        self,
        target: Target,
        tree: Tree,
        configuration: Configuration,
        listener: Listener = silent,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._target = target
        self._tree = tree
        self._configuration = configuration
        self._listener = listener
        self._sleep = sleep
        self._stacks = Stacks(target.client("cloudformation"))
        self._s3 = target.client("s3")

    def install(self, parts: Collection[str] = PARTS) -> dict[str, str]:
        """Bring the stacks of ``parts`` to their templates and code; the functions' at the same time.

        Returns the outputs of core and layer. Raises ``StacksFailed`` with each failed stack's first failed resource,
        ``Broken`` for anything else that stood in the way.
        """
        for wave in plan.waves(parts):
            outputs = self.outputs()
            pending = {part: _Operation(self, part, self._values(part, outputs)) for part in wave}
            _finish(pending, self._target.poll, self._sleep)
        return self.outputs()

    def outputs(self) -> dict[str, str]:
        """The outputs of core and layer as they are: endpoint, queues, table, buckets, roles, layer version."""
        found: dict[str, str] = {}
        for part in (CORE, LAYER):
            found.update(self._stacks.observe(self._configuration.stack(part)).outputs)
        return found

    def put_secret(self, name: str, value: str) -> None:
        """Write a secret (``opolis.github.token``, ...) to SSM, encrypted, over the one that may be there.

        Raises ``Broken`` without the value in it.
        """
        try:
            self._target.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise Broken(f"the secret {name} can't be written: {code}") from None

    def remove(self) -> None:
        """Delete every stack, the last installed first. Secrets stay; so do the layer's versions.

        Raises ``Broken`` while branch stacks stand: the core has the roles that delete them.
        """
        if standing := self._stacks.of_branches():
            raise Broken(f"branch stacks still stand, delete them first: {', '.join(sorted(standing))}")
        outputs = self.outputs()
        for wave in reversed(plan.waves()):
            if CORE in wave:
                for bucket in ("ArtifactStore", "CodeBucket"):
                    self._empty(outputs.get(bucket))
            pending = {part: _Operation(self, part, None) for part in wave}
            _finish(pending, self._target.poll, self._sleep)

    def _values(self, part: str, outputs: Mapping[str, str]) -> dict[str, str]:
        """Every value a template may ask for; code is built and uploaded on the way."""
        values = {**outputs, **self._configuration.parameters(), **self._target.parameters()}
        if part != CORE:
            if "CodeBucket" not in outputs:
                raise Broken(f"{self._configuration.stack(CORE)} isn't installed, and {part} needs it")
            values["CodeKey"] = self._upload(part, outputs["CodeBucket"])
        return values

    def _upload(self, part: str, bucket: str) -> str:
        began = time.monotonic()
        built = package(self._tree, part, self._target.platform)
        self._listener(Packaged(part, built.key, built.path.stat().st_size, time.monotonic() - began))
        try:
            fresh = not self._holds(bucket, built.key)
            if fresh:
                with built.path.open("rb") as body:
                    self._s3.put_object(Bucket=bucket, Key=built.key, Body=body)
        except (ClientError, BotoCoreError) as error:
            raise Broken(f"{part} can't be uploaded to {bucket}: {error}") from error
        self._listener(Uploaded(part, built.key, fresh))
        return built.key

    def _holds(self, bucket: str, key: str) -> bool:
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return False
            raise
        return True

    def _empty(self, bucket: str | None) -> None:
        if bucket is None:
            return
        try:
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
                found = page.get("Versions", []) + page.get("DeleteMarkers", [])
                keys = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in found]
                if keys:
                    done = self._s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
                    for error in done.get("Errors", []):
                        raise Broken(f"{bucket}/{error['Key']} can't be deleted: {error['Message']}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchBucket":
                raise Broken(f"{bucket} can't be emptied: {error}") from error


class _Operation:
    """One stack on its way: each `look` takes at most one step. ``values``: None to delete it."""

    def __init__(self, installer: Installer, part: str, values: Mapping[str, str] | None) -> None:
        # It is the installer's own hand, so it may use what is the installer's.
        self._stacks = installer._stacks
        self._listener = installer._listener
        self._part = part
        self._name = installer._configuration.stack(part)
        self._manifest: Manifest | None = None if values is None else read(installer._tree.manifest(part))
        self._values = values
        self._taken: Step | None = None
        self._began = time.monotonic()

    def look(self) -> bool:
        """Observe, and step on. True once the stack is as wanted. Raises ``StacksFailed`` when it can't be."""
        stack = self._stacks.observe(self._name)
        if plan.moving(stack.status):
            return False
        if self._taken in (Step.CREATE, Step.UPDATE):
            if not plan.succeeded(stack.status):
                raise StacksFailed((self._stacks.failure(stack),))
            return self._done(_OUTCOMES[self._taken])
        if self._taken in (Step.DELETE, Step.CONTINUE_ROLLBACK) and (stack.status or "").endswith("_FAILED"):
            raise StacksFailed((self._stacks.failure(stack),))
        if self._manifest is None or self._values is None:
            return self._delete(stack)
        step = plan.next_step(stack)
        wanted = plan.parameters(self._manifest, self._values, stack)
        if not self._stacks.take(step, stack, self._manifest.text, wanted):
            return self._done("unchanged")
        self._taken = step
        self._listener(StackStarted(self._part, self._name, step.value))
        return False

    def _delete(self, stack: plan.Stack) -> bool:
        if stack.status is None or stack.status == "DELETE_COMPLETE":
            return self._done("deleted" if self._taken else "absent")
        self._stacks.take(Step.DELETE, stack, "", {})
        self._taken = Step.DELETE
        self._listener(StackStarted(self._part, self._name, Step.DELETE.value))
        return False

    def _done(self, outcome: str) -> bool:
        self._listener(StackFinished(self._part, self._name, outcome, time.monotonic() - self._began))
        return True


def _finish(pending: dict[str, Any], poll: float, sleep: Callable[[float], None]) -> None:
    """Look at every operation until all are done. One that fails doesn't stop the others; it is raised at the end."""
    failures: list[Failure] = []
    deadline = time.monotonic() + _DEADLINE
    while pending:
        for part, operation in list(pending.items()):
            try:
                done = operation.look()
            except StacksFailed as failed:
                failures.extend(failed.failures)
                done = True
            if done:
                del pending[part]
        if pending:
            if time.monotonic() > deadline:
                raise Broken(f"CloudFormation is still at work on {', '.join(pending)}; run this again to go on")
            sleep(poll)
    if failures:
        raise StacksFailed(tuple(failures))
