"""Installing, against an AWS that keeps just enough state to be wrong in the ways that matter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.errors import Broken
from deployer_deploy import FUNCTIONS, PARTS, Configuration, Installer, StacksFailed, Target, Tree
from deployer_deploy.changes import LATER, Change
from deployer_deploy.manifest import Manifest, read
from deployer_deploy.progress import Event, StackFinished, StackStarted, Uploaded
from deployer_deploy.wheels import Platform

PREFIX = "opolis-deployer-prod-"


def refusal(code: str, message: str, status: int = 400) -> ClientError:
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "Call")


class CloudFormation:
    """Stacks that are one look in progress. ``fails``: names whose next operation fails and rolls back."""

    def __init__(self) -> None:
        self.stacks: dict[str, dict[str, Any]] = {}
        self.fails: set[str] = set()
        self.refuses: set[str] = set()
        self.calls: list[str] = []
        self.asked: list[str] = []
        self.given: dict[str, dict[str, Any]] = {}
        self.clock = 0

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        if StackName not in self.stacks:
            raise refusal("ValidationError", f"Stack with id {StackName} does not exist")
        stack = self.stacks[StackName]
        given = self.given.get(StackName, {}).items()
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in given]
        seen = {"StackName": StackName, **stack, "Parameters": parameters}
        if later := stack.pop("later", None):
            stack["StackStatus"] = later
            if later == "DELETE_COMPLETE":
                del self.stacks[StackName]
        return {"Stacks": [seen]}

    def get_template(self, StackName: str, TemplateStage: str) -> dict[str, Any]:  # noqa: N803
        assert TemplateStage == "Original"
        return {"TemplateBody": self.stacks[StackName.removeprefix("arn/")].get("body", "")}

    def create_stack(self, StackName: str, **request: Any) -> None:  # noqa: N803
        if self.stacks.get(StackName):
            raise refusal("AlreadyExistsException", "there is one")
        self.stacks[StackName] = {"StackId": f"arn/{StackName}", "Outputs": self._outputs(StackName)}
        self._start(StackName, "CREATE", request)

    def update_stack(self, StackName: str, **request: Any) -> None:  # noqa: N803
        stack = self.stacks[StackName]
        self.asked.append(StackName)
        if stack["body"] == request["TemplateBody"] and self._resolved(StackName, request) == self.given[StackName]:
            raise refusal("ValidationError", "No updates are to be performed.")
        self._start(StackName, "UPDATE", request)

    def delete_stack(self, StackName: str, **_request: Any) -> None:  # noqa: N803
        name = StackName.removeprefix("arn/")
        self.calls.append(f"DELETE {name}")
        self.stacks[name].update(StackStatus="DELETE_IN_PROGRESS", later="DELETE_COMPLETE")

    def get_paginator(self, operation: str) -> Any:
        return self if operation == "describe_stacks" else _Events()

    def paginate(self) -> Iterator[dict[str, Any]]:
        yield {"Stacks": [{"StackName": name, "StackId": name, **stack} for name, stack in self.stacks.items()]}

    def _resolved(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        return {
            parameter["ParameterKey"]: self.given[name][parameter["ParameterKey"]]
            if parameter.get("UsePreviousValue")
            else parameter["ParameterValue"]
            for parameter in request["Parameters"]
        }

    def _start(self, name: str, operation: str, request: dict[str, Any]) -> None:
        if name in self.refuses:
            raise refusal("ValidationError", "Template format error")
        self.clock += 1
        self.calls.append(f"{operation} {name}")
        resolved = self._resolved(name, request)
        failed = "ROLLBACK_COMPLETE" if operation == "CREATE" else "UPDATE_ROLLBACK_COMPLETE"
        later = failed if name in self.fails else f"{operation}_COMPLETE"
        if name not in self.fails:
            self.given[name] = resolved
            self.stacks[name]["body"] = request["TemplateBody"]
        self.fails.discard(name)
        self.stacks[name].update(StackStatus=f"{operation}_IN_PROGRESS", later=later, LastUpdatedTime=self.clock)

    @staticmethod
    def _outputs(name: str) -> list[dict[str, str]]:
        if name.endswith("-layer"):
            return [{"OutputKey": "LayerArn", "OutputValue": "arn:layer:1"}]
        if not name.endswith("-core"):
            return []
        return [{"OutputKey": key, "OutputValue": f"the {key}"} for key in _manifest("core").document["Outputs"]]


def _manifest(part: str) -> Manifest:
    return read(Tree.here().manifest(part))


class _Events:
    def paginate(self, StackName: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        def event(resource: str, status: str, reason: str = "") -> dict[str, Any]:
            physical = StackName if resource == "stack" else resource
            return {
                "PhysicalResourceId": physical,
                "LogicalResourceId": resource,
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }

        newest_first = [
            event("stack", "ROLLBACK_COMPLETE"),
            event("Role", "DELETE_COMPLETE"),
            event("stack", "ROLLBACK_IN_PROGRESS"),
            event("Looks", "CREATE_FAILED", "Resource creation cancelled"),
            event("Changes", "CREATE_FAILED", "the second"),
            event("Function", "CREATE_FAILED", "the first"),
            event("stack", "CREATE_IN_PROGRESS"),
            event("Old", "CREATE_FAILED", "of an earlier try"),
        ]
        yield {"StackEvents": newest_first}


class S3:
    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], bytes] = {}

    def head_object(self, Bucket: str, Key: str) -> None:  # noqa: N803
        if (Bucket, Key) not in self.objects:
            raise refusal("404", "Not Found", 404)

    def put_object(self, Bucket: str, Key: str, Body: Any) -> None:  # noqa: N803
        self.objects[Bucket, Key] = Body.read()

    def get_paginator(self, _operation: str) -> Any:
        return self

    def paginate(self, Bucket: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        yield {"Versions": [{"Key": key, "VersionId": "1"} for bucket, key in self.objects if bucket == Bucket]}

    def delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        for version in Delete["Objects"]:
            del self.objects[Bucket, version["Key"]]
        return {}


class SSM:
    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def put_parameter(self, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803
        assert Type == "SecureString"
        if Value == "denied":
            raise refusal("AccessDeniedException", f"not with {Value}")
        if Name in self.values and not Overwrite:
            raise refusal("ParameterAlreadyExists", "there is one")
        self.values[Name] = Value


class Aws:
    """A place to install, in memory."""

    platform = Platform.here()
    poll = 0.0

    def __init__(self) -> None:
        self.services = {"cloudformation": CloudFormation(), "s3": S3(), "ssm": SSM()}

    def client(self, service: str) -> Any:
        return self.services[service]

    def parameters(self) -> dict[str, str]:
        return {"GitHubApiUrl": "http://127.0.0.1:1/api/v3"}


@pytest.fixture
def aws() -> Aws:
    return Aws()


def installer(aws: Aws, events: list[Event] | None = None, **chosen: Any) -> Installer:
    told: list[Event] = [] if events is None else events
    return Installer(aws, Tree.here(), Configuration(**chosen), told.append, sleep=lambda _seconds: None)


def finished(events: list[Event]) -> dict[str, str]:
    return {event.part: event.outcome for event in events if isinstance(event, StackFinished)}


def test_installs_in_order_and_functions_together(aws: Aws) -> None:
    events: list[Event] = []
    outputs = installer(aws, events).install()
    assert outputs["LayerArn"] == "arn:layer:1"
    assert aws.client("cloudformation").calls == [f"CREATE {PREFIX}{part}" for part in PARTS]
    kinds = [type(event) for event in events if isinstance(event, StackStarted | StackFinished)]
    assert kinds[-12:] == [StackStarted] * 6 + [StackFinished] * 6
    assert finished(events) == dict.fromkeys(PARTS, "created")


def test_a_function_gets_exactly_what_its_manifest_declares(aws: Aws) -> None:
    installer(aws, allowed_repositories="acme/*").install()
    given = aws.client("cloudformation").given
    listener = given[f"{PREFIX}listener"]
    assert listener["AllowedRepositories"] == "acme/*"
    assert listener["LooksQueueUrl"] == "the LooksQueueUrl"
    assert listener["CodeKey"].startswith("listener/")
    assert set(listener) <= _manifest("listener").parameters
    assert given[f"{PREFIX}builder"]["GitHubApiUrl"] == "http://127.0.0.1:1/api/v3"
    assert given[f"{PREFIX}builder"]["AllowedRepositories"] == "acme/*"
    assert "AllowedRepositories" not in given[f"{PREFIX}notifier"]


def test_the_sweep_is_as_chosen(aws: Aws) -> None:
    chosen = {"repositories": "acme/site", "environments_limit": 0, "idle_days": 14}
    installer(aws, **chosen).install()
    given = aws.client("cloudformation").given[f"{PREFIX}builder"]
    names = ("Repositories", "EnvironmentsLimit", "IdleDays", "NoticesQueueUrl")
    assert [given[name] for name in names] == ["acme/site", "0", "14", "the NoticesQueueUrl"]
    assert "SweepLimit" not in given, "the template's default"


def test_deployments_are_as_chosen(aws: Aws) -> None:
    installer(aws, deployments="off", environment_url="https://{stack}.example").install()
    given = aws.client("cloudformation").given[f"{PREFIX}notifier"]
    assert (given["Deployments"], given["EnvironmentUrl"]) == ("off", "https://{stack}.example")


def test_what_is_chosen_reaches_every_template_that_knows_it() -> None:
    declared = {name for part in PARTS for name in _manifest(part).parameters}
    assert {each.parameter for each in Configuration.choices()} <= declared
    assert Configuration(idle_days=3).parameters() == {
        "DeployerPrefix": "opolis-deployer-prod",
        "DeployerStage": "prod",
        "IdleDays": "3",
    }


def test_again_changes_and_uploads_nothing(aws: Aws) -> None:
    installer(aws).install()
    calls = len(aws.client("cloudformation").calls)
    events: list[Event] = []
    installer(aws, events).install()
    assert finished(events) == dict.fromkeys(PARTS, "unchanged")
    assert [event.fresh for event in events if isinstance(event, Uploaded)] == [False] * 7
    assert len(aws.client("cloudformation").calls) == calls
    assert aws.client("cloudformation").asked == []


def test_what_cloudformation_alone_knows_to_be_the_same_is_unchanged(aws: Aws) -> None:
    """An update that failed half way is asked for again, whatever the template."""
    installer(aws).install()
    aws.client("cloudformation").stacks[f"{PREFIX}builder"]["StackStatus"] = "UPDATE_FAILED"
    events: list[Event] = []
    installer(aws, events).install(["builder"])
    assert finished(events) == {"builder": "unchanged"}
    assert aws.client("cloudformation").asked == [f"{PREFIX}builder"]


def previewed(aws: Aws, tree: Tree | None = None, **chosen: Any) -> dict[str, Change]:
    found = Installer(aws, tree or Tree.here(), Configuration(**chosen), sleep=lambda _seconds: None).preview()
    return {each.part: each for each in found}


def test_a_preview_of_a_new_installation_creates_everything_and_touches_nothing(aws: Aws) -> None:
    found = previewed(aws)
    assert list(found) == list(PARTS)
    assert {each.operation for each in found.values()} == {"create"}
    assert len(found["core"].resources) > 30
    assert "AlarmSubscription" not in {each.name for each in found["core"].resources}
    assert found["core"].code is None
    assert all(each.code and each.code.fresh for part, each in found.items() if part != "core")
    assert aws.client("cloudformation").stacks == aws.client("s3").objects == {}


def test_a_preview_names_what_changes_and_why(aws: Aws, tmp_path: Any) -> None:
    installer(aws).install()
    (tmp_path / "layer" / "deployer").mkdir(parents=True)
    (tmp_path / "layer" / "deployer" / "__init__.py").write_text("CHANGED = True\n")
    calls = list(aws.client("cloudformation").calls)
    found = previewed(aws, Tree.here().with_source("layer", tmp_path / "layer"), alarm_email="ada@acme.example")
    assert [(each.name, each.change) for each in found["core"].resources] == [("AlarmSubscription", "add")]
    assert [(each.name, each.after) for each in found["core"].parameters] == [("AlarmEmail", "ada@acme.example")]
    assert [(each.name, each.change) for each in found["layer"].resources] == [("Layer", "replace")]
    assert found["layer"].code
    assert found["layer"].code.fresh
    for part in FUNCTIONS:
        assert [(each.name, each.change) for each in found[part].resources] == [("Function", "change")], part
        assert [(each.name, each.after) for each in found[part].parameters] == [("LayerArn", LATER)], part
        assert found[part].code
        assert not found[part].code.fresh
    assert aws.client("cloudformation").calls == calls


@pytest.mark.parametrize(
    ("status", "operation"),
    [
        pytest.param("ROLLBACK_COMPLETE", "create anew", id="never-came-to-life"),
        pytest.param("UPDATE_IN_PROGRESS", "wait, then update", id="at-work"),
        pytest.param("UPDATE_ROLLBACK_FAILED", "continue rollback, then update", id="stuck"),
        pytest.param("UPDATE_FAILED", "update", id="half-way"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", "unchanged", id="as-before"),
    ],
)
def test_a_preview_says_what_is_done_about_each_status(aws: Aws, status: str, operation: str) -> None:
    installer(aws).install()
    aws.client("cloudformation").stacks[f"{PREFIX}builder"]["StackStatus"] = status
    assert previewed(aws)["builder"].operation == operation


def test_one_part_leaves_the_others_and_its_own_configuration(aws: Aws, tmp_path: Any) -> None:
    installer(aws, allowed_repositories="acme/*").install()
    calls = len(aws.client("cloudformation").calls)
    (tmp_path / "listener").mkdir()
    (tmp_path / "listener/__init__.py").write_text("CHANGED = True\n")
    changed = Tree.here().with_source("listener", tmp_path)
    Installer(aws, changed, Configuration(), sleep=lambda _seconds: None).install(["listener"])
    assert aws.client("cloudformation").calls[calls:] == [f"UPDATE {PREFIX}listener"]
    assert aws.client("cloudformation").given[f"{PREFIX}listener"]["AllowedRepositories"] == "acme/*"


def test_a_function_without_a_core_says_so(aws: Aws) -> None:
    with pytest.raises(Broken, match="needs opolis-deployer-prod-core, which isn't installed"):
        installer(aws).install(["builder"])


def test_failures_name_the_first_failed_resource_and_let_the_others_finish(aws: Aws) -> None:
    cloudformation = aws.client("cloudformation")
    cloudformation.fails = {f"{PREFIX}builder"}
    cloudformation.refuses = {f"{PREFIX}notifier"}
    events: list[Event] = []
    with pytest.raises(StacksFailed) as failed:
        installer(aws, events).install()
    assert [(failure.stack, failure.status, failure.resource) for failure in failed.value.failures] == [
        (f"{PREFIX}notifier", None, ""),
        (f"{PREFIX}builder", "ROLLBACK_COMPLETE", "Function"),
    ]
    assert "the first" in str(failed.value)
    assert "Template format error" in str(failed.value)
    assert set(PARTS) - finished(events).keys() == {"builder", "notifier"}


def test_a_stack_that_never_came_to_life_is_deleted_first(aws: Aws) -> None:
    aws.client("cloudformation").fails = {f"{PREFIX}core"}
    with pytest.raises(StacksFailed):
        installer(aws).install()
    installer(aws).install()
    assert aws.client("cloudformation").calls[:3] == [
        f"CREATE {PREFIX}core",
        f"DELETE {PREFIX}core",
        f"CREATE {PREFIX}core",
    ]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("survived", range(12))
def test_killed_anywhere_and_run_again_converges(aws: Aws, survived: int) -> None:
    """F93: the process dies at its n-th pause, with operations under way."""
    pauses = iter(range(survived))

    def die(_seconds: float) -> None:
        if next(pauses, None) is None:
            raise Killed

    try:
        Installer(aws, Tree.here(), Configuration(), sleep=die).install()
    except Killed:
        installer(aws).install()
    cloudformation = aws.client("cloudformation")
    assert {name: stack["StackStatus"] for name, stack in cloudformation.stacks.items()} == {
        f"{PREFIX}{part}": "CREATE_COMPLETE" for part in PARTS
    }
    assert sorted(cloudformation.calls) == sorted(f"CREATE {PREFIX}{part}" for part in PARTS)


def test_removes_backwards_and_empties_the_buckets(aws: Aws) -> None:
    installer(aws).install()
    events: list[Event] = []
    installer(aws, events).remove()
    assert list(finished(events)) == [*FUNCTIONS, "layer", "core"]
    assert aws.client("cloudformation").stacks == {}
    assert aws.client("s3").objects == {}
    installer(aws, events).remove()
    assert finished(events) == dict.fromkeys(PARTS, "absent")


def test_does_not_leave_branch_stacks_without_the_roles_that_delete_them(aws: Aws) -> None:
    installer(aws).install()
    tags = {"opolis:deployer:environment": "1/staging", "opolis:deployer:installation": "opolis-deployer-prod"}
    branch = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()], "StackStatus": "CREATE_COMPLETE"}
    aws.client("cloudformation").stacks["site-staging"] = branch
    with pytest.raises(Broken, match="site-staging"):
        installer(aws).remove()
    assert len(aws.client("cloudformation").stacks) == len(PARTS) + 1


@pytest.mark.parametrize("name", ["opolis.github.token"], ids=["F94-secrets-can-be-overwritten"])
def test_secrets(aws: Aws, name: str) -> None:
    installer(aws).put_secret(name, "old")
    installer(aws).put_secret(name, "new")
    assert aws.client("ssm").values == {name: "new"}
    with pytest.raises(Broken, match="AccessDenied") as refused:
        installer(aws).put_secret(name, "denied")
    assert "denied" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://cloudformation.eu-west-1.amazonaws.com", "http://10.0.0.1:4566"])
def test_an_engine_is_on_this_machine(url: str) -> None:
    with pytest.raises(Broken, match="on this machine"):
        Target.engine(url)


def test_an_engine_never_sees_real_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real")
    client = Target.engine("http://127.0.0.1:4566").client("s3")
    credentials = client._request_signer._credentials
    assert (credentials.access_key, credentials.token) == ("test", None)
