"""Install, update or remove the deployer, stack by stack. The same for AWS and for the laptop engine.

Level-triggered like everything here: it looks, takes the step that `plan` names and looks again, so it can be killed
anywhere and run again. What hasn't changed is neither uploaded nor updated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken
from deployer_deploy import changes, code_bucket, plan
from deployer_deploy.branches import standing
from deployer_deploy.changes import LATER, Change, Code
from deployer_deploy.configuration import Configuration
from deployer_deploy.manifest import Manifest, parse, read
from deployer_deploy.operation import Operation, finish
from deployer_deploy.packaging import Package, package
from deployer_deploy.plan import Step
from deployer_deploy.progress import Listener, Packaged, Uploaded, silent
from deployer_deploy.stacks import Stacks
from deployer_deploy.tree import CORE, LAYER, PARTS, Tree
from deployer_deploy.wheels import Platform

_OPERATIONS = {
    Step.CREATE: "create",
    Step.UPDATE: "update",
    Step.DELETE: "create anew",
    Step.WAIT: "wait, then update",
    Step.CONTINUE_ROLLBACK: "continue rollback, then update",
}


class Place(Protocol):
    """Where to install; `Target` is one."""

    @property
    def platform(self) -> Platform | None:
        """What imports the layer; None for what the manifests name."""

    @property
    def poll(self) -> float:
        """Seconds between two looks at a stack."""

    def client(self, service: str) -> Any:
        """A boto3 client."""

    def parameters(self) -> dict[str, str]:
        """The template parameters that follow from the place."""


class Installer:
    """One installation at one place. ``listener`` is told of each thing that happened."""

    def __init__(
        self,
        place: Place,
        tree: Tree,
        configuration: Configuration,
        listener: Listener = silent,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._place = place
        self._tree = tree
        self._configuration = configuration
        self._listener = listener
        self._sleep = sleep
        self._stacks = Stacks(place.client("cloudformation"))
        self._s3 = place.client("s3")

    def install(self, parts: Collection[str] = PARTS) -> dict[str, str]:
        """Bring the stacks of ``parts`` to their templates and code; the functions' at the same time.

        Returns the outputs of core and layer. Raises ``StacksFailed`` with each failed stack's first failed resource,
        ``Broken`` for anything else that stood in the way.
        """
        for wave in plan.waves(parts):
            outputs = self.outputs()
            self._finish({part: self._bring(part, outputs) for part in wave})
        return self.outputs()

    def outputs(self) -> dict[str, str]:
        """The outputs of core and layer as they are: endpoint, queues, table, buckets, roles, layer version."""
        found: dict[str, str] = {}
        for part in (CORE, LAYER):
            found.update(self._stacks.observe(self._configuration.stack(part)).outputs)
        return found

    def put_secret(self, name: str, value: str) -> None:
        """Write a secret (``opolis.github.token``, ...) to SSM, encrypted, over the one that may be there.

        Raises ``Broken``, never with the value in it.
        """
        try:
            self._place.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
        except (ClientError, BotoCoreError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
            raise Broken(f"the secret {name} can't be written: {code}") from None

    def preview(self, parts: Collection[str] = PARTS) -> tuple[Change, ...]:
        """What `install` would do to each of ``parts``, in that order. Reads and packages, and writes nothing to AWS.

        Raises ``Broken`` as `install` does.
        """
        found = []
        outputs = self.outputs()
        for part in (part for wave in plan.waves(parts) for part in wave):
            change = self._change(part, outputs)
            found.append(change)
            if part in (CORE, LAYER):
                outputs = {**outputs, **change.outputs}
        return tuple(found)

    def silence(self) -> None:
        """Disable the core's rules, as long as nobody reads what they send; `install` enables them again.

        The core stays as it is installed otherwise. Raises ``StacksFailed`` where it can't be updated.
        """
        stack = self._stacks.observe(self._configuration.stack(CORE))
        manifest = parse(self._stacks.template(stack))
        self._finish({CORE: self._operation(CORE, {"Listening": "DISABLED"}, manifest)})

    def remove(self, parts: Collection[str] = PARTS) -> None:
        """Delete the stacks of ``parts``, the last installed first. Secrets stay; so do the layer's versions.

        Raises ``Broken`` where the core is to go while branch stacks stand: it has the roles that delete them.
        """
        branches = standing(self._stacks.every(), self._configuration.prefix) if CORE in parts else ()
        if branches:
            raise Broken(f"branch stacks still stand, delete them first: {', '.join(each.name for each in branches)}")
        for wave in reversed(plan.waves(parts)):
            if CORE in wave:
                outputs = self.outputs()
                for bucket in ("ArtifactStore", "CodeBucket"):
                    if bucket in outputs:
                        code_bucket.empty(self._s3, outputs[bucket])
            self._finish({part: self._operation(part) for part in wave})

    def _change(self, part: str, outputs: Mapping[str, str]) -> Change:
        values = self._values(outputs)
        code = None
        if part != CORE:
            built = self._packaged(part, outputs)
            values["CodeKey"] = built.key
            bucket = outputs["CodeBucket"]
            fresh = bucket == LATER or not code_bucket.holds(self._s3, bucket, built)
            code = Code(built.key, built.path.stat().st_size, fresh)
        name = self._configuration.stack(part)
        stack = self._stacks.observe(name)
        manifest = read(self._tree.manifest(part))
        lives = plan.next_step(stack) not in (Step.CREATE, Step.DELETE)
        given = plan.parameters(manifest, values, stack)
        before = parse(self._stacks.template(stack)) if lives else None
        had = {**changes.effective(before, {}, {}), **stack.parameters} if before else {}
        has = changes.effective(manifest, given, had)
        resources = changes.resources(before, had, manifest, has)
        unchanged = before is not None and plan.holds(stack, before.text, manifest, given)
        return Change(
            part,
            name,
            "unchanged" if unchanged else _OPERATIONS[plan.next_step(stack)],
            resources,
            changes.parameters(had, has) if before else (),
            code,
            changes.outputs(manifest, stack.outputs if before else {}, resources),
        )

    def _bring(self, part: str, outputs: Mapping[str, str]) -> Operation:
        """The operation for one part; its code is built and uploaded on the way."""
        values = self._values(outputs)
        if part != CORE:
            built = self._packaged(part, outputs)
            self._listener(Uploaded(part, built.key, code_bucket.upload(self._s3, outputs["CodeBucket"], built)))
            values["CodeKey"] = built.key
        return self._operation(part, values)

    def _values(self, outputs: Mapping[str, str]) -> dict[str, str]:
        chosen = {**self._configuration.parameters(), **self._place.parameters()}
        return {**outputs, **chosen, "Listening": "ENABLED"}

    def _operation(
        self, part: str, values: Mapping[str, str] | None = None, manifest: Manifest | None = None
    ) -> Operation:
        """The operation that brings a part to ``values`` and to ``manifest``, else the tree's; deletes it without."""
        if values is not None:
            manifest = manifest or read(self._tree.manifest(part))
        name = self._configuration.stack(part)
        return Operation(self._stacks, part, name, listener=self._listener, manifest=manifest, values=values)

    def _packaged(self, part: str, outputs: Mapping[str, str]) -> Package:
        if "CodeBucket" not in outputs:
            raise Broken(f"{part} needs {self._configuration.stack(CORE)}, which isn't installed")
        began = time.monotonic()
        built = package(self._tree, part, self._place.platform)
        self._listener(Packaged(part, built.key, built.path.stat().st_size, time.monotonic() - began))
        return built

    def _finish(self, operations: Mapping[str, Operation]) -> None:
        finish(operations, self._place.poll, self._sleep)
