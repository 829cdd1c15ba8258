"""`deployer deploy` against a laptop engine: what it checks, shows, changes, and survives."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.killing import Death, Life, live, witness
from typer.testing import CliRunner, Result

from deployer_cli.main import app
from deployer_deploy import PARTS, Configuration, Installer, Target, Tree
from deployer_local.aws.call_log import changes
from deployer_local.engine import Engine

CHOSEN = Configuration()
DEATHS = (
    Death(1, arrives=True),  # the core is being created, and nobody was told
    Death(2, arrives=False),  # the layer's package is there, its stack is not
    Death(2, arrives=True),  # the layer's stack is, and the first function's package
    Death(8, arrives=False),  # every package, and some of the functions' stacks
)


def run(engine: Engine, *arguments: str, given: str | None = None) -> Result:
    """The command in this process; ``given``: what is typed."""
    return CliRunner().invoke(app, [*arguments, "--local", "--data", str(engine.data)], input=given)


def changed(engine: Engine, since: int) -> list[str]:
    return [call.action for call in engine.calls[since:] if changes(call.service, call.action)]


def statuses(engine: Engine) -> dict[str, str]:
    found = engine.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in found}


def wanted(status: str = "CREATE_COMPLETE") -> dict[str, str]:
    return {CHOSEN.stack(part): status for part in PARTS}


@dataclass
class Story:
    """An installation from the first hour on."""

    bare: Result
    preview: Result
    previewed: list[str]
    lives: list[Life] = field(default_factory=list)
    created: list[str] = field(default_factory=list)
    statuses: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("engine"), clock=lambda: 0.0) as running:
        yield running


@pytest.fixture(scope="module")
def story(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Story:
    bare = run(engine, "deploy", "--tracing", "on")
    installer = Installer(Target.engine(engine.aws_url), Tree.here(), CHOSEN)
    for name in ("opolis.github.hmac", "opolis.github.token"):
        installer.put_secret(name, "s3cret")
    since = len(engine.calls)
    told = Story(bare, run(engine, "deploy", "--dry-run", "--json"), changed(engine, since))
    folder = tmp_path_factory.mktemp("killed") / "data"
    with witness(engine, folder) as server:
        told.lives = [live(server, folder, "deploy", death=death) for death in DEATHS]
        told.lives.append(live(server, folder, "deploy"))
        told.statuses = statuses(engine)
        told.lives.append(live(server, folder, "deploy"))
    told.created = [action for action in changed(engine, since) if action == "CreateStack"]
    return told


@pytest.fixture(scope="module")
def ready(engine: Engine, story: Story) -> Engine:
    """The engine once everything is installed."""
    assert story.lives[-1].code == 0
    return engine


def test_everything_that_stands_in_the_way_is_told_at_once_with_its_fix(story: Story) -> None:
    assert story.bare.exit_code == 1
    assert story.bare.stderr.splitlines() == [
        "✗ the secret opolis.github.hmac is not set",
        "  Set it with `deployer config set opolis.github.hmac`",
        "✗ the secret opolis.github.token is not set",
        "  Set it with `deployer config set opolis.github.token`",
        "✗ --tracing: 'on' can't be",
        "  It has to be one of PassThrough, Active",
    ]
    assert story.bare.stdout.splitlines() == ["opolis-deployer-prod in the laptop engine, account 000000000000"]


def test_a_dry_run_of_a_new_installation_shows_it_and_writes_nothing(story: Story) -> None:
    assert story.preview.exit_code == 0, story.preview.stderr
    told = json.loads(story.preview.stdout)
    assert (told["account"], told["region"], told["problems"]) == ("000000000000", "us-east-1", [])
    assert [(each["part"], each["operation"]) for each in told["stacks"]] == [(part, "create") for part in PARTS]
    assert "endpoint" not in told
    assert story.previewed == []


def test_F93_killed_at_each_of_these_moments_and_run_again_it_converges(story: Story) -> None:
    killed, ended = story.lives[: len(DEATHS)], story.lives[len(DEATHS)]
    assert [life.code for life in killed] == [-signal.SIGKILL] * len(DEATHS)
    assert ended.code == 0, ended.err
    assert story.statuses == wanted()
    assert len(story.created) == len(PARTS), "no stack was created twice"
    # They died in different places.
    assert [life.changes[-1].split("/")[0] for life in killed] == ["CreateStack", "CreateStack", "PUT ", "CreateStack"]


def test_it_ends_with_the_endpoint_and_the_next_step(story: Story, ready: Engine) -> None:
    ended = story.lives[len(DEATHS)]
    api = Installer(Target.engine(ready.aws_url), Tree.here(), CHOSEN).outputs()["ApiId"]
    [*_, last] = ended.out.splitlines()
    assert last.startswith("POST - http://127.0.0.1:")
    assert last.endswith(f"/{api}/prod/webhook")
    assert "deployer webhook add OWNER/REPO" in ended.err.splitlines()[-1]
    assert f"{CHOSEN.stack('stack-cleaner')}: created, " in ended.err


def test_what_has_not_changed_is_neither_uploaded_nor_updated(story: Story) -> None:
    again = story.lives[-1]
    assert (again.code, again.changes) == (0, [])
    assert "8 unchanged" in again.out
    assert again.out.splitlines()[-1].startswith("POST - ")


def test_what_is_chosen_is_shown_before_it_is_done(ready: Engine) -> None:
    since = len(ready.calls)
    shown = run(ready, "deploy", "--idle-days", "3", "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert "builder\tupdate\tFunction changed; IdleDays 0 -> 3" in shown.stdout
    assert "1 to update, 7 unchanged" in shown.stdout
    assert "POST - " not in shown.stdout
    assert "it was a dry run" in shown.stderr
    assert changed(ready, since) == []


def test_one_function_is_deployed_alone_and_keeps_what_it_has(ready: Engine) -> None:
    since = len(ready.calls)
    done = run(ready, "deploy", "builder", "--idle-days", "3", "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["outcomes"] == {"builder": "updated"}
    assert told["endpoint"].endswith("/prod/webhook")
    assert [action for action in changed(ready, since) if action.endswith("Stack")] == ["UpdateStack"]
    since = len(ready.calls)
    assert run(ready, "deploy", "--log-retention-days", "30").exit_code == 0
    assert changed(ready, since) == [], "the 3 days stayed, the 30 are there already"


def test_F93_an_update_whose_answer_was_lost_is_not_asked_for_again(ready: Engine, tmp_path: Path) -> None:
    with witness(ready, tmp_path / "data") as server:
        killed = live(server, tmp_path / "data", "deploy", "--idle-days", "5", death=Death(1, arrives=True))
        again = live(server, tmp_path / "data", "deploy", "--idle-days", "5")
    assert (killed.code, killed.changes) == (-signal.SIGKILL, ["UpdateStack"])
    assert (again.code, again.changes) == (0, [])
    [stack] = ready.client("cloudformation").describe_stacks(StackName=CHOSEN.stack("builder"))["Stacks"]
    assert {"ParameterKey": "IdleDays", "ParameterValue": "5"} in stack["Parameters"]


def test_a_function_before_its_core_is_refused_in_words(ready: Engine) -> None:
    refused = run(ready, "deploy", "builder", "--stage", "dev")
    assert refused.exit_code == 1
    assert "builder needs opolis-deployer-dev-core, which isn't installed" in refused.stderr


def test_a_function_that_there_is_not_is_a_wrong_call(ready: Engine) -> None:
    refused = run(ready, "deploy", "shop")
    assert refused.exit_code == 2
    assert "no such function: shop" in refused.stderr


def test_a_failure_names_its_first_resource_and_what_to_do(ready: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second installation whose layer was taken away behind its back."""
    monkeypatch.setenv("DEPLOYER_INSTALLATION", "opolis-deployer-dev")
    assert run(ready, "deploy", "core", "layer").exit_code == 0
    functions, name = ready.client("lambda"), "opolis-deployer-dev-layer"
    for version in functions.list_layer_versions(LayerName=name)["LayerVersions"]:
        functions.delete_layer_version(LayerName=name, VersionNumber=version["Version"])

    failed = run(ready, "deploy", "listener")
    assert failed.exit_code == 1
    assert "opolis-deployer-dev-listener: failed, " in failed.stderr
    said, advice = failed.stderr.splitlines()[-2:]
    assert said.startswith("✗ opolis-deployer-dev-listener is ROLLBACK_COMPLETE: Function: ")
    assert "layer" in said
    assert "what never came to life is deleted and created anew" in advice
    assert "POST - " not in failed.stdout

    told = json.loads(run(ready, "deploy", "listener", "--json").stdout)
    assert told["stacks"][0]["operation"] == "create anew"
    assert [(each["stack"], each["resource"]) for each in told["failures"]] == [
        ("opolis-deployer-dev-listener", "Function")
    ]
    assert told["outcomes"] == {}
    assert run(ready, "remove", "--yes").exit_code == 0
    assert statuses(ready).keys() == wanted().keys(), "the other installation stands as before"
