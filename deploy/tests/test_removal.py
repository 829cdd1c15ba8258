"""What goes and what stays when an installation is taken away, and what is said where something can't go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from deployer.environments import EnvironmentId, owner_tags
from deployer.errors import Broken, Rejected
from deployer.refs import Stage
from deployer_deploy import PARTS, Configuration, Tree
from deployer_deploy.branches import BranchStack, installations, standing
from deployer_deploy.operation import Operation
from deployer_deploy.plan import Stack
from deployer_deploy.progress import silent
from deployer_deploy.removal import LISTENING, Removal, Remover, Teardown, decide
from deployer_deploy.stacks import Stacks

PREFIX = "opolis-deployer-prod"
BRANCH = BranchStack("site-login-1", "arn/1", Stage.DEVELOPMENT, "acme/site", "feature/login")
STAGING = BranchStack("site-staging", "arn/2", Stage.STAGING, "acme/site")
SITE = BranchStack("site-production", "arn/3", Stage.PRODUCTION, "acme/site")
SHOP = BranchStack("shop-production", "arn/4", Stage.PRODUCTION, "acme/shop")
ALL = (BRANCH, STAGING, SHOP, SITE)
HMAC = "opolis.github.hmac"


@pytest.mark.parametrize(
    ("standing", "named", "expected"),
    [
        pytest.param((), [], Removal((), (), PARTS), id="nothing-stands"),
        pytest.param((BRANCH, STAGING), [], Removal((BRANCH, STAGING), (), PARTS), id="no-production"),
        pytest.param(ALL, [], Removal((BRANCH, STAGING), (SHOP, SITE), LISTENING), id="F96-production-stays"),
        pytest.param(
            ALL, ["acme/shop"], Removal((BRANCH, STAGING, SHOP), (SITE,), LISTENING), id="F96-but-for-what-is-named"
        ),
        pytest.param(ALL, ["acme/shop", "site-production"], Removal(ALL, (), PARTS), id="F96-all-of-it-is-named"),
    ],
)
def test_production_goes_only_by_name_and_what_it_needs_stays_with_it(
    standing: tuple[BranchStack, ...], named: list[str], expected: Removal
) -> None:
    assert decide(standing, PARTS, named, (), ()) == expected


def test_parts_that_are_gone_already_are_not_removed_again() -> None:
    assert decide((SITE,), ("core", "layer"), (), (), ()).parts == ()
    assert not decide((SITE,), ("core", "layer"), (), (), ()).goes
    assert decide((), ("core", "layer"), (), (), ()).parts == ("core", "layer")


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        pytest.param(ALL, "of acme/sit stands here; of these one does: acme/shop, acme/site", id="another-does"),
        pytest.param((STAGING,), "of these one does: there is none", id="none-does"),
    ],
)
def test_a_production_that_does_not_stand_is_not_named(standing: tuple[BranchStack, ...], reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        decide(standing, PARTS, ["acme/sit"], (), ())


def test_secrets_stay_where_another_installation_uses_them() -> None:
    alone, shared = (decide((), PARTS, (), [HMAC], others) for others in ((), ("opolis-deployer-dev",)))
    assert (alone.secrets, alone.sharing) == ((HMAC,), ())
    assert (shared.secrets, shared.sharing) == ((), ("opolis-deployer-dev",))
    assert decide((), PARTS, (), (), ("opolis-deployer-dev",)).sharing == ()


def tagged(name: str, environment: EnvironmentId, **other: Any) -> Stack:
    return Stack(name, f"arn/{name}", "CREATE_COMPLETE", tags=owner_tags(environment, PREFIX, "acme/site"), **other)


LONG = "x" * 300


def test_an_installations_branch_stacks_are_told_by_their_tags() -> None:
    branch = tagged("site-login-1", EnvironmentId(1, Stage.DEVELOPMENT, "feature/login"))
    stacks = [
        tagged("site-production", EnvironmentId(1, Stage.PRODUCTION)),
        tagged("site-staging", EnvironmentId(1, Stage.STAGING)),
        branch,
        tagged("site-xxx", EnvironmentId(1, Stage.DEVELOPMENT, LONG)),
        tagged("site-login-1-nested", EnvironmentId(1, Stage.DEVELOPMENT, "feature/login"), parent=branch.id),
        Stack(
            "anothers", "arn/5", tags=owner_tags(EnvironmentId(1, Stage.STAGING), "opolis-deployer-dev", "acme/site")
        ),
        Stack("nobodys", "arn/6"),
        Stack("odd", "arn/7", tags={**branch.tags, "opolis:deployer:environment": "what?"}),
    ]
    found = standing(stacks, PREFIX)
    assert [(each.name, str(each)) for each in found] == [
        ("site-login-1", "acme/site feature/login"),
        ("site-staging", "acme/site staging"),
        ("site-xxx", "acme/site site-xxx"),
        ("odd", "acme/site production"),
        ("site-production", "acme/site production"),
    ]


def test_installations_are_told_by_their_core() -> None:
    stacks = [
        Stack("opolis-deployer-prod-core", parameters={"DeployerPrefix": "opolis-deployer-prod"}),
        Stack("shop-core", parameters={"DeployerPrefix": "opolis-deployer-prod"}),
        Stack("apple-core"),
    ]
    assert installations(stacks) == {"opolis-deployer-prod"}


# --- what is said where something can't go


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "not yours"}}, "Call")


class Failing:
    """Every operation raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, _: str) -> Callable[..., Any]:
        def call(*_: object, **__: object) -> Any:
            raise self._error

        return call


class Place:
    """Services by name."""

    platform = None
    poll = 0.0

    def __init__(self, **services: Any) -> None:
        self._services = services

    def client(self, service: str) -> Any:
        return self._services.get(service, Failing(AssertionError(service)))

    def parameters(self) -> dict[str, str]:
        return {}


class Nothing:
    """A CloudFormation without a stack."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self) -> list[dict[str, Any]]:
        return [{"Stacks": []}]


def remover(**services: Any) -> Remover:
    return Remover(Place(cloudformation=Nothing(), **services), Tree.here(), Configuration())


class NoLayers:
    """A Lambda without a layer."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, LayerName: str) -> list[dict[str, Any]]:  # noqa: N803 - AWS's name
        return [{"LayerVersions": []}]


UNREACHABLE = EndpointConnectionError(endpoint_url="https://aws")


def test_what_is_not_there_is_not_removed() -> None:
    with pytest.raises(Rejected, match="there is no opolis-deployer-prod here"):
        remover().decide()


class ARelease(Nothing):
    """A CloudFormation in which a release has come up."""

    def paginate(self) -> list[dict[str, Any]]:
        tags = owner_tags(EnvironmentId(1, Stage.PRODUCTION), PREFIX, "acme/site")
        stack = {
            "StackName": "site-production",
            "StackId": "arn:1",
            "StackStatus": "CREATE_COMPLETE",
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        return [{"Stacks": [stack]}]


def test_F96_a_release_that_came_up_after_the_decision_keeps_what_it_needs() -> None:
    """Its stack needs the cleaners, and they would be gone before anybody saw it."""
    decided_before = decide((), ("s3cleaner",), (), (), ())
    place = Place(cloudformation=ARelease())
    with pytest.raises(Broken, match="came up meanwhile: acme/site production; run this again"):
        Remover(place, Tree.here(), Configuration()).remove(decided_before)


def test_the_secrets_are_those_that_the_functions_may_read() -> None:
    assert {HMAC, "opolis.github.hmac.previous", "opolis.github.token", "opolis.slack.token"} <= {*remover().secrets()}


@pytest.mark.parametrize("error", [refusal("AccessDenied"), UNREACHABLE], ids=["refused", "no-answer"])
def test_layers_and_secrets_that_can_not_be_deleted_are_said(error: Exception) -> None:
    with pytest.raises(Broken, match="the versions of the layer opolis-deployer-prod-layer can't be deleted: "):
        remover(**{"lambda": Failing(error)}).remove(Removal((), (), ()))
    with pytest.raises(Broken, match="the secrets can't be deleted: "):
        remover(ssm=Failing(error), **{"lambda": NoLayers()}).remove(Removal((), (), (), (HMAC,)))


class Stands:
    """A stack with a build project, and no pipeline."""

    def __init__(self, status: str = "CREATE_COMPLETE") -> None:
        self._status = status

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        return {"Stacks": [{"StackName": BRANCH.name, "StackId": BRANCH.id, "StackStatus": self._status}]}

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        project = {"ResourceType": "AWS::CodeBuild::Project", "LogicalResourceId": "P", "PhysicalResourceId": "p"}
        begun = {"ResourceType": "AWS::CodeBuild::Project", "LogicalResourceId": "Q"}
        return [{"StackResourceSummaries": [project, begun]}]

    def delete_stack(self, **_: object) -> None:
        pass


def teardown(logs: Any, status: str = "CREATE_COMPLETE") -> Teardown:
    place = Place(cloudformation=Stands(status), codepipeline=None, logs=logs)
    stacks = Stacks(place.client("cloudformation"))
    return Teardown(place, stacks, BRANCH, Operation(stacks, str(BRANCH), BRANCH.name, listener=silent))


@pytest.mark.parametrize("error", [refusal("AccessDenied"), UNREACHABLE], ids=["refused", "no-answer"])
def test_a_log_that_can_not_be_deleted_is_said(error: Exception) -> None:
    with pytest.raises(Broken, match="the log /aws/codebuild/p can't be deleted: "):
        teardown(Failing(error)).look()


def test_a_log_that_is_gone_keeps_nobody() -> None:
    assert not teardown(Failing(refusal("ResourceNotFoundException"))).look()


def test_a_stack_that_cloudformation_is_at_work_on_is_left_until_it_is_done() -> None:
    assert not teardown(Failing(AssertionError("nothing is asked")), "UPDATE_IN_PROGRESS").look()
