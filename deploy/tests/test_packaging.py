"""What Lambda gets: the layer's wheels fit the manifests, and two builds give the same bytes."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.errors import Broken
from deployer_deploy import wheels
from deployer_deploy.packaging import lambda_platform, package
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform

TREE = Tree.here()


Zips = Callable[[str, str], Any]


def test_the_platform_is_the_manifests() -> None:
    assert lambda_platform(TREE) == Platform("3.13", "aarch64")


def test_layer_for_this_machine_imports_here(zips: Zips, tmp_path: Path) -> None:
    with zipfile.ZipFile(zips("laptop", LAYER).path) as layer:
        layer.extractall(tmp_path)
    program = "import boto3, deployer, slack_sdk, urllib3, wrapt, yaml; boto3.client('s3', region_name='eu-west-1')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(tmp_path / 'python')!r}); {program}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


BUILD = """
import json, sys
from pathlib import Path
from deployer_deploy.packaging import package
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform

tree = Tree.at(Path(sys.argv[1]))
# Whatever a process has interned once, it compiles to other bytes than before.
for code in range(128):
    sys.intern(chr(code))
built = [("aws", part, package(tree, part, None)) for part in (LAYER, *FUNCTIONS)]
built.append(("laptop", LAYER, package(tree, LAYER, Platform.here())))
print(json.dumps([[where, part, each.key, str(each.path)] for where, part, each in built]))
"""
# Whatever differs between two people's shells and could find its way into a zip.
OTHER_SHELL = {
    "PYTHONHASHSEED": "4711",
    "PYTHONOPTIMIZE": "2",
    "SOURCE_DATE_EPOCH": "1000000000",
    "UV_COMPILE_BYTECODE": "1",
    "LC_ALL": "C",
    "TZ": "Asia/Kathmandu",
}


def test_two_builds_give_the_same_bytes(zips: Zips, tmp_path: Path) -> None:
    """The second from another checkout, whose files have other dates and modes, by another process in another shell."""
    for part in (*FUNCTIONS, LAYER):
        source = TREE.manifest(part).parent
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("tests"))
    for path in tmp_path.rglob("*"):
        os.utime(path, (1.2e9, 1.2e9))
        path.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)],
        env={**os.environ, **OTHER_SHELL},
        umask=0o077,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    second = json.loads(done.stdout)
    assert len(second) == 8
    for where, part, key, path in second:
        first = zips(where, part)
        assert (part, key) == (part, first.key)
        assert Path(path).read_bytes() == first.path.read_bytes()


@pytest.mark.parametrize("part", [LAYER, *FUNCTIONS])
def test_keys_are_the_contents_hash(zips: Zips, part: str) -> None:
    built = zips("aws", part)
    assert built.key == f"{part}/{hashlib.sha256(built.path.read_bytes()).hexdigest()}.zip"


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


def test_what_does_not_compile_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("def\n")
    with pytest.raises(Broken, match=r"(?s)doesn't compile.*bad\.py"):
        wheels.compile_folder(tmp_path, "/opt/python")


def wheel(folder: Path, tag: str) -> Path:
    """A lock with one wheel, whose file says that it fits everywhere and whose metadata says ``tag``."""
    folder.mkdir()
    packed = folder / "liar-1.0-py3-none-any.whl"
    with zipfile.ZipFile(packed, "w") as whole:
        whole.writestr("liar.py", "")
        whole.writestr("liar-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: liar\nVersion: 1.0\n")
        whole.writestr("liar-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        whole.writestr("liar-1.0.dist-info/RECORD", "liar.py,,\n")
    lock = folder / "requirements.txt"
    lock.write_text(f"liar @ {packed.as_uri()} --hash=sha256:{hashlib.sha256(packed.read_bytes()).hexdigest()}\n")
    return lock


def test_a_wheel_for_another_platform_is_refused_by_name(tmp_path: Path) -> None:
    lock = wheel(tmp_path / "lock", "cp27-cp27m-win32")
    with pytest.raises(Broken, match=r"don't fit .*liar-1\.0\.dist-info \(cp27-cp27m-win32\)"):
        wheels.install(lock, Platform.here(), tmp_path / "build")
    assert not list((tmp_path / "build").glob("wheels-*"))


def test_who_comes_second_takes_what_the_first_has_built(tmp_path: Path) -> None:
    first, second, place = tmp_path / "first", tmp_path / "second", tmp_path / "place"
    for built in (first, second):
        built.mkdir()
        (built / "by").write_text(built.name)
        wheels.publish(built, place)
    assert (place / "by").read_text() == "first"
    with pytest.raises(OSError, match="No such file"):
        wheels.publish(tmp_path / "nothing", tmp_path / "elsewhere")


def test_lock_covers_the_layers_dependencies() -> None:
    declared = tomllib.loads((TREE.root / "layer/pyproject.toml").read_text())["project"]["dependencies"]
    locked = set(re.findall(r"^([a-z0-9-]+)==", TREE.lock.read_text(), re.MULTILINE))
    assert {re.split(r"[^A-Za-z0-9-]", name)[0].lower() for name in declared} <= locked
