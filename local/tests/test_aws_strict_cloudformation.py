"""CloudFormation over the wire answers as AWS: tokens, states, parameters, capabilities, tags, ownership."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

QUEUE = {"Queue": {"Type": "AWS::SQS::Queue"}}
OTHER = {"Other": {"Type": "AWS::SQS::Queue"}}
BROKEN = {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not_Legal"}}}
ROLE = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {}}}


def body(resources: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Resources": resources, **more})


def refusal(action: Callable[[], Any]) -> tuple[str, str]:
    """Error code and message of what AWS refuses."""
    with pytest.raises(ClientError) as caught:
        action()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def operations(aws: Any, stack_id: str) -> list[str]:
    events = aws.stacks.describe_stack_events(StackName=stack_id)["StackEvents"]
    return [e["ResourceStatus"] for e in reversed(events) if e["PhysicalResourceId"] == stack_id]


class TestTokens:
    def test_F52_a_repeated_create_is_answered_again_and_done_once(self, aws: Any) -> None:
        """Strict: a repeated ClientRequestToken of a creation."""
        request = {"StackName": aws.unique(), "TemplateBody": body(QUEUE), "ClientRequestToken": "token"}
        first = aws.stacks.create_stack(**request)["StackId"]
        aws.settled(first)

        assert aws.stacks.create_stack(**request)["StackId"] == first
        assert operations(aws, first) == ["CREATE_IN_PROGRESS", "CREATE_COMPLETE"]

    def test_another_token_finds_the_name_taken(self, aws: Any) -> None:
        name = aws.unique()
        aws.settled(aws.create(QUEUE, name, ClientRequestToken="one"))

        assert refusal(lambda: aws.create(QUEUE, name, ClientRequestToken="two")) == (
            "AlreadyExistsException",
            f"Stack [{name}] already exists",
        )

    def test_a_token_of_another_request_is_refused(self, aws: Any) -> None:
        name = aws.unique()
        aws.settled(aws.create(QUEUE, name, ClientRequestToken="token"))

        assert refusal(lambda: aws.create(OTHER, name, ClientRequestToken="token"))[0] == "TokenAlreadyExistsException"

    def test_a_repeated_update_is_done_once(self, aws: Any) -> None:
        """Strict: a repeated ClientRequestToken of an update."""
        stack = aws.create(QUEUE)
        aws.settled(stack)
        request = {"StackName": stack, "TemplateBody": body(OTHER), "ClientRequestToken": "token"}
        for _ in range(2):
            aws.stacks.update_stack(**request)
            aws.settled(stack)

        assert operations(aws, stack)[2:] == ["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"]

    def test_a_refused_update_does_not_use_its_token_up(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        request = {"StackName": stack, "TemplateBody": body(QUEUE), "ClientRequestToken": "token"}

        for _ in range(2):
            assert refusal(lambda: aws.stacks.update_stack(**request))[1] == "No updates are to be performed."

    def test_a_repeated_delete_is_done_once(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        for _ in range(2):
            aws.stacks.delete_stack(StackName=stack, ClientRequestToken="token")
            aws.settled(stack)

        assert operations(aws, stack)[2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


class TestStates:
    def test_F49_a_rolled_back_stack_holds_its_name_until_it_is_deleted(self, aws: Any) -> None:
        """Strict: a stack over one in ROLLBACK_COMPLETE."""
        name = aws.unique()
        assert aws.settled(aws.create(BROKEN, name)) == "ROLLBACK_COMPLETE"

        assert refusal(lambda: aws.create(QUEUE, name))[0] == "AlreadyExistsException"
        code, message = refusal(lambda: aws.stacks.update_stack(StackName=name, TemplateBody=body(QUEUE)))
        assert (code, message.partition(" is in ")[2]) == (
            "ValidationError",
            "ROLLBACK_COMPLETE state and can not be updated.",
        )
        aws.stacks.delete_stack(StackName=name)
        aws.until(lambda: name not in json.dumps(aws.stacks.describe_stacks(), default=str))
        assert aws.settled(aws.create(QUEUE, name)) == "CREATE_COMPLETE"

    def test_F90_a_reused_name_leaves_the_deleted_stack_to_its_arn(self, aws: Any) -> None:
        name = aws.unique()
        old = aws.create(QUEUE, name)
        aws.settled(old)
        aws.stacks.delete_stack(StackName=old)
        aws.settled(old)
        new = aws.create(QUEUE, name)
        aws.settled(new)

        aws.stacks.delete_stack(StackName=old)

        assert (aws.status(old), aws.status(new), aws.status(name)) == (
            "DELETE_COMPLETE",
            "CREATE_COMPLETE",
            "CREATE_COMPLETE",
        )

    def test_a_deletion_of_what_is_not_there_succeeds(self, aws: Any) -> None:
        aws.stacks.delete_stack(StackName=aws.unique())

    def test_while_an_update_runs_nothing_else_starts(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        name = stack.split("/")[1]
        with aws.engine.hold_stack(lambda operation: operation.stack_id == stack) as hold:
            aws.stacks.update_stack(StackName=stack, TemplateBody=body(OTHER))
            hold.wait()

            assert refusal(lambda: aws.stacks.update_stack(StackName=stack, TemplateBody=body(QUEUE))) == (
                "ValidationError",
                f"Stack:{stack} is in UPDATE_IN_PROGRESS state and can not be updated.",
            )
            assert refusal(lambda: aws.stacks.delete_stack(StackName=stack)) == (
                "ValidationError",
                f"Stack [{name}] cannot be deleted while in status UPDATE_IN_PROGRESS",
            )
        assert aws.settled(stack) == "UPDATE_COMPLETE"

    def test_a_second_deletion_joins_the_first(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        with aws.engine.hold_stack(lambda operation: operation.stack_id == stack) as hold:
            aws.stacks.delete_stack(StackName=stack)
            hold.wait()
            assert aws.status(stack) == "DELETE_IN_PROGRESS"
            aws.stacks.delete_stack(StackName=stack)

        assert aws.settled(stack) == "DELETE_COMPLETE"
        assert operations(aws, stack)[2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]

    def test_F28_a_deletion_during_a_creation_ends_with_nothing(self, aws: Any) -> None:
        name = aws.unique()
        with aws.engine.hold_stack(lambda operation: operation.stack == name) as hold:
            stack = aws.create(QUEUE, name)
            hold.wait()
            aws.stacks.delete_stack(StackName=stack)

        assert aws.until(lambda: aws.status(stack) == "DELETE_COMPLETE")
        assert operations(aws, stack)[-2:] == ["DELETE_IN_PROGRESS", "DELETE_COMPLETE"]


class TestRequests:
    def test_an_undeclared_parameter_is_named(self, aws: Any) -> None:
        """Strict: an undeclared parameter."""
        given = [{"ParameterKey": "X", "ParameterValue": "1"}]

        assert refusal(lambda: aws.create(QUEUE, Parameters=given)) == (
            "ValidationError",
            "Parameters: [X] do not exist in the template",
        )

    def test_a_missing_parameter_is_named(self, aws: Any) -> None:
        declared = {"Parameters": {"P": {"Type": "String"}}}

        assert refusal(lambda: aws.create(QUEUE, template=declared)) == (
            "ValidationError",
            "Parameters: [P] must have values",
        )

    def test_an_undefined_reference_makes_no_stack(self, aws: Any) -> None:
        """Strict: an undefined reference."""
        name = aws.unique()
        resources = {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "X"}}}}

        assert refusal(lambda: aws.create(resources, name)) == (
            "ValidationError",
            "Template format error: Unresolved resource dependencies [X] in the Resources block of the template",
        )
        assert refusal(lambda: aws.status(name)) == ("ValidationError", f"Stack with id {name} does not exist")

    def test_an_unknown_type_is_named(self, aws: Any) -> None:
        """Strict: an unknown resource type."""
        assert refusal(lambda: aws.create({"Thing": {"Type": "AWS::No::Thing"}})) == (
            "ValidationError",
            "Template format error: Unrecognized resource types: [AWS::No::Thing]",
        )

    @pytest.mark.parametrize(
        ("properties", "given", "missing"),
        [
            pytest.param({}, [], "CAPABILITY_IAM", id="role"),
            pytest.param({"RoleName": "r"}, ["CAPABILITY_IAM"], "CAPABILITY_NAMED_IAM", id="named-role"),
        ],
    )
    def test_capabilities_are_asked_for(self, aws: Any, properties: Any, given: list[str], missing: str) -> None:
        """Strict: a missing capability."""
        role = {"Role": {**ROLE, "Properties": {**ROLE["Properties"], **properties}}}  # type: ignore[dict-item]

        assert refusal(
            lambda: aws.stacks.create_stack(StackName=aws.unique(), TemplateBody=body(role), Capabilities=given)
        ) == ("InsufficientCapabilitiesException", f"Requires capabilities : [{missing}]")

    @pytest.mark.parametrize("value", ["feature#1", "a<b", "100%", "hey!", "a,b"])
    def test_a_tag_value_aws_does_not_take_is_refused(self, aws: Any, value: str) -> None:
        """Strict: an illegal stack tag."""
        code, message = refusal(lambda: aws.create(QUEUE, Tags=[{"Key": "ref", "Value": value}]))

        assert code == "ValidationError"
        assert f"Value '{value}' at 'tags.1.member.value' failed to satisfy constraint" in message

    @pytest.mark.parametrize(
        ("tags", "said"),
        [
            pytest.param([("k" * 129, "v")], "length less than or equal to 128", id="long-key"),
            pytest.param([("k", "v" * 257)], "length less than or equal to 256", id="long-value"),
            pytest.param([("k", "")], "length greater than or equal to 1", id="no-value"),
            pytest.param([("aws:cloudformation:stack-id", "mine")], "reserved for AWS", id="in-awss-name"),
            pytest.param([(f"k{number}", "v") for number in range(51)], "at most 50", id="too-many"),
        ],
    )
    def test_tags_keep_to_their_limits(self, aws: Any, tags: list[tuple[str, str]], said: str) -> None:
        given = [{"Key": key, "Value": value} for key, value in tags]

        # Sent as it is: the client would refuse some of it.
        stacks = aws.unchecked("cloudformation")
        code, message = refusal(
            lambda: stacks.create_stack(StackName=aws.unique(), TemplateBody=body(QUEUE), Tags=given)
        )

        assert (code, said in message) == ("ValidationError", True)

    def test_a_tag_value_aws_takes_is_kept(self, aws: Any) -> None:
        tags = [{"Key": "opolis:deployer:environment", "Value": "42/refs=heads+a_b.c:d@e-f é"}]
        stack = aws.create(QUEUE, Tags=tags)

        assert aws.stacks.describe_stacks(StackName=stack)["Stacks"][0]["Tags"] == tags

    def test_a_template_that_does_not_parse_is_refused(self, aws: Any) -> None:
        code, message = refusal(lambda: aws.stacks.create_stack(StackName=aws.unique(), TemplateBody="a: [b"))

        assert (code, message.startswith("Template format error")) == ("ValidationError", True)


class TestOwnership:
    def test_F79_a_physical_id_finds_the_stack_that_owns_it(self, aws: Any) -> None:
        stack = aws.create({**QUEUE, **OTHER})
        aws.settled(stack)
        first, second = aws.stacks.describe_stack_resources(StackName=stack)["StackResources"]

        found = aws.stacks.describe_stack_resources(PhysicalResourceId=second["PhysicalResourceId"])["StackResources"]

        assert [each["LogicalResourceId"] for each in found] == [
            first["LogicalResourceId"],
            second["LogicalResourceId"],
        ]
        assert {each["StackId"] for each in found} == {stack}

    def test_what_no_stack_owns_is_said(self, aws: Any) -> None:
        assert refusal(lambda: aws.stacks.describe_stack_resources(PhysicalResourceId="nobodys")) == (
            "ValidationError",
            "Stack for nobodys does not exist",
        )

    def test_what_a_deleted_stack_owned_is_nobodys(self, aws: Any) -> None:
        stack = aws.create(QUEUE)
        aws.settled(stack)
        physical = aws.stacks.describe_stack_resources(StackName=stack)["StackResources"][0]["PhysicalResourceId"]
        aws.stacks.delete_stack(StackName=stack)
        aws.settled(stack)

        assert refusal(lambda: aws.stacks.describe_stack_resources(PhysicalResourceId=physical))[0] == "ValidationError"
        name = stack.split("/")[1]
        assert refusal(lambda: aws.stacks.describe_stack_resources(StackName=name))[0] == "ValidationError"
