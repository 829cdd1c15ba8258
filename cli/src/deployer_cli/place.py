"""Where a command works: an installation in an AWS account, or one in a laptop engine that runs.

Both are reached by the same calls; where they go and with which credentials is all that differs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import boto3

from deployer.errors import Rejected
from deployer.github import GitHub
from deployer.github_app import Chosen, Names, Permissions, chosen
from deployer.github_credentials import OneToken
from deployer.github_wire import Wire
from deployer.memory import Table
from deployer.secrets import Secrets
from deployer.stacks import translated
from deployer_cli.config.names import APP_ID, APP_KEY, GITHUB_TOKEN
from deployer_deploy.configuration import Configuration
from deployer_deploy.stacks import Stacks
from deployer_deploy.target import Target
from deployer_deploy.tree import CORE, LAYER
from deployer_local.addresses import webhook_url
from deployer_local.kept import Kept

# What builder and notifier need together; deployments are shown where an App may.
PERMISSIONS = Permissions({"contents": "read", "statuses": "write"}, {"deployments": "write"})
PROFILE = "opolis-deployer"
_GITHUB_API = "https://api.github.com"
_GITHUB = "https://github.com"


@dataclass(frozen=True)
class Place:
    """One installation, and how it is reached. ``engine``: what a laptop engine keeps of itself, None on AWS.

    ``variables``: the environment variables of whoever runs the command.
    """

    target: Target
    configuration: Configuration
    variables: Mapping[str, str]
    engine: Kept | None = None

    @classmethod
    def aws(
        cls, configuration: Configuration, variables: Mapping[str, str], region: str | None, profile: str | None
    ) -> Self:
        """The account of ``profile``; else of the credentials at hand; else of the profile ``opolis-deployer``."""
        return cls(Target.aws(region, profile or _own_profile(variables)), configuration, variables)

    @classmethod
    def local(cls, configuration: Configuration, variables: Mapping[str, str], data: Path) -> Self:
        """The laptop engine that runs on ``data``. Raises ``Rejected`` where none does."""
        kept = Kept.running(data)
        target = Target.engine(kept.aws_url, kept.github_url, kept.slack_url)
        return cls(target, configuration, variables, kept)

    def client(self, service: str) -> Any:
        """A boto3 client, the same each time. Raises ``Broken`` where AWS is not configured on this machine."""
        if service not in self._clients:
            self._clients[service] = self.target.client(service)
        return self._clients[service]

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of the installation's core and layer: endpoint, queues, table, buckets, roles.

        Raises:
            Rejected: where the deployer is not installed there.
        """
        stacks = Stacks(self.client("cloudformation"))
        found = {
            name: value
            for part in (CORE, LAYER)
            for name, value in stacks.observe(self.configuration.stack(part)).outputs.items()
        }
        if not found:
            raise Rejected(
                f"{self.configuration.prefix} is not installed {self.where}; install it with `deployer deploy`, or say "
                "--installation, --region and --profile"
            )
        return found

    def parameter(self, part: str, name: str) -> str:
        """What the stack of a part was given for one of its parameters; empty where it has none such."""
        stack = self.configuration.stack(part)
        with translated(f"describe stack {stack}"):
            found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        given = {each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", ())}
        return str(given.get(name, ""))

    def link(self, url: str) -> str:
        """Where a page of AWS's console is to be opened; the laptop engine has pages of its own."""
        if self.engine is None:
            return url
        from deployer_local.pages.links import here  # noqa: PLC0415 - costs what its templates cost

        found = here(url)
        return f"{self.engine.web_url}{found}" if found.startswith("/") else found

    @property
    def where(self) -> str:
        """Where that is, for people: ``in the laptop engine``, ``in eu-central-1``."""
        return "in the laptop engine" if self.engine else f"in {self.region}"

    @property
    def region(self) -> str:
        """The region that is worked in."""
        return str(self.client("cloudformation").meta.region_name)

    @property
    def endpoint(self) -> str:
        """Where webhooks go; in the laptop engine, where that serves it: AWS's name leads nowhere there.

        Raises ``Rejected`` where the deployer is not installed.
        """
        if self.engine:
            return webhook_url(self.engine.aws_url, self.outputs["ApiId"], self.configuration.stage)
        return self.outputs["Endpoint"]

    @cached_property
    def memory(self) -> Table:
        """The environments table."""
        return Table(self.client("dynamodb"), self.outputs["EnvironmentsTable"])

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets in SSM."""
        return Secrets(self.client("ssm"))

    @cached_property
    def github(self) -> GitHub:
        """GitHub's REST API, with the caller's own token where there is one (``GH_TOKEN``, ``GITHUB_TOKEN``)."""
        return GitHub(self.github_api_url, OneToken(lambda: self.own_token) if self.own_token else self.credentials)

    @property
    def credentials(self) -> Chosen:
        """What the deployer's functions speak to GitHub with: the App's tokens, or the token."""
        return chosen(self.secrets, Names(GITHUB_TOKEN, APP_ID, APP_KEY), self.github_api_url, PERMISSIONS)

    @cached_property
    def own_github(self) -> Wire:
        """GitHub's REST API with the caller's own token and no other: what nobody but a person may do.

        Raises:
            Rejected: where there is none.
        """
        if not self.own_token:
            raise Rejected("this needs your own token for GitHub: GH_TOKEN=$(gh auth token), or one from its settings")
        return Wire(self.github_api_url, lambda: self.own_token)

    @property
    def own_token(self) -> str:
        """The token of whoever runs the command, empty where there is none; an engine never gets a real one."""
        if self.engine:
            return self.engine.github_token
        return self.variables.get("GH_TOKEN") or self.variables.get("GITHUB_TOKEN") or ""

    @property
    def github_api_url(self) -> str:
        """Base of GitHub's REST API; an Enterprise server's is in ``GITHUB_API_URL``."""
        return self.engine.github_url if self.engine else self.variables.get("GITHUB_API_URL") or _GITHUB_API

    @property
    def github_url(self) -> str:
        """Base of what people open in a browser."""
        return self.engine.web_url if self.engine else self.variables.get("GITHUB_SERVER_URL") or _GITHUB


def _own_profile(variables: Mapping[str, str]) -> str | None:
    if any(variables.get(name) for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID")):
        return None
    return PROFILE if PROFILE in boto3.Session().available_profiles else None
