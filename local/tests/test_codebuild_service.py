"""CodeBuild's surroundings: what it is asked, what it is given, what is in its way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from local.tests.bench import Bench, spec

from deployer_local.codebuild.records import ArtifactPlace, Build
from deployer_local.codebuild.service import CodeBuild
from deployer_local.codepipeline.testing import BUCKET, REGION, zipped


def test_builds_are_listed_newest_first_unless_asked_otherwise(bench: Bench) -> None:
    bench.projects.known["other"] = {**bench.project, "name": "other"}
    first, second = bench.build(spec("true")), bench.build(spec("true"))
    other = bench.build(spec("true"), order=replace(bench.order, project="other"))
    oldest = {"projectName": "web", "sortOrder": "ASCENDING"}
    assert bench.service.handle("ListBuildsForProject", oldest) == {"ids": [first.id, second.id]}
    listed = bench.service.handle("ListBuilds", {})
    assert listed is not None
    assert set(listed["ids"]) == {first.id, second.id, other.id}


def test_a_buildspec_in_the_project_goes_before_the_sources(bench: Bench) -> None:
    bench.project["source"]["buildspec"] = spec("echo from the project")
    assert bench.output(spec("echo from the source")) == ["from the project"]


def test_what_is_not_honoured_is_said_in_the_log(bench: Bench) -> None:
    build = bench.build("version: 0.2\nphases: {build: {commands: ['true']}}\ncache: {paths: [x]}\n")
    assert any(line.endswith("buildspec line 3: cache is not honoured by this engine") for line in bench.log(build))


@pytest.mark.parametrize(
    ("variable", "lines"),
    [
        pytest.param({"name": "T", "value": "my.token", "type": "PARAMETER_STORE"}, ["***"], id="F91-parameter-store"),
        pytest.param({"name": "T", "value": "my.token"}, ["my.token"], id="plaintext-by-default"),
    ],
)
def test_variables_of_the_project(bench: Bench, variable: dict[str, str], lines: list[str]) -> None:
    bench.client("ssm").put_parameter(Name="my.token", Value="canary-4711", Type="SecureString")
    bench.project["environment"]["environmentVariables"] = [variable]
    assert bench.output(spec("echo $T")) == lines


def test_an_input_that_no_source_revision_stands_for_names_none(bench: Bench) -> None:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/build-env-ref-env-vars.html: then it is not set."""
    bench.order = replace(bench.order, inputs=(ArtifactPlace("In", BUCKET, "in"),))
    assert bench.output(spec('echo "${CODEBUILD_RESOLVED_SOURCE_VERSION-not set}"')) == ["not set"]


def test_the_primary_source_is_where_the_build_runs(bench: Bench) -> None:
    """https://docs.aws.amazon.com/codebuild/latest/userguide/sample-pipeline-multi-input-output.html"""
    bench.client("s3").put_object(Bucket=BUCKET, Key="second", Body=zipped({"word.txt": "beside"}))
    both = (ArtifactPlace("Second", BUCKET, "second"), *bench.order.inputs)
    bench.order = replace(bench.order, inputs=both, primary="In")
    commands = ("cat word.txt", 'cat "$CODEBUILD_SRC_DIR_Second/word.txt"', 'echo "${CODEBUILD_SRC_DIR_In-none}"')
    assert bench.output(spec(*commands), {"word.txt": "here"}) == ["here", "beside", "none"]


def unpacked_badly(bench: Bench) -> None:
    bench.order = replace(bench.order, inputs=(*bench.order.inputs, ArtifactPlace("Other", BUCKET, "other")))
    bench.client("s3").put_object(Bucket=BUCKET, Key="other", Body=b"no zip")


def foreign_variable(bench: Bench) -> None:
    variable = {"name": "S", "value": "x", "type": "SECRETS_MANAGER"}
    bench.project["environment"]["environmentVariables"] = [variable]


def missing_parameter(bench: Bench) -> None:
    variable = {"name": "T", "value": "gone", "type": "PARAMETER_STORE"}
    bench.project["environment"]["environmentVariables"] = [variable]


@pytest.mark.parametrize(
    ("prepare", "code", "words"),
    [
        pytest.param(unpacked_badly, "CLIENT_ERROR", "artifact Other cannot be unpacked", id="input-is-no-zip"),
        pytest.param(foreign_variable, "Decrypted Variables Error", "S: variables of type SECRETS", id="variable-type"),
        pytest.param(missing_parameter, "Decrypted Variables Error", "T: parameter gone", id="no-parameter"),
    ],
)
def test_what_is_wrong_before_the_commands_ends_the_build_where_the_source_is_fetched(
    bench: Bench, prepare: Callable[[Bench], None], code: str, words: str
) -> None:
    prepare(bench)
    build = bench.build(spec("echo never"))
    assert f"Phase: DOWNLOAD_SOURCE, Code: {code}, Message: " in build.why
    assert words in build.why
    assert [phase.type for phase in build.phases[-3:]] == ["DOWNLOAD_SOURCE", "FINALIZING", "COMPLETED"]


def test_an_output_that_the_buildspec_does_not_name_fails_the_build(bench: Bench) -> None:
    build = bench.build(spec("true"), order=replace(bench.order, output=ArtifactPlace("Out", BUCKET, "out")))
    assert build.why.endswith("Phase: UPLOAD_ARTIFACTS, Code: CLIENT_ERROR, Message: no matching artifact paths found")


EXPORTED = (
    "version: 0.2\nenv: {exported-variables: [%s]}\nphases: {build: {commands: ['A=1']}}\nartifacts: {files: ['*']}"
)


def test_a_variable_that_no_shell_can_have_is_not_exported(bench: Bench) -> None:
    build = bench.build(EXPORTED % "A-B")
    assert build.why == (
        "Build terminated with state: FAILED. Phase: FINALIZING, Code: YAML_FILE_ERROR, "
        "Message: exported-variables: A-B is not a variable's name"
    )


class StopsAfterUpload:
    """S3 that calls `stop` when it has the artifact."""

    def __init__(self, real: Any, stop: Callable[[], None]) -> None:
        self._real, self._stop = real, stop
        self.put_object, self.download_file = real.put_object, real.download_file

    def upload_file(self, *place: str) -> None:
        self._real.upload_file(*place)
        self._stop()


def test_a_stop_after_the_last_command_ends_the_build(bench: Bench) -> None:
    bench.real["s3"] = StopsAfterUpload(bench.client("s3"), lambda: bench.service.stop(bench.newest()))
    build = bench.build(EXPORTED % "A", order=replace(bench.order, output=ArtifactPlace("Out", BUCKET, "out")))
    assert (build.status, build.phases[-1].type) == ("STOPPED", "COMPLETED")
    assert "Phase: FINALIZING, Code: BUILD_STOPPED" in build.why


def test_a_stop_before_the_first_command_is_kept_for_it(bench: Bench) -> None:
    begun = bench.service.begin(bench.order)
    bench.client("s3").put_object(Bucket=BUCKET, Key="in", Body=zipped({"buildspec.yml": spec("echo never")}))
    answer = bench.service.handle("StopBuild", {"id": begun.id})
    assert answer is not None
    ended = bench.service.run(begun, bench.order)
    assert (ended.status, [line for line in bench.log(ended) if line == "never"]) == ("STOPPED", [])


def test_closing_stops_what_runs(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(fifo := tmp_path / "began")
    source = zipped({"buildspec.yml": spec(f"echo > {fifo}; sleep 600")})
    bench.client("s3").put_object(Bucket=BUCKET, Key="in", Body=source)
    begun = bench.service.begin(bench.order)
    ended: list[Build] = []
    thread = threading.Thread(target=lambda: ended.append(bench.service.run(begun, bench.order)), daemon=True)
    thread.start()
    fifo.read_text()
    bench.service.close()
    thread.join(20)
    assert ended[0].status == "STOPPED"


def test_builds_that_ended_stay_as_they_were(bench: Bench) -> None:
    ended = bench.build(spec("true"))
    again = CodeBuild(bench.root, bench.client, "123456789012", REGION)
    answer = again.handle("BatchGetBuilds", {"ids": [ended.id]})
    assert answer is not None
    assert answer["builds"][0]["buildStatus"] == "SUCCEEDED"
    assert again.begin(bench.order).number == 2
