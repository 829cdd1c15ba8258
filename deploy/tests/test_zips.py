"""The zips, opened: what is in them, what is not, and that a function lives from layer and zip alone."""

from __future__ import annotations

import io
import json
import marshal
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path, PurePosixPath
from types import CodeType
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from packaging.markers import Marker

from deployer_deploy.manifest import read
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import foreign

TREE = Tree.here()
PARTS = (LAYER, *FUNCTIONS)
PLATFORMS = ("aws", "laptop", "aws-compiled")
Zips = Any  # the fixture's type; conftest modules can't be imported

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
MB = 1024 * 1024
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: zipped where it is uploaded directly (we
# upload through S3, the console doesn't), unzipped with all layers.
LAMBDA_ZIPPED, LAMBDA_UNZIPPED = 50 * MB, 250 * MB
# Ours: a cold start loads both. A third of the layer's zip is what signs for a GitHub App, which no start imports.
LAYER_ZIPPED, LAYER_UNZIPPED, FUNCTION_ZIPPED = 18 * MB, 54 * MB, 64 * 1024
# Amazon Linux 2023, on which python3.12 and later run. https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html
GLIBC = (2, 34)


@pytest.fixture(params=PLATFORMS)
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=PARTS)
def part(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def compiled(zips: Zips, where: str) -> Iterator[tuple[str, bytes]]:
    """The layer's ``.pyc`` files."""
    for name, content in zips(where, LAYER).contents.items():
        if name.endswith(".pyc"):
            yield name, content


def test_every_entry_is_a_plain_readable_file(zips: Zips, where: str, part: str) -> None:
    """644 is what Lambda asks for, shared objects included: they are mapped, not executed.

    https://repost.aws/knowledge-center/lambda-deployment-package-errors
    """
    infos = zips(where, part).infos
    assert infos
    assert {info.external_attr >> 16 for info in infos} == {0o100644}
    assert {info.create_system for info in infos} == {3}, "the mode counts only where a Unix made the zip"
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert not [info.filename for info in infos if info.is_dir() or info.extra or info.comment or info.flag_bits & 1]


def test_names_are_sorted_single_and_stay_inside(zips: Zips, where: str, part: str) -> None:
    names = [info.filename for info in zips(where, part).infos]
    assert names == sorted(names)
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        parts = PurePosixPath(name).parts
        assert not PurePosixPath(name).is_absolute()
        assert not {"..", "."} & set(parts)
        assert not re.search(r"[\\:\x00-\x1f]", name)


def test_layout(zips: Zips, where: str, part: str) -> None:
    """A layer's ``python/`` is on the path as ``/opt/python``; a function's zip is the task root.

    https://docs.aws.amazon.com/lambda/latest/dg/python-layers.html
    """
    found = zips(where, part).contents
    start = f"python/{TREE.package(part)}/" if part == LAYER else f"{TREE.package(part)}/"
    assert f"{start}__init__.py" in found
    assert [name for name in found if not name.startswith("python/" if part == LAYER else start)] == []
    ours = {name for name in found if name.startswith(start) and not name.endswith(".pyc")}
    source = TREE.source(part) / TREE.package(part)
    shipped = {
        f"{start}{path.relative_to(source).as_posix()}"
        for path in source.rglob("*")
        if path.is_file() and not {"__pycache__", "testing"} & set(path.relative_to(source).parts)
    }
    assert ours == shipped


JUNK = re.compile(
    r"""(^|/)(
        tests?|testing|examples?|bin|__MACOSX  # folders
        |\.[^/]+                                      # .DS_Store, .git, .mypy_cache, .#x, .x.swp
        |[^/]*(~|\.orig|\.rej|\.bak|\.tmp|\.part|\.lock|\.pyo|\.log)
        |[^/]*(\.pyi|\.pyx|\.pxd|\.c|\.h|-stubs)      # what nobody imports
        |(test_[^/]*|[^/]*_test|conftest)\.py
        |(RECORD|INSTALLER|REQUESTED|direct_url\.json|uv_cache\.json)
    )(/|$)""",
    re.VERBOSE,
)


def test_no_tests_no_caches_no_junk(zips: Zips, where: str, part: str) -> None:
    found = zips(where, part)
    assert [name for name in found.contents if JUNK.search(name)] == []
    caches = [name for name in found.contents if "__pycache__" in name or name.endswith(".pyc")]
    tag = f".{sys.implementation.cache_tag}.pyc"
    if part != LAYER or found.platform.python != HERE:
        assert caches == []
    else:
        assert [
            name for name in caches if not (name.endswith(tag) and PurePosixPath(name).parts[-2] == "__pycache__")
        ] == []


# Not how they begin, which what looks for them has to know.
SECRET = re.compile(rb"(ghp_|gho_|github_pat_|xox[bp]-)[0-9A-Za-z_-]{8}|(AKIA|ASIA)[0-9A-Z]{16}|PRIVATE KEY")


def test_F91_no_secret_and_nothing_of_the_machine_that_built_it(zips: Zips, where: str, part: str) -> None:
    found = zips(where, part)
    built_in = str(found.path.parent).encode()
    for name, content in found.contents.items():
        assert built_in not in content, name
        if f"{TREE.package(part)}/" in name:
            assert not SECRET.search(content), name


def test_every_module_has_its_compiled_file_where_the_interpreters_agree(zips: Zips, where: str) -> None:
    """Unchecked-hash: a zip dates its files 1980, so nothing else than the source's own hash can be told from it.

    https://peps.python.org/pep-0552/
    """
    layer = zips(where, LAYER)
    sources = [name for name in layer.contents if name.endswith(".py")]
    found = dict(compiled(zips, where))
    assert len(sources) > 400
    if layer.platform.python != HERE:
        assert found == {}
        return
    assert set(found) == {cache_from_source(name) for name in sources}
    for name in sources:
        content = found[cache_from_source(name)]
        assert content[:4] == MAGIC_NUMBER, name
        assert int.from_bytes(content[4:8], "little") == 0b01, name
        assert content[8:16] == source_hash(layer.contents[name]), name
        code = marshal.loads(content[16:])  # noqa: S302 - our own
        assert isinstance(code, CodeType)
        assert code.co_filename == f"/opt/{name}"


def test_at_least_one_platform_has_compiled_files(zips: Zips) -> None:
    """So that the test above can't be empty, whatever interpreter runs it."""
    assert len(list(compiled(zips, "aws-compiled"))) > 400
    assert len(list(compiled(zips, "laptop"))) > 400


@pytest.mark.parametrize("where", ["aws", "aws-compiled"])
def test_shared_objects_run_on_lambda(zips: Zips, where: str) -> None:
    """Of the right machine and Python, and of a glibc that Amazon Linux 2023 has (2.34)."""
    layer = zips(where, LAYER)
    tag = f"cpython-{layer.platform.python.replace('.', '')}-aarch64-linux-gnu"
    objects = {name: content for name, content in layer.contents.items() if re.search(r"\.so(\.|$)", name)}
    assert {name.split("/")[1] for name in objects} >= {"wrapt", "yaml"}
    assert {name for name, content in layer.contents.items() if content[:4] == b"\x7fELF"} == set(objects)
    for name, content in objects.items():
        assert f".{tag}." in name or ".abi3." in name, name
        elf = ELFFile(io.BytesIO(content))
        assert (elf["e_machine"], elf.elfclass, elf.little_endian) == ("EM_AARCH64", 64, True), name
        assert max(glibc_of(elf), default=(0,)) <= GLIBC, name


def glibc_of(elf: ELFFile) -> Iterator[tuple[int, ...]]:
    """The versions of glibc whose symbols it needs."""
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                for version in versions:
                    if version.name.startswith("GLIBC_"):
                        yield tuple(int(number) for number in version.name.removeprefix("GLIBC_").split("."))


def test_licences_go_with_what_they_are_for(zips: Zips, where: str) -> None:
    """MIT asks for its text, Apache 2.0 also for the NOTICE, wherever copies go."""
    names = set(zips(where, LAYER).contents)
    distributions = {name.split("/")[1] for name in names if ".dist-info/" in name}
    locked = re.findall(r"^([a-z0-9-]+)==(\S+)(?: ; (.*?))? \\$", TREE.lock.read_text(), re.MULTILINE)
    python = {"python_full_version": f"{zips(where, LAYER).platform.python}.0"}
    assert distributions == {
        f"{name.replace('-', '_')}-{version}.dist-info"
        for name, version, marker in locked
        if not marker or Marker(marker).evaluate(python)
    }
    for distribution in distributions:
        files = [name for name in names if f"/{distribution}/" in name]
        assert any(re.search(r"/(LICEN[CS]E|COPYING)[^/]*$", name) for name in files), distribution
        assert f"python/{distribution}/METADATA" in files
    assert {name.split("/")[1].split("-")[0] for name in names if "/NOTICE" in name} >= {"boto3", "botocore"}


def test_wheels_fit(zips: Zips, where: str, tmp_path: Path) -> None:
    layer = unpacked(zips(where, LAYER), tmp_path)
    assert foreign(layer / "python", zips(where, LAYER).platform) == []


def test_sizes(zips: Zips, where: str, part: str) -> None:
    found = zips(where, part)
    zipped = found.path.stat().st_size
    assert zipped < LAMBDA_ZIPPED
    assert found.unzipped + zips(where, LAYER).unzipped < LAMBDA_UNZIPPED
    assert zipped < (LAYER_ZIPPED if part == LAYER else FUNCTION_ZIPPED)
    if part == LAYER:
        assert found.unzipped < LAYER_UNZIPPED


@pytest.mark.parametrize("function", FUNCTIONS)
def test_F97_a_functions_zip_is_the_same_for_aws_and_the_laptop(zips: Zips, function: str) -> None:
    assert len({zips(where, function).key for where in PLATFORMS}) == 1


# --- alive from layer and zip alone


def unpacked(found: Any, folder: Path) -> Path:
    """The zip as Lambda unpacks it, below a folder."""
    for name, content in found.contents.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder


@pytest.fixture(scope="session")
def layer(zips: Zips, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The laptop's layer as ``/opt``."""
    return unpacked(zips("laptop", LAYER), tmp_path_factory.mktemp("opt"))


BARE = """
import importlib, json, sys
task, layer, handler, stdlib = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
sys.path[:] = [task, layer, *stdlib]
module, _, name = handler.rpartition(".")
found = getattr(importlib.import_module(module), name)
files = {each: getattr(loaded, "__file__", None) for each, loaded in sys.modules.items()}
print(json.dumps({"callable": callable(found), "files": files}))
"""
STDLIB = [
    sysconfig.get_path("stdlib"),
    sysconfig.get_path("platstdlib"),
    str(Path(sysconfig.get_path("stdlib"), "lib-dynload")),
]


@pytest.fixture(params=FUNCTIONS)
def imported(request: pytest.FixtureRequest, zips: Zips, layer: Path, tmp_path: Path) -> dict[str, Any]:
    """What a bare interpreter has after importing the handler that a function's template names."""
    function = request.param
    properties = read(TREE.manifest(function)).document["Resources"]["Function"]["Properties"]
    task = unpacked(zips("laptop", function), tmp_path)
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-B",
            "-c",
            BARE,
            task,
            layer / "python",
            properties["Handler"],
            json.dumps(STDLIB),
        ],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {"function": function, "task": task, "layer": layer, **json.loads(done.stdout)}


# What a cold start would pay for without need; the modules that import late say how much.
TRACING = {"aws_xray_sdk", "wrapt"}
NOT_AT_FIRST = {
    "listener": {*TRACING, "slack_sdk", "slack", "yaml", "boto3", "botocore", "urllib3", "s3transfer"},
    "builder": {*TRACING, "slack_sdk", "slack", "boto3", "urllib3", "s3transfer"},
    "notifier": {*TRACING, "slack_sdk", "slack", "yaml", "boto3", "urllib3", "s3transfer"},
    # These three use boto3 in whatever they are asked.
    "s3deployer": {*TRACING, "slack_sdk", "slack", "yaml"},
    "s3cleaner": {*TRACING, "slack_sdk", "slack", "yaml"},
    "stack-cleaner": {*TRACING, "slack_sdk", "slack", "yaml"},
}


def test_every_function_imports_from_layer_and_zip_alone(imported: dict[str, Any]) -> None:
    assert imported["callable"]
    roots = [str(imported["task"]), str(imported["layer"]), *STDLIB]
    foreigners = {
        name: file
        for name, file in imported["files"].items()
        if file and ("site-packages" in file or not file.startswith(tuple(f"{root}/" for root in roots)))
    }
    assert foreigners == {}
    ours = {
        name for name in imported["files"] if name.partition(".")[0] in {"deployer", TREE.package(imported["function"])}
    }
    assert {name.partition(".")[0] for name in ours} == {"deployer", TREE.package(imported["function"])}


def test_a_cold_import_pulls_in_nothing_that_the_first_event_may_not_need(imported: dict[str, Any]) -> None:
    packages = {name.partition(".")[0] for name in imported["files"]}
    assert not NOT_AT_FIRST[imported["function"]] & packages
