"""`deployer validate` as a person runs it: folders, checkouts, the hook, the exit code, what is printed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deployer.errors import Rejected
from deployer_cli.main import app
from deployer_cli.validate import hook
from deployer_cli.validate.brought import Committed, Folder, top_of
from deployer_cli.validate.document import Document
from deployer_cli.validate.findings import Finding, Place, Severity, ordered
from deployer_cli.validate.lint import Kept, Said, lint
from deployer_cli.validate.schemas import BUILDSPEC, PARAMETERS, schema
from deployer_deploy.tree import Tree

EXAMPLES = sorted(page.parent for page in (Tree.here().root / "examples").glob("*/README.md"))
SITE = Tree.here().root / "examples" / "static-site"
GIT = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
AUTHOR = ("-c", "user.name=Ada", "-c", "user.email=ada@example.com")


def git(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, **GIT}
    done = subprocess.run(
        ["git", *AUTHOR, *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def run(*arguments: str, cache: Path | None = None) -> Any:
    return CliRunner().invoke(app, ["validate", *arguments], env={"XDG_CACHE_HOME": str(cache or os.devnull)})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What cfn-lint said is kept from one test to the next."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The example in a folder that is no checkout."""
    folder = tmp_path / "site"
    shutil.copytree(SITE, folder, ignore=shutil.ignore_patterns("public", "__pycache__"))
    return folder


@pytest.fixture
def checkout(site: Path) -> Path:
    """The same, committed."""
    git(site, "init", "--quiet", "--initial-branch=main")
    git(site, "add", "--all")
    git(site, "commit", "--quiet", "--message", "Start")
    return site


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_every_example_validates_clean(example: Path, cache: Path) -> None:
    done = run(str(example), "--strict", cache=cache)
    assert (done.exit_code, done.stdout) == (0, "")
    assert "nothing found" in done.stderr


def test_what_is_wrong_is_told_with_file_line_and_fix(site: Path, cache: Path) -> None:
    template = site / "deploy" / "pipeline.json"
    template.write_text(template.read_text().replace('"PollForSourceChanges": false', '"PollForSourceChanges": true'))
    (site / "deploy" / "production.json").unlink()
    lines = template.read_text().splitlines()
    done = run(str(site), cache=cache)
    assert done.exit_code == 1
    at = 1 + next(number for number, line in enumerate(lines) if '"TemplateConfiguration"' in line)
    said = os.path.relpath(template)
    assert (
        f"{said}:{at}:19: error D605 deploy/production.json would not be in the commit\n    fix: add the" in done.stdout
    )
    assert " error D301 Pipeline/Commit: set PollForSourceChanges to false" in done.stdout
    assert "2 errors, 0 warnings in " in done.stderr


def test_json_has_everything(site: Path, cache: Path) -> None:
    (site / "deploy" / "buildspec.yml").unlink()
    done = run(str(site), "--json", cache=cache)
    found = json.loads(done.stdout)
    assert (done.exit_code, found["errors"], found["warnings"]) == (1, 1, 0)
    [finding] = found["findings"]
    assert finding.keys() == {"file", "line", "column", "severity", "rule", "message", "fix"}
    assert (finding["file"], finding["rule"], finding["severity"]) == ("deploy/pipeline.json", "D701", "error")


def test_a_warning_counts_where_it_is_asked_for(site: Path, cache: Path) -> None:
    (site / "deploy" / "pipeline.yaml").write_text("Resources: {}\n")
    assert run(str(site), cache=cache).exit_code == 0
    strict = run(str(site), "--strict", cache=cache)
    assert strict.exit_code == 1
    assert "0 errors, 1 warning in " in strict.stderr


def test_what_cannot_be_read_is_all_that_is_said_and_files_are_told_apart(site: Path, cache: Path) -> None:
    (site / "deploy" / "pipeline.json").write_text('{\n  "Resources" {}}')
    (site / "deploy" / "pipeline.yaml").write_text("Resources: {}\n")
    said = [line for line in run(str(site), cache=cache).stdout.splitlines() if not line.startswith("    fix: ")]
    where = os.path.relpath(site / "deploy")
    assert said == [
        f"{where}/pipeline.json:2:15: error D102 Expecting ':' delimiter",
        "",
        f"{where}/pipeline.yaml:1:1: warning D106 deploy/pipeline.json is read instead of it",
    ]


def test_a_folder_that_is_none_is_said() -> None:
    done = run("/nowhere/at/all")
    assert done.exit_code == 1
    assert "/nowhere/at/all is no folder" in done.stderr


def test_without_a_folder_it_is_the_checkout(checkout: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(checkout / "deploy")
    (checkout / "deploy" / "buildspec.yml").unlink()
    done = run(cache=cache)
    assert done.stdout.startswith("pipeline.json:")
    assert "D701" in done.stdout


def test_what_git_leaves_out_is_not_there(checkout: Path) -> None:
    (checkout / ".gitignore").write_text("deploy/staging.json\n")
    git(checkout, "rm", "--quiet", "--cached", "deploy/staging.json")
    (checkout / ".gitattributes").write_text("deploy/production.json export-ignore\nsite export-ignore\n")
    (checkout / "link.json").symlink_to("deploy/deploy.json")
    (checkout / "deploy" / "new.json").write_text("{}")
    folder = Folder.at(checkout)
    assert folder.has("deploy/new.json")
    assert folder.read("deploy/new.json") == b"{}"
    for path, why in (
        ("deploy/staging.json", "Git ignores it"),
        ("deploy/production.json", "its attribute export-ignore keeps it out of GitHub's archive"),
        ("site/layout.html", "its attribute export-ignore keeps it out of GitHub's archive"),
        ("link.json", "it is no plain file"),
        ("nowhere.json", ""),
        ("deploy/new.json", ""),
    ):
        assert (path, folder.why_not(path)) == (path, why)
        assert folder.has(path) is (path == "deploy/new.json")


def test_a_folder_that_is_no_checkout_brings_all_it_has(site: Path) -> None:
    (site / ".git").mkdir()
    (site / ".git" / "x").write_text("")
    assert Folder.at(site).has("deploy/pipeline.json")
    assert not Folder.at(site).has(".git/x")
    assert top_of(site) == site


def test_without_git_a_folder_is_one_still(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert Folder.at(site).has("deploy/pipeline.json")


def test_head_is_what_was_committed(checkout: Path) -> None:
    (checkout / "deploy" / "new.json").write_text("{}")
    (checkout / "deploy" / "deploy.json").write_text("{}")
    head = Committed.at(checkout)
    assert head.read("deploy/deploy.json") == (SITE / "deploy" / "deploy.json").read_bytes()
    assert not head.has("deploy/new.json")
    assert [head.why_not(path) for path in ("deploy/new.json", "x", "build.py")] == ["it is not committed", "", ""]


def test_what_is_committed_can_be_looked_at_alone(checkout: Path, cache: Path) -> None:
    (checkout / "deploy" / "buildspec.yml").unlink()
    assert run(str(checkout), "--committed", cache=cache).exit_code == 0
    git(checkout, "commit", "--quiet", "--all", "--message", "Break it")
    (checkout / "deploy" / "buildspec.yml").write_bytes((SITE / "deploy" / "buildspec.yml").read_bytes())
    assert " error D701 " in run(str(checkout), "--committed", cache=cache).stdout


def test_of_a_folder_within_a_checkout_the_commit_has_its_part(site: Path) -> None:
    git(site.parent, "init", "--quiet")
    git(site.parent, "add", "--all")
    git(site.parent, "commit", "--quiet", "--message", "Start")
    head = Committed.at(site)
    assert head.has("deploy/pipeline.json")
    assert json.loads(head.read("deploy/pipeline.parameters.json")).keys() == {"development", "staging", "production"}


def test_before_the_first_commit_there_is_no_head(site: Path) -> None:
    git(site, "init", "--quiet")
    with pytest.raises(Rejected, match="has no commit"):
        Committed.at(site)


def test_the_hook_keeps_a_broken_push_back(checkout: Path, tmp_path: Path, cache: Path) -> None:
    remote = tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(checkout, "remote", "add", "origin", str(remote))
    assert "validates before each push" in run(str(checkout), "--hook", "install").stderr
    assert run(str(checkout), "--hook", "install").exit_code == 0, "a second time is no conflict"
    (checkout / "deploy" / "buildspec.yml").unlink()
    git(checkout, "commit", "--quiet", "--all", "--message", "Break it")
    pushed = subprocess.run(
        ["git", "push", "--quiet", "origin", "HEAD:main"],
        cwd=checkout,
        env={**os.environ, **GIT, "XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert pushed.returncode != 0
    assert "D701" in pushed.stdout + pushed.stderr
    git(checkout, "rm", "--quiet", "-r", "deploy")
    git(checkout, "commit", "--quiet", "--message", "Have no pipeline")
    git(checkout, "push", "--quiet", "origin", "HEAD:main")


def test_a_hook_of_ones_own_is_not_overwritten(checkout: Path) -> None:
    own = checkout / ".git" / "hooks" / hook.NAME
    own.parent.mkdir(exist_ok=True)
    own.write_text("#!/bin/sh\n")
    done = run(str(checkout), "--hook", "install")
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert own.read_text() == "#!/bin/sh\n"


def test_no_hook_without_a_checkout(site: Path) -> None:
    assert "is no git checkout" in run(str(site), "--hook", "install").stderr


def test_what_cfn_lint_said_of_a_text_is_not_asked_again(tmp_path: Path) -> None:
    asked: list[str] = []

    def linter(text: str) -> Said:
        asked.append(text)
        return [(2, 3, "E3002", "no such property"), (4, 5, "W1020", "not needed")]

    kept = Kept.of({"XDG_CACHE_HOME": str(tmp_path)})
    assert kept.folder == tmp_path / "opolis-deployer" / "cfn-lint"
    kept = Kept(kept.folder, linter)
    document = Document("t.json", "{}", {})
    expected = [
        Finding(Place("t.json", 2, 3), Severity.ERROR, "E3002", "no such property"),
        Finding(Place("t.json", 4, 5), Severity.WARNING, "W1020", "not needed"),
    ]
    assert list(lint([document], kept)) == expected
    assert list(lint([document], kept)) == expected
    assert asked == ["{}"]


def test_where_nothing_can_be_kept_it_is_asked_again(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    asked: list[str] = []
    kept = Kept(tmp_path / "file" / "below", lambda text: asked.append(text) or [])
    assert [kept("a"), kept("a")] == [[], []]
    assert asked == ["a", "a"]
    assert Kept.of({"HOME": "/home/ada"}).folder == Path("/home/ada/.cache/opolis-deployer/cfn-lint")


def test_cfn_lint_finds_what_only_it_knows(site: Path) -> None:
    template = site / "deploy" / "deploy.json"
    template.write_text(template.read_text().replace('"WebsiteConfiguration"', '"WebsiteConfig"'))
    done = run(str(site))
    assert done.exit_code == 1
    assert " error E3002 " in done.stdout


def test_cfn_lints_own_settings_count(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(site)
    asked: list[str] = []
    kept = Kept(tmp_path / "kept", lambda text: asked.append(text) or [])
    kept("{}")
    (site / ".cfnlintrc.yaml").write_text("ignore_checks: 5\n")
    kept("{}")
    assert asked == ["{}", "{}"]
    done = subprocess.run(
        [sys.executable, "-m", "deployer_cli.main", "validate"],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "cfn-lint: " in done.stderr
    assert "ignore_checks" in done.stderr


def test_findings_come_in_order_and_once() -> None:
    one, two = (Finding(Place("a", line), Severity.ERROR, "D1", "x") for line in (2, 10))
    assert ordered([two, one, two]) == (one, two)
    assert str(one) == "a:2:1: error D1 x"


@pytest.mark.parametrize("name", [PARAMETERS, BUILDSPEC])
def test_the_schemas_are_schemas(name: str) -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema(name))
