"""The parts of the host that need no host."""

from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployer_local.aws.call_log import action_of, changes
from deployer_local.aws.courier import Courier
from deployer_local.aws.json_services import JsonService, answer_to
from deployer_local.aws.pipeline_resource import PipelineResource, ResourceError
from deployer_local.aws.snapshots import COMPLETE, Snapshots
from deployer_local.aws.unpacked import UnpackError, unpack


@pytest.mark.parametrize(
    ("request_", "action"),
    [
        pytest.param(("POST", "/", {"x-amz-target": "AmazonSQS.SendMessage"}, b"{}", {}), "SendMessage", id="json"),
        pytest.param(
            ("POST", "/", {"content-type": "application/x-www-form-urlencoded"}, b"Action=UpdateStack&Version=1", {}),
            "UpdateStack",
            id="query",
        ),
        pytest.param(("GET", "/", {}, b"", {"Action": ["ListTopics"]}), "ListTopics", id="query-in-url"),
        pytest.param(("PUT", "/bucket/key", {}, b"Action=x", {}), "PUT /bucket/key", id="rest"),
        pytest.param(
            ("POST", "/bucket", {"content-type": "application/x-www-form-urlencoded"}, b"key=k", {}),
            "POST /bucket",
            id="a-form-that-names-none",
        ),
    ],
)
def test_the_action_of_a_request(request_: tuple[Any, ...], action: str) -> None:
    assert action_of(*request_) == action


class RefusedError(Exception):
    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


class FakePipelines:
    """Remembers the calls; knows versions."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refuse: RefusedError | None = None

    def handle(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        if self.refuse:
            raise self.refuse
        self.calls.append((action, body))
        updates = sum(name == "UpdatePipeline" for name, _ in self.calls)
        return {"pipeline": {"version": 1 + updates}} if action.endswith("Pipeline") else {}

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.calls]


def service(pipelines: FakePipelines) -> JsonService:
    return JsonService("codepipeline", "CodePipeline_20150709", pipelines.handle, RefusedError)


def test_a_service_answers_json_and_its_errors_are_aws_errors() -> None:
    pipelines = FakePipelines()
    assert answer_to(service(pipelines), "CodePipeline_20150709.GetPipeline", b'{"name": "p"}') == (
        200,
        {"pipeline": {"version": 1}},
    )
    assert pipelines.calls == [("GetPipeline", {"name": "p"})]

    pipelines.refuse = RefusedError("PipelineNotFoundException", "none", 404)
    assert answer_to(service(pipelines), "CodePipeline_20150709.GetPipeline", b"{}") == (
        404,
        {"__type": "PipelineNotFoundException", "message": "none"},
    )


@pytest.fixture
def pipelines() -> FakePipelines:
    return FakePipelines()


@pytest.fixture
def resource(pipelines: FakePipelines) -> PipelineResource:
    def declaration(properties: dict[str, Any], name: str) -> dict[str, Any]:
        return {"pipeline": {"name": name, "stages": properties.get("Stages")}, "tags": []}

    names = SimpleNamespace(_physical_name=lambda stack, logical_id, max_len: f"{stack}-{logical_id}-{max_len}")
    return PipelineResource(service(pipelines), declaration, names)


class TestPipelineResource:
    def test_create_names_it_after_the_stack(self, resource: PipelineResource, pipelines: FakePipelines) -> None:
        assert resource.create("Pipeline", {"Stages": 1}, "stack") == ("stack-Pipeline-100", {"Version": "1"})
        assert pipelines.calls[0][1]["pipeline"] == {"name": "stack-Pipeline-100", "stages": 1}

    @pytest.mark.parametrize(
        ("old", "new", "actions"),
        [
            pytest.param({"Stages": 1}, {"Stages": 2}, ["UpdatePipeline"], id="declaration"),
            pytest.param(
                {"Stages": 1},
                {"Stages": 2, "RestartExecutionOnUpdate": "true"},
                ["UpdatePipeline", "StartPipelineExecution"],
                id="and-restart",
            ),
            pytest.param({}, {"Tags": [{"Key": "a", "Value": "1"}]}, ["GetPipeline", "TagResource"], id="tag-only"),
            pytest.param({"Tags": [{"Key": "a", "Value": "1"}]}, {}, ["GetPipeline", "UntagResource"], id="untag"),
            pytest.param(
                {},
                {"Tags": [{"Key": "aws:cloudformation:x", "Value": "1"}]},
                ["GetPipeline"],
                id="aws-tags-are-its-own",
            ),
            pytest.param(
                {},
                {"DisableInboundStageTransitions": [{"StageName": "S", "Reason": "r"}]},
                ["GetPipeline", "DisableStageTransition"],
                id="close-a-stage",
            ),
            pytest.param(
                {"DisableInboundStageTransitions": [{"StageName": "S", "Reason": "r"}]},
                {},
                ["GetPipeline", "EnableStageTransition"],
                id="open-a-stage",
            ),
            pytest.param(
                {"DisableInboundStageTransitions": [{"StageName": "S", "Reason": "r"}]},
                {"DisableInboundStageTransitions": [{"StageName": "S", "Reason": "r"}]},
                ["GetPipeline"],
                id="leave-it-closed",
            ),
        ],
    )
    def test_update_calls_only_what_the_change_needs(
        self, resource: PipelineResource, pipelines: FakePipelines, old: Any, new: Any, actions: list[str]
    ) -> None:
        assert resource.update("name", old, new, "stack")[0] == "name"
        assert pipelines.actions == actions

    def test_a_refusal_is_the_reason_of_the_resource(
        self, resource: PipelineResource, pipelines: FakePipelines
    ) -> None:
        pipelines.refuse = RefusedError("InvalidStructureException", "too few stages")

        with pytest.raises(ResourceError, match=r"too few stages \(Service: CodePipeline, Status Code: 400"):
            resource.create("Pipeline", {}, "stack")

    def test_properties_that_make_no_pipeline_are_the_reason_too(self, pipelines: FakePipelines) -> None:
        def declaration(_properties: dict[str, Any], _name: str) -> dict[str, Any]:
            raise RefusedError("ValidationException", "Encountered unsupported property Surprise")

        with pytest.raises(ResourceError, match="unsupported property Surprise"):
            PipelineResource(service(pipelines), declaration, None).create("Pipeline", {"Name": "p"}, "stack")
        assert pipelines.calls == []


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnpackError, match="not a zip"):
        unpack(b"text", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_modes_of_an_archive_are_kept_where_it_has_any(tmp_path: Path) -> None:
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        for name, mode in (("tool", 0o100755), ("plain", 0o644), ("from-windows", 0)):
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            archive.writestr(info, "x")
            info.external_attr = mode << 16  # writestr gives a mode to what has none
    found = unpack(contents.getvalue(), tmp_path)
    assert [(found / name).stat().st_mode & 0o755 for name in ("tool", "plain")] == [0o755, 0o644]
    assert (found / "from-windows").read_text() == "x"


def test_workers_that_start_together_unpack_once(tmp_path: Path, zipped: Callable[[dict[str, str]], bytes]) -> None:
    archive = zipped({f"{number}.py": "x = 1" for number in range(50)})
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(unpack(archive, tmp_path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [found[0]] * 8
    assert [each.name for each in tmp_path.iterdir()] == [found[0].name]


def test_F83_an_entry_outside_of_the_archive_is_refused(tmp_path: Path) -> None:
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as archive:
        archive.writestr("../outside", "x")

    with pytest.raises(UnpackError, match="outside"):
        unpack(contents.getvalue(), tmp_path / "cache")

    assert not (tmp_path / "outside").exists()
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_archive_is_unpacked_once(tmp_path: Path, zipped: Callable[[dict[str, str]], bytes]) -> None:
    archive = zipped({"a/b.py": "x = 1"})
    first = unpack(archive, tmp_path)
    (first / "mark").touch()

    assert (unpack(archive, tmp_path) / "mark").exists()
    assert (first / "a" / "b.py").read_text() == "x = 1"


class TestSnapshots:
    def test_an_incomplete_snapshot_is_discarded(self, tmp_path: Path) -> None:
        (tmp_path / "sqs.json").write_text("old")
        (tmp_path / "next").mkdir()
        (tmp_path / "next" / "sqs.json").write_text("half")

        Snapshots(tmp_path).recover()

        assert (tmp_path / "sqs.json").read_text() == "old"
        assert list((tmp_path / "next").iterdir()) == []

    def test_a_complete_one_is_finished(self, tmp_path: Path) -> None:
        (tmp_path / "sqs.json").write_text("old")
        (tmp_path / "next").mkdir()
        (tmp_path / "next" / "sqs.json").write_text("new")
        (tmp_path / "next" / COMPLETE).touch()

        Snapshots(tmp_path).recover()

        assert (tmp_path / "sqs.json").read_text() == "new"
        assert list((tmp_path / "next").iterdir()) == []

    def test_large_bytes_are_kept_beside_the_state(self, tmp_path: Path) -> None:
        snapshots = Snapshots(tmp_path)
        value = {"layer": b"x" * 10_000}

        text = json.dumps(value, default=snapshots.encoding(repr))

        assert len(text) < 200
        assert json.loads(text, object_hook=snapshots.decoding(lambda found: found)) == value


def test_a_courier_keeps_the_order_and_does_not_hold_the_sender() -> None:
    received: list[int] = []
    go, done = threading.Event(), threading.Event()

    def receive(number: int) -> None:
        go.wait(30)
        received.append(number)
        if number == 2:
            done.set()

    courier = Courier(receive, "test")
    for number in range(3):
        courier.send(number)
    courier.close()
    assert received == []
    go.set()

    assert done.wait(30)
    assert received == [0, 1, 2]


@pytest.mark.parametrize(
    ("service_name", "action", "kept"),
    [
        pytest.param("sqs", "SendMessage", True, id="send"),
        pytest.param("sqs", "ReceiveMessage", False, id="receive"),
        pytest.param("dynamodb", "Query", False, id="query"),
        pytest.param("dynamodb", "UpdateItem", True, id="update-item"),
        pytest.param("s3", "PUT /bucket/key", True, id="put-object"),
        pytest.param("s3", "GET /bucket/key", False, id="get-object"),
        pytest.param("lambda", "POST /2015-03-31/functions/f/invocations", False, id="invoke"),
        pytest.param("logs", "PutLogEvents", False, id="logs"),
    ],
)
def test_which_answers_wait_until_the_change_is_kept(service_name: str, action: str, kept: bool) -> None:
    assert changes(service_name, action) is kept
