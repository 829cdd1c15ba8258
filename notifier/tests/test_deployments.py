"""Deployments on GitHub (``deployer.testing.Forge``): one a run, and what stands where, whatever is lost or late."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.addresses import Addresses
from deployer.builds import Failure
from deployer.environments import parse
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.events import Malformed
from deployer.notices import Removal, RunNotice
from deployer.pipelines import ActionRun
from deployer.ports import Deployment, Environment, Stack
from deployer.reasons import Reasons
from deployer.states import DeploymentState, RunState
from deployer.testing import Forge
from notifier.deployments import Deployed
from notifier.handler import Function, receive
from notifier.notify import MAX_ROUNDS
from notifier.standing import ENOUGH

from .test_notify import (
    API,
    LIFE,
    NEW,
    NOTICE,
    OLD,
    PIPELINE,
    REPOSITORY,
    RUN,
    SOURCE,
    WEB,
    Builds,
    Memory,
    Notes,
    Runs,
    World,
    did,
    environment,
    live,
    ran,
    record,
    two,
)

BRANCH = "7/refs/heads/feature/login"
SITE = "https://site.example/"
STATES = DeploymentState
REMOVAL = Removal(BRANCH, REPOSITORY, 1)


@dataclass
class Stacks:
    """Stacks with outputs, by name."""

    outputs: dict[str, dict[str, str]] = field(default_factory=lambda: {"site-x-app": {"Url": SITE}})
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def describe(self, name: str) -> Stack | None:
        self.asked.append(name)
        if self.failure:
            raise self.failure
        found = self.outputs.get(name)
        return None if found is None else Stack(f"arn:{name}", name, "CREATE_COMPLETE", outputs=found)


@dataclass
class Place(World):
    """The world with GitHub's deployments in it."""

    forge: Forge = field(default_factory=Forge)
    stacks: Stacks = field(default_factory=Stacks)
    configured: str = ""
    on: bool = True
    others: Runs | None = None
    """What CodePipeline says of other runs than the one that is told; the same where it is None."""

    def __post_init__(self) -> None:
        repo = self.forge.add(REPOSITORY)
        repo.commits = {OLD: {}, NEW: {}}

    @property
    def function(self) -> Function:
        plain = super().function
        addresses = Addresses(self.stacks, self.configured)
        reasons = Reasons(self.builds, self.events)
        deployed = Deployed(self.memory, self.forge, self.notes, reasons, addresses, self.others or self.runs)
        commits, threads = plain.notifier.sides
        assert threads is plain.threads
        return Function.of(commits, plain.threads, plain.notifier.observer, deployed if self.on else None)  # type: ignore[arg-type]

    def told(self, number: int = 1) -> list[tuple[str, str]]:
        """What was said of a deployment: state and description."""
        return [(str(each.state), each.description) for each in self.forge.deployed[number].said]

    def states(self) -> list[str]:
        """How each deployment stands, the oldest first."""
        return [str(each.state) for each in self.forge.deployed.values()]


def at(item: Environment, **more: Any) -> Place:
    return Place(memory=Memory(item), **more)


def test_a_run_from_its_start_to_its_end() -> None:
    place = Place()
    live(place, [3, 4, 5, 6])
    [made] = [each.deployment for each in place.forge.deployed.values()]
    assert made == Deployment(
        1,
        NEW,
        "feature/login",
        f"feature/login: run {RUN}",
        production=False,
        transient=True,
        payload={"environment": BRANCH, "generation": 1, "run": RUN, "began": 0},
    )
    assert place.told() == [
        ("in_progress", "feature/login: Build is running"),
        ("failure", "feature/login: Build failed in 3 s: no luck"),
        ("in_progress", "feature/login: Build is running"),
        ("success", "feature/login: deployed"),
    ]
    assert {each.environment_url for each in place.forge.deployed[1].said[:-1]} == {""}
    last = place.forge.deployed[1].said[-1]
    assert last.environment_url == SITE
    assert f"/pipelines/{PIPELINE}/executions/{RUN}/" in last.log_url


@pytest.mark.parametrize(
    ("identifier", "ref", "name", "production", "transient"),
    [
        pytest.param("7/staging", "refs/heads/main", "staging", False, False, id="staging"),
        pytest.param("7/production", "refs/tags/v1.0.0", "production", True, False, id="production"),
        pytest.param(BRANCH, "refs/heads/feature/login", "feature/login", False, True, id="development"),
        pytest.param(
            "7/refs/heads/staging",
            "refs/heads/staging",
            "refs/heads/staging",
            False,
            True,
            id="F31-a-branch-called-staging",
        ),
    ],
)
def test_each_environment_has_one_of_its_name(
    identifier: str, ref: str, name: str, production: bool, transient: bool
) -> None:
    place = at(environment(identifier, ref=ref))
    live(place, [6])
    [made] = [each.deployment for each in place.forge.deployed.values()]
    assert (made.environment, made.production, made.transient) == (name, production, transient)
    assert place.forge.environments == {7: {name.lower(): name}}


def test_a_run_whose_last_stage_has_succeeded_goes_on_until_it_ends() -> None:
    place = Place(runs=Runs(RunState.IN_PROGRESS, LIFE[-1][1]))
    place.notice()
    assert place.states() == ["in_progress"]
    place.runs.state = RunState.SUCCEEDED
    place.notice()
    assert place.states() == ["success"]


def test_F66_from_stage_to_stage_it_is_in_progress_once() -> None:
    place = Place()
    live(place, [2, 3])
    assert [state for state, _ in place.told()] == ["in_progress"]


def test_F64_a_run_that_has_read_nothing_is_of_no_commit_yet() -> None:
    place = Place()
    place.runs = Runs(RunState.IN_PROGRESS, LIFE[1][1], revisions={})
    place.notice()
    assert place.forge.deployed == {}
    place.runs = Runs(RunState.IN_PROGRESS, LIFE[2][1], revisions={"GitHub": ("version-8", OLD)})
    place.notice()
    assert [each.deployment.sha for each in place.forge.deployed.values()] == [OLD]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.integers(0, len(LIFE) - 1), max_size=10).map(sorted),
    st.lists(st.integers(0, 3), min_size=len(LIFE), max_size=len(LIFE)),
)
def test_F23_F63_F66_lost_doubled_and_late_events_end_in_the_same(steps: list[int], doubles: list[int]) -> None:
    place = Place()
    live(place, steps, lambda step: doubles[step])
    live(place, [len(LIFE) - 1])
    receive(place.function, record(NOTICE.to_json()))
    told = place.told()
    assert told[-1] == ("success", "feature/login: deployed")
    assert all(earlier != later for earlier, later in itertools.pairwise(told)), "F66: what is so is not said again"
    assert len(place.forge.deployed) == 1


def test_F63_the_sweep_tells_an_end_whose_events_were_all_lost() -> None:
    place = Place(runs=Runs(RunState.FAILED, LIFE[4][1]))
    for _ in range(2):
        receive(place.function, record(RunNotice(PIPELINE, RUN).to_json()))
    assert place.told() == [("failure", "feature/login: Build failed in 3 s: no luck")]


APPROVAL = did("Build", "InProgress", 5, provider="Manual")
ABANDONED = did("Build", "Abandoned", 5)


@pytest.mark.parametrize(
    ("item", "run", "actions", "state", "text"),
    [
        pytest.param({}, "InProgress", [SOURCE, APPROVAL], "pending", "Build waits for an approval", id="an-approval"),
        pytest.param({}, "InProgress", [], "in_progress", "is running", id="nothing-yet"),
        pytest.param({}, "InProgress", [SOURCE], "in_progress", "Source succeeded in 3 s", id="between-two-stages"),
        pytest.param({}, "Stopping", LIFE[3][1], "in_progress", "Build is running", id="stopping"),
        pytest.param({}, "Stopped", [SOURCE, ABANDONED], "error", "Build stopped", id="F61-stopped"),
        pytest.param(
            {},
            "Cancelled",
            [SOURCE, ABANDONED],
            "error",
            "Build cancelled: the pipeline was changed",
            id="F61-cancelled",
        ),
        pytest.param({}, "Superseded", [SOURCE], "inactive", "superseded by a newer run", id="F61-superseded"),
        pytest.param(
            {"commit": OLD}, "Superseded", [SOURCE], "inactive", "superseded by aaaaaaa", id="F61-by-another-commit"
        ),
        pytest.param(
            {"commit": OLD},
            "Stopped",
            [SOURCE, ABANDONED],
            "inactive",
            "superseded by aaaaaaa",
            id="F61-stopped-for-it",
        ),
        pytest.param({"commit": OLD}, "Succeeded", LIFE[-1][1], "success", "deployed", id="F62-done-before-it"),
        pytest.param(
            {"commit": OLD}, "Failed", LIFE[4][1], "failure", "Build failed in 3 s: no luck", id="F62-failed-before-it"
        ),
    ],
)
def test_how_a_deployment_stands(
    item: dict[str, Any], run: str, actions: list[ActionRun], state: str, text: str
) -> None:
    place = at(environment(**item), runs=Runs(RunState(run), actions))
    place.notice()
    assert place.told() == [(state, f"feature/login: {text}")]


@pytest.mark.parametrize(
    ("actions", "builds", "end"),
    [
        pytest.param([SOURCE, APPROVAL], Builds(), "/view?region=eu-west-1", id="an-approval"),
        pytest.param(LIFE[3][1], Builds(), "/timeline?region=eu-west-1", id="the-run"),
        pytest.param(
            [SOURCE, did("Build", "Failed", 5, external_id="site:1")],
            Builds(Failure("npm test exited with 1", url="https://logs/1")),
            "https://logs/1",
            id="the-failed-log",
        ),
    ],
)
def test_where_its_log_is(actions: list[ActionRun], builds: Builds, end: str) -> None:
    failed = any(action.status == "Failed" for action in actions)
    place = Place(builds=builds, runs=Runs(RunState.FAILED if failed else RunState.IN_PROGRESS, actions))
    place.notice()
    assert place.forge.deployed[1].said[-1].log_url.endswith(end)


# --- made once


def test_F45_killed_after_it_was_made_there_is_no_second_one() -> None:
    """GitHub has it, and nobody noted it: the claim was lost, or GitHub's answer."""
    place = Place()
    live(place, [3])
    place.notes = Notes()
    live(place, [6])
    assert place.states() == ["success"]


def test_only_deployments_of_its_commit_are_asked_for_before_it_is_made() -> None:
    """An environment has thousands of them in the end."""
    place = Place()
    asked: list[str] = []
    deployments = place.forge.deployments

    def listed(repository: Any, name: str, sha: str = "") -> Any:
        asked.append(sha)
        return deployments(repository, name, sha)

    place.forge.deployments = listed  # type: ignore[method-assign]
    live(place, [3])
    assert asked == [NEW]


def test_F44_two_events_of_the_same_moment_make_one() -> None:
    place = Place(runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    deploy = place.forge.deploy

    def slowly(*given: Any, **named: Any) -> int:
        with pytest.raises(Transient):
            Place(runs=place.runs, notes=place.notes, forge=place.forge).notice()
        return deploy(*given, **named)

    place.forge.deploy = slowly  # type: ignore[method-assign]
    place.notice()
    assert place.states() == ["success"]


def test_another_run_of_the_same_commit_has_another() -> None:
    place = Place()
    for number, run in enumerate(("first", "second")):
        later = [replace(each, started=each.started + number * 60_000) for each in LIFE[-1][1]]
        place.runs = Runs(RunState.SUCCEEDED, later)
        place.notice(run=run)
    assert place.states() == ["inactive", "success"]


def test_a_note_that_was_lost_after_all_is_an_alarm() -> None:
    place = Place(notes=Notes({(RUN, "deployment/made"): (1, "said")}), runs=Runs(RunState.SUCCEEDED, LIFE[-1][1]))
    with pytest.raises(Broken, match="which it is was not noted"):
        place.notice()
    assert len(place.github.statuses) == 2


# --- which one stands


def succeeded(place: Place, *runs: tuple[str, str, int]) -> None:
    """Runs of commits that succeeded, each begun at so many seconds; told in this order."""
    for run, commit, began in runs:
        actions = [
            replace(SOURCE, started=began * 1000, updated=began * 1000 + 3000),
            did("Build", "Succeeded", began + 5),
        ]
        place.runs = Runs(RunState.SUCCEEDED, actions, {"GitHub": ("version", commit)})
        place.notice(run=run)


@pytest.mark.parametrize(
    ("identifier", "ref"),
    [(BRANCH, "refs/heads/feature/login"), ("7/production", "refs/tags/v2.0.0"), ("7/staging", "refs/heads/main")],
    ids=["F62-development", "F62-production", "F62-staging"],
)
def test_the_one_before_is_superseded(identifier: str, ref: str) -> None:
    """GitHub does it by itself only where they are neither transient nor in production; there it is not said again."""
    place = at(environment(identifier, ref=ref))
    succeeded(place, ("older", OLD, 1), ("newer", NEW, 100))
    assert place.states() == ["inactive", "success"]
    assert [state for state, _ in place.told(1)] == ["success", "inactive"]
    asked = list(place.forge.tape.calls)
    place.notice(run="newer")
    assert place.forge.tape.calls == asked, "F66: GitHub is not even asked"


def test_F62_the_older_run_that_is_told_last_does_not_stand() -> None:
    place = Place()
    succeeded(place, ("newer", NEW, 100), ("older", OLD, 1))
    assert place.states() == ["success", "inactive"]
    assert place.told(2) == [("inactive", "feature/login: superseded by a newer run")]


@pytest.mark.parametrize("last", ["older", "newer"])
def test_F24_with_our_notes_lost_githubs_say_which_run_stands(last: str) -> None:
    place = Place()
    runs = {"older": ("older", OLD, 1), "newer": ("newer", NEW, 100)}
    succeeded(place, runs["older"], runs["newer"])
    place.notes = Notes()
    succeeded(place, *(each for name, each in runs.items() if name != last), runs[last])
    assert place.states() == ["inactive", "success"]


def test_F24_with_our_notes_lost_an_earlier_run_never_takes_the_place_of_a_later_one() -> None:
    place = Place()
    succeeded(place, ("older", OLD, 1), ("newer", NEW, 100))
    place.notes = Notes()
    succeeded(place, ("older", OLD, 1))
    assert place.states() == ["inactive", "success"]


def test_a_failed_run_leaves_what_is_deployed() -> None:
    place = Place()
    succeeded(place, ("older", OLD, 1))
    place.runs = Runs(RunState.FAILED, [replace(SOURCE, started=60_000), did("Build", "Failed", 70)])
    place.notice(run="newer")
    assert place.states() == ["success", "failure"]
    succeeded(place, ("mended", NEW, 100))
    assert place.states() == ["inactive", "failure", "success"]


def test_what_somebody_else_deploys_there_is_left_alone() -> None:
    place = Place()
    theirs = place.forge.deploy(REPOSITORY, OLD, "feature/login", production=True, transient=False)
    place.forge.post_deployment(REPOSITORY, theirs, STATES.SUCCESS)
    succeeded(place, ("newer", NEW, 100))
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["success", "inactive"]
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}, "it may hold their secrets"


def test_after_many_that_are_over_none_is_looked_for() -> None:
    place = Place()
    succeeded(place, *((f"run-{number}", NEW, number * 100) for number in range(1, 30)))
    before = place.forge.tape.calls.count("github.deployment_states")
    succeeded(place, ("last", NEW, 9_000))
    assert place.forge.tape.calls.count("github.deployment_states") - before == 6
    assert place.states() == ["inactive"] * 29 + ["success"]


def test_F45_killed_while_it_makes_room_the_rest_makes_room_later() -> None:
    place = Place()
    succeeded(place, ("older", OLD, 1))
    post = place.forge.post_deployment

    def but_inactive(repository: Any, deployment: int, state: STATES, **named: Any) -> None:
        if state is STATES.INACTIVE:
            raise Transient("GitHub answered 502")
        post(repository, deployment, state, **named)

    place.forge.post_deployment = but_inactive  # type: ignore[method-assign]
    with pytest.raises(Transient):
        succeeded(place, ("newer", NEW, 100))
    assert place.states() == ["success", "success"]
    place.forge.post_deployment = post  # type: ignore[method-assign]
    place.notice(run="newer")
    assert place.states() == ["inactive", "success"]


def test_F63_a_deployment_to_staging_that_was_made_later_for_an_earlier_run_makes_room() -> None:
    """GitHub ends what was made before; late events have them made in another order than they began."""
    place = at(environment("7/staging", ref="refs/heads/main"))
    for run, commit, began in (("newer", NEW, 100), ("older", OLD, 1)):
        place.runs = Runs(RunState.IN_PROGRESS, [replace(SOURCE, started=began * 1000)], {"GitHub": ("v", commit)})
        place.notice(run=run)
    succeeded(place, ("older", OLD, 1), ("newer", NEW, 100))
    assert place.states() == ["success", "inactive"]


@pytest.mark.parametrize(
    ("others", "state"),
    [
        pytest.param(Runs(known=False), "inactive", id="F24-of-a-pipeline-that-is-gone"),
        pytest.param(Runs(RunState.FAILED), "inactive", id="F24-over"),
        pytest.param(Runs(RunState.IN_PROGRESS), "in_progress", id="beside-it"),
        pytest.param(Runs(RunState.STOPPING), "in_progress", id="not-yet"),
    ],
)
def test_a_run_whose_end_nobody_told_does_not_go_on_for_ever(others: Runs, state: str) -> None:
    place = at(environment(pipelines=(PIPELINE, "site-x-Other")), others=others)
    place.runs = Runs(RunState.IN_PROGRESS, [replace(SOURCE, started=1000)], {"GitHub": ("v", OLD)})
    place.notice(run="older")
    place.runs.done = [replace(SOURCE, started=200_000)]
    place.notice(run="later")
    place.notes = Notes()
    succeeded(place, ("newer", NEW, 100))
    assert place.states() == [state, "in_progress", "success"]
    if state == "inactive":
        assert place.told(1)[-1] == ("inactive", "feature/login: superseded by bbbbbbb")


def test_a_run_of_any_of_the_environments_pipelines_may_go_on() -> None:
    class Elsewhere(Runs):
        def run(self, pipeline: str, run: str) -> Any:
            return super().run(pipeline, run) if pipeline == "site-x-Other" else None

    place = at(environment(pipelines=(PIPELINE, "site-x-Other")), others=Elsewhere())
    place.runs = Runs(RunState.IN_PROGRESS, [replace(SOURCE, started=1000)], {"GitHub": ("v", OLD)})
    place.notice(run="older")
    succeeded(place, ("newer", NEW, 100))
    assert place.states() == ["in_progress", "success"]


# --- where it is served


@pytest.mark.parametrize(
    ("outputs", "actions", "configured", "url"),
    [
        pytest.param({"site-x-app": {"Url": SITE}}, [], "", SITE, id="Url"),
        pytest.param({"site-x-app": {"URL": SITE}}, [], "", SITE, id="URL"),
        pytest.param({"site-x-app": {"WebsiteURL": SITE}}, [], "", SITE, id="WebsiteURL"),
        pytest.param({"site-x-app": {"Bucket": "b"}, "site-x": {"Url": SITE}}, [], "", SITE, id="the-pipelines-own"),
        pytest.param({"site-x": {}}, [], "", "", id="nobody-says"),
        pytest.param({}, [], "", "", id="no-stack"),
        pytest.param({"site-x-web": {"Url": SITE}}, ["site-x-api", "site-x-web"], "", SITE, id="one-that-it-deployed"),
        pytest.param({"site-y": {"Url": SITE}}, ["site-y"], "", "", id="one-that-is-another-environments"),
        pytest.param({"site-x-app": {"Url": "site.example"}}, [], "", "", id="no-scheme"),
        pytest.param({"site-x-app": {"Url": "javascript:alert(1)"}}, [], "", "", id="F40-another-scheme"),
        pytest.param({"site-x-app": {"Url": "https://[x"}}, [], "", "", id="no-url"),
        pytest.param({"site-x-app": {"Url": "https://a b"}}, [], "", "", id="a-space-in-it"),
        pytest.param({"site-x-app": {"Url": f"{SITE}{'x' * 2000}"}}, [], "", "", id="too-long"),
        pytest.param({"site-x-app": {"Url": "no", "URL": SITE}}, [], "", SITE, id="the-first-that-is-one"),
        pytest.param(
            {},
            [],
            "https://{stack}.example/{repository}/{environment}",
            "https://site-x.example/site/feature/login",
            id="configured",
        ),
        pytest.param({"site-x-app": {"Url": SITE}}, [], "https://other.example", SITE, id="said-before-configured"),
    ],
)
def test_where_it_is_served(outputs: dict[str, dict[str, str]], actions: list[str], configured: str, url: str) -> None:
    deploys = [
        did("Build", "Succeeded", number, provider="CloudFormation", action=name, stack=name)
        for number, name in enumerate(actions, 5)
    ]
    place = Place(stacks=Stacks(outputs), configured=configured)
    place.runs = Runs(RunState.SUCCEEDED, [SOURCE, *(deploys or [did("Build", "Succeeded", 5)])])
    place.notice()
    assert [each.environment_url for each in place.forge.deployed[1].said] == [url]


def test_the_latest_stack_is_asked_first_and_only_what_was_deployed() -> None:
    place = Place(stacks=Stacks({}))
    names = (("site-x-a", "Succeeded"), ("site-x-b", "Succeeded"), ("site-x-c", "Failed"), ("site-x-b", "Succeeded"))
    kinds = [
        did("Build", status, number, provider="CloudFormation", action=str(number), stack=name)
        for number, (name, status) in enumerate(names, 5)
    ]
    other = did("Build", "Succeeded", 20, action="20", stack="site-x-d")
    place.runs = Runs(RunState.SUCCEEDED, [SOURCE, *kinds, other])
    place.notice()
    assert place.stacks.asked == ["site-x-b", "site-x-a", "site-x-app", "site-x"]


@pytest.mark.parametrize("error", [Broken("AccessDenied"), Rejected("no such region")], ids=["denied", "refused"])
def test_where_it_is_served_may_not_be_known(error: Exception) -> None:
    place = Place(stacks=Stacks(failure=error))
    live(place, [6])
    assert place.states() == ["success"]


def test_F46_where_it_is_served_is_asked_again() -> None:
    place = Place(stacks=Stacks(failure=Transient("throttled")))
    with pytest.raises(Transient):
        live(place, [6])
    assert len(place.github.statuses) == 2
    place.stacks.failure = None
    live(place, [6])
    assert place.forge.deployed[1].said[-1].environment_url == SITE


# --- nobody is held up


def refusing(forge: Forge, method: str, error: Exception) -> Callable[[], None]:
    """GitHub refuses one thing until the answer is called."""
    real = getattr(forge, method)

    def refuse(*given: Any, **named: Any) -> Any:
        forge.tape.calls.append(f"refused {method}")
        raise error

    setattr(forge, method, refuse)
    return lambda: setattr(forge, method, real)


@pytest.mark.parametrize("failure", [Transient("503"), Broken("401")], ids=["F70-down", "F70-token-refused"])
@pytest.mark.parametrize("method", ["deployments", "deploy", "post_deployment"])
def test_the_other_sides_are_told_and_it_is_tried_again(method: str, failure: DeployerError) -> None:
    place = Place()
    mend = refusing(place.forge, method, failure)
    with pytest.raises(type(failure)):
        live(place, [4])
    told = (len(place.github.statuses), len(place.slack.messages), len(place.slack.replies))
    assert told == (2, 1, 2)
    mend()
    live(place, [4])
    assert place.states() == ["failure"]
    assert (len(place.github.statuses), len(place.slack.messages), len(place.slack.replies)) == told


@pytest.mark.parametrize("method", ["deployments", "deploy"])
def test_a_token_that_may_not_deploy_is_said_once_for_each_run(method: str, caplog: Any) -> None:
    place = Place()
    refusing(place.forge, method, Rejected("the token needs `deployments: write`"))
    live(place, [2, 3, 4, 5, 6])
    assert place.forge.deployed == {}
    assert place.forge.tape.calls.count(f"refused {method}") == 1
    assert len(place.github.statuses) == 5
    place.runs = Runs(RunState.SUCCEEDED, LIFE[-1][1])
    place.notice(run="another")
    assert place.forge.tape.calls.count(f"refused {method}") == 2, "it may have been given the right meanwhile"


def test_a_state_that_github_does_not_take_is_not_tried_for_ever() -> None:
    place = Place()
    refusing(place.forge, "post_deployment", Rejected("deployment 1 is gone"))
    live(place, [4, 4, 6, 6])
    assert place.forge.tape.calls.count("refused post_deployment") == 2
    assert len(place.github.statuses) == 3


def test_a_deployment_whose_end_github_does_not_take_ends_nothing_else() -> None:
    place = Place()
    succeeded(place, ("older", OLD, 1))
    post = place.forge.post_deployment

    def but_inactive(repository: Any, deployment: int, state: STATES, **named: Any) -> None:
        if state is STATES.INACTIVE:
            raise Rejected("422")
        post(repository, deployment, state, **named)

    place.forge.post_deployment = but_inactive  # type: ignore[method-assign]
    succeeded(place, ("newer", NEW, 100))
    assert place.states() == ["success", "success"]


class Contended(Notes):
    """Whatever is said of a deployment, somebody else says something later at the same time."""

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        if topic == "deployment":
            del self.ranks[run, topic]
            return False
        return super().confirm(run, topic, rank)


def test_F63_who_is_overtaken_says_it_again_whatever_was_noted() -> None:
    place = Place(notes=Contended())
    with pytest.raises(Transient):
        live(place, [4])
    assert [state for state, _ in place.told()] == ["failure"] * MAX_ROUNDS


class Interrupted(Notes):
    """While the first success is told, ``then`` happens to the note of which run stands."""

    def __init__(self, then: tuple[int, str] | None) -> None:
        super().__init__()
        self.then, self.first = then, True

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        if topic != "deployed" or not self.first:
            return super().confirm(run, topic, rank)
        self.first = False
        del self.ranks[run, topic]
        if self.then:
            self.ranks[run, topic] = self.then
            self.note(run, topic, "the later run")
        return False


@pytest.mark.parametrize(
    ("then", "state"),
    [
        pytest.param((99_000, "said"), "inactive", id="F62-a-later-run-was-told"),
        pytest.param(None, "success", id="F24-the-table-was-lost"),
    ],
)
def test_who_is_interrupted_looks_again_which_run_stands(then: tuple[int, str] | None, state: str) -> None:
    place = Place(notes=Interrupted(then))
    with pytest.raises(Transient):
        live(place, [6])
    live(place, [6])
    assert place.states() == [state]


def test_F63_what_stands_is_said_again_where_something_else_may_have_been_heard_last() -> None:
    place = Place()
    live(place, [6])
    place.notes.texts[RUN, "deployment/said"] = ""
    place.notes.ranks[RUN, "deployment"] = (0, "open")
    place.forge.post_deployment(REPOSITORY, 1, STATES.IN_PROGRESS)
    live(place, [6])
    assert place.states() == ["success"]


def test_switched_off_nothing_is_deployed() -> None:
    place = Place(on=False)
    live(place, [6])
    receive(place.function, record(REMOVAL.to_json()))
    assert (place.forge.deployed, place.forge.tape.calls) == ({}, [])
    assert len(place.github.statuses) == 2


# --- the end of an environment


def gone(place: Place) -> Place:
    """The builder has forgotten it."""
    place.memory.items.clear()
    return place


def test_what_was_deployed_ends_with_its_environment() -> None:
    place = Place()
    succeeded(place, ("older", OLD, 1))
    place.runs = Runs(RunState.FAILED, [replace(SOURCE, started=60_000), did("Build", "Failed", 70)])
    place.notice(run="failed")
    place.runs = Runs(RunState.IN_PROGRESS, [replace(SOURCE, started=90_000), did("Build", "InProgress", 95)])
    place.notice(run="running")
    for _ in range(2):
        receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive", "failure", "inactive"]
    assert place.told(1)[-1] == ("inactive", "feature/login: the environment was removed")
    assert place.told(1).count(place.told(1)[-1]) == 1
    assert place.forge.environments == {7: {}}


def test_what_stands_between_others_that_are_over_is_found() -> None:
    place = Place()
    payload = {"environment": BRANCH, "generation": 1}
    for state in (STATES.SUCCESS, *[STATES.FAILURE] * 4, STATES.QUEUED, *[STATES.ERROR] * 4):
        made = place.forge.deploy(REPOSITORY, OLD, "feature/login", production=False, transient=True, payload=payload)
        place.forge.post_deployment(REPOSITORY, made, state)
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive", *["failure"] * 4, "inactive", *["error"] * 4]


def test_F45_killed_while_many_end_the_rest_ends_later() -> None:
    """As many as are enough to stop looking: the oldest end first."""
    place = Place()
    payload = {"environment": BRANCH, "generation": 1}
    for _ in range(ENOUGH + 2):
        made = place.forge.deploy(REPOSITORY, OLD, "feature/login", production=False, transient=True, payload=payload)
        place.forge.post_deployment(REPOSITORY, made, STATES.QUEUED)
    post, left = place.forge.post_deployment, ENOUGH

    def until_killed(*given: Any, **named: Any) -> None:
        nonlocal left
        if not left:
            raise Transient("GitHub answered 502")
        left -= 1
        post(*given, **named)

    place.forge.post_deployment = until_killed  # type: ignore[method-assign]
    with pytest.raises(Transient):
        receive(gone(place).function, record(REMOVAL.to_json()))
    left = -1
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"] * (ENOUGH + 2)


def test_one_that_nothing_was_said_of_ends_too() -> None:
    place = Place()
    refusing(place.forge, "post_deployment", Transient("502"))()
    mend = refusing(place.forge, "post_deployment", Transient("502"))
    with pytest.raises(Transient):
        live(place, [3])
    mend()
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"]


def test_where_the_token_may_not_remove_it_the_environment_stays() -> None:
    place = Place()
    live(place, [6])
    place.forge.administers = False
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"]
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}


def test_an_environment_of_that_name_that_nobody_deployed_to_is_not_ours() -> None:
    place = Place()
    place.forge.environments[7] = {"feature/login": "feature/login"}
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}


def test_F28_a_branch_that_came_back_keeps_what_it_has_deployed_since() -> None:
    place = Place()
    succeeded(place, ("before", OLD, 1))
    place.memory.items[parse(BRANCH)] = environment(generation=5)
    place.runs = Runs(RunState.IN_PROGRESS, [replace(SOURCE, started=60_000), did("Build", "InProgress", 70)])
    place.notice(run="since")
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive", "in_progress"]
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}


def test_F28_a_branch_that_came_back_keeps_its_environment_before_it_deploys() -> None:
    place = Place()
    succeeded(place, ("before", OLD, 1))
    place.memory.items[parse(BRANCH)] = environment(generation=5)
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"]
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}


def test_F30_two_branches_that_differ_by_case_share_it_and_one_ends_alone() -> None:
    other = environment("7/refs/heads/Feature/Login", stack="site-y")
    place = Place()
    live(place, [6])
    place.memory = Memory(other)
    place.notice(run="theirs")
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive", "success"]
    assert place.forge.environments == {7: {"feature/login": "feature/login"}}


def test_a_run_that_ends_while_its_environment_is_removed_leaves_nothing_standing() -> None:
    place = Place()
    live(place, [3])
    place.memory.items[parse(BRANCH)] = environment(present=False)
    live(place, [6])
    assert place.told()[-1] == ("inactive", "feature/login: stopped: the environment is being removed")
    place.notice(run="never-told")
    assert len(place.forge.deployed) == 1, "nor is another one made"


@pytest.mark.parametrize("failure", [Transient("502", 30.0), Broken("401")], ids=["F67-down", "F70-token-refused"])
def test_the_end_is_tried_again(failure: DeployerError) -> None:
    place = Place()
    live(place, [6])
    mend = refusing(place.forge, "deployments", failure)
    with pytest.raises(type(failure)):
        receive(gone(place).function, record(REMOVAL.to_json()))
    mend()
    receive(place.function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"]


def test_the_end_that_github_refuses_is_not_tried_for_ever() -> None:
    place = Place()
    live(place, [6])
    refusing(place.forge, "deployments", Rejected("the token needs `deployments: write`"))
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["success"]


def test_F19_what_is_no_environment_is_not_removed() -> None:
    place = Place()
    with pytest.raises(Malformed):
        receive(place.function, record(Removal("site", REPOSITORY, 1).to_json()))
    assert place.forge.tape.calls == []


@pytest.mark.parametrize("name", ["staging", "production"], ids=["F32-staging", "F36-production"])
def test_of_staging_and_production_what_was_deployed_ends_and_githubs_environment_stays(name: str) -> None:
    """It may hold the secrets and the rules of whoever has it removed for now."""
    place = Place()
    place.memory = Memory(environment(f"7/{name}"))
    live(place, [6])
    assert place.states() == ["success"]
    receive(gone(place).function, record(Removal(f"7/{name}", REPOSITORY, 9).to_json()))
    assert place.states() == ["inactive"]
    assert place.forge.environments == {7: {name: name}}


@pytest.mark.parametrize("generation", [None, "2"], ids=["none", "text"])
def test_a_deployment_whose_generation_can_not_be_read_ends_too(generation: object) -> None:
    place = Place()
    payload = {"environment": BRANCH, "generation": generation}
    number = place.forge.deploy(REPOSITORY, OLD, "feature/login", production=False, transient=True, payload=payload)
    place.forge.post_deployment(REPOSITORY, number, STATES.SUCCESS)
    receive(gone(place).function, record(REMOVAL.to_json()))
    assert place.states() == ["inactive"]


def test_each_of_several_pipelines_has_a_deployment_that_stands() -> None:
    place = two(Place())
    place.stacks.outputs = {"site-x-app": {"Url": SITE}}
    ran(place, API, 6, "run-of-api")
    ran(place, WEB, 6, "run-of-web")
    assert place.states() == ["success", "success"]
    names = [each.deployment.environment for each in place.forge.deployed.values()]
    assert names == ["feature/login (api)", "feature/login (web)"]
    assert set(place.forge.environments[7]) == set(names)
    receive(gone(place).function, record(replace(REMOVAL, parts=("api", "web")).to_json()))
    assert place.states() == ["inactive", "inactive"]
    assert place.forge.environments == {7: {}}
