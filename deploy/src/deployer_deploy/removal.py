"""Take an installation away, with the environments that it made; production only where it is named.

What listens and builds goes first, so that nothing comes back. Then the environments go, their runs stopped, while the
functions that empty their buckets and delete their apps' stacks still live, and the roles with which CloudFormation
deletes. As long as a production environment stays, so does what it needs: those functions, the layer and the core.
Killed anywhere and run again, it goes on.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import Broken, Rejected
from deployer.logs import build_log
from deployer.pipelines import CodePipeline
from deployer.refs import Stage
from deployer.stacks import CloudFormation
from deployer_deploy import plan
from deployer_deploy.branches import BranchStack, installations, standing
from deployer_deploy.configuration import Configuration
from deployer_deploy.install import Installer, Place
from deployer_deploy.manifest import read
from deployer_deploy.operation import Operation, finish
from deployer_deploy.progress import Listener, silent
from deployer_deploy.stacks import Stacks
from deployer_deploy.tree import CORE, LAYER, PARTS, Tree

# Without them a push has no effect any more. What the templates of environments call is not among them.
LISTENING = ("listener", "builder", "notifier")
_PIPELINE, _PROJECT, _LOG = "AWS::CodePipeline::Pipeline", "AWS::CodeBuild::Project", "AWS::Logs::LogGroup"
_SECRET = re.compile(r":parameter/(opolis\.[a-z.]+[a-z])")


@dataclass(frozen=True)
class Removal:
    """What goes and what stays.

    ``environments`` go; ``kept`` are production environments that nobody named. ``parts`` go: all, or those that no
    production needs. ``secrets`` go; ``sharing``: the other installations for which they were kept.
    """

    environments: tuple[BranchStack, ...]
    kept: tuple[BranchStack, ...]
    parts: tuple[str, ...]
    secrets: tuple[str, ...] = ()
    sharing: tuple[str, ...] = ()

    @property
    def goes(self) -> bool:
        """Whether anything does."""
        return bool(self.environments or self.parts or self.secrets)


def decide(
    branches: Sequence[BranchStack],
    parts: Collection[str],
    named: Collection[str],
    secrets: Sequence[str],
    others: Collection[str],
) -> Removal:
    """What goes and what stays: a pure function of the branch stacks that stand and the ``parts`` that are there.

    ``named``: the production environments that are to go, as ``owner/name`` or by their stacks' names. ``secrets``:
    those that are to go, unless there are ``others``, installations that use them too. Raises ``Rejected`` for a name
    that no production environment has.
    """
    production = [each for each in branches if each.stage is Stage.PRODUCTION]
    known = {name for each in production for name in (each.repository, each.name)}
    if unknown := sorted(set(named) - known):
        there = ", ".join(each.repository or each.name for each in production) or "there is none"
        raise Rejected(f"no production environment of {', '.join(unknown)} stands here; of these one does: {there}")
    kept = tuple(each for each in production if not {each.repository, each.name} & set(named))
    return Removal(
        tuple(each for each in branches if each not in kept),
        kept,
        tuple(part for part in (LISTENING if kept else PARTS) if part in parts),
        () if others else tuple(secrets),
        tuple(sorted(others)) if secrets else (),
    )


class Remover:
    """Removes one installation from one place. ``listener`` is told of each stack."""

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
        self._installer = Installer(place, tree, configuration, listener, sleep)
        self._stacks = Stacks(place.client("cloudformation"))

    def decide(self, named: Collection[str] = (), *, secrets: bool = False) -> Removal:
        """What `remove` is to do. Reads only. Raises as `decide` does, and where there is nothing of it."""
        stacks = self._stacks.every()
        names_there = {stack.name for stack in stacks}
        parts = [part for part in PARTS if self._configuration.stack(part) in names_there]
        branches = standing(stacks, self._configuration.prefix)
        if not parts and not branches:
            raise Rejected(f"there is no {self._configuration.prefix} here, and nothing of it; say --region, --profile")
        names = self.secrets() if secrets else ()
        others = installations(stacks) - {self._configuration.prefix}
        return decide(branches, parts, named, names, others)

    def secrets(self) -> tuple[str, ...]:
        """The names of the secrets in SSM: those that the functions' templates let them read."""
        texts = (read(self._tree.manifest(part)).text for part in PARTS[1:])
        return tuple(sorted({name for text in texts for name in _SECRET.findall(text)}))

    def remove(self, removal: Removal) -> None:
        """Do it. Raises ``StacksFailed`` or another ``DeployerError`` where something stays; run again to go on."""
        self._installer.remove([part for part in removal.parts if part in LISTENING])
        if removal.kept:
            self._installer.silence()
        # What the builder was about to make when it went is seen by now, or at the next turn.
        named, kept = ({each.id for each in some} for some in (removal.environments, removal.kept))
        while True:
            branches = standing(self._stacks.every(), self._configuration.prefix)
            going = [each for each in branches if each.id in named or each.stage is not Stage.PRODUCTION]
            if not going:
                break
            finish({each.name: self._teardown(each) for each in going}, self._place.poll, self._sleep)
        if came := [each for each in branches if each.id not in kept]:
            # A release, since it was decided what production needs.
            raise Broken(f"came up meanwhile: {', '.join(map(str, came))}; run this again to decide what becomes of it")
        self._installer.remove([part for part in removal.parts if part not in (CORE, *LISTENING)])
        if not removal.kept:
            self._forget_layers()
        if removal.secrets:
            self._forget_secrets(removal.secrets)
        # Last, so that whoever was killed before finds what is left to be removed.
        self._installer.remove([part for part in removal.parts if part == CORE])

    def _teardown(self, branch: BranchStack) -> Teardown:
        operation = Operation(self._stacks, str(branch), branch.name, listener=self._listener)
        return Teardown(self._place, self._stacks, branch, operation)

    def _forget_layers(self) -> None:
        """The versions that updates left behind, for functions that ran on them."""
        client, name = self._place.client("lambda"), self._configuration.stack(LAYER)
        try:
            for page in client.get_paginator("list_layer_versions").paginate(LayerName=name):
                for version in page["LayerVersions"]:
                    client.delete_layer_version(LayerName=name, VersionNumber=version["Version"])
        except (ClientError, BotoCoreError) as error:
            raise Broken(f"the versions of the layer {name} can't be deleted: {error}") from error

    def _forget_secrets(self, names: Sequence[str]) -> None:
        try:
            self._place.client("ssm").delete_parameters(Names=list(names))
        except (ClientError, BotoCoreError) as error:
            raise Broken(f"the secrets can't be deleted: {error}") from error


class Teardown:
    """One environment on its way to being gone: its runs stop, the logs of its builds go, then its stack."""

    def __init__(self, place: Place, stacks: Stacks, branch: BranchStack, operation: Operation) -> None:
        self._stacks = stacks
        self._branch = branch
        self._operation = operation
        self._resources = CloudFormation(place.client("cloudformation"))
        self._pipelines = CodePipeline(place.client("codepipeline"))
        self._logs = place.client("logs")
        self._still = False

    def look(self) -> bool:
        """Take at most one step; True once the stack is gone. Raises as `Operation.look` does."""
        if not self._still:
            stack = self._stacks.observe(self._branch.name)
            if plan.moving(stack.status):
                return False
            named = self._named()
            if self._stopping(named.get(_PIPELINE, ())):
                return False
            for project in named.get(_PROJECT, ()):
                if (group := build_log(project)) not in named.get(_LOG, ()):
                    self._clear(group)
            self._still = True
        return self._operation.look()

    def _named(self) -> Mapping[str, list[str]]:
        """The physical ids of the stack's resources, by type."""
        found: dict[str, list[str]] = {}
        for each in self._resources.resources(self._branch.id):
            if each.physical_id:
                found.setdefault(each.type, []).append(each.physical_id)
        return found

    def _stopping(self, pipelines: Collection[str]) -> bool:
        """Whether a run is still at work; each is asked to stop."""
        active = [(name, run.id) for name in pipelines for run in self._pipelines.runs(name) if run.state.active]
        for name, run in active:
            self._pipelines.stop(name, run, "the deployer is being removed")
        return bool(active)

    def _clear(self, group: str) -> None:
        """Delete the log group that CodeBuild made by itself; it is no resource of the stack."""
        try:
            self._logs.delete_log_group(logGroupName=group)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise Broken(f"the log {group} can't be deleted: {error}") from error
        except BotoCoreError as error:
            raise Broken(f"the log {group} can't be deleted: {error}") from error
