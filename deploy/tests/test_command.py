"""``python -m deployer_deploy``: what it refuses, and what it says of what happens."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer_deploy.__main__ import main
from deployer_deploy.build import main as build
from deployer_deploy.lines import describe
from deployer_deploy.progress import Event, Packaged, StackFailed, StackFinished, StackStarted, Uploaded
from deployer_deploy.tree import Tree


@pytest.fixture(autouse=True)
def nobodys_account(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests: their settings have no part in them."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        pytest.param(Packaged("builder", "k", 12_345, 1.234), "builder: packaged, 12,345 bytes, 1.23 s", id="packaged"),
        pytest.param(Uploaded("builder", "b/1.zip", True), "builder: uploaded b/1.zip", id="uploaded"),
        pytest.param(Uploaded("builder", "b/1.zip", False), "builder: already there b/1.zip", id="already-there"),
        pytest.param(StackStarted("core", "d-core", "create"), "d-core: create ...", id="started"),
        pytest.param(StackFinished("core", "d-core", "created", 7.06), "d-core: created, 7.1 s", id="finished"),
        pytest.param(StackFailed("core", "d-core", 7.06), "d-core: failed, 7.1 s", id="failed"),
    ],
)
def test_everything_that_happens_is_one_line(event: Event, line: str) -> None:
    assert describe(event) == line


@pytest.mark.parametrize(
    ("arguments", "environ", "reason"),
    [
        pytest.param(
            ["core", "--endpoint-url", "http://10.0.0.1:4566"], {}, "is on this machine, not at http://10", id="engine"
        ),
        pytest.param(
            ["core"], {"AWS_ENDPOINT_URL": "http://10.0.0.1:4566"}, "is on this machine, not at", id="engine-by-environ"
        ),
        pytest.param(["core", "--region", "us-east-1", "--profile", "nope"], {}, "(nope) could not be", id="profile"),
        pytest.param(["core"], {}, "You must specify a region", id="no-region"),
        pytest.param(
            ["core", "--region", "us-east-1", "--tree", "TMP"],
            {},
            "is no checkout of the deployer, it lacks",
            id="tree",
        ),
    ],
)
def test_what_cannot_work_is_one_line_and_no_traceback(
    arguments: list[str],
    environ: dict[str, str],
    reason: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([str(tmp_path) if word == "TMP" else word for word in arguments], environ) == 1
    said = capsys.readouterr()
    assert said.err.startswith("deployer_deploy: ")
    assert reason in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["shop"], "invalid choice: 'shop'", id="no-such-part"),
        pytest.param(["builder", "notifier", "--source", "x"], "--source goes with one part", id="source-of-two"),
        pytest.param(["all", "--source", "x"], "--source goes with one part", id="source-of-all"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_with_it(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_what_is_built_is_left_where_deploying_takes_it_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(["s3cleaner", "stack_cleaner"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == ["s3cleaner", "stack-cleaner"]
    for line in lines:
        path, size, unit = line.partition(": ")[2].replace(",", "").split()
        assert (Path(path).stat().st_size, unit) == (int(size), "bytes")


def test_dependencies_are_built_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert build(["--deps"]) == 0
    [folder] = capsys.readouterr().out.splitlines()
    assert (Path(folder) / "boto3" / "__init__.py").is_file()


def test_what_can_not_be_built_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        build(["core"])
    assert ended.value.code == 2
    assert "no such part: core (there are layer, listener, " in capsys.readouterr().err
    assert build(["s3cleaner"], Tree(tmp_path)) == 1
    assert f"deployer_deploy.build: {tmp_path}" in capsys.readouterr().err
