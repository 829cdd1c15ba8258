"""What an operator chooses about an installation. The templates hold the defaults.

This is the one place where a choice is declared: its option (``--idle-days``) and its template parameter
(``IdleDays``) follow from its name here, and the option's help is what is said of it here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Self

from deployer.errors import Rejected


@dataclass(frozen=True)
class Choice:
    """One thing to choose. ``name``: as in ``Configuration``."""

    name: str
    help: str

    @property
    def option(self) -> str:
        """``--idle-days``."""
        return "--" + self.name.replace("_", "-")

    @property
    def parameter(self) -> str:
        """``IdleDays``, in the templates."""
        return "".join(word.capitalize() for word in self.name.split("_"))


def _choice(help: str) -> Any:
    return field(default=None, metadata={"help": help})


@dataclass(frozen=True)
class Configuration:
    """None: what the installed stacks have, else the templates' defaults."""

    name: str = "opolis-deployer"
    stage: str = "prod"
    allowed_repositories: str | None = _choice("Whose webhooks are taken: comma list of owner/name, owner/* or *.")
    branches: str | None = _choice("Branches that get an environment: comma list of patterns.")
    excluded_branches: str | None = _choice("Branches that get none: comma list of patterns, such as dependabot/**.")
    slack_channel: str | None = _choice("Where everything is told that no rule of --slack-channels takes.")
    slack_channels: str | None = _choice("Rules, the first that fits: acme/site:production=#releases, acme/*=#deploys.")
    slack_development: str | None = _choice("What is told of development: failures (with recoveries), all or none.")
    alarm_email: str | None = _choice("Address that alarms are sent to.")
    connection_arn: str | None = _choice("The CodeConnections connection that templates are offered.")
    tracing: str | None = _choice("X-Ray: Active or PassThrough.")
    repositories: str | None = _choice("Known before their first webhook: comma list of owner/name.")
    environments_limit: int | None = _choice("Development environments of one repository at most; 0 for any number.")
    idle_days: int | None = _choice("Development environments idle for so many days are removed; 0 for never.")
    sweep_limit: int | None = _choice("How many environments a sweep may make, or remove, of one repository.")
    deployments: str | None = _choice("Whether GitHub shows each run as a deployment: on or off.")
    environment_url: str | None = _choice(
        "Where environments are served whose stacks do not say so; {stack}, {environment}, {repository} in it."
    )
    pipelines_quota: int | None = _choice("How many pipelines AWS lets the region have.")
    log_retention_days: int | None = _choice("Days for which the functions' logs are kept.")

    @staticmethod
    def choices() -> tuple[Choice, ...]:
        """All there is to choose, beside name and stage."""
        return tuple(Choice(each.name, each.metadata["help"]) for each in fields(Configuration) if each.metadata)

    @classmethod
    def of(cls, prefix: str) -> Self:
        """The installation whose names begin so, as it is. Raises ``Rejected`` where that is no name and stage."""
        name, _, stage = prefix.rpartition("-")
        if not (name and stage):
            raise Rejected(f"{prefix!r} is no installation; it is NAME-STAGE, as opolis-deployer-prod")
        return cls(name, stage)

    @property
    def prefix(self) -> str:
        """How every name of this installation begins."""
        return f"{self.name}-{self.stage}"

    def stack(self, part: str) -> str:
        """The name of a part's stack."""
        return f"{self.prefix}-{part}"

    def parameters(self) -> dict[str, str]:
        """The template parameters that follow from it."""
        chosen = {each.parameter: getattr(self, each.name) for each in self.choices()}
        values = {"DeployerPrefix": self.prefix, "DeployerStage": self.stage, **chosen}
        return {name: str(value) for name, value in values.items() if value is not None}
