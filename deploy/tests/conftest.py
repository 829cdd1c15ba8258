"""The zips of every part, built once into a folder of the tests' own; their sizes are told at the end of the run."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deployer_deploy.packaging import lambda_platform, package
from deployer_deploy.tree import FUNCTIONS, LAYER, Tree
from deployer_deploy.wheels import Platform


@dataclasses.dataclass(frozen=True)
class BuiltElsewhere(Tree):
    """A tree with a build folder of the test's own."""

    elsewhere: Path = Path()

    @property
    def build(self) -> Path:
        return self.elsewhere


@dataclasses.dataclass(frozen=True)
class Zip:
    """A built zip, opened. ``root``: where Lambda unpacks it."""

    part: str
    where: str
    platform: Platform
    path: Path
    key: str
    contents: dict[str, bytes]
    infos: list[zipfile.ZipInfo]

    @property
    def root(self) -> str:
        return "/opt" if self.part == LAYER else "/var/task"

    @property
    def unzipped(self) -> int:
        return sum(info.file_size for info in self.infos)


def platforms() -> dict[str, Platform]:
    """Lambda's; the laptop's; and one like Lambda's whose bytecode the interpreter at hand writes."""
    here = Platform.here()
    return {"aws": lambda_platform(Tree.here()), "laptop": here, "aws-compiled": Platform(here.python, "aarch64")}


Zips = Callable[[str, str], Zip]
_OPENED = pytest.StashKey[dict[tuple[str, str], Zip]]()


@pytest.fixture(scope="session")
def zips(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Zips:
    """``zips("aws", "listener")``: a part's zip for a platform, built from nothing."""
    tree = BuiltElsewhere(Tree.here().root, {}, tmp_path_factory.mktemp("build"))
    opened = pytestconfig.stash.setdefault(_OPENED, {})

    def get(where: str, part: str) -> Zip:
        if (where, part) not in opened:
            platform = platforms()[where]
            built = package(tree, part, platform)
            with zipfile.ZipFile(built.path) as whole:
                infos = whole.infolist()
                contents = {info.filename: whole.read(info) for info in infos}
            opened[where, part] = Zip(part, where, platform, built.path, built.key, contents, infos)
        return opened[where, part]

    return get


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print how large the zips are that the tests opened."""
    opened = config.stash.get(_OPENED, {})
    if not opened:
        return
    terminalreporter.section("packages")
    terminalreporter.write_line(f"{'part':<28}{'zipped':>12}{'unzipped':>12}{'files':>8}")
    for part in (LAYER, *FUNCTIONS):
        for where in ("aws", "aws-compiled", "laptop") if part == LAYER else ("aws",):
            if found := opened.get((where, part)):
                name = f"{part} ({where}, {found.platform.python})" if part == LAYER else part
                size = found.path.stat().st_size
                terminalreporter.write_line(f"{name:<28}{size:>12,}{found.unzipped:>12,}{len(found.infos):>8}")
