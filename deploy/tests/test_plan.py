"""Deciding: every stack status has its step, and parameters are matched by name."""

from __future__ import annotations

import boto3
import pytest

from deployer.errors import Broken
from deployer_deploy import manifest, plan
from deployer_deploy.plan import Stack, Step

TEMPLATE = manifest.parse("""
Parameters:
  LooksQueueUrl: {Type: String}
  CodeKey: {Type: String}
  SlackChannel: {Type: String, Default: ""}
Resources:
  Function: {Type: "AWS::Lambda::Function", Properties: {Runtime: python3.13, Architectures: [arm64]}}
""")
VALUES = {"LooksQueueUrl": "url", "CodeKey": "key", "ArtifactStore": "not asked for"}

STEPS = {
    None: Step.CREATE,
    "DELETE_COMPLETE": Step.CREATE,
    "CREATE_FAILED": Step.DELETE,
    "ROLLBACK_COMPLETE": Step.DELETE,
    "ROLLBACK_FAILED": Step.DELETE,
    "DELETE_FAILED": Step.DELETE,
    "REVIEW_IN_PROGRESS": Step.DELETE,
    "CREATE_IN_PROGRESS": Step.WAIT,
    "DELETE_IN_PROGRESS": Step.WAIT,
    "ROLLBACK_IN_PROGRESS": Step.WAIT,
    "UPDATE_IN_PROGRESS": Step.WAIT,
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS": Step.WAIT,
    "UPDATE_ROLLBACK_IN_PROGRESS": Step.WAIT,
    "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS": Step.WAIT,
    "IMPORT_IN_PROGRESS": Step.WAIT,
    "IMPORT_ROLLBACK_IN_PROGRESS": Step.WAIT,
    "CREATE_COMPLETE": Step.UPDATE,
    "UPDATE_COMPLETE": Step.UPDATE,
    "UPDATE_FAILED": Step.UPDATE,
    "UPDATE_ROLLBACK_COMPLETE": Step.UPDATE,
    "IMPORT_COMPLETE": Step.UPDATE,
    "IMPORT_ROLLBACK_COMPLETE": Step.UPDATE,
    "UPDATE_ROLLBACK_FAILED": Step.CONTINUE_ROLLBACK,
}


@pytest.mark.parametrize("status", STEPS, ids=str)
def test_each_status_has_its_step(status: str | None) -> None:
    assert plan.next_step(Stack("a", status=status)) is STEPS[status]


def test_the_table_knows_every_status_of_cloudformation() -> None:
    model = boto3.client("cloudformation", region_name="us-east-1").meta.service_model.shape_for("StackStatus")
    assert set(model.enum) - {"IMPORT_ROLLBACK_FAILED"} == set(STEPS) - {None}
    with pytest.raises(Broken, match="IMPORT_ROLLBACK_FAILED"):
        plan.next_step(Stack("a", status="IMPORT_ROLLBACK_FAILED"))


def test_a_template_gets_what_it_declares_and_no_more() -> None:
    assert plan.parameters(TEMPLATE, VALUES, Stack("a")) == {"LooksQueueUrl": "url", "CodeKey": "key"}


def test_what_nobody_says_stays_as_it_is() -> None:
    stack = Stack("a", status="CREATE_COMPLETE", parameters={"SlackChannel": "#a", "LooksQueueUrl": "u", "Gone": "x"})
    given = plan.parameters(TEMPLATE, {"CodeKey": "key"}, stack)
    assert given == {"CodeKey": "key", "LooksQueueUrl": None, "SlackChannel": None}


@pytest.mark.parametrize("status", [None, "ROLLBACK_COMPLETE"], ids=str)
def test_missing_values_are_reported_together(status: str | None) -> None:
    stack = Stack("a", status=status, parameters={"CodeKey": "key"})
    with pytest.raises(Broken, match="CodeKey, LooksQueueUrl"):
        plan.parameters(TEMPLATE, {}, stack)


WANTED = {"LooksQueueUrl": "url", "CodeKey": "key", "SlackChannel": None}
HAD = {"LooksQueueUrl": "url", "CodeKey": "key", "SlackChannel": "#a"}


@pytest.mark.parametrize(
    ("status", "template", "values", "holds"),
    [
        pytest.param("CREATE_COMPLETE", TEMPLATE.text, HAD, True, id="as-wanted"),
        pytest.param("UPDATE_ROLLBACK_COMPLETE", TEMPLATE.text, HAD, True, id="as-wanted-after-a-rollback"),
        pytest.param("CREATE_COMPLETE", TEMPLATE.text, HAD | {"CodeKey": "old"}, False, id="other-code"),
        pytest.param("CREATE_COMPLETE", TEMPLATE.text + "# new", HAD, False, id="other-template"),
        pytest.param("UPDATE_FAILED", TEMPLATE.text, HAD, False, id="half-way"),
        pytest.param("UPDATE_ROLLBACK_FAILED", TEMPLATE.text, HAD, False, id="half-way-back"),
        pytest.param(None, TEMPLATE.text, HAD, False, id="not-there"),
    ],
)
def test_a_stack_that_is_as_wanted_is_known_without_asking(
    status: str | None, template: str, values: dict[str, str], holds: bool
) -> None:
    assert plan.holds(Stack("a", status=status, parameters=values), template, TEMPLATE, WANTED) is holds


def test_tokens_name_one_operation() -> None:
    stack = Stack("a", "arn", "UPDATE_COMPLETE", updated="10:00")
    token = plan.token(Step.UPDATE, stack, ["template", {"A": "1"}])
    assert token == plan.token(Step.UPDATE, stack, ["template", {"A": "1"}])
    again = Stack("a", "arn", "UPDATE_ROLLBACK_COMPLETE", updated="10:05")
    assert token != plan.token(Step.UPDATE, again, ["template", {"A": "1"}])
    assert token != plan.token(Step.UPDATE, stack, ["template", {"A": "2"}])
    assert token != plan.token(Step.DELETE, stack, ["template", {"A": "1"}])
    assert len(token) <= 128
    assert token[0].isalnum()


def test_order() -> None:
    assert plan.waves() == (
        ("core",),
        ("layer",),
        ("listener", "builder", "notifier", "s3deployer", "s3cleaner", "stack-cleaner"),
    )
    assert plan.waves(["builder", "core"]) == (("core",), ("builder",))
    with pytest.raises(Broken, match="no such part: shop"):
        plan.waves(["shop"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "without resources"),
        ("Parameters: {}", "without resources"),
        ("Resources: {}\n#" + "x" * 51_200, "can't be sent inline"),
    ],
    ids=["no mapping", "no resources", "too long"],
)
def test_templates_that_cannot_be_deployed(text: str, reason: str) -> None:
    with pytest.raises(Broken, match=reason):
        manifest.parse(text)


def test_manifests_must_agree() -> None:
    other = manifest.parse(TEMPLATE.text.replace("python3.13", "python3.14"))
    assert manifest.agreed([TEMPLATE, TEMPLATE]) == ("python3.13", "arm64")
    with pytest.raises(Broken, match=r"python3\.13.*python3\.14"):
        manifest.agreed([TEMPLATE, other])
