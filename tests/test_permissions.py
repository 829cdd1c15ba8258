"""The comparison of what functions may do with what they did finds each kind of difference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.iam import Request, allowed
from tests.permissions.__main__ import main
from tests.permissions.comparison import Exempt, problems
from tests.permissions.exceptions import EXEMPT
from tests.permissions.grants import Grant, Use, all_granted, granted, used
from tests.permissions.table import PAGE, renewed, table

from deployer_deploy.tree import FUNCTIONS, Tree

QUEUE = "arn:aws:sqs:us-east-1:000000000000:looks"
SEND = Grant("listener", "Looks", "sqs:SendMessage")
POLICY = {"Statement": [{"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": QUEUE}]}


def use(**changes: Any) -> Use:
    given: dict[str, Any] = {
        "function": "listener",
        "action": "sqs:SendMessage",
        "resources": (QUEUE,),
        "granted": (("Looks", 0),),
        "allowed": True,
        "context": {},
        "policies": (POLICY,),
    }
    return Use(**{**given, **changes})


REFUSED = use(action="sqs:PurgeQueue", granted=(), allowed=False)
LAXLY = use(action="sqs:PurgeQueue", granted=(("Looks", 0),))


@pytest.mark.parametrize(
    ("grants", "uses", "exempt", "expected"),
    [
        pytest.param([SEND], [use()], [], [], id="used"),
        pytest.param([SEND], [], [], ["never used: listener: Looks: sqs:SendMessage"], id="never-used"),
        pytest.param(
            [SEND, Grant("listener", "Looks", "sqs:SendMessage", 1)],
            [use()],
            [],
            ["never used: listener: Looks: sqs:SendMessage (resource 1)"],
            id="one-resource-of-two-never-used",
        ),
        pytest.param(
            [SEND],
            [use(function="builder", granted=(("Looks", 0),))],
            [],
            [
                "never used: listener: Looks: sqs:SendMessage",
                f"granted by another tree, run all tests again: builder: sqs:SendMessage on {QUEUE}",
            ],
            id="used-by-another-function",
        ),
        pytest.param([SEND], [use(), REFUSED], [], [f"not granted: listener: sqs:PurgeQueue on {QUEUE}"], id="refused"),
        pytest.param(
            [SEND],
            [use(), use(resources=())],
            [],
            ["not known: listener: sqs:SendMessage on a resource that is not known"],
            id="a-resource-that-is-not-known",
        ),
        pytest.param(
            [SEND, Grant("listener", "Looks", "sqs:PurgeQueue")],
            [use(), LAXLY],
            [],
            [f"evaluated differently by tests/iam.py: listener: sqs:PurgeQueue on {QUEUE}"],
            id="two-evaluations-differ",
        ),
        pytest.param([SEND], [], [Exempt("*", "Looks", ("sqs:SendMessage",), "why")], [], id="exempt"),
        pytest.param([SEND], [], [Exempt("listener", "Looks", ("sqs:SendMessage",), "why")], [], id="exempt-by-name"),
        pytest.param(
            [SEND],
            [use()],
            [Exempt("*", "Looks", ("sqs:SendMessage",), "why")],
            ["an exception that is none: listener: Looks: sqs:SendMessage"],
            id="exempt-and-used",
        ),
        pytest.param(
            [SEND], [use()], [Exempt("*", "Looks", ("sqs:SendMessage",), "why", sometimes=True)], [], id="used-at-times"
        ),
        pytest.param(
            [SEND],
            [use()],
            [Exempt("builder", "Looks", ("sqs:SendMessage",), "why")],
            ["an exception for what is not granted: builder: Looks"],
            id="exempt-and-not-granted",
        ),
    ],
)
def test_problems(grants: list[Grant], uses: list[Use], exempt: list[Exempt], expected: list[str]) -> None:
    assert problems(grants, uses, exempt) == expected


def test_grants_are_pairs_of_an_action_and_a_resource() -> None:
    several = {"Sid": "Two", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": ["a", "b"]}
    traced = {"Fn::If": ["Traced", {"Sid": "One", "Effect": "Allow", "Action": "xray:Put", "Resource": "*"}, {}]}
    denied = {"Sid": "Not", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    policy = {"PolicyDocument": {"Statement": [several, traced, denied]}}
    document = {"Resources": {"Role": {"Properties": {"Policies": [policy]}}}}

    assert granted("builder", document) == {
        Grant("builder", "One", "xray:Put"),
        *(Grant("builder", "Two", action, at) for action in ("s3:GetObject", "s3:PutObject") for at in (0, 1)),
    }


def test_exceptions_have_reasons_and_are_about_what_is_granted() -> None:
    assert all(len(each.reason) > 40 for each in EXEMPT)
    wrong = [line for line in problems(all_granted(Tree.here()), [], EXEMPT) if not line.startswith("never used")]
    assert wrong == []


def test_the_page_has_the_permissions_as_they_are() -> None:
    """`python -m tests.permissions.table` writes them."""
    page = PAGE.read_text(encoding="utf-8")
    assert renewed(page, table(Tree.here())) == page


def test_what_was_written_is_read_back_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = {"function": "opolis-deployer-prod-listener", "role": "r", "resources": [QUEUE], "context": {}}
    refused = {**line, "action": "sqs:PurgeQueue", "granted": [], "allowed": False, "policies": "1"}
    others = {**refused, "function": "somebody-elses"}
    lines = [{"policies": "1", "documents": [POLICY]}, refused, others]
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "2.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines))

    assert [str(each) for each in used(tmp_path)] == [f"listener: sqs:PurgeQueue on {QUEUE}"]
    assert main([tmp_path]) == 1
    said = capsys.readouterr().out
    assert f"not granted: listener: sqs:PurgeQueue on {QUEUE}" in said
    assert {line.split(": ")[1] for line in said.splitlines() if line.startswith("never used")} == set(FUNCTIONS)


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        pytest.param({"Null": {"aws:RequestTag/a": False}}, {"aws:requesttag/a": "1"}, True, id="there"),
        pytest.param({"Null": {"aws:RequestTag/a": False}}, {}, False, id="not-there"),
        pytest.param({"ArnEquals": {"k": ["arn:a:*"]}}, {"K": "arn:a:b"}, True, id="any-case"),
        pytest.param({"ArnEquals": {"k": "arn:a:b"}}, {}, False, id="no-key"),
        pytest.param({"ForAllValues:StringLike": {"k": ["a/*", "b/*"]}}, {"k": ["a/1", "b/1"]}, True, id="all-values"),
        pytest.param({"ForAllValues:StringLike": {"k": "a/*"}}, {"k": ["a/1", "b/1"]}, False, id="not-all-values"),
        pytest.param({"ArnEqualsIfExists": {"k": "arn:a:b"}}, {}, True, id="if-exists"),
        pytest.param({"ArnEqualsIfExists": {"k": "arn:a:b"}}, {"k": "arn:a:c"}, False, id="if-it-were-right"),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], expected: bool) -> None:
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}]}
    assert allowed(Request("s3:GetObject", "arn:aws:s3:::b/k", context), [policy]) is expected
