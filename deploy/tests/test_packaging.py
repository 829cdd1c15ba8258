"""What Lambda gets: the layer's wheels fit the manifests, and two builds give the same bytes."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from deployer.errors import Broken
from deployer_deploy import wheels
from deployer_deploy.packaging import lambda_platform, package
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform, foreign

TREE = Tree.here()


@dataclasses.dataclass(frozen=True)
class BuiltElsewhere(Tree):
    """The real tree with a build folder of the test's own."""

    elsewhere: Path = Path()

    @property
    def build(self) -> Path:
        return self.elsewhere


def test_layer_for_aws_fits_the_manifests(tmp_path: Path) -> None:
    platform = lambda_platform(TREE)
    assert platform == Platform("3.13", "aarch64")
    built = package(TREE, LAYER, None)
    with zipfile.ZipFile(built.path) as layer:
        names = layer.namelist()
        layer.extractall(tmp_path)
    site = tmp_path / "python"
    assert len(list(site.glob("*.dist-info/WHEEL"))) >= 10
    assert foreign(site, platform) == []
    libraries = [name for name in names if ".so" in name]
    assert libraries
    assert all("cpython-313-aarch64" in name or ".abi3." in name for name in libraries), libraries
    # This interpreter's own compiled files would be dead weight for another version's.
    assert platform.compiles == any(name.endswith(".pyc") for name in names)


def test_layer_for_this_machine_imports_here(tmp_path: Path) -> None:
    built = package(TREE, LAYER, Platform.here())
    with zipfile.ZipFile(built.path) as layer:
        layer.extractall(tmp_path)
    assert foreign(tmp_path / "python", Platform.here()) == []
    program = "import boto3, deployer, slack_sdk, urllib3, wrapt, yaml; boto3.client('s3', region_name='eu-west-1')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("platform", [None, Platform.here()], ids=["aws", "laptop"])
def test_two_builds_of_the_layer_give_the_same_bytes(tmp_path: Path, platform: Platform | None) -> None:
    trees = [BuiltElsewhere(TREE.root, {}, tmp_path / name) for name in ("one", "two")]
    first, second = (package(tree, LAYER, platform) for tree in trees)
    assert first.key == second.key
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("part", [LAYER, *FUNCTIONS])
def test_zips_are_content_addressed_and_plain(part: str) -> None:
    built = package(TREE, part, None)
    assert built.key == f"{part}/{hashlib.sha256(built.path.read_bytes()).hexdigest()}.zip"
    own = TREE.package(part)
    start = f"python/{own}/" if part == LAYER else f"{own}/"
    with zipfile.ZipFile(built.path) as whole:
        names = whole.namelist()
    assert f"{start}__init__.py" in names
    assert names == sorted(names)
    assert not [name for name in names if name.startswith("python/bin/") or name.endswith("RECORD")]
    assert not [name for name in names if name.startswith(start) and "tests" in name.split("/")]
    if part != LAYER:
        assert [name for name in names if not name.startswith(start)] == []


def test_layer_follows_the_shared_source(tmp_path: Path) -> None:
    changed = tmp_path / "deployer"
    changed.mkdir()
    (changed / "__init__.py").write_text('"""Another layer."""\n')
    other = package(TREE.with_source(LAYER, tmp_path), LAYER, None)
    assert other.key != package(TREE, LAYER, None).key


def test_a_function_can_be_taken_from_elsewhere(tmp_path: Path) -> None:
    broken = tmp_path / "stack_cleaner"
    broken.mkdir()
    (broken / "__init__.py").write_text("")
    (broken / "handler.py").write_text("raise RuntimeError('broken on purpose')\n")
    built = package(TREE.with_source("stack-cleaner", tmp_path), "stack-cleaner", None)
    with zipfile.ZipFile(built.path) as whole:
        assert whole.read("stack_cleaner/handler.py") == b"raise RuntimeError('broken on purpose')\n"


def services_asked_for(source: str) -> set[str]:
    """The names in ``….client("name")`` and ``….resource("name")`` of a module."""
    return {
        argument.value
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"client", "resource"}
        for argument in call.args[:1]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_layer_keeps_every_service_that_is_asked_for() -> None:
    asked = {
        service
        for part in (LAYER, *FUNCTIONS)
        for path in (TREE.source(part) / TREE.package(part)).rglob("*.py")
        for service in services_asked_for(path.read_text())
    }
    assert asked, "the tree asks boto3 for nothing?"
    assert asked <= set(wheels.SERVICES)


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("py3-none-any", True),
        ("cp313-cp313-manylinux_2_28_aarch64", True),
        ("cp313-cp313-manylinux2014_aarch64", True),
        ("cp39-abi3-manylinux_2_17_aarch64", True),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp313-cp313t-manylinux_2_28_aarch64", False),
        ("cp313-cp313-manylinux_2_28_x86_64", False),
        ("cp313-cp313-musllinux_1_2_aarch64", False),
        ("cp313-cp313-macosx_11_0_arm64", False),
        ("py2-none-any", False),
    ],
)
def test_tags(tag: str, fits: bool) -> None:
    assert Platform("3.13", "aarch64").takes(tag) is fits


@pytest.mark.parametrize(
    ("runtime", "architecture"), [("nodejs22.x", "arm64"), ("python3.13", "riscv")], ids=["runtime", "architecture"]
)
def test_platforms_without_wheels_are_refused(runtime: str, architecture: str) -> None:
    with pytest.raises(Broken, match="no wheels"):
        Platform.lambda_(runtime, architecture)


def test_what_has_no_wheel_is_refused_in_uvs_words(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(Broken, match="uv found no wheels"):
        wheels.install(lock, Platform.here(), tmp_path / "build")
    assert not list((tmp_path / "build").glob("wheels-*"))


def test_lock_covers_the_layers_dependencies() -> None:
    declared = tomllib.loads((TREE.root / "layer/pyproject.toml").read_text())["project"]["dependencies"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", TREE.lock.read_text(), re.MULTILINE))
    assert {re.split(r"[^A-Za-z0-9-]", name)[0].lower() for name in declared} <= locked
