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
from deployer_deploy import code_bucket, plan
from deployer_deploy.configuration import Configuration
from deployer_deploy.manifest import read
from deployer_deploy.operation import Operation, finish
from deployer_deploy.packaging import package
from deployer_deploy.progress import Listener, Packaged, Uploaded, silent
from deployer_deploy.stacks import Stacks
from deployer_deploy.tree import CORE, LAYER, PARTS, Tree
from deployer_deploy.wheels import Platform


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

    def remove(self) -> None:
        """Delete every stack, the last installed first. Secrets stay; so do the layer's versions.

        Raises ``Broken`` while branch stacks stand: the core has the roles that delete them.
        """
        if standing := self._stacks.of_branches():
            raise Broken(f"branch stacks still stand, delete them first: {', '.join(sorted(standing))}")
        for wave in reversed(plan.waves()):
            if CORE in wave:
                outputs = self.outputs()
                for bucket in ("ArtifactStore", "CodeBucket"):
                    if bucket in outputs:
                        code_bucket.empty(self._s3, outputs[bucket])
            self._finish({part: self._operation(part) for part in wave})

    def _bring(self, part: str, outputs: Mapping[str, str]) -> Operation:
        """The operation for one part; its code is built and uploaded on the way."""
        values = {**outputs, **self._configuration.parameters(), **self._place.parameters()}
        if part != CORE:
            if "CodeBucket" not in outputs:
                raise Broken(f"{part} needs {self._configuration.stack(CORE)}, which isn't installed")
            values["CodeKey"] = self._upload(part, outputs["CodeBucket"])
        return self._operation(part, values)

    def _operation(self, part: str, values: Mapping[str, str] | None = None) -> Operation:
        manifest = None if values is None else read(self._tree.manifest(part))
        name = self._configuration.stack(part)
        return Operation(self._stacks, part, name, listener=self._listener, manifest=manifest, values=values)

    def _upload(self, part: str, bucket: str) -> str:
        began = time.monotonic()
        built = package(self._tree, part, self._place.platform)
        self._listener(Packaged(part, built.key, built.path.stat().st_size, time.monotonic() - began))
        self._listener(Uploaded(part, built.key, code_bucket.upload(self._s3, bucket, built)))
        return built.key

    def _finish(self, operations: Mapping[str, Operation]) -> None:
        finish(operations, self._place.poll, self._sleep)
