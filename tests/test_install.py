"""The deploy tool against the laptop engine: the same stacks, templates and packages as on AWS."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contracts import aws_events

from deployer_deploy import FUNCTIONS, PARTS, Configuration, Installer, StacksFailed, Target, Tree
from deployer_deploy.__main__ import main
from deployer_deploy.manifest import read
from deployer_deploy.packaging import Package, package
from deployer_deploy.progress import Event, StackFinished, Uploaded
from deployer_deploy.wheels import Platform
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


@pytest.mark.parametrize("part", FUNCTIONS)
def test_F97_the_engine_runs_the_very_package_that_aws_gets(engine: Engine, part: str) -> None:
    for_aws = package(Tree.here(), part, Target.aws().platform)
    here = engine.client("lambda").get_function(FunctionName=CHOSEN.stack(part))
    assert here["Configuration"]["CodeSha256"] == base64.b64encode(digest(for_aws)).decode()
    bucket = installer(engine).outputs()["CodeBucket"]
    assert engine.client("s3").get_object(Bucket=bucket, Key=for_aws.key)["Body"].read() == for_aws.path.read_bytes()


def test_F97_only_the_wheels_of_the_layer_differ(engine: Engine, tmp_path: Path) -> None:
    arn = installer(engine).outputs()["LayerArn"]
    here, for_aws = package(Tree.here(), "layer", Platform.here()), package(Tree.here(), "layer", Target.aws().platform)
    published = engine.client("lambda").get_layer_version_by_arn(Arn=arn)["Content"]["CodeSha256"]
    assert published == base64.b64encode(digest(here)).decode()
    own, wheels = zip(*(contents(each) for each in (here, for_aws)), strict=True)
    assert own[0] == own[1]
    assert "python/deployer/events.py" in own[0]
    # The same releases of the same packages, whatever is compiled in them; but for those that an older Python needs.
    releases = [{name.split("/")[1] for name in each if ".dist-info/" in name} for each in wheels]
    marked = re.findall(r"^([a-z0-9-]+)==(\S+) ; python_full_version", Tree.here().lock.read_text(), re.MULTILINE)
    older = {f"{name.replace('-', '_')}-{version}.dist-info" for name, version in marked}
    assert releases[0] - older == releases[1] - older != set()


def digest(built: Package) -> bytes:
    return hashlib.sha256(built.path.read_bytes()).digest()


def contents(built: Package) -> tuple[dict[str, bytes], list[str]]:
    """The layer's own sources, and the names of everything else; without what an interpreter compiled for itself."""
    with zipfile.ZipFile(built.path) as archive:
        names = [name for name in archive.namelist() if not name.endswith(".pyc")]
        own = {name: archive.read(name) for name in names if name.startswith("python/deployer/")}
        return own, [name for name in names if name not in own]


@pytest.mark.parametrize("part", PARTS)
def test_F97_the_installed_template_is_the_manifest_as_it_is_written(engine: Engine, part: str) -> None:
    found = engine.client("cloudformation").get_template(StackName=CHOSEN.stack(part))["TemplateBody"]
    assert found == Tree.here().manifest(part).read_text(encoding="utf-8")


@pytest.mark.parametrize("part", FUNCTIONS)
def test_F97_a_function_has_the_variables_of_its_manifest_and_no_others(engine: Engine, part: str) -> None:
    declared = read(Tree.here().manifest(part)).document["Resources"]["Function"]["Properties"]
    here = engine.client("lambda").get_function_configuration(FunctionName=CHOSEN.stack(part))
    assert here["Environment"]["Variables"].keys() == declared["Environment"]["Variables"].keys()
    assert (here["Handler"], here["Runtime"]) == (declared["Handler"], declared["Runtime"])


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


def test_the_command_deploys_one_part_from_another_folder_and_says_each_step(
    engine: Engine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(Tree.here().source("s3cleaner") / "s3cleaner", tmp_path / "s3cleaner")
    (tmp_path / "s3cleaner" / "changed.py").write_text("CHANGED = True\n")
    environ = {"AWS_ENDPOINT_URL": engine.aws_url}
    before = as_deployed(engine)
    assert main(["s3cleaner", "--source", str(tmp_path)], environ) == 0
    said = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]
    for line, beginning in zip(said, ("packaged, ", "uploaded s3cleaner/", "update ...", "updated, "), strict=True):
        assert line.startswith(beginning)
    after = as_deployed(engine)
    assert [name for name in PARTS if after[name] != before[name]] == ["s3cleaner"]
    assert main(["s3cleaner", "--tree", str(Tree.here().root)], environ) == 0
    assert as_deployed(engine)["s3cleaner"][3] == before["s3cleaner"][3]


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
