"""Where a command works: which account, which GitHub, with whose token; and what it says where there is nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deployer.errors import Broken, Rejected
from deployer_cli.place import PROFILE, Place
from deployer_deploy.configuration import Configuration
from deployer_deploy.target import Target
from deployer_local.kept import Kept

CORE, LAYER = "opolis-deployer-prod-core", "opolis-deployer-prod-layer"


class CloudFormation:
    """Stacks with their outputs and parameters."""

    meta = type("Meta", (), {"region_name": "eu-central-1"})

    def __init__(self, **stacks: Mapping[str, str]) -> None:
        self.stacks = {name.replace("_", "-"): values for name, values in stacks.items()}

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's
        if StackName not in self.stacks:
            text = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": text}}, "DescribeStacks")
        values = self.stacks[StackName].items()
        found = {
            "StackId": "arn",
            "StackName": StackName,
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": datetime.now(UTC),
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in values],
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in values],
        }
        return {"Stacks": [found]}


class Parameters:
    """SSM with secrets, but no GitHub App's."""

    def get_parameter(self, Name: str, **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's
        if ".app." in Name:
            raise ClientError({"Error": {"Code": "ParameterNotFound", "Message": Name}}, "GetParameter")
        return {"Parameter": {"Value": f"secret {Name}"}}


class Account(Target):
    """A target whose clients are given."""

    clients: Mapping[str, Any]

    def client(self, service: str) -> Any:
        return self.clients[service]


def place(stacks: CloudFormation | None = None, engine: Kept | None = None, **variables: str) -> Place:
    target = Account("eu-central-1")
    object.__setattr__(target, "clients", {"cloudformation": stacks or CloudFormation(), "ssm": Parameters()})
    return Place(target, Configuration(), variables, engine)


ENGINE = Kept(4566, 4567, "ghp_engine", "xoxb")


def test_the_outputs_are_those_of_core_and_layer() -> None:
    here = place(
        CloudFormation(
            opolis_deployer_prod_core={"Endpoint": "https://e"}, opolis_deployer_prod_layer={"LayerArn": "l"}
        )
    )
    assert here.outputs == {"Endpoint": "https://e", "LayerArn": "l"}


def test_where_it_is_not_installed_it_says_what_to_do() -> None:
    with pytest.raises(Rejected, match=r"opolis-deployer-prod is not installed in eu-central-1; install it with"):
        _ = place().outputs
    with pytest.raises(Rejected, match="not installed in the laptop engine"):
        _ = place(engine=ENGINE).outputs


def test_what_a_part_was_given_is_read_from_its_stack() -> None:
    here = place(CloudFormation(opolis_deployer_prod_notifier={"EnvironmentUrl": "https://{stack}"}))
    assert here.parameter("notifier", "EnvironmentUrl") == "https://{stack}"
    assert here.parameter("notifier", "Other") == ""
    with pytest.raises(Rejected, match="opolis-deployer-prod-builder"):
        here.parameter("builder", "Other")


@pytest.mark.parametrize(
    ("engine", "variables", "api", "web"),
    [
        pytest.param(None, {}, "https://api.github.com", "https://github.com", id="github"),
        pytest.param(
            None,
            {"GITHUB_API_URL": "https://ghe/api/v3", "GITHUB_SERVER_URL": "https://ghe"},
            "https://ghe/api/v3",
            "https://ghe",
            id="an-enterprise-server",
        ),
        pytest.param(
            ENGINE,
            {"GITHUB_API_URL": "https://ghe/api/v3"},
            "http://127.0.0.1:4567/api/v3",
            "http://127.0.0.1:4567",
            id="the-engine",
        ),
    ],
)
def test_which_github_it_is(engine: Kept | None, variables: dict[str, str], api: str, web: str) -> None:
    here = place(engine=engine, **variables)
    assert (here.github_api_url, here.github_url) == (api, web)


@pytest.mark.parametrize(
    ("engine", "variables", "token"),
    [
        pytest.param(None, {"GH_TOKEN": "own", "GITHUB_TOKEN": "other"}, "own", id="GH_TOKEN"),
        pytest.param(None, {"GITHUB_TOKEN": "other"}, "other", id="GITHUB_TOKEN"),
        pytest.param(None, {"GH_TOKEN": ""}, "secret opolis.github.token", id="the-deployers"),
        pytest.param(ENGINE, {"GH_TOKEN": "real"}, "ghp_engine", id="F99-a-real-one-never-goes-to-the-engine"),
    ],
)
def test_whose_token_it_takes(engine: Kept | None, variables: dict[str, str], token: str) -> None:
    here = place(engine=engine, **variables)
    assert here.github._wire._credentials.of("repos/acme/site") == token


RUN = "https://eu-central-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/p/executions/1/timeline?region=x"


@pytest.mark.parametrize(
    ("engine", "url", "link"),
    [
        pytest.param(None, RUN, RUN, id="on-aws-as-it-is"),
        pytest.param(ENGINE, RUN, "http://127.0.0.1:4567/runs/p/1", id="on-the-engine-a-page-of-its-own"),
        pytest.param(ENGINE, "https://s3.console.aws.amazon.com/x", "", id="what-it-has-no-page-of"),
        pytest.param(ENGINE, "https://elsewhere.example/x", "https://elsewhere.example/x", id="elsewhere"),
    ],
)
def test_where_a_page_of_the_console_is_seen(engine: Kept | None, url: str, link: str) -> None:
    assert place(engine=engine).link(url) == link


@pytest.mark.parametrize(
    ("variables", "named", "profile"),
    [
        pytest.param({}, None, PROFILE, id="our-own-where-it-is-there"),
        pytest.param({}, "mine", "mine", id="the-one-that-is-named"),
        pytest.param({"AWS_PROFILE": "theirs"}, None, None, id="what-the-shell-says"),
        pytest.param({"AWS_ACCESS_KEY_ID": "AKIA"}, None, None, id="credentials-at-hand"),
    ],
)
def test_which_profile_is_worked_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variables: dict[str, str], named: str | None, profile: str | None
) -> None:
    (tmp_path / "config").write_text(f"[profile {PROFILE}]\nregion = eu-north-1\n[profile mine]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    here = Place.aws(Configuration(), variables, None, named)
    assert here.target.profile == profile
    if named:
        monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
        assert (here.region, here.where) == ("eu-west-3", "in eu-west-3")


def test_without_such_a_profile_there_is_none_and_one_that_is_named_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert Place.aws(Configuration(), {}, "eu-west-1", None).target.profile is None
    with pytest.raises(Broken, match="AWS can't be reached as it is configured here"):
        _ = Place.aws(Configuration(), {}, None, "nowhere").region


def test_F99_the_engine_gets_no_credentials_of_anybodys(tmp_path: Path, port: int) -> None:
    Kept(port, port, "ghp_x", "xoxb").write(tmp_path)
    here = Place.local(Configuration(), {"AWS_ACCESS_KEY_ID": "AKIAREAL"}, tmp_path)
    client = here.client("sts")
    assert client.meta.endpoint_url == f"http://127.0.0.1:{port}"
    assert client._request_signer._credentials.access_key == "test"
    assert here.where == "in the laptop engine"
