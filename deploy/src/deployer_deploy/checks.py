"""What has to hold before anything is installed, all of it looked at before any of it is told.

Reads only. What these credentials may not read is no problem yet: whoever installs need not be allowed to list.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import boto3
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
)

from deployer.errors import Broken
from deployer_deploy.configuration import Configuration
from deployer_deploy.manifest import Manifest
from deployer_deploy.target import Target

# One call that reads little, for each service that the installation stands on.
_READS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "apigatewayv2": ("API Gateway", "get_apis", {"MaxResults": "1"}),
    "cloudformation": ("CloudFormation", "list_exports", {}),
    "cloudwatch": ("CloudWatch", "describe_alarms", {"MaxRecords": 1}),
    "codebuild": ("CodeBuild", "list_projects", {}),
    "codepipeline": ("CodePipeline", "list_pipelines", {"maxResults": 1}),
    "dynamodb": ("DynamoDB", "list_tables", {"Limit": 1}),
    "events": ("EventBridge", "list_rules", {"Limit": 1}),
    "lambda": ("Lambda", "get_account_settings", {}),
    "logs": ("CloudWatch Logs", "describe_log_groups", {"limit": 1}),
    "s3": ("S3", "list_buckets", {}),
    "sns": ("SNS", "list_topics", {}),
    "sqs": ("SQS", "list_queues", {"MaxResults": 1}),
}
_NOT_SIGNED_UP = {"OptInRequired", "SubscriptionRequiredException", "UnrecognizedClientException", "AuthFailure"}
_UNKNOWN = {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException", "AuthFailure"}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
# New accounts begin with 10, all others with 1,000.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_FEW_FUNCTIONS = 50
_REGIONS = "https://aws.amazon.com/about-aws/global-infrastructure/regional-product-services/"


@dataclass(frozen=True)
class Problem:
    """Something that stands in the way, and what to do about it; or, as a hint, that will be noticed later."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what}. {self.fix}"


@dataclass(frozen=True)
class Findings:
    """What the checks found. ``account`` and ``region`` are empty where they could not be told."""

    account: str
    region: str
    problems: tuple[Problem, ...] = ()
    hints: tuple[Problem, ...] = ()

    @property
    def reachable(self) -> bool:
        """Whether anything at all can be looked at."""
        return bool(self.account and self.region)


def look(
    target: Target,
    secrets: Sequence[str],
    wrong: Sequence[Problem] = (),
    instead: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Findings:
    """Look at credentials, region, services, the secrets named and Lambda's quota.

    ``wrong``: known already; ``instead``: a secret -> those that together take its place.
    """
    try:
        region = target.settled_region or ""
    except Broken as error:
        fix = f"Make it with `aws configure --profile {target.profile}`, or name another with --profile"
        return Findings("", "", (Problem(str(error), fix), *wrong))
    problems = [] if region else [_NO_REGION]
    account, refused = _account(target if region else replace(target, region="us-east-1"), region)
    if refused:
        problems.append(refused)
    hints: list[Problem] = []
    if account and region:
        clients = {service: target.client(service, quick=True) for service in (*_READS, "ssm")}
        problems += _unavailable(clients, region)
        missing, unread = _secrets(clients["ssm"], secrets, instead)
        problems += missing
        hints = [*unread, *_quota(clients["lambda"])]
    return Findings(account, region, (*problems, *wrong), tuple(hints))


_NO_REGION = Problem(
    "no region is set", "Name one with --region, or in AWS_REGION, or with `aws configure set region REGION`"
)


def wrong_values(manifests: Sequence[Manifest], configuration: Configuration) -> tuple[Problem, ...]:
    """The chosen values that a template would refuse, told by the option that chose them."""
    options = {each.parameter: each.option for each in configuration.choices()}
    options |= {"DeployerPrefix": "--name and --stage", "DeployerStage": "--stage"}
    found: dict[str, Problem] = {}
    for manifest in manifests:
        declared = manifest.document.get("Parameters", {})
        for name, value in configuration.parameters().items():
            if reason := _refusal(value, declared.get(name, {})):
                found[name] = Problem(f"{options[name]}: {value!r} can't be", f"It has to be {reason}")
    return tuple(found[name] for name in sorted(found))


def _refusal(value: str, declared: Mapping[str, Any]) -> str:
    """What a value would have to be; empty where it is that.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html
    """
    allowed, pattern, least = (declared.get(name) for name in ("AllowedValues", "AllowedPattern", "MinValue"))
    if allowed and value not in map(str, allowed):
        return f"one of {', '.join(map(str, allowed))}"
    if pattern and not re.fullmatch(pattern, value):
        return f"as {pattern}"
    return f"{least} or more" if least is not None and int(value) < int(least) else ""


def _account(target: Target, region: str) -> tuple[str, Problem | None]:
    """The account that the credentials are of, or why that can't be told."""
    fix = _sign_in(target)
    try:
        return str(target.client("sts", quick=True).get_caller_identity()["Account"]), None
    except (NoCredentialsError, PartialCredentialsError):
        return "", Problem("there are no AWS credentials", fix)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _EXPIRED:
            return "", Problem("the AWS credentials have expired", fix)
        if code in _UNKNOWN:
            return "", Problem("AWS does not know these credentials", fix)
        return "", Problem(f"AWS does not say whose credentials these are: {error}", fix)
    except (ConnectionError, HTTPClientError) as error:
        near = difflib.get_close_matches(region, _known_regions(), 1)
        if region in near:
            return "", Problem(
                f"AWS can't be reached: {error}", "Look at this machine's network and its proxy settings"
            )
        meant = f"Is it {near[0]} that is meant?" if near else "Name another with --region"
        return "", Problem(f"there is no region {region}, or it can't be reached from here", meant)
    except BotoCoreError as error:
        return "", Problem(f"the AWS credentials can't be used: {error}", fix)


def _sign_in(target: Target) -> str:
    profile = f" --profile {target.profile}" if target.profile else ""
    return f"Sign in with `aws sso login{profile}`, or set keys with `aws configure{profile}`; --profile names others"


def _known_regions() -> list[str]:
    session = boto3.Session()
    partitions = session.get_available_partitions()
    return [region for each in partitions for region in session.get_available_regions("cloudformation", each)]


def _unavailable(clients: Mapping[str, Any], region: str) -> Iterator[Problem]:
    """The services that can't be used in the region."""
    with ThreadPoolExecutor(len(_READS)) as pool:
        outcomes = list(pool.map(lambda service: _refused(clients[service], service), _READS))
    if far := [title for title, (kind, _) in zip(_titles(), outcomes, strict=True) if kind == "far"]:
        yield Problem(
            f"{', '.join(far)} can't be reached in {region}",
            f"Choose a region that has all of them with --region ({_REGIONS}), or look at this machine's network",
        )
    for title, (kind, text) in zip(_titles(), outcomes, strict=True):
        if kind == "closed":
            yield Problem(
                f"{title} takes no calls of this account in {region}: {text}",
                f"Enable it (`aws account enable-region --region-name {region}`) or finish the account's sign-up",
            )


def _titles() -> list[str]:
    return [title for title, _, _ in _READS.values()]


def _refused(client: Any, service: str) -> tuple[str, str]:
    """``("far", "")`` where nothing answers, ``("closed", why)`` where the account is not let in, else empty."""
    _, operation, arguments = _READS[service]
    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_SIGNED_UP:
            return "closed", str(error)
    except BotoCoreError:
        return "far", ""
    return "", ""


def _secrets(
    ssm: Any, names: Sequence[str], instead: Mapping[str, Sequence[str]]
) -> tuple[list[Problem], list[Problem]]:
    """Problems, one for each secret that is not set; hints, where that can't be looked up."""
    try:
        asked = [*names, *(other for others in instead.values() for other in others)]
        missing = set(ssm.get_parameters(Names=asked)["InvalidParameters"])
    except (ClientError, BotoCoreError) as error:
        fix = f"See to it that they are set: {', '.join(names)}"
        return [], [Problem(f"the secrets can't be looked up: {error}", fix)]
    return [
        Problem(f"the secret {name} is not set", f"Set it with `deployer config set {name}`")
        for name in sorted(missing & set(names))
        if not instead.get(name) or missing & set(instead[name])
    ], []


def _quota(client: Any) -> Iterator[Problem]:
    try:
        limit = int(client.get_account_settings()["AccountLimit"]["ConcurrentExecutions"])
    except (ClientError, BotoCoreError):
        return  # it was to be a hint, no more
    if limit < _FEW_FUNCTIONS:
        yield Problem(
            f"Lambda runs at most {limit} functions at once in this account, so that many pushes at once wait",
            "Ask for more in Service Quotas: AWS Lambda, Concurrent executions",
        )
