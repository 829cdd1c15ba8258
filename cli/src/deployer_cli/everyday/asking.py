"""``deployer redeploy``, ``rm``, ``prune`` and ``sweep``: ask the builder for something, through its queue of looks."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from deployer.environments import INSTALLATION_TAG, EnvironmentId
from deployer.errors import Rejected
from deployer.events import Look, Sweep
from deployer.ports import Environment, Repository
from deployer.queues import LookQueue
from deployer.refs import HEADS, TAGS, Stage
from deployer.stacks import CloudFormation
from deployer_cli.checkout import FullName
from deployer_cli.commands import placed
from deployer_cli.confirming import DryRun, Yes, confirm
from deployer_cli.everyday.choosing import Branch, Env, Repo, choose, known
from deployer_cli.everyday.gather import milliseconds
from deployer_cli.everyday.leftovers import Leftover, Scene, leftovers, of_repository
from deployer_cli.everyday.wanted import Asked, again, removal
from deployer_cli.output import Output, plain
from deployer_cli.place import Place

# How often, and with how many seconds in between, it is looked whether the builder has heard of what was asked.
_LOOKS, _PAUSE = 40, 0.5


@placed
def redeploy(
    place: Place,
    output: Output,
    *,
    branch: Branch = None,
    repo: Repo = None,
    env: Env = None,
    tag: Annotated[
        str | None, typer.Option("--tag", metavar="vX.Y.Z", help="The release that production is to have.")
    ] = None,
) -> None:
    """Build the same commit again; wake a branch that has no environment; put a release into production."""
    stage = Stage.PRODUCTION if tag and not branch and env is None else env
    choice = choose(place, branch, repo, stage, Path.cwd())
    asked = again(choice.name, choice.id, place.memory.environment(choice.id), tag, uuid.uuid4().hex)
    ref = asked.look.ref or choice.ref
    if place.github.tip(choice.name, ref) is None:
        raise Rejected(f"{ref.removeprefix(HEADS).removeprefix(TAGS)} is not on GitHub: nothing can be built of it")
    _send(place, [asked.look])
    _wait(output, lambda: _request(place, choice.id) == asked.look.request)
    named = choice.id.branch or f"--env {choice.id.stage}"
    _say(output, [asked], f"deployer watch {named}")


@placed
def rm(
    place: Place,
    output: Output,
    *,
    branch: Branch = None,
    repo: Repo = None,
    env: Env = None,
    yes: Yes = False,
) -> None:
    """Remove an environment, with everything in it, although its branch stays; a push brings it back."""
    if branch is None and env is None:
        raise Rejected("which environment? name its branch, or say --env staging or --env production")
    choice = choose(place, branch, repo, env, Path.cwd())
    item = place.memory.environment(choice.id)
    if item is None:
        raise Rejected(f"{choice.label} has no environment")
    if choice.id.reserved and env is None:
        raise Rejected(f"{branch} is {choice.id.stage}: it is removed by that name alone, with --env {choice.id.stage}")
    text = f"{choice.label}: its stack {item.stack} is removed, and all that is in it"
    confirm(output, text, typed=str(choice.id.stage) if choice.id.reserved else "", yes=yes)
    asked = removal(item)
    _send(place, [asked.look])
    _wait(output, lambda: not _stands(place, item))
    _say(output, [asked], "deployer ls")


@placed
def prune(
    place: Place,
    output: Output,
    *,
    repo: Annotated[str | None, typer.Option("--repo", metavar="OWNER/NAME", help="Only of this repository.")] = None,
    idle_days: Annotated[
        int, typer.Option("--idle-days", min=0, help="Idle is what nobody pushed to for so many days; 0: nothing.")
    ] = 30,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Find environments that are left over, and have them removed: never staging or production."""
    found = [each for scene in scenes(place, repo, idle_days) for each in leftovers(scene)]
    if output.json:
        output.emit({"leftovers": [_as_json(each) for each in found]})
    else:
        rows = [[str(each.kind), each.repository, each.environment.label, each.stack, each.why] for each in found]
        output.table(("left over", "repository", "environment", "stack", "why"), rows, "Nothing is left over.")
    if dry_run or not found:
        return
    confirm(output, f"have the builder see to {len(found)} of them", yes=yes)
    _send(place, [each.look for each in found])
    output.note(f"Asked for {len(found)}. Next: `deployer ls`")


@placed
def sweep(
    place: Place,
    output: Output,
    *,
    repo: Annotated[str | None, typer.Option("--repo", metavar="OWNER/NAME", help="Only of this repository.")] = None,
    unlimited: Annotated[
        bool,
        typer.Option("--unlimited", help="However many environments it makes or removes."),
    ] = False,
    yes: Yes = False,
) -> None:
    """Compare the refs of a repository, or of all, with its environments now, and bring them where they belong."""
    names = [each.name for each in repositories(place, repo)]
    if unlimited:
        listed = ", ".join(name.full_name for name in names)
        confirm(output, f"sweep {listed}, however many environments that makes or removes", yes=yes)
    queue, tick = _queue(place), uuid.uuid4().hex
    for name in names:
        queue.sweep(Sweep(name, unlimited=unlimited), tick)
    if output.json:
        output.emit({"swept": [name.full_name for name in names], "unlimited": unlimited})
    else:
        for name in names:
            output.say(plain(f"asked: sweep {name.full_name}"))


# --- what they share


def repositories(place: Place, repo: str | None) -> list[Repository]:
    """The repository that is named, else all that are known."""
    if repo:
        return [known(place, FullName.parse(repo))]
    return [Repository(each.repository, each.default_branch) for each in place.memory.repositories()]


def scenes(place: Place, repo: str | None, idle_days: int) -> Iterable[Scene]:
    """What is there of each repository, and where its refs are."""
    prefix = place.configuration.prefix
    every = CloudFormation(place.client("cloudformation")).every()
    stacks = [stack for stack in every if stack.tags.get(INSTALLATION_TAG) == prefix]
    for each in repositories(place, repo):
        refs = place.github.refs(each.name, {})
        if refs is None:  # pragma: no cover - only where validators are given
            continue
        number = each.name.id
        yield Scene(
            refs.repository,
            refs.tips,
            place.memory.environments(number),
            place.memory.all_parked(number),
            of_repository(number, stacks),
            milliseconds(),
            idle_days,
        )


def _queue(place: Place) -> LookQueue:
    return LookQueue(place.client("sqs"), place.outputs["LooksQueueUrl"])


def _send(place: Place, looks: Iterable[Look]) -> None:
    queue = _queue(place)
    for look in looks:
        queue.send(look)


def _request(place: Place, environment: EnvironmentId) -> str:
    """The last asking by hand that was granted."""
    item = place.memory.environment(environment)
    return item.request if item else ""


def _stands(place: Place, item: Environment) -> bool:
    """Whether an environment is wanted as it was."""
    now = place.memory.environment(item.id)
    return now is not None and now.present and now.generation == item.generation


def _wait(output: Output, taken_up: Callable[[], bool]) -> None:
    """Wait until the builder has heard of it, so that whoever looks next sees what was asked for."""
    for _ in range(_LOOKS):
        if taken_up():
            return
        time.sleep(_PAUSE)
    output.note("It was not taken up yet; the builder's log says why, where it stays so.", "yellow")


def _say(output: Output, asked: list[Asked], following: str) -> None:
    if output.json:
        output.emit({"asked": [asdict(each.look) for each in asked]})
        return
    for each in asked:
        output.say(plain(f"asked: {each.words}"))
    output.note(plain(f"Next: `{following}`"))


def _as_json(each: Leftover) -> dict[str, Any]:
    return {
        "kind": str(each.kind),
        "repository": each.repository,
        "environment": each.environment.label,
        "stack": each.stack,
        "why": each.why,
    }
