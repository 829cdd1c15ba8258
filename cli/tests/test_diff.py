"""What a push would change, decided from what was seen; and change sets, over a CloudFormation that only answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.environments import EnvironmentId
from deployer.errors import Rejected
from deployer.refs import Stage
from deployer.states import StackPhase
from deployer_cli.diff.compare import (
    HIDDEN,
    LATER,
    Action,
    ParameterChange,
    ResourceChange,
    of_change_set,
    of_templates,
    parameters,
)
from deployer_cli.diff.live import Live, Standing, Unasked, template_of
from deployer_cli.diff.outlook import Kind, Outlook, Seen, outlook

BRANCH = EnvironmentId(1, Stage.DEVELOPMENT, "x")
STAGING = EnvironmentId(1, Stage.STAGING)
REF = "refs/heads/x"
FULL = {"limit": 2, "taken": 2}
TAKEN = "the repository has 2 environments, as many as it may"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            Seen("refs/tags/x", None), Outlook(Kind.NOTHING, "refs/tags/x has no environment"), id="no-release"
        ),
        pytest.param(Seen(REF, BRANCH, skipped="NOBUILD"), Outlook(Kind.NOTHING, "NOBUILD"), id="skipped"),
        pytest.param(
            Seen(REF, BRANCH, template=False),
            Outlook(Kind.NOTHING, f"{REF} has no deploy/pipeline.json"),
            id="no-template",
        ),
        pytest.param(
            Seen(REF, BRANCH, template=False, known=True),
            Outlook(Kind.REFUSED, "deploy/pipeline.json is missing"),
            id="template-gone",
        ),
        pytest.param(Seen(REF, BRANCH, objection="no"), Outlook(Kind.REFUSED, "no"), id="invalid"),
        pytest.param(Seen(REF, BRANCH), Outlook(Kind.CREATE), id="new"),
        pytest.param(Seen(REF, BRANCH, **FULL), Outlook(Kind.REFUSED, TAKEN), id="full"),  # type: ignore[arg-type]
        pytest.param(Seen(REF, BRANCH, known=True, **FULL), Outlook(Kind.CREATE), id="full-but-known"),  # type: ignore[arg-type]
        pytest.param(Seen("r", STAGING, **FULL), Outlook(Kind.CREATE), id="full-but-staging"),  # type: ignore[arg-type]
        pytest.param(
            Seen(REF, BRANCH, phase=StackPhase.STABLE, ours=False),
            Outlook(Kind.REFUSED, "there is a stack of that name that is not this environment's"),
            id="F55-a-strangers",
        ),
        pytest.param(
            Seen(REF, BRANCH, phase=StackPhase.DEAD), Outlook(Kind.RECREATE, "its creation failed"), id="F49-dead"
        ),
        pytest.param(Seen(REF, BRANCH, phase=StackPhase.STABLE, changed=True), Outlook(Kind.UPDATE), id="changed"),
        pytest.param(
            Seen(REF, BRANCH, phase=StackPhase.BUSY, changed=True),
            Outlook(Kind.UPDATE, "once the operation that is under way has ended"),
            id="busy",
        ),
        pytest.param(
            Seen(REF, BRANCH, phase=StackPhase.STUCK),
            Outlook(Kind.RUN, "once its stack has been recovered"),
            id="F51-stuck",
        ),
        pytest.param(Seen(REF, BRANCH, phase=StackPhase.STABLE), Outlook(Kind.RUN), id="same-template"),
        pytest.param(
            Seen(REF, BRANCH, phase=StackPhase.REVERTED, there=True),
            Outlook(Kind.NOTHING, "this very commit is there"),
            id="same-commit",
        ),
    ],
)
def test_what_a_push_comes_to(seen: Seen, expected: Outlook) -> None:
    assert outlook(seen) == expected


@pytest.mark.parametrize(
    ("old", "new", "hidden", "expected"),
    [
        pytest.param({"A": "1"}, {"A": "1"}, (), (), id="same"),
        pytest.param({"A": "1"}, {"A": "2"}, (), (ParameterChange("A", "1", "2"),), id="changed"),
        pytest.param({}, {"A": "1"}, (), (ParameterChange("A", None, "1"),), id="new"),
        pytest.param({"A": "1"}, {}, (), (ParameterChange("A", "1", None),), id="gone"),
        pytest.param({"A": HIDDEN}, {"A": "canary"}, ("A",), (), id="F91-hidden"),
        pytest.param({}, {"A": "canary"}, ("A",), (ParameterChange("A", None, HIDDEN),), id="F91-hidden-and-new"),
        pytest.param({"A": "canary"}, {"A": "2"}, ("A",), (), id="F91-hidden-from-now-on"),
        pytest.param({"A": HIDDEN}, {"A": "2"}, (), (), id="F91-hidden-till-now"),
        pytest.param({"A": "1"}, {"A": None}, (), (), id="made-by-the-run"),
        pytest.param({}, {"A": None}, (), (ParameterChange("A", None, LATER),), id="made-by-the-run-and-new"),
    ],
)
def test_which_parameters_differ(
    old: dict[str, str], new: dict[str, str | None], hidden: tuple[str, ...], expected: tuple[ParameterChange, ...]
) -> None:
    assert parameters(old, new, hidden) == expected


def template(**resources: Any) -> dict[str, Any]:
    return {"Resources": resources}


def bucket(name: str = "", **attributes: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name} if name else {}, **attributes}


QUEUE = {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Ref": "Name"}}}
S3 = "AWS::S3::Bucket"
LOST, MAY_BE = "what it holds is lost", "what it holds may be lost"
LEFT, SNAPSHOT = "what it holds is left behind, in no stack", "what it holds is left in a snapshot"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(template(A=bucket()), template(A=bucket()), (), id="same"),
        pytest.param({}, template(A=bucket()), (ResourceChange(Action.ADD, "A", S3),), id="new"),
        pytest.param(template(A=bucket()), {}, (ResourceChange(Action.REMOVE, "A", S3, LOST),), id="gone"),
        pytest.param(
            template(A=bucket(DeletionPolicy="RetainExceptOnCreate")),
            template(),
            (ResourceChange(Action.REMOVE, "A", S3, LEFT),),
            id="gone-but-kept",
        ),
        pytest.param(
            template(A=bucket("a", UpdateReplacePolicy="Snapshot")),
            template(A=bucket("b")),
            (ResourceChange(Action.REPLACE, "A", S3, SNAPSHOT),),
            id="another-name",
        ),
        pytest.param(
            template(A=bucket()),
            template(A=QUEUE),
            (ResourceChange(Action.REPLACE, "A", "AWS::SNS::Topic", LOST),),
            id="another-type",
        ),
        pytest.param(
            template(A=bucket("a")),
            template(A={**bucket("a"), "Properties": {"BucketName": "a", "Tags": []}}),
            (ResourceChange(Action.MAYBE, "A", S3, MAY_BE),),
            id="another-property",
        ),
        pytest.param(
            template(A=bucket()),
            template(A=bucket(DeletionPolicy="Retain")),
            (ResourceChange(Action.CHANGE, "A", S3),),
            id="another-policy",
        ),
        pytest.param(
            template(A=QUEUE), template(A=QUEUE), (ResourceChange(Action.MAYBE, "A", QUEUE["Type"]),), id="parameter"
        ),
        pytest.param(
            template(A=bucket({"Ref": "Name"})),  # type: ignore[arg-type]
            template(A=bucket({"Ref": "Name"})),  # type: ignore[arg-type]
            (ResourceChange(Action.REPLACE, "A", S3, LOST),),
            id="named-by-a-parameter",
        ),
        pytest.param(
            template(A={"Type": "X", "Properties": 5}),
            template(A={"Type": "X"}),
            (ResourceChange(Action.CHANGE, "A", "X"),),
            id="odd",
        ),
    ],
)
def test_what_two_templates_say(old: dict[str, Any], new: dict[str, Any], expected: tuple[ResourceChange, ...]) -> None:
    assert of_templates(old, new, ["Name"]) == expected


def entry(action: str, name: str, **more: str) -> dict[str, Any]:
    return {"ResourceChange": {"Action": action, "LogicalResourceId": name, "ResourceType": S3, **more}}


def test_what_a_change_set_says() -> None:
    changes = [
        entry("Remove", "E"),
        entry("Modify", "D", Replacement="True"),
        entry("Modify", "C", Replacement="Conditional"),
        entry("Modify", "B", Replacement="False"),
        entry("Add", "A"),
        entry("Dynamic", "F"),
        entry("SyncWithActual", "G"),
    ]
    assert of_change_set(changes, template(D=bucket(UpdateReplacePolicy="Retain"))) == (
        ResourceChange(Action.ADD, "A", S3),
        ResourceChange(Action.CHANGE, "B", S3),
        ResourceChange(Action.CHANGE, "G", S3),
        ResourceChange(Action.MAYBE, "C", S3, MAY_BE),
        ResourceChange(Action.MAYBE, "F", S3, MAY_BE),
        ResourceChange(Action.REPLACE, "D", S3, LEFT),
        ResourceChange(Action.REMOVE, "E", S3, LOST),
    )


# --- what is there


@dataclass
class CloudFormation:
    """Answers as it is told to, and keeps what it was asked."""

    answers: dict[str, list[Any]]
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.asked.append((operation, arguments))
            answer = self.answers[operation].pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def refused(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "CreateChangeSet")


STACK = Standing("arn:stack", "site-staging", "UPDATE_COMPLETE", {}, {"A": "1"})
DONE = {"Status": "CREATE_COMPLETE", "Changes": [entry("Add", "A")]}
UNCHANGED = {
    "Status": "FAILED",
    "StatusReason": "The submitted information didn't contain changes. Submit",
    "Changes": [],
}


@pytest.mark.parametrize(
    ("described", "names"),
    [
        pytest.param([DONE], ["A"], id="at-once"),
        pytest.param([{"Status": "CREATE_IN_PROGRESS"}, DONE], ["A"], id="after-a-while"),
        pytest.param([{**DONE, "NextToken": "n"}, {"Changes": [entry("Add", "B")]}], ["A", "B"], id="on-two-pages"),
        pytest.param([UNCHANGED], [], id="nothing"),
    ],
)
def test_a_change_set_is_made_read_and_deleted_again(described: list[Any], names: list[str]) -> None:
    client = CloudFormation(
        {"create_change_set": [{"Id": "arn:set"}], "describe_change_set": described, "delete_change_set": [{}]}
    )
    slept: list[float] = []
    found = Live(client, 3.0, slept.append).changes(STACK, "{}", {"A": None, "B": "2"})
    assert [each["ResourceChange"]["LogicalResourceId"] for each in found] == names
    (created, arguments), *_, (deleted, last) = client.asked
    assert (created, deleted) == ("create_change_set", "delete_change_set")
    assert arguments["Parameters"] == [
        {"ParameterKey": "A", "UsePreviousValue": True},
        {"ParameterKey": "B", "ParameterValue": "2"},
    ]
    assert arguments["StackName"] == "arn:stack"
    assert last == {"ChangeSetName": "arn:set"}
    assert set(slept) <= {3.0}


@pytest.mark.parametrize(
    ("answers", "values", "text", "said"),
    [
        pytest.param({"create_change_set": [refused("AccessDenied", "no")]}, {}, "{}", "AccessDenied: no", id="denied"),
        pytest.param({}, {}, "x" * 51_201, "more than 51,200 bytes", id="F54-large"),
        pytest.param({}, {"B": None}, "{}", "a run makes the value of B", id="unknown-value"),
        pytest.param(
            {
                "create_change_set": [{"Id": "arn:set"}],
                "describe_change_set": [{"Status": "FAILED", "StatusReason": "Transform failed"}],
                "delete_change_set": [{}],
            },
            {},
            "{}",
            "Transform failed",
            id="failed",
        ),
        pytest.param(
            {
                "create_change_set": [{"Id": "arn:set"}],
                "describe_change_set": [{"Status": "CREATE_PENDING"}] * 120,
                "delete_change_set": [{}],
            },
            {},
            "{}",
            "the change set is CREATE_PENDING",
            id="never-ready",
        ),
    ],
)
def test_where_no_change_set_is_to_be_had_it_says_why(
    answers: dict[str, list[Any]], values: dict[str, str | None], text: str, said: str
) -> None:
    client = CloudFormation(answers)
    with pytest.raises(Unasked, match=said):
        Live(client, 0.0, lambda _: None).changes(STACK, text, values)
    made = any(operation == "create_change_set" for operation, _ in client.asked) and "describe_change_set" in answers
    assert (client.asked[-1:] and client.asked[-1][0] == "delete_change_set") == made or not client.asked


def test_a_stack_that_is_not_there_is_none_and_throttling_is_not_that() -> None:
    missing = CloudFormation({"describe_stacks": [refused("ValidationError", "Stack with id x does not exist")]})
    assert Live(missing, 0.0).stack("x") is None
    denied = CloudFormation({"describe_stacks": [refused("ValidationError", "no such region")]})
    with pytest.raises(Rejected):
        Live(denied, 0.0).stack("x")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"Resources": {}}', {"Resources": {}}),
        ("Resources: {A: !Ref b}", {"Resources": {"A": {"Ref": "b"}}}),
        ("{", {}),
        ("- a", {}),
    ],
    ids=["json", "yaml", "neither", "a-list"],
)
def test_a_stacks_template_is_read_as_it_was_sent(text: str, value: dict[str, Any]) -> None:
    assert template_of(text) == value
