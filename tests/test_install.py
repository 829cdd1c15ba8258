"""The deploy tool against the laptop engine: the same stacks, templates and packages as on AWS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts import aws_events

from deployer_deploy import FUNCTIONS, PARTS, Configuration, Installer, StacksFailed, Target, Tree
from deployer_deploy.progress import Event, StackFinished, Uploaded
from deployer_local.engine import Engine

CHOSEN = Configuration()


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("engine")) as running:
        installer(running).install()
        yield running
        aws_events.check(running.events)


def installer(engine: Engine, tree: Tree | None = None, events: list[Event] | None = None) -> Installer:
    told: list[Event] = [] if events is None else events
    target = Target.engine(engine.aws_url, engine.github_url, engine.slack_url)
    return Installer(target, tree or Tree.here(), CHOSEN, told.append)


def copied(folder: Path) -> Tree:
    """A checkout that a test may change."""
    for part in PARTS[1:]:
        original = Tree.here().manifest(part).parent
        shutil.copytree(original, folder / original.name, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    return Tree.at(folder)


def as_deployed(engine: Engine) -> dict[str, tuple[Any, ...]]:
    """For each part, everything that deploying it could have changed."""
    cloudformation, functions = engine.client("cloudformation"), engine.client("lambda")
    seen: dict[str, tuple[Any, ...]] = {}
    for part in PARTS:
        [stack] = cloudformation.describe_stacks(StackName=CHOSEN.stack(part))["Stacks"]
        code = ""
        if part in FUNCTIONS:
            code = functions.get_function_configuration(FunctionName=CHOSEN.stack(part))["CodeSha256"]
        seen[part] = (stack["StackStatus"], stack.get("LastUpdatedTime"), stack["Parameters"], code)
    return seen


def test_installs_every_stack(engine: Engine) -> None:
    assert {status for status, *_ in as_deployed(engine).values()} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    outputs = installer(engine).outputs()
    assert outputs["Endpoint"].endswith("/prod/webhook")
    listener = engine.client("lambda").get_function_configuration(FunctionName=CHOSEN.stack("listener"))
    assert [layer["Arn"] for layer in listener["Layers"]] == [outputs["LayerArn"]]
    assert listener["Environment"]["Variables"]["LOOKS_QUEUE_URL"] == outputs["LooksQueueUrl"]
    notifier = engine.client("lambda").get_function_configuration(FunctionName=CHOSEN.stack("notifier"))
    assert notifier["Environment"]["Variables"]["GITHUB_API_URL"] == engine.github_url


def test_installing_again_changes_nothing(engine: Engine) -> None:
    before = as_deployed(engine)
    events: list[Event] = []
    installer(engine, events=events).install()
    assert {event.outcome for event in events if isinstance(event, StackFinished)} == {"unchanged"}
    assert not any(event.fresh for event in events if isinstance(event, Uploaded))
    assert as_deployed(engine) == before


@pytest.mark.parametrize("part", ["listener", "stack-cleaner"])
def test_changed_function_and_its_deploy_script_change_that_stack_alone(
    engine: Engine, tmp_path: Path, part: str
) -> None:
    tree = copied(tmp_path)
    handler = tree.source(part) / tree.package(part) / "handler.py"
    handler.write_text(handler.read_text() + "\nCHANGED = True\n")
    before = as_deployed(engine)
    done = subprocess.run(
        [tree.manifest(part).with_name("deploy.sh")],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, "AWS_ENDPOINT_URL": engine.aws_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    after = as_deployed(engine)
    assert [name for name in PARTS if after[name] != before[name]] == [part]
    assert after[part][0] == "UPDATE_COMPLETE"
    assert after[part][3] != before[part][3]


def test_failed_stack_says_which_resource_and_the_next_install_heals_it(engine: Engine, tmp_path: Path) -> None:
    tree = copied(tmp_path)
    manifest = tree.manifest("notifier")
    manifest.write_text(manifest.read_text().replace("S3Key: !Ref CodeKey", "S3Key: not-there"))
    with pytest.raises(StacksFailed) as failed:
        installer(engine, tree).install(["notifier"])
    [failure] = failed.value.failures
    assert (failure.stack, failure.status) == (CHOSEN.stack("notifier"), "UPDATE_ROLLBACK_COMPLETE")
    assert failure.resource == "Function"
    assert "not-there" in failure.reason
    installer(engine).install(["notifier"])


def test_changed_layer_is_a_new_version_and_the_old_one_stays(engine: Engine, tmp_path: Path) -> None:
    before = installer(engine).outputs()["LayerArn"]
    shutil.copytree(Tree.here().source("layer") / "deployer", tmp_path / "deployer")
    (tmp_path / "deployer" / "changed.py").write_text("CHANGED = True\n")
    after = installer(engine, Tree.here().with_source("layer", tmp_path)).install(["layer"])["LayerArn"]
    assert after != before
    versions = engine.client("lambda").list_layer_versions(LayerName=f"{CHOSEN.prefix}-layer")["LayerVersions"]
    assert {before, after} <= {version["LayerVersionArn"] for version in versions}


def test_removes_everything_and_installs_anew(engine: Engine) -> None:
    buckets = engine.client("s3")
    installer(engine).remove()
    assert buckets.list_buckets()["Buckets"] == []
    assert engine.client("cloudformation").describe_stacks()["Stacks"] == []
    installer(engine).install()
    assert {status for status, *_ in as_deployed(engine).values()} == {"CREATE_COMPLETE"}
