"""Single actions against small fakes: what they ask of AWS, what they make of its refusals."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from deployer_local.codebuild.records import Build, BuildOrder
from deployer_local.codebuild.service import ProjectNotFoundError
from deployer_local.codepipeline.actions import approval, cloudformation, code_build, lambda_invoke, s3_source
from deployer_local.codepipeline.actions.job import (
    Failed,
    Interrupted,
    Job,
    Outcome,
    StackChanged,
    Succeeded,
    Surroundings,
)
from deployer_local.codepipeline.actions.stack_parameters import ParameterError, override
from deployer_local.codepipeline.records import Artifact
from deployer_local.codepipeline.testing import ACCOUNT, REGION, ROLE, Stacks, error, zipped

IN = Artifact("In", "store", "app/In/1", "v1")
EARLIER, JOB = "00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001"  # JOB: a desk's first
OUT = Artifact("Out", "store", "app/Out/1")


class Desk:
    """What a job tells its engine. ``answers`` are those that are kept."""

    def __init__(self) -> None:
        self.shown: list[tuple[str, str, str]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self.opened = 0

    def remember(self, attempt: str, values: Mapping[str, Any]) -> None:
        pass

    def show(self, attempt: str, external_id: str, url: str, summary: str) -> None:
        self.shown.append((external_id, url, summary))

    def open_job(self, attempt: str) -> str:
        self.opened += 1
        return f"00000000-0000-0000-0000-{self.opened:012}"

    def job_answer(self, job: str) -> Mapping[str, Any] | None:
        return self.answers.get(job)


class S3:
    """Objects by bucket and key; ``refused`` names the calls that are denied."""

    def __init__(self, files: Mapping[str, str | bytes] | None = None, versioned: bool = True) -> None:
        self.objects: dict[tuple[str, str], bytes] = {(IN.bucket, IN.key): zipped(files or {})}
        self.versioned = versioned
        self.refused: set[str] = set()

    def download_fileobj(self, bucket: str, key: str, target: Any) -> None:
        if (bucket, key) not in self.objects:
            raise error("404", "Not Found")
        target.write(self.objects[bucket, key])

    def put_object(self, Bucket: str, Key: str, Body: bytes, **_: Any) -> None:  # noqa: N803
        if "put_object" in self.refused:
            raise error("AccessDenied", "Access Denied")
        self.objects[Bucket, Key] = Body

    def head_object(self, **_: str) -> dict[str, Any]:
        return {"ETag": '"e"', "LastModified": datetime.now(UTC), **({"VersionId": "v"} if self.versioned else {})}

    def copy_object(self, **_: Any) -> None:
        pass

    def files(self, artifact: Artifact) -> dict[str, str]:
        with zipfile.ZipFile(io.BytesIO(self.objects[artifact.bucket, artifact.key])) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}


class Clock:
    """Each look at it is a minute later."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


def job(clients: Mapping[str, Any], configuration: Mapping[str, str], **more: Any) -> Job:
    return Job(
        around=Surroundings(clients.__getitem__, Clock(), ACCOUNT, REGION),
        desk=more.pop("desk", Desk()),
        id="attempt",
        run="run",
        pipeline="app",
        stage="Stage1",
        action={"name": "Act", **more.pop("action", {})},
        role=ROLE,
        bucket="store",
        configuration=configuration,
        inputs=more.pop("inputs", (IN,)),
        outputs=more.pop("outputs", ()),
        memory=more.pop("memory", {}),
        **more,
    )


# CloudFormation.


class Ending(Stacks):
    """CloudFormation whose operations are over at once, as ``ends`` says; ``refused`` fails calls by name."""

    def __init__(self, stack: str = "", **ends: str) -> None:
        super().__init__()
        self.ends = {"create": "CREATE_COMPLETE", "update": "UPDATE_COMPLETE", "delete": "DELETE_COMPLETE", **ends}
        self.refused: dict[str, Exception] = {}
        if stack:
            self.stacks["arn:s"] = {"StackId": "arn:s", "StackName": "s", "StackStatus": stack}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if refusal := self.refused.get("describe"):
            raise refusal
        return super().describe_stacks(StackName)

    def create_stack(self, **given: Any) -> dict[str, Any]:
        self.stacks.clear()  # a stack under review becomes the one that is created
        return super().create_stack(**given)

    def _begin(self, kind: str, identifier: str, status: str, given: dict[str, Any]) -> dict[str, Any]:
        if refusal := self.refused.get(kind):
            raise refusal
        answer = super()._begin(kind, identifier, status, given)
        self.settle("s", self.ends[kind], {"Url": "u"}, reason="because")
        return answer

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.calls]


TEMPLATE = {"t.json": '{"Resources": {}}'}
DEPLOY = {"ActionMode": "CREATE_UPDATE", "StackName": "s", "RoleArn": ROLE, "TemplatePath": "In::t.json"}
DELETE = {"ActionMode": "DELETE_ONLY", "StackName": "s"}


def never() -> float:
    raise AssertionError("nothing was to be waited for")


def at_once() -> float:
    return 0.0


def deploy(stacks: Stacks, configuration: Mapping[str, str], s3: S3 | None = None, **more: Any) -> Outcome:
    clients = {"cloudformation": stacks, "s3": s3 or S3(TEMPLATE)}
    return cloudformation.run(job(clients, configuration, **more), never)


@pytest.mark.parametrize(
    ("stack", "configuration", "calls"),
    [
        pytest.param("", DEPLOY, ["create"], id="created"),
        pytest.param("REVIEW_IN_PROGRESS", DEPLOY, ["create"], id="created-over-a-change-set-under-review"),
        pytest.param("CREATE_COMPLETE", DEPLOY, ["update"], id="updated"),
        pytest.param("", DELETE, [], id="nothing-to-delete"),
        pytest.param("UPDATE_COMPLETE", DELETE, ["delete"], id="deleted"),
        pytest.param("UPDATE_COMPLETE", {**DELETE, "RoleArn": ROLE}, ["delete"], id="deleted-by-its-role"),
        pytest.param(
            "UPDATE_COMPLETE", {**DEPLOY, "ActionMode": "REPLACE_ON_FAILURE"}, ["update"], id="a-good-stack-is-updated"
        ),
    ],
)
def test_what_a_stack_action_does(stack: str, configuration: dict[str, str], calls: list[str]) -> None:
    stacks = Ending(stack)
    assert isinstance(deploy(stacks, configuration), Succeeded)
    assert stacks.kinds == calls
    assert [given.get("RoleARN") for _, given in stacks.calls] == [configuration.get("RoleArn")] * len(calls)


def test_a_stack_is_asked_for_with_nothing_but_what_the_action_says() -> None:
    stacks = Ending()
    deploy(stacks, DEPLOY)
    assert stacks.calls[0][1] == {
        "StackName": "s",
        "RoleARN": ROLE,
        "TemplateBody": TEMPLATE["t.json"],
        "Parameters": [],
        "ClientRequestToken": "attempt-create",
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {"Parameters": {"A": 1}}, {"Parameters": [{"ParameterKey": "A", "ParameterValue": "1"}]}, id="parameters"
        ),
        pytest.param({"Tags": {"a": "b"}}, {"Tags": [{"Key": "a", "Value": "b"}]}, id="tags"),
        pytest.param({"StackPolicy": {"x": []}}, {"StackPolicyBody": '{"x": []}'}, id="policy"),
    ],
)
def test_each_part_of_a_template_configuration_may_stand_alone(settings: Any, expected: dict[str, Any]) -> None:
    stacks = Ending()
    deploy(stacks, {**DEPLOY, "TemplateConfiguration": "In::c"}, S3({**TEMPLATE, "c": json.dumps(settings)}))
    given = stacks.calls[0][1]
    assert {name: given[name] for name in expected} == expected
    assert given.keys() - expected.keys() <= {
        "StackName",
        "RoleARN",
        "TemplateBody",
        "Parameters",
        "ClientRequestToken",
    }


def test_F54_a_template_too_long_for_a_request_goes_through_s3() -> None:
    template = json.dumps({"Resources": {}, "Description": "x" * 51_200})
    stacks, s3 = Ending(), S3({"t.json": template})
    assert isinstance(deploy(stacks, DEPLOY, s3), Succeeded)
    given = stacks.calls[0][1]
    assert "TemplateBody" not in given
    assert given["TemplateURL"] == "https://store.s3.amazonaws.com/app/templates/attempt"
    assert s3.objects["store", "app/templates/attempt"].decode() == template


def refusing(kind: str, refusal: Exception, stack: str = "") -> Ending:
    stacks = Ending(stack)
    stacks.refused[kind] = refusal
    return stacks


@pytest.mark.parametrize(
    ("stacks", "configuration", "code", "message"),
    [
        pytest.param(
            Ending("CREATE_COMPLETE", delete="DELETE_FAILED"),
            DELETE,
            "JobFailed",
            "Stack s is DELETE_FAILED: because",
            id="not-deleted",
        ),
        pytest.param(
            Ending(create="ROLLBACK_COMPLETE"),
            DEPLOY,
            "JobFailed",
            "Stack s is ROLLBACK_COMPLETE: because",
            id="rolled-back",
        ),
        pytest.param(
            refusing("create", error("AccessDenied", "not you")), DEPLOY, "PermissionError", "not you", id="not-allowed"
        ),
        pytest.param(
            refusing("describe", error("Throttling", "Rate exceeded")),
            DEPLOY,
            "JobFailed",
            "Rate exceeded",
            id="throttled",
        ),
        pytest.param(
            refusing("update", error("ValidationError", "bad"), "CREATE_COMPLETE"),
            DEPLOY,
            "JobFailed",
            "bad",
            id="refused",
        ),
        pytest.param(
            Ending(),
            {**DEPLOY, "TemplatePath": "In::gone"},
            "JobFailed",
            "File [gone] does not exist in artifact [In]",
            id="no-template",
        ),
        pytest.param(
            Ending(),
            {**DEPLOY, "TemplateConfiguration": "In::word"},
            "JobFailed",
            "TemplateConfiguration In::word is not JSON: Expecting value: line 1 column 1 (char 0)",
            id="configuration-not-json",
        ),
        *(
            pytest.param(
                Ending(),
                {**DEPLOY, "TemplateConfiguration": f"In::{path}"},
                "JobFailed",
                f"TemplateConfiguration In::{path} must be an object of Parameters, StackPolicy, Tags, all objects",
                id=f"configuration-{path}",
            )
            for path in ("list", "unknown-member", "member-no-object")
        ),
    ],
)
def test_stack_failures(stacks: Ending, configuration: dict[str, str], code: str, message: str) -> None:
    files = {
        "word": "hello",
        "list": "[]",
        "unknown-member": '{"Metadata": {}}',
        "member-no-object": '{"Parameters": [{"ParameterKey": "A"}]}',
    }
    outcome = deploy(stacks, configuration, S3({**TEMPLATE, **files}))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.message) == (code, message)


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(lambda s3: s3.objects.clear(), "Artifact [In] cannot be read: ", id="no-input"),
        pytest.param(
            lambda s3: s3.objects.update({(IN.bucket, IN.key): b"x"}), "Artifact [In] cannot be read", id="no-zip"
        ),
        pytest.param(lambda s3: s3.refused.add("put_object"), "Artifact [Out] cannot be written: ", id="no-output"),
    ],
)
def test_artifacts_that_cannot_be_had_fail_the_action(prepare: Callable[[S3], None], words: str) -> None:
    s3 = S3(TEMPLATE)
    prepare(s3)
    outcome = deploy(Ending(), {**DEPLOY, "OutputFileName": "o.json"}, s3, outputs=(OUT,))
    assert isinstance(outcome, Failed)
    assert words in outcome.message


def test_outputs_are_handed_over_as_a_file_of_the_output_artifact() -> None:
    s3 = S3(TEMPLATE)
    outcome = deploy(Ending(), {**DEPLOY, "OutputFileName": "o.json"}, s3, outputs=(OUT,))
    assert isinstance(outcome, Succeeded)
    assert {name: json.loads(text) for name, text in s3.files(OUT).items()} == {"o.json": {"Url": "u"}}


class Slow(Stacks):
    """One stack, whose status changes from look to look."""

    def __init__(self, *statuses: str) -> None:
        super().__init__()
        self._statuses = list(statuses)

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        self.looks += 1
        status = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        return {"Stacks": [{"StackId": "arn:s", "StackName": "s", "StackStatus": status}]}


@pytest.mark.parametrize(
    ("messages", "poll", "looks"),
    [
        pytest.param([("arn:s", "DELETE_COMPLETE")], never, 2, id="the-event-tells"),
        pytest.param([("arn:other", "DELETE_COMPLETE"), ("s", "DELETE_COMPLETE")], never, 2, id="other-stacks-do-not"),
        pytest.param([("arn:s", "DELETE_IN_PROGRESS")], never, 2, id="any-event-is-looked-after"),
        pytest.param([], at_once, 2, id="without-events-it-looks-again"),
    ],
)
def test_a_deletion_under_way_is_waited_for_and_not_begun_again(
    messages: list[tuple[str, str]], poll: Callable[[], float], looks: int
) -> None:
    stacks = Slow("DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS", "DELETE_COMPLETE")
    waiting = job({"cloudformation": stacks, "s3": S3()}, DELETE)
    for stack, status in messages:
        waiting.mailbox.put(StackChanged(stack, status))
    outcome = cloudformation.run(waiting, at_once if poll is at_once else lambda: 60.0)
    assert isinstance(outcome, Succeeded)
    assert (outcome.external_id, stacks.calls, stacks.looks) == ("arn:s", [], looks + 1)
    assert waiting.mailbox.empty()


# Parameters of stacks.

FILES = {"values.json": '{"a": "b", "n": 1}', "list.json": "[]", "text": "words"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("text", "text", id="text"),
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param(3, "3", id="number"),
        pytest.param(["a", 1], "a,1", id="list"),
        pytest.param({"Fn::GetArtifactAtt": ["In", "BucketName"]}, "store", id="bucket"),
        pytest.param({"Fn::GetArtifactAtt": ["In", "URL"]}, "https://store.s3.amazonaws.com/app/In/1", id="url"),
        pytest.param({"Fn::GetParam": ["In", "values.json", "n"]}, "1", id="from-a-file"),
    ],
)
def test_parameter_overrides(value: Any, expected: str) -> None:
    assert override(S3(FILES), json.dumps({"P": value}), [IN]) == {"P": expected}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "ParameterOverrides is not JSON", id="not-json"),
        pytest.param("[]", "must be a JSON object", id="list"),
        pytest.param('{"P": null}', "P: cannot resolve null", id="null"),
        pytest.param('{"P": {"Ref": "x"}}', "P: cannot resolve", id="another-function"),
        pytest.param('{"P": {"Fn::GetArtifactAtt": ["In", "Size"]}}', "P: cannot resolve", id="unknown-attribute"),
        pytest.param('{"P": {"Fn::GetArtifactAtt": ["Other", "URL"]}}', "P: cannot resolve", id="unknown-artifact"),
        pytest.param('{"P": {"Fn::GetParam": ["In", "values.json", "z"]}}', "P: cannot resolve", id="unknown-key"),
        pytest.param('{"P": {"Fn::GetParam": ["In", "list.json", "a"]}}', "P: cannot resolve", id="no-object"),
        pytest.param('{"P": {"Fn::GetParam": ["In", "text", "a"]}}', "P: In::text is not JSON", id="file-not-json"),
    ],
)
def test_parameter_overrides_refused(text: str, words: str) -> None:
    with pytest.raises(ParameterError) as caught:
        override(S3(FILES), text, [IN])
    assert words in str(caught.value)


# Lambda.

FUNCTION = {"FunctionName": "release"}


class Aws:
    """STS and Lambda; ``refusal`` is what an invocation ends with."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.invoked: list[dict[str, Any]] = []

    def assume_role(self, **_: str) -> dict[str, Any]:
        keys = {"AccessKeyId": "a", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": datetime.now(UTC)}
        return {"Credentials": keys}

    def invoke(self, Payload: bytes, **_: str) -> None:  # noqa: N803
        if self.refusal:
            raise self.refusal
        self.invoked.append(json.loads(Payload))


@pytest.mark.parametrize(
    ("code", "expected", "words"),
    [
        pytest.param("AccessDeniedException", "PermissionError", f"The role {ROLE} may not invoke", id="not-allowed"),
        pytest.param("TooManyRequestsException", "JobFailed", "release was not invoked: ", id="throttled"),
    ],
)
def test_invocations_refused(code: str, expected: str, words: str) -> None:
    aws = Aws(error(code, "no"))
    outcome = lambda_invoke.run(job({"sts": aws, "lambda": aws}, FUNCTION))
    assert isinstance(outcome, Failed)
    assert outcome.code == expected
    assert words in outcome.message


def test_F98_a_job_that_was_given_out_is_waited_for_and_not_given_out_again() -> None:
    aws, desk = Aws(AssertionError("given out again")), Desk()
    desk.answers[EARLIER] = {"outputVariables": {"Url": "u"}}
    outcome = lambda_invoke.run(job({"sts": aws, "lambda": aws}, FUNCTION, desk=desk, memory={"job": EARLIER}))
    assert outcome == Succeeded(variables={"Url": "u"})


def test_F98_a_continuation_is_gone_on_with() -> None:
    aws, desk = Aws(), Desk()
    desk.answers[JOB] = {}
    lambda_invoke.run(
        job({"sts": aws, "lambda": aws}, FUNCTION, desk=desk, memory={"continuation": "more", "job": None})
    )
    assert [each["CodePipeline.job"]["data"]["continuationToken"] for each in aws.invoked] == ["more"]


# S3, approvals, builds.


def test_a_source_bucket_without_versions_is_refused() -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/action-reference-S3.html: versioning is required."""
    configuration = {"S3Bucket": "sources", "S3ObjectKey": "app.zip"}
    outcome = s3_source.run(job({"s3": S3(versioned=False)}, configuration, outputs=(OUT,)))
    assert outcome == Failed("ConfigurationError", "The Amazon S3 bucket sources must have versioning enabled")


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        pytest.param({"status": "Approved", "summary": "fine"}, Succeeded(summary="fine"), id="approved"),
        pytest.param({"status": "Rejected", "summary": "no"}, Failed("JobFailed", "no", summary="no"), id="rejected"),
        pytest.param({"status": "Rejected", "summary": ""}, Failed("JobFailed", "Rejected"), id="without-a-word"),
        pytest.param(None, Failed("JobFailed", "The approval was not given in time"), id="silence"),
    ],
)
def test_approvals(result: dict[str, str] | None, outcome: Outcome) -> None:
    """https://docs.aws.amazon.com/codepipeline/latest/userguide/approvals.html: an approval not given in time fails."""
    desk = Desk()
    if result:
        desk.answers[JOB] = {"result": result}
    asked = job(
        {}, {"CustomData": "look", "ExternalEntityLink": "https://x"}, desk=desk, action={"timeoutInMinutes": 1}
    )
    assert approval.run(asked) == outcome
    assert desk.shown == [("", "https://x", "look")]


class Builds:
    """A CodeBuild that begins nothing."""

    def __init__(self, refusal: Exception) -> None:
        self._refusal = refusal

    def begin(self, _order: Any) -> None:
        raise self._refusal


@pytest.mark.parametrize(
    ("variables", "refusal", "code", "words"),
    [
        pytest.param("{", None, "ConfigurationError", "must be a JSON list", id="variables-not-json"),
        pytest.param('[{"name": "A"}]', None, "ConfigurationError", "must be a JSON list", id="variable-without-value"),
        pytest.param("null", None, "ConfigurationError", "must be a JSON list", id="no-list"),
        pytest.param(
            "[]", ProjectNotFoundError("Project cannot be found: p"), "ConfigurationError", "found: p", id="no-project"
        ),
        pytest.param("[]", error("Throttling", "slow"), "JobFailed", "Error calling startBuild: ", id="throttled"),
    ],
)
def test_builds_that_never_begin(variables: str, refusal: Exception | None, code: str, words: str) -> None:
    builds: Any = Builds(refusal or AssertionError("nothing was to begin"))
    outcome = code_build.run(job({}, {"ProjectName": "p", "EnvironmentVariables": variables}), builds)
    assert isinstance(outcome, Failed)
    assert outcome.code == code
    assert words in outcome.message


class Leaving:
    """A CodeBuild under which the action is left: ``when`` the build was begun, or while it runs."""

    def __init__(self, when: str) -> None:
        self._when = when
        self.job: Job | None = None
        self.stopped: list[str] = []

    def _left(self, when: str) -> None:
        if when == self._when and self.job is not None:
            self.job.leave()

    def begin(self, order: BuildOrder) -> Build:
        self._left("begun")
        return Build("web:1", order.project, 1, 0.0, order.initiator, "arn:aws:s3:::store/app/In/1")

    def run(self, build: Build, _order: BuildOrder) -> Build:
        self._left("running")
        assert self.stopped == [build.id]
        return build

    def stop(self, identifier: str) -> None:
        self.stopped.append(identifier)


@pytest.mark.parametrize("when", ["begun", "running"])
def test_a_build_is_stopped_with_its_action(when: str) -> None:
    builds: Any = Leaving(when)
    builds.job = job({}, {"ProjectName": "p"})
    with pytest.raises(Interrupted):
        code_build.run(builds.job, builds)
