"""Builds as local processes: what carries from command to command, what ends a build, what is handed over."""

from __future__ import annotations

import io
import os
import stat
import subprocess
import sys
import threading
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local.tests.bench import Bench, spec

from deployer_local.codebuild.archive import UnsafeArchiveError, extract
from deployer_local.codebuild.errors import ServiceError
from deployer_local.codebuild.records import ArtifactPlace, Build
from deployer_local.codebuild.service import CodeBuild, ProjectNotFoundError
from deployer_local.codebuild.shell import BuildTimedOutError, Shell
from deployer_local.codepipeline.testing import BUCKET, REGION, zipped


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(
    ("commands", "lines"),
    [
        pytest.param(["A=1", "echo $A"], ["1"], id="variables-carry"),
        pytest.param(["mkdir d && cd d", "basename $PWD"], ["d"], id="directory-carries"),
        pytest.param(["greet() { echo hi; }", "greet"], ["hi"], id="functions-carry"),
        pytest.param(["printf 'no newline'", "echo next"], ["no newline", "next"], id="unfinished-line"),
        pytest.param(["export A=1; (exit 0); exit 0", "echo $A"], ["1"], id="exit-0-keeps-exports"),
        pytest.param(["set -- a b; echo $#", "echo $#"], ["2", "2"], id="positional-parameters"),
        pytest.param(["sleep 60 & echo started"], ["started"], id="background-is-killed"),
        pytest.param(["cat", "echo after"], ["after"], id="nothing-on-stdin"),
        pytest.param(["echo err >&2"], ["err"], id="stderr"),
        pytest.param(["printf 'a\\n\\nb\\n'"], ["a", "", "b"], id="empty-lines"),
        pytest.param(['echo "[${HOST_SECRET-}]"'], ["[]"], id="F91-host-variables-stay-out"),
    ],
)
def test_commands_share_one_shell(bench: Bench, shell: str, commands: list[str], lines: list[str]) -> None:
    listed = "".join(f"      - |\n        {command}\n" for command in commands)
    text = f"version: 0.2\nenv: {{shell: {shell}}}\nphases:\n  build:\n    commands:\n{listed}"
    assert bench.output(text) == lines


def test_variables_by_precedence_and_codebuilds_own(bench: Bench) -> None:
    bench.project["environment"]["environmentVariables"] = [
        {"name": "A", "value": "project"},
        {"name": "B", "value": "project", "type": "PLAINTEXT"},
    ]
    bench.order = replace(bench.order, variables=({"name": "A", "value": "action", "type": "PLAINTEXT"},))
    text = (
        "version: 0.2\nenv: {variables: {A: spec, B: spec, C: spec}}\nphases: {build: {commands: ["
        "'echo $A $B $C', 'echo $CODEBUILD_RESOLVED_SOURCE_VERSION $CODEBUILD_INITIATOR $CODEBUILD_BUILD_NUMBER', "
        "'echo ${CODEBUILD_BUILD_ID%%:*} $CODEBUILD_SOURCE_VERSION', 'test $CODEBUILD_SRC_DIR = $PWD']}}"
    )
    assert bench.output(text) == [
        "action project spec",
        "v1 codepipeline/app 1",
        f"web arn:aws:s3:::{BUCKET}/in",
    ]


def test_F91_parameters_are_given_and_masked(bench: Bench) -> None:
    bench.client("ssm").put_parameter(Name="my.token", Value="canary-4711", Type="SecureString")
    text = 'version: 0.2\nenv: {parameter-store: {T: my.token}}\nphases: {build: {commands: ["echo $T"]}}'
    assert bench.output(text) == ["***"]


def test_a_missing_parameter_ends_the_build(bench: Bench) -> None:
    build = bench.build('version: 0.2\nenv: {parameter-store: {T: gone}}\nphases: {build: {commands: ["true"]}}')
    assert build.status == "FAILED"
    assert "parameter gone" in build.why


@pytest.mark.parametrize(
    ("text", "ran", "why"),
    [
        pytest.param(
            spec("echo build", install=["false"]),
            [],
            "Phase: INSTALL, Code: COMMAND_EXECUTION_ERROR",
            id="install-ends",
        ),
        pytest.param(
            spec("false", "echo never", post_build=["echo post $CODEBUILD_BUILD_SUCCEEDING"]),
            ["post 0"],
            "Error while executing command: false. Reason: exit status 1",
            id="build-goes-to-post-build",
        ),
        pytest.param(
            "version: 0.2\nphases: {build: {on-failure: ABORT, commands: ['false'], finally: ['echo fin']}, "
            "post_build: {commands: ['echo post']}}",
            ["fin"],
            "Phase: BUILD",
            id="abort-after-finally",
        ),
        pytest.param(
            "version: 0.2\nphases: {install: {on-failure: CONTINUE, commands: ['exit 4']}, "
            "build: {commands: ['echo on']}}",
            ["on"],
            "Reason: exit status 4",
            id="continue",
        ),
        pytest.param(spec("set -e", "false; echo never"), [], "exit status 1", id="set-e"),
        pytest.param(spec("kill -9 $$"), [], "exit status 137", id="killed"),
        pytest.param("version: 0.2\nphases: [", [], "Code: YAML_FILE_ERROR, Message: line 2", id="bad-spec"),
    ],
)
def test_failures(bench: Bench, text: str, ran: list[str], why: str) -> None:
    build = bench.build(text)
    assert build.status == "FAILED"
    assert [line for line in bench.log(build) if not line.startswith("[Container]")] == ran
    assert build.why.startswith("Build terminated with state: FAILED. Phase: ")
    assert why in build.why


def test_a_missing_buildspec_and_a_missing_project(bench: Bench) -> None:
    bench.project["source"]["buildspec"] = "deploy/buildspec.yml"
    assert "stat deploy/buildspec.yml: no such file" in bench.build("x").why
    bench.project["source"]["buildspec"] = "../../etc/passwd"
    assert "no such file in the source" in bench.build("x").why
    with pytest.raises(ProjectNotFoundError):
        bench.service.begin(replace(bench.order, project="gone"))


def test_a_build_past_its_time_is_timed_out(bench: Bench) -> None:
    bench.project["timeoutInMinutes"] = 0.02  # less than a minute is none at all
    build = bench.build(spec("sleep 600"))
    assert build.status == "TIMED_OUT"
    assert build.why == (
        "Build terminated with state: TIMED_OUT. Phase: BUILD, Code: BUILD_TIMED_OUT, Message: Build has timed out."
    )


def test_the_deadline_kills_everything(tmp_path: Path) -> None:
    lines: list[str] = []
    far = time.monotonic() + 60
    shell = Shell("/bin/sh", tmp_path, tmp_path, {"PATH": os.defpath}, on_line=lines.append, deadline=far)
    assert shell.run("sleep 600 & echo $!") == 0
    shell.deadline = time.monotonic()
    with pytest.raises(BuildTimedOutError):
        shell.run("sleep 600")
    shell.close()
    assert gone(int(lines[0]))


@pytest.mark.parametrize("command", ["sleep 20", "timeout 20 yes"], ids=["says-nothing", "never-stops-talking"])
def test_the_deadline_comes_whatever_the_command_says(tmp_path: Path, command: str) -> None:
    soon = time.monotonic() + 0.1
    shell = Shell("/bin/sh", tmp_path, tmp_path, {"PATH": os.defpath}, on_line=lambda _: None, deadline=soon)
    with pytest.raises(BuildTimedOutError):
        shell.run(command)
    shell.close()


def test_a_stop_kills_everything(bench: Bench, tmp_path: Path) -> None:
    fifo = tmp_path / "began"
    os.mkfifo(fifo)
    source = zipped({"buildspec.yml": spec(f"sleep 600 & echo $! > {fifo}; wait")})
    bench.client("s3").put_object(Bucket=BUCKET, Key="in", Body=source)
    begun = bench.service.begin(bench.order)
    ended: list[Build] = []
    thread = threading.Thread(target=lambda: ended.append(bench.service.run(begun, bench.order)))
    thread.start()
    pid = int(fifo.read_text())
    answer = bench.service.handle("StopBuild", {"id": begun.id})
    assert answer is not None
    thread.join(20)
    assert ended[0].status == "STOPPED"
    assert gone(pid)


HOST = """
import os, sys, time
from pathlib import Path
from deployer_local.codebuild.shell import Shell
state = Path(sys.argv[1])
say = lambda line: print(line, flush=True)
shell = Shell("/bin/sh", state, state, {"PATH": os.defpath}, on_line=say, deadline=time.monotonic() + 60)
shell.run("echo $$; sleep 600")
"""


def test_F98_a_build_dies_with_its_engine(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path)], stdout=subprocess.PIPE, text=True) as host:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        host.kill()
    assert gone(pid)


def gone(pid: int) -> bool:
    """Whether the process dies (a zombie nobody has reaped yet counts); signals take effect a moment later."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        except ProcessLookupError:
            return True
        if not state.stdout.strip() or state.stdout.startswith("Z"):
            return True
    return False


@pytest.mark.parametrize(
    ("artifacts", "names"),
    [
        pytest.param("{files: ['**/*'], base-directory: dist}", ["a.txt", "sub/b.map", "sub/run.sh"], id="all"),
        pytest.param("{files: ['*'], base-directory: dist}", ["a.txt"], id="one-level"),
        pytest.param(
            "{files: ['dist/**/*'], exclude-paths: ['**/*.map']}", ["dist/a.txt", "dist/sub/run.sh"], id="but"
        ),
        pytest.param(
            "{files: ['**/*'], base-directory: dist, discard-paths: yes}", ["a.txt", "b.map", "run.sh"], id="flat"
        ),
        pytest.param("{files: ['nothing/*']}", None, id="no-match"),
        pytest.param("{files: ['**/*'], base-directory: ../..}", None, id="F83-outside"),
    ],
)
def test_artifacts(bench: Bench, artifacts: str, names: list[str] | None) -> None:
    order = replace(bench.order, output=ArtifactPlace("Out", BUCKET, "out"))
    commands = ["mkdir -p dist/sub", "echo a > dist/a.txt", "echo b > dist/sub/b.map", "cp run.sh dist/sub/"]
    text = f"version: 0.2\nphases: {{build: {{commands: {commands}}}}}\nartifacts: {artifacts}"
    build = bench.build(text, {"run.sh": "#!/bin/sh\n"}, order)
    if names is None:
        assert build.why.startswith("Build terminated with state: FAILED. Phase: UPLOAD_ARTIFACTS, Code: CLIENT_ERROR")
        return
    assert build.status == "SUCCEEDED", build.why
    body = bench.client("s3").get_object(Bucket=BUCKET, Key="out")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.namelist() == names
        modes = {Path(i.filename).name: stat.S_IMODE(i.external_attr >> 16) for i in archive.infolist()}
    assert modes.get("run.sh", 0o755) == 0o755


def test_exported_variables(bench: Bench) -> None:
    text = "version: 0.2\nenv: {exported-variables: [A, B]}\nphases: {build: {commands: ['A=\"x y\"']}}"
    assert bench.build(text).exported == {"A": "x y", "B": ""}


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, str]:
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([("../a", "x")], id="F83-parent"),
        pytest.param([("/a", "x")], id="F83-absolute"),
        pytest.param([("a", "x"), ("a", "y")], id="F83-twice"),
        pytest.param([link("a", "/etc/passwd")], id="F83-absolute-link"),
        pytest.param([link("a/b", "../../c")], id="F83-link-out"),
        pytest.param([link("a", "b"), ("a/c", "x")], id="F83-through-a-link"),
        pytest.param([("a\\b", "x")], id="F83-backslash"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_unsafe_archives_write_nothing(tmp_path: Path, members: list[Any]) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for name, content in members:
            archive.writestr(name, content)
    target = tmp_path / "out"
    target.mkdir()
    with pytest.raises(UnsafeArchiveError):
        extract(tmp_path / "in.zip", target)
    assert list(target.iterdir()) == []


def test_modes_and_links_survive(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        info = zipfile.ZipInfo("bin/tool")
        info.external_attr = (stat.S_IFREG | 0o755) << 16
        archive.writestr(info, "x")
        archive.writestr(*link("tool", "bin/tool"))
    target = tmp_path / "out"
    target.mkdir()
    extract(tmp_path / "in.zip", target)
    assert stat.S_IMODE((target / "bin/tool").stat().st_mode) == 0o755
    assert (target / "tool").readlink() == Path("bin/tool")


def test_the_api_knows_the_builds_and_only_those(bench: Bench) -> None:
    first, second = bench.build(spec("true")), bench.build(spec("false"))
    assert (first.number, second.number) == (1, 2)
    answer = bench.service.handle("BatchGetBuilds", {"ids": [first.id, second.id, "web:gone"]})
    assert answer is not None
    assert [build["buildStatus"] for build in answer["builds"]] == ["SUCCEEDED", "FAILED"]
    assert answer["buildsNotFound"] == ["web:gone"]
    listed = bench.service.handle("ListBuildsForProject", {"projectName": "web"})
    assert listed == {"ids": [second.id, first.id]}
    assert bench.service.handle("ListBuildsForProject", {"projectName": "other"}) == {}
    assert bench.service.handle("ListProjects", {}) is None
    assert bench.service.handle("StopBuild", {"id": "other:1"}) is None


@pytest.mark.parametrize(
    ("action", "body", "said"),
    [
        pytest.param("StartBuild", {"projectName": "web"}, "pipeline actions only", id="not-served"),
        pytest.param("BatchGetBuilds", {"ids": "web:1"}, "1 validation error detected", id="type"),
        pytest.param("BatchGetBuilds", {}, 'Missing required parameter in input: "ids"', id="missing-member"),
        pytest.param("ListBuilds", {"sortOrder": "SIDEWAYS"}, "enum value set", id="enum"),
        pytest.param("ListBuilds", {"project": "web"}, "Unknown parameter", id="unknown-member"),
    ],
)
def test_requests_that_codebuild_refuses(bench: Bench, action: str, body: dict[str, Any], said: str) -> None:
    with pytest.raises(ServiceError) as caught:
        bench.service.handle(action, body)
    assert caught.value.code == "InvalidInputException"
    assert said in caught.value.message


def test_F98_a_build_cut_off_is_a_fault(bench: Bench) -> None:
    begun = bench.service.begin(bench.order)
    again = CodeBuild(bench.root, bench.client, "123456789012", REGION)
    answer = again.handle("BatchGetBuilds", {"ids": [begun.id]})
    assert answer is not None
    assert answer["builds"][0]["buildStatus"] == "FAULT"
