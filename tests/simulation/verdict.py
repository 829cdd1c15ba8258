"""What has to be true of a world once the chaos is over; each thing that is not is one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.commits import Kind
from tests.simulation.people import NAMES, Team

from builder.baseline import mark
from deployer.admission import NO_BUILD
from deployer.contexts import prep_context, stage_context
from deployer.environments import INSTALLATION_TAG, OWNER_TAG, EnvironmentId, environment_of, source_key, tag_value
from deployer.ports import Environment
from deployer.refs import TAGS, Stage, release_of
from deployer.states import CommitState, DeploymentState, RunState, StackPhase

OURS = "opolis-deployer-prod"
STRANGE = "ci/lint"


def verdict(world: Any) -> list[str]:
    """All that is wrong now, in a fixed order."""
    return [
        *_stuck(world),
        *_environments(world),
        *_leftovers(world),
        *_foreign(world),
        *_statuses(world),
        *_deployments(world),
    ]


def _stuck(world: Any) -> Iterator[str]:
    for queue in (world.looks, world.changes, world.notices):
        if len(queue):
            yield f"{len(queue)} messages are in the queue of {queue.name}s"


# --- environments


def _environments(world: Any) -> Iterator[str]:
    for team in world.people.teams:
        wanted: dict[EnvironmentId, str] = {}
        for ref in sorted(team.repo.refs):
            environment = environment_of(team.name.id, ref, team.repo.default_branch)
            if environment and environment.stage is not Stage.PRODUCTION:
                wanted[environment] = ref
        for environment, ref in wanted.items():
            yield from _wanted(world, team, environment, ref)
        yield from _production(world, team)
        for item in world.desk.items.values():
            dev = item.id.stage is Stage.DEVELOPMENT
            if dev and item.id.repository == team.name.id and item.id not in wanted:
                yield f"{item.id} is there, and its branch is not"


def _wanted(world: Any, team: Team, environment: EnvironmentId, ref: str) -> Iterator[str]:
    item, commit = world.desk.items.get(environment), team.commit_at(ref)
    kind = world.people.commits[commit].kind
    if kind is Kind.SKIPPED or NO_BUILD in ref:  # what is there stays as it is
        if item and not item.present:
            yield f"{environment} is still being removed"
        elif item:
            yield from _in_place(world, item)
    elif item is None:
        if kind is not Kind.BARE and not _parked(world, team, environment, ref):
            yield f"{environment} is not there, and {ref} is at {commit[:8]}"
    elif not item.present or item.commit != commit:
        yield f"{environment} is at {item.commit[:8]}, and {ref} at {commit[:8]}"
    else:
        yield from _in_place(world, item)


def _parked(world: Any, team: Team, environment: EnvironmentId, ref: str) -> bool:
    baseline = world.desk.known.get(team.name.id)
    return baseline is None or mark(ref, team.repo.refs[ref]) in baseline.parked or environment in world.desk.places


def _production(world: Any, team: Team) -> Iterator[str]:
    environment = EnvironmentId(team.name.id, Stage.PRODUCTION)
    item = world.desk.items.get(environment)
    releases = {release: ref for ref in team.repo.refs if (release := release_of(ref))}
    newest = max(releases, default=None)
    asleep = newest and _parked(world, team, environment, releases[newest])
    if item is None:
        if (
            newest
            and not asleep
            and not world.lost_at
            and world.people.commits[team.commit_at(releases[newest])].kind is not Kind.BARE
        ):
            yield f"{environment} is not there, and there is {newest}"
        return
    current = release_of(item.ref)
    if newest and current and newest > current and not asleep:
        yield f"{environment} is at {current}, and there is {newest}"
    if item.commit not in team.held(item.ref, 0):
        yield f"{environment} is at {item.commit[:8]}, where {item.ref.removeprefix(TAGS)} never was"
    yield from _in_place(world, item)


def _in_place(world: Any, item: Environment) -> Iterator[str]:
    """Whether an environment is what its commit says: its stack, its run, what is deployed, what is said of it."""
    made = world.people.commits[item.commit]
    kept = world.sky.kept.get(item.stack)
    prep = _said(world, item, prep_context(item.id, shared=_shared(world, item)))
    if kept is not None and kept.stack.tags.get(OWNER_TAG) != tag_value(item.id):
        if prep is not CommitState.FAILURE:
            yield f"{item.id} has no stack, {item.stack} is somebody else's, and it says {prep}"
        return
    if made.kind in (Kind.INVALID, Kind.BARE, Kind.FAILS, Kind.STUCK):
        if prep is not CommitState.FAILURE:
            yield f"{item.id} is at {made.sha[:8]}, which can't be deployed ({made.kind}), and says {prep}"
        return
    if kept is None:
        yield f"{item.id} has no stack"
        return
    if kept.stack.phase not in (StackPhase.STABLE, StackPhase.REVERTED):
        yield f"{item.id} has a stack in {kept.stack.status}"
    if kept.request.template != made.template:
        yield f"{item.id} has another template than its commit {made.sha[:8]}"
    if prep is not CommitState.SUCCESS:
        yield f"{item.id} is prepared at {made.sha[:8]}, and says {prep}"
    yield from _run_of(world, item, fails=made.kind is Kind.BUILD_FAILS)


def _run_of(world: Any, item: Environment, *, fails: bool) -> Iterator[str]:
    wanted = RunState.FAILED if fails else RunState.SUCCEEDED
    runs = [run for run in world.sky.executions.get(item.stack, ()) if run.revisions.get("Source") == item.source]
    if not item.source or wanted not in [run.state for run in runs]:
        yield f"{item.id} generation {item.generation} has no run that {wanted}: {[str(run.state) for run in runs]}"
        return
    if world.desk.commit_of(item.source) != item.commit:
        yield f"{item.id} has a source of another commit than {item.commit[:8]}"
    deployed = world.desk.commit_of(world.sky.deployed.get(item.stack, ""))
    if not fails and deployed != item.commit:
        yield f"{item.id} is to be at {item.commit[:8]}, and {deployed[:8]} is what was deployed last"
    said = _said(world, item, stage_context(item.id, "Build", shared=_shared(world, item)))
    if said is not (CommitState.FAILURE if fails else CommitState.SUCCESS):
        yield f"{item.id} has run at {item.commit[:8]}, and Build says {said}"
    shown = {each.deployment.payload["run"]: each.state for each in world.hub.deployed.values()}
    ended = DeploymentState.FAILURE if fails else DeploymentState.SUCCESS
    if ended not in [shown.get(run.id) for run in runs if run.state is wanted]:
        yield f"{item.id} has run at {item.commit[:8]}, and its deployments are {[shown.get(run.id) for run in runs]}"


def _shared(world: Any, item: Environment) -> bool:
    holder = world.desk.holders.get(("commit", f"{item.id.repository}/{item.commit}"))
    return bool(holder != item.id)


def _said(world: Any, item: Environment, context: str) -> CommitState | None:
    status = world.hub.latest(item.commit).get(context)
    return status.state if status else None


# --- what must not be there


def _leftovers(world: Any) -> Iterator[str]:
    stacks = {item.stack for item in world.desk.items.values()}
    if world.lost_at:  # what production has, and staging of a branch that is gone, nobody may be able to tell
        reserved = [EnvironmentId(name.id, stage) for name in NAMES for stage in (Stage.STAGING, Stage.PRODUCTION)]
        owners = {tag_value(environment) for environment in reserved}
        stacks |= {name for name, kept in world.sky.kept.items() if kept.stack.tags.get(OWNER_TAG) in owners}
    for name, kept in world.sky.kept.items():
        if kept.stack.tags.get(INSTALLATION_TAG) == OURS and name not in stacks:
            yield f"{name} is a stack of ours without an environment"
    keys = {source_key(name) for name in stacks}
    # Of what was forgotten with the table before it had a stack, nothing tells.
    for key in (*world.desk.objects, *world.desk.texts) if not world.lost_at else ():
        if key.removesuffix(".template") not in keys:
            yield f"{key} was left in the artifact store"
    for name in (*world.sky.artifacts, *world.sky.logs):
        if name not in stacks:
            yield f"{name} is gone, and artifacts or a log of it are there"
    for (kind, name), holder in world.desk.holders.items():
        # Who is killed between taking a stack's name and remembering the environment leaves a name that is nobody
        # else's to take; if its branch is gone by then, or its repository renamed, nobody looks there again.
        # Who was overtaken may take a pipeline's name after the environment was forgotten.
        unsaved = kind == "stack" and name not in world.named
        overtaken = world.lost_at or str(holder) in world.looks.rivals
        # A slot that somebody left is taken over by who needs it.
        kept = kind in ("commit", "slot") or unsaved or overtaken
        if not kept and holder not in world.desk.items:
            yield f"{kind}/{name} still points at {holder}"


def _foreign(world: Any) -> Iterator[str]:
    for name, kept in world.foreign.items():
        if world.sky.kept.get(name) is not kept or kept.stack.status != "CREATE_COMPLETE":
            yield f"{name} is somebody else's, and it was touched"
    for operation, name, _ in world.sky.operations:
        if name in world.foreign:
            yield f"{name} is somebody else's, and there was a {operation}"


def _statuses(world: Any) -> Iterator[str]:
    latest = {(status.sha, status.context): (number, status) for number, status in enumerate(world.hub.statuses)}
    built = {world.desk.commit_of(version) for version in world.sky.sources_built}
    for (sha, context), (number, status) in latest.items():
        if context == STRANGE:
            if status.description != "not ours":
                yield f"{context} of {sha[:8]} is somebody else's, and says {status.description}"
            continue
        if status.state is CommitState.PENDING and number not in world.forgotten:
            yield f"{context} of {sha[:8]} is pending for ever: {status.description}"
        if context.endswith("/Build") and status.state is CommitState.SUCCESS and sha not in built:
            yield f"{context} of {sha[:8]} says success, and no run of it succeeded"


def _deployments(world: Any) -> Iterator[str]:
    """One a run; of those to an environment one stands at most, and none where the environment is gone."""
    runs: dict[object, int] = {}
    standing: dict[tuple[int, str], list[int]] = {}
    going: dict[tuple[int, str], list[int]] = {}
    there = {(item.id.repository, str(item.id)) for item in world.desk.items.values()}
    for number, each in world.hub.deployed.items():
        made, place = each.deployment, (each.repository, str(each.deployment.payload["environment"]))
        if made.payload["run"] in runs:
            yield f"{made.payload['run']} has two deployments: {runs[made.payload['run']]} and {number}"
        runs[made.payload["run"]] = number
        if each.state in (None, DeploymentState.IN_PROGRESS):
            going.setdefault(place, []).append(number)
        if each.state is DeploymentState.SUCCESS:
            standing.setdefault(place, []).append(number)
            if place not in there and not world.lost_at:
                yield f"deployment {number} to {made.environment} stands, and its environment is gone"
    began = {number: int(each.deployment.payload["began"]) for number, each in world.hub.deployed.items()}
    for place, numbers in going.items():
        # Of a run that was forgotten with the table nobody tells how it ended, until a later one succeeds.
        since = max((began[number] for number in standing.get(place, ())), default=0)
        for number in numbers:
            if not world.lost_at or began[number] < since:
                yield f"deployment {number} to {place[1]} goes on for ever"
    for (_, environment), numbers in standing.items():
        if len(numbers) > 1:
            yield f"{environment} has {len(numbers)} deployments that stand: {numbers}"
