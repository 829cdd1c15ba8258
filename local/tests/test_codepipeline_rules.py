"""What a declaration may not say, by AWS's rules and by this engine's limits; what it may say in vain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer_local.codepipeline import ServiceError
from deployer_local.codepipeline.rules import check, remarks
from deployer_local.codepipeline.template import declaration
from deployer_local.codepipeline.testing import BUCKET, REGION, ROLE, action, approval, pipeline, source

INPUT = {"inputArtifacts": [{"name": "SourceOutput"}]}
DEPLOY = {"ActionMode": "CREATE_UPDATE", "StackName": "s", "RoleArn": ROLE, "TemplatePath": "SourceOutput::t"}
ACTION = "InvalidActionDeclarationException"
STAGE = "InvalidStageDeclarationException"
STRUCTURE = "InvalidStructureException"


def build(*inputs: str, **configuration: str) -> dict[str, Any]:
    found = {"ProjectName": "p", **configuration}
    return action("Build", "CodeBuild", found, inputArtifacts=[{"name": name} for name in inputs])


def deploy(**configuration: str) -> dict[str, Any]:
    return action("Deploy", "CloudFormation", {**DEPLOY, **configuration}, **INPUT)


def two_sources() -> dict[str, Any]:
    found = pipeline([build("SourceOutput", "Second")])
    second = {**source()["actions"][0], "name": "Second", "outputArtifacts": [{"name": "Second"}]}
    found["stages"][0]["actions"].append({key: value for key, value in second.items() if key != "namespace"})
    return found


def with_(change: Callable[[dict[str, Any]], object], declared: dict[str, Any] | None = None) -> dict[str, Any]:
    found = declared or pipeline([approval()])
    change(found)
    return found


def stores(found: dict[str, Any], region: str) -> None:
    found["artifactStores"] = {region: found.pop("artifactStore")}


@pytest.mark.parametrize(
    ("declared", "code", "words"),
    [
        pytest.param(
            pipeline([approval()], variables=[{"name": "v"}]),
            STRUCTURE,
            "variables are only supported",
            id="V1-variables",
        ),
        pytest.param(
            with_(lambda found: found.pop("artifactStore")),
            STRUCTURE,
            "either artifactStore or",
            id="no-artifact-store",
        ),
        pytest.param(
            with_(lambda found: stores(found, "eu-west-1")), STRUCTURE, "cannot name another", id="store-elsewhere"
        ),
        pytest.param(
            pipeline({"name": "Two", "actions": [approval()], "blockers": [{"name": "b", "type": "Schedule"}]}),
            "InvalidBlockerDeclarationException",
            "blockers are not served",
            id="blockers",
        ),
        pytest.param(pipeline([]), STAGE, "between 1 and 50 actions", id="no-action"),
        pytest.param(
            pipeline([approval(f"A{number}") for number in range(51)]), STAGE, "between 1 and 50", id="51-actions"
        ),
        pytest.param(
            with_(lambda found: found["stages"][0]["actions"].append(approval())),
            STRUCTURE,
            "should start with a stage that only contains source actions",
            id="first-stage-with-more-than-sources",
        ),
        pytest.param(pipeline(source()["actions"]), STRUCTURE, "only allowed in the first stage", id="late-source"),
        pytest.param(
            pipeline([{**build("SourceOutput"), "commands": ["true"]}]), ACTION, "belongs to Commands", id="commands"
        ),
        pytest.param(
            pipeline([action("Build", "CodeBuild", {}, **INPUT)]), ACTION, "lacks ProjectName", id="no-project-name"
        ),
        pytest.param(pipeline([build()]), ACTION, "inputArtifacts must number 1 to 5, found 0", id="no-input"),
        pytest.param(
            pipeline([{**approval(), "outputArtifacts": [{"name": "x"}]}]),
            ACTION,
            "outputArtifacts must number 0 to 0, found 1",
            id="approval-with-an-output",
        ),
        pytest.param(two_sources(), ACTION, "PrimarySource is needed", id="no-primary-source"),
        pytest.param(
            pipeline([build("SourceOutput", PrimarySource="Other")]),
            ACTION,
            "PrimarySource Other is not an input",
            id="primary-source-from-elsewhere",
        ),
        pytest.param(
            pipeline([action("Deploy", "CloudFormation", {"ActionMode": "CREATE_UPDATE", "StackName": "s"})]),
            ACTION,
            "needs TemplatePath and RoleArn",
            id="no-template",
        ),
        pytest.param(
            pipeline([deploy(OutputFileName="o.json")]), ACTION, "come together", id="output-file-without-artifact"
        ),
        pytest.param(
            pipeline([{**approval(), "namespace": "codepipeline"}]), STRUCTURE, "reserved", id="reserved-namespace"
        ),
    ],
)
def test_declarations_refused(declared: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(declared, REGION)
    assert (caught.value.code, caught.value.status) == (code, 400)
    assert words in caught.value.message


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(
            pipeline([action("Deploy", "CloudFormation", {"ActionMode": "DELETE_ONLY", "StackName": "s"})]),
            id="deletion-needs-no-template",
        ),
        pytest.param(with_(lambda found: stores(found, REGION)), id="artifact-stores-of-this-region"),
        pytest.param(
            with_(
                lambda found: found["stages"][1]["actions"][0]["configuration"].update(PrimarySource="Second"),
                two_sources(),
            ),
            id="primary-source",
        ),
    ],
)
def test_declarations_taken(declared: dict[str, Any]) -> None:
    check(declared, REGION)


KEY = {"type": "S3", "location": BUCKET, "encryptionKey": {"id": "k", "type": "KMS"}}


@pytest.mark.parametrize(
    ("declared", "remark"),
    [
        pytest.param(
            pipeline([approval()], artifactStore=KEY),
            "artifactStore.encryptionKey is not honoured: artifacts are not encrypted",
            id="encryption",
        ),
        pytest.param(
            pipeline([approval()], triggers=[{"providerType": "CodeStarSourceConnection"}]),
            "triggers are not honoured: runs start by StartPipelineExecution",
            id="F59-triggers",
        ),
        pytest.param(
            pipeline([action("Approval", "Manual", {"NotificationArn": "arn:aws:sns:x"}, name="Approve")]),
            "Stage1/Approve: NotificationArn is not honoured",
            id="notification",
        ),
        pytest.param(
            pipeline([{**build("SourceOutput"), "timeoutInMinutes": 5}]),
            "Stage1/CodeBuild: timeoutInMinutes is honoured for approvals only",
            id="timeout",
        ),
        pytest.param(pipeline([approval(timeoutInMinutes=5)]), None, id="timeout-of-an-approval"),
    ],
)
def test_what_is_accepted_in_vain_is_remarked_on(declared: dict[str, Any], remark: str | None) -> None:
    assert remarks(declared) == ([remark] if remark else [])


PROPERTIES: dict[str, Any] = {"RoleArn": ROLE, "Stages": [{"Name": "S", "Actions": [{"Name": "A"}]}]}


def test_artifact_stores_of_a_template_are_by_region() -> None:
    """Each is an ArtifactStoreMap; see the property's page.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-codepipeline-pipeline-artifactstoremap.html
    """
    store = {"Region": REGION, "ArtifactStore": {"Type": "S3", "Location": BUCKET}}
    found = declaration({**PROPERTIES, "ArtifactStores": [store]}, "x")
    assert found["pipeline"]["artifactStores"] == {REGION: {"type": "S3", "location": BUCKET}}
    assert "tags" not in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"Configuration": "x"}, "Stages.Actions.Configuration must be a map", id="no-map"),
        pytest.param({"RunOrder": "first"}, "Stages.Actions.RunOrder must be a number", id="no-number"),
        pytest.param({"ActionTypeId": "Manual"}, "Stages.Actions.ActionTypeId must be an object", id="no-object"),
    ],
)
def test_properties_of_another_type_are_refused_by_their_place(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ServiceError) as caught:
        declaration({**PROPERTIES, "Stages": [{"Name": "S", "Actions": [{"Name": "A", **change}]}]}, "x")
    assert words in caught.value.message
