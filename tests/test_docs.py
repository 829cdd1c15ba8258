"""What the documentation says is so: links lead somewhere, commands are there, snippets are valid, cases have tests."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.snippets import check_pipelines, template

from builder.handler import PERMISSIONS
from deployer.events import parse_look, parse_sweep
from deployer.refs import Stage
from deployer.templates import parse_parameters
from deployer_local.codepipeline.actions.stack_parameters import override
from deployer_local.codepipeline.records import Artifact
from deployer_local.engine import BOT_SCOPES
from notifier.handler import NEEDED, WISHED
from s3deployer.parameters import parameters

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    page
    for page in ROOT.rglob("*.md")
    # `site/pages` are pages of the example's site, not of the documentation.
    if not {".tox", ".venv", "build", "pages", ".pytest_cache"} & set(page.relative_to(ROOT).parts[:-1])
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
# In a list, a block is indented.
BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[Path, str]]:
    return [
        (page, textwrap.dedent(body))
        for page in PAGES
        for _, kind, body in BLOCK.findall(page.read_text())
        if kind == language
    ]


def lines() -> list[tuple[Path, str]]:
    return [(page, line) for page, body in blocks("sh") for line in body.splitlines() if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{target} in {page.name}"


LINT = "from cfnlint.runner import main; raise SystemExit(main())"
PICTURE = re.compile(r'(?:src|srcset)="([^"]+)"')


def test_pictures_are_there_and_no_larger_than_need_be() -> None:
    """`make look` takes them."""
    shown = {(page.parent / name).resolve() for page in PAGES for name in PICTURE.findall(page.read_text())}
    assert shown == set((ROOT / "docs" / "images").iterdir())
    for image in shown:
        assert image.read_bytes().startswith(b"\x89PNG"), image.name
        assert image.stat().st_size < 200_000, image.name


@pytest.mark.parametrize(("page", "line"), lines(), ids=lambda value: getattr(value, "name", value))
def test_commands_are_there(page: Path, line: str) -> None:
    """Every command is known to its own parser; what it does is tested where it lives."""
    words = shlex.split(line)
    match words:
        case ["make", target]:
            known = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, check=False)
            assert known.returncode == 0, known.stderr
        case [".venv/bin/deployer", *arguments]:
            run([sys.executable, "-m", "deployer_cli.main", *arguments, "--help"])
        case [".venv/bin/python", "-m", "deployer_deploy", *arguments]:
            run([sys.executable, "-m", "deployer_deploy", *arguments, "--help"])
        case ["aws", "--endpoint-url", _, "cloudformation", "describe-stacks"]:
            pass  # the engine answers DescribeStacks to boto3 in every lifecycle test
        case ["./deploy.sh", *_] | [_, "&&", "./deploy.sh"]:
            assert (ROOT / "listener" / "deploy.sh").exists()
        case _:
            assert is_known_elsewhere(page, words), f"{page.name} has a command that no test knows: {line}"


def is_known_elsewhere(page: Path, words: list[str]) -> bool:
    """A script or file of the tree that is run by a test of its own package."""
    return any((base / words[0]).exists() for base in (page.parent, ROOT))


def run(command: list[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("page", "body"), blocks("json"), ids=lambda value: getattr(value, "name", "json"))
def test_json_snippets_are_valid(page: Path, body: str) -> None:
    document = json.loads(body)
    if set(document) == {"development", "staging", "production"}:
        for stage in Stage:
            parse_parameters(page.name, body.encode(), stage)
    elif "default_permissions" in document:
        assert document["default_permissions"] == {"metadata": "read", **NEEDED, **WISHED} | PERMISSIONS
    elif page.name == "operations.md":
        sweep = parse_sweep(document)
        if sweep:
            assert (sweep.unlimited, sweep.repository.id) == (True, 42)
        else:
            look = parse_look(document)
            assert bool(look.request) is not bool(look.retire)
    elif page.name == "functions.md":
        assert parameters(body)
    elif "Fn::GetArtifactAtt" in body:
        overrides = override(None, body, [Artifact("Package", "store", "key")])
        assert overrides == {"CodeBucket": "store", "CodeKey": "key"}
    elif set(document) <= {"Parameters", "Tags", "StackPolicy"}:
        assert all(isinstance(value, str) for values in document.values() for value in values.values())


def shown() -> list[tuple[str, dict[str, Any]]]:
    """What the pages show of templates, each by its page and number."""
    found = [(page.stem, body) for language in ("yaml", "json") for page, body in blocks(language)]
    return [(f"{page}-{number}", whole) for number, (page, body) in enumerate(found) if (whole := template(body))]


def test_what_is_shown_of_templates_is_what_cloudformation_takes(tmp_path: Path) -> None:
    assert len(shown()) >= 7
    for name, whole in shown():
        (tmp_path / f"{name}.json").write_text(json.dumps(whole))
    run([sys.executable, "-c", LINT, "--", *map(str, sorted(tmp_path.iterdir()))])


@pytest.mark.parametrize(("name", "whole"), shown(), ids=lambda value: value if isinstance(value, str) else "template")
def test_what_is_shown_of_pipelines_is_what_codepipeline_takes(name: str, whole: dict[str, Any]) -> None:
    check_pipelines(whole)


@pytest.mark.parametrize(("page", "body"), blocks("python"), ids=lambda value: getattr(value, "name", "python"))
def test_python_snippets_run(page: Path, body: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", body], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, f"{page.name}: {done.stderr}"


def test_slacks_app_is_given_what_the_engines_has() -> None:
    [manifest] = [yaml.safe_load(body) for page, body in blocks("yaml") if "oauth_config" in body]
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == BOT_SCOPES


def test_every_failure_case_has_a_test_that_carries_its_number() -> None:
    cases = re.findall(r"^\| (F\d+[a-z]?) \|", (ROOT / "docs" / "failures.md").read_text(), re.MULTILINE)
    tests = "\n".join(
        path.read_text()
        for path in ROOT.rglob("test_*.py")
        if not {".tox", ".venv", "build"} & set(path.relative_to(ROOT).parts[:-1])
    )
    without = [case for case in cases if not re.search(rf"(?<![A-Za-z0-9]){case}(?![0-9a-z])", tests, re.IGNORECASE)]
    assert len(cases) > 40
    assert without == []


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme
    assert "make test" in (ROOT / ".ci" / "run").read_text()
