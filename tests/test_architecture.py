"""Who may import whom, read off the code itself."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FUNCTIONS = ("listener", "builder", "notifier", "s3deployer", "s3cleaner", "stack_cleaner")
# Folder -> the import name of its package, and which of ours it may import.
PACKAGES = {
    "layer": ("deployer", set[str]()),
    **{name: (name, {"deployer"}) for name in FUNCTIONS},
    "deploy": ("deployer_deploy", {"deployer"}),
    "local": ("deployer_local", {"deployer", "deployer_deploy"}),
    "cli": ("deployer_cli", {"deployer", "deployer_deploy", "deployer_local"}),
}
OURS = {name for name, _ in PACKAGES.values()}
# The layer's vocabulary: nothing but the standard library and each other, and of that nothing that touches the world.
PURE = (
    *(
        "refs",
        "environments",
        "events",
        "notices",
        "fields",
        "states",
        "errors",
        "settings",
        "ports",
        "contexts",
        "skipping",
        "testing",
    ),
    *("patterns", "lengths", "parameters", "actions", "admission", "runs", "consoles", "logs", "rotation"),
)
WORLDLY = {"os", "subprocess", "socket", "urllib.request", "http", "boto3", "botocore", "urllib3", "sqlite3"}


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, by its full name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def files(folder: str) -> list[Path]:
    found = sorted((ROOT / folder / "src").rglob("*.py"))
    assert found, f"{folder}/src has no code"
    return found


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_package_imports_only_what_it_may(folder: str) -> None:
    own, allowed = PACKAGES[folder]
    for file in files(folder):
        foreign = {name.partition(".")[0] for name in imports(file)} & OURS - {own} - allowed
        assert not foreign, f"{file.relative_to(ROOT)} imports {sorted(foreign)}"


def test_functions_never_import_each_other() -> None:
    """The same rule, stated for itself: each is deployed alone."""
    for function in FUNCTIONS:
        others = set(FUNCTIONS) - {function}
        assert not others & {name.partition(".")[0] for file in files(function) for name in imports(file)}


def pure_files() -> list[Path]:
    base = ROOT / "layer" / "src" / "deployer"
    found: list[Path] = []
    for name in PURE:
        found.extend([base / f"{name}.py"] if (base / f"{name}.py").exists() else sorted((base / name).rglob("*.py")))
    return found


@pytest.mark.parametrize("file", pure_files(), ids=lambda file: str(file.relative_to(ROOT / "layer/src")))
def test_the_pure_modules_import_only_the_standard_library_and_each_other(file: Path) -> None:
    for name in imports(file):
        top, _, rest = name.partition(".")
        if top == "deployer":
            assert rest.partition(".")[0] in PURE, f"{name} is not pure"
        else:
            assert top in sys.stdlib_module_names, f"{name} is not in the standard library"
            assert name not in WORLDLY, f"{name} touches the world"


DECIDING = [
    "plan",
    "steps",
    "situation",
    "generation",
    "releases",
    "idle",
    "sleep",
    "compare",
    "baseline",
    "runs",
]
"""The builder's modules that decide."""


@pytest.mark.parametrize("module", DECIDING)
def test_the_plan_is_pure(module: str) -> None:
    for name in imports(ROOT / "builder" / "src" / "builder" / f"{module}.py"):
        top, _, rest = name.partition(".")
        assert name.split(".")[0] not in WORLDLY
        assert top != "deployer" or rest.partition(".")[0] in PURE, f"{name} is not pure"


# What Lambda itself tells every function, as far as ours ask for it.
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
LAMBDAS_OWN = {"AWS_REGION", "_X_AMZN_TRACE_ID"}
LAPTOP = re.compile(r"deployer_local|ministack|localhost|127\.0\.0\.1|AWS_ENDPOINT_URL|laptop", re.IGNORECASE)


@pytest.mark.parametrize("folder", ["layer", *FUNCTIONS])
def test_F97_no_handler_knows_the_laptop(folder: str) -> None:
    """What runs on AWS has no other way to go on the engine: no word of it, no variable that only it would set."""
    for file in files(folder):
        source = file.read_text(encoding="utf-8")
        assert not LAPTOP.findall(source), file.relative_to(ROOT)
        assert variables(ast.parse(source)) <= LAMBDAS_OWN, file.relative_to(ROOT)


def variables(tree: ast.Module) -> set[str]:
    """The variables that a module reads by name; all others come from its Settings, which its manifest sets."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="get" | "getenv"), args=[ast.Constant(value=str(name)), *_]) if (
                "environ" in ast.unparse(node.func) or "getenv" in ast.unparse(node.func)
            ):
                found.add(name)
            case ast.Subscript(value=ast.Attribute(attr="environ"), slice=ast.Constant(value=str(name))):
                found.add(name)
    return found


def test_every_package_has_its_page_and_its_tests() -> None:
    for folder in PACKAGES:
        assert (ROOT / folder / "README.md").stat().st_size > 500, f"{folder}/README.md says too little"
        assert list((ROOT / folder / "tests").glob("**/test_*.py")), f"{folder} has no tests"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_has_its_manifest_and_its_deploy_script(function: str) -> None:
    assert (ROOT / function / "template.yaml").is_file()
    script = ROOT / function / "deploy.sh"
    assert script.stat().st_mode & 0o100, f"{script} can't be run"


def test_no_module_has_outgrown_its_purpose() -> None:
    """More than 330 lines wants to be split by meaning."""
    long = {
        str(file.relative_to(ROOT)): lines
        for folder in PACKAGES
        for file in files(folder)
        if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 330
    }
    assert long == {}


def test_versions_agree() -> None:
    version = (ROOT / "VERSION").read_text().strip()
    for folder in PACKAGES:
        assert f'version = "{version}"' in (ROOT / folder / "pyproject.toml").read_text(), folder
