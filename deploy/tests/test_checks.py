"""What is found before anything is installed: every problem with its fix, all of them together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    NoCredentialsError,
    TokenRetrievalError,
)

from deployer.errors import Broken
from deployer_deploy import PARTS, Configuration, Target, Tree
from deployer_deploy.checks import Findings, Problem, look, wrong_values
from deployer_deploy.manifest import read

HMAC, TOKEN = "opolis.github.hmac", "opolis.github.token"


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


class Service:
    """Every operation answers the same, or raises it."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    def __getattr__(self, _: str) -> Callable[..., Any]:
        def call(**_: object) -> Any:
            if isinstance(self._answer, Exception):
                raise self._answer
            return self._answer

        return call


@dataclass(frozen=True)
class Account(Target):
    """An account in which all is well, but for ``answers``."""

    answers: dict[str, Any] = field(default_factory=dict)
    configured: str | None = "eu-central-1"

    @property
    def settled_region(self) -> str | None:
        return self.region or self.configured

    def client(self, service: str, *, quick: bool = False) -> Any:
        assert quick
        well: dict[str, Any] = {
            "sts": {"Account": "123456789012"},
            "lambda": {"AccountLimit": {"ConcurrentExecutions": 1000}},
            "ssm": {"InvalidParameters": []},
        }
        return Service(self.answers.get(service, well.get(service, {})))


UNREACHABLE = EndpointConnectionError(endpoint_url="https://aws")


def found(answers: dict[str, Any], **where: Any) -> Findings:
    return look(Account(answers=answers, **where), [HMAC, TOKEN])


def test_an_account_in_which_all_is_well() -> None:
    assert found({}) == Findings("123456789012", "eu-central-1")
    assert found({}).reachable


@pytest.mark.parametrize(
    ("answers", "where", "problems"),
    [
        pytest.param({}, {"configured": None}, ["no region is set. Name one with --region"], id="no-region"),
        pytest.param(
            {"sts": NoCredentialsError()},
            {"configured": None},
            ["no region is set.", "there are no AWS credentials. Sign in with `aws sso login`"],
            id="neither-region-nor-credentials",
        ),
        pytest.param(
            {"sts": NoCredentialsError()},
            {"profile": "acme"},
            ["there are no AWS credentials. Sign in with `aws sso login --profile acme`"],
            id="no-credentials-in-the-profile",
        ),
        pytest.param({"sts": refused("ExpiredToken")}, {}, ["the AWS credentials have expired. Sign in"], id="expired"),
        pytest.param(
            {"sts": refused("InvalidClientTokenId")}, {}, ["AWS does not know these credentials"], id="unknown"
        ),
        pytest.param({"sts": refused("Odd", "hm")}, {}, ["AWS does not say whose credentials these are: "], id="odd"),
        pytest.param(
            {"sts": TokenRetrievalError(provider="sso", error_msg="stale")},
            {},
            ["the AWS credentials can't be used: "],
            id="single-sign-on",
        ),
        pytest.param(
            {"sts": UNREACHABLE},
            {"region": "eu-centrl-1"},
            ["there is no region eu-centrl-1, or it can't be reached from here. Is it eu-central-1 that is meant?"],
            id="misspelt-region",
        ),
        pytest.param(
            {"sts": UNREACHABLE},
            {"region": "atlantis"},
            ["there is no region atlantis, or it can't be reached from here. Name another with --region"],
            id="no-such-region",
        ),
        pytest.param({"sts": UNREACHABLE}, {}, ["AWS can't be reached: "], id="no-network"),
        pytest.param(
            {"codepipeline": UNREACHABLE, "codebuild": UNREACHABLE},
            {},
            ["CodeBuild, CodePipeline can't be reached in eu-central-1. Choose a region that has all of them"],
            id="services-that-the-region-lacks",
        ),
        pytest.param(
            {"sqs": refused("OptInRequired", "sign up")},
            {},
            ["SQS takes no calls of this account in eu-central-1: "],
            id="a-region-that-is-not-enabled",
        ),
        pytest.param({"sqs": refused("AccessDenied")}, {}, [], id="may-not-list"),
        pytest.param(
            {"ssm": {"InvalidParameters": [TOKEN, HMAC]}, "dynamodb": UNREACHABLE},
            {},
            [
                "DynamoDB can't be reached in eu-central-1.",
                f"the secret {HMAC} is not set. Set it with `deployer config set {HMAC}`",
                f"the secret {TOKEN} is not set. Set it with `deployer config set {TOKEN}`",
            ],
            id="all-together",
        ),
    ],
)
def test_what_stands_in_the_way_is_told_with_its_fix(
    answers: dict[str, Any], where: dict[str, Any], problems: list[str]
) -> None:
    told = [str(each) for each in found(answers, **where).problems]
    assert len(told) == len(problems), told
    for text, beginning in zip(told, problems, strict=True):
        assert text.startswith(beginning), text


def test_a_profile_that_there_is_not_is_told_with_what_else_is_wrong() -> None:
    problem = Problem("--stage: 'x y' can't be", "It has to be as [a-z]")
    seen = look(Target.aws("eu-central-1", "nope"), [HMAC], [problem])
    assert not seen.reachable
    assert "(nope) could not be found" in seen.problems[0].what
    assert "aws configure --profile nope" in seen.problems[0].fix
    assert seen.problems[1:] == (problem,)


@pytest.mark.parametrize(
    ("answers", "hints"),
    [
        pytest.param(
            {"lambda": {"AccountLimit": {"ConcurrentExecutions": 10}}}, ["Lambda runs at most 10 fun"], id="few"
        ),
        pytest.param({"lambda": refused("AccessDenied")}, [], id="nobody-says"),
        pytest.param({"ssm": refused("AccessDenied")}, ["the secrets can't be looked up: "], id="may-not-read"),
    ],
)
def test_what_will_be_noticed_later_is_a_hint(answers: dict[str, Any], hints: list[str]) -> None:
    seen = found(answers)
    assert seen.problems == ()
    assert len(seen.hints) == len(hints)
    for hint, beginning in zip(seen.hints, hints, strict=True):
        assert str(hint).startswith(beginning)


@pytest.mark.parametrize(
    ("chosen", "problems"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"tracing": "Active", "idle_days": 0, "deployments": "off"}, [], id="right"),
        pytest.param(
            {"tracing": "on"}, ["--tracing: 'on' can't be. It has to be one of PassThrough, Active"], id="word"
        ),
        pytest.param({"idle_days": -1}, ["--idle-days: '-1' can't be. It has to be 0 or more"], id="number"),
        pytest.param(
            {"stage": "Prod", "name": "Acme"},
            ["--name and --stage: 'Acme-Prod' can't be. ", "--stage: 'Prod' can't be. It has to be as [a-z]"],
            id="name-and-stage",
        ),
    ],
)
def test_a_value_that_a_template_refuses_is_told_by_its_option(chosen: dict[str, Any], problems: list[str]) -> None:
    tree = Tree.here()
    told = wrong_values([read(tree.manifest(part)) for part in PARTS], Configuration(**chosen))
    assert len(told) == len(problems)
    for problem, beginning in zip(told, problems, strict=True):
        assert str(problem).startswith(beginning)


def test_a_quick_client_does_not_wait_for_long() -> None:
    quick, patient = (Target.aws("eu-central-1").client("sqs", quick=each) for each in (True, False))
    assert (quick.meta.config.connect_timeout, quick.meta.config.retries["total_max_attempts"]) == (5, 2)
    assert patient.meta.config.connect_timeout == 60


def test_who_says_no_region_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    assert Target.aws().settled_region is None
    assert Target.engine("http://127.0.0.1:1").settled_region == "us-east-1"
    with pytest.raises(Broken, match="could not be found"):
        Target.aws(profile="nope").client("sqs")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        pytest.param([TOKEN], [], id="an-app-takes-the-tokens-place"),
        pytest.param([TOKEN, "app.key"], [TOKEN], id="half-an-app"),
        pytest.param(["app.id", "app.key"], [], id="a-token-needs-no-app"),
        pytest.param([HMAC], [HMAC], id="nothing-takes-the-webhook-secrets-place"),
    ],
)
def test_what_takes_a_secrets_place(missing: list[str], named: list[str]) -> None:
    account = Account(answers={"ssm": {"InvalidParameters": missing}})
    problems = look(account, [HMAC, TOKEN], instead={TOKEN: ("app.id", "app.key")}).problems
    assert [problem.what for problem in problems] == [f"the secret {name} is not set" for name in named]
