"""What an operator chooses about an installation. The templates hold the defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from deployer.errors import Rejected


@dataclass(frozen=True)
class Configuration:
    """None: what the installed stacks have, else the templates' defaults.

    ``allowed_repositories``: comma list of ``owner/name``, ``owner/*`` or ``*``. ``branches``, ``excluded_branches``:
    comma lists of patterns of branches that get an environment, and of those that get none. ``tracing``: ``Active`` or
    ``PassThrough``. ``connection_arn``: the CodeConnections connection that templates are offered. ``deployments``:
    ``on`` or ``off``: whether GitHub shows each run as a deployment. ``environment_url``: where environments are served
    whose stacks do not say so, with ``{stack}``, ``{environment}`` and ``{repository}`` in it.

    ``slack_channel``: where everything is told that none of ``slack_channels`` takes, a comma list of rules
    (``acme/site:production=#releases, acme/*=#deploys``). ``slack_development``: ``failures`` (with recoveries),
    ``all`` or ``none``.

    ``repositories``: comma list of ``owner/name`` that are known before their first webhook. ``environments_limit``:
    development environments for each repository, 0 for any number. ``idle_days``: without activity for so many days,
    one is removed; 0 for never. ``sweep_limit``: how many environments a sweep may make, or remove, for each
    repository. ``pipelines_quota``: how many pipelines AWS lets the region have.
    """

    name: str = "opolis-deployer"
    stage: str = "prod"
    allowed_repositories: str | None = None
    branches: str | None = None
    excluded_branches: str | None = None
    slack_channel: str | None = None
    slack_channels: str | None = None
    slack_development: str | None = None
    alarm_email: str | None = None
    connection_arn: str | None = None
    tracing: str | None = None
    repositories: str | None = None
    environments_limit: int | None = None
    idle_days: int | None = None
    sweep_limit: int | None = None
    deployments: str | None = None
    environment_url: str | None = None
    pipelines_quota: int | None = None

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
        values = {
            "DeployerPrefix": self.prefix,
            "DeployerStage": self.stage,
            "AllowedRepositories": self.allowed_repositories,
            "Branches": self.branches,
            "ExcludedBranches": self.excluded_branches,
            "SlackChannel": self.slack_channel,
            "SlackChannels": self.slack_channels,
            "SlackDevelopment": self.slack_development,
            "AlarmEmail": self.alarm_email,
            "ConnectionArn": self.connection_arn,
            "Tracing": self.tracing,
            "Repositories": self.repositories,
            "EnvironmentsLimit": self.environments_limit,
            "IdleDays": self.idle_days,
            "SweepLimit": self.sweep_limit,
            "Deployments": self.deployments,
            "EnvironmentUrl": self.environment_url,
            "PipelinesQuota": self.pipelines_quota,
        }
        return {name: str(value) for name, value in values.items() if value is not None}
