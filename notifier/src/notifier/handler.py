"""The notifier: stage and run events in, commit statuses, deployments and Slack messages out.

An event only wakes it, and so does the builder, which also has it announce things. It changes nothing but what people
read, and its own notes of what it has said.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from typing import Any

from deployer.addresses import Addresses
from deployer.events import RunChange, decode, parse_bus_event
from deployer.notices import Announcement, Removal, RunNotice, parse_notice
from deployer.observability import traced
from deployer.queues import Hide, Record, hider, process
from deployer.reasons import Reasons
from deployer.settings import READ, load
from notifier.authors import Authors
from notifier.channels import Channels, Rule, Told, rules_of, told_of
from notifier.commits import Commits
from notifier.deployments import Deployed
from notifier.notify import Notifier
from notifier.observing import Observer
from notifier.threads import Channel, Threads

ON = "on"
# What it does on GitHub, where it does so as an App: it reads who wrote a commit, and says what became of it; shows
# deployments where it may, and takes those away whose environment is gone.
NEEDED = {"contents": "read", "statuses": "write"}
WISHED = {"deployments": "write", "administration": "write"}


@dataclass(frozen=True)
class Settings:
    """What template.yaml tells the function."""

    environments_table: str
    github_token_parameter: str
    slack_token_parameter: str
    github_api_url: str = "https://api.github.com"
    github_app_id_parameter: str = "opolis.github.app.id"
    github_app_key_parameter: str = "opolis.github.app.key"
    slack_api_url: str = "https://slack.com/api/"
    slack_channel: str = ""
    deployments: str = ON
    environment_url: str = ""
    slack_channels: tuple[Rule, ...] = field(default=(), metadata={READ: rules_of})
    slack_development: Told = field(default=Told.FAILURES, metadata={READ: told_of})


@dataclass(frozen=True)
class Function:
    """Who handles which message. ``deployed``: None where GitHub is not to be told of deployments."""

    notifier: Notifier
    threads: Threads
    deployed: Deployed | None = None

    @classmethod
    def of(cls, commits: Commits, threads: Threads, observer: Observer, deployed: Deployed | None = None) -> Function:
        """Put together from its parts."""
        sides = (commits, threads, deployed) if deployed else (commits, threads)
        return cls(Notifier(threads.memory, observer, sides), threads, deployed)


def receive(function: Function, record: Record) -> None:
    """Handle one queue message."""
    message = decode(str(record.get("body", "")))
    match parse_notice(message) or parse_bus_event(message):
        case RunNotice() | RunChange() as run:
            function.notifier.notice(run)
        case Announcement() as announcement:
            function.threads.announce(announcement)
        case Removal() as removal if function.deployed:
            function.deployed.remove(removal)


@functools.cache
def _notifier() -> tuple[Function, Hide]:
    import boto3  # noqa: PLC0415 - the tests' fakes need none
    from botocore.config import Config  # noqa: PLC0415

    from deployer.builds import Builds  # noqa: PLC0415
    from deployer.github import GitHub  # noqa: PLC0415
    from deployer.github_app import Names, Permissions, chosen  # noqa: PLC0415
    from deployer.github_deployments import GitHubDeployments  # noqa: PLC0415
    from deployer.github_wire import pool  # noqa: PLC0415
    from deployer.memory import Table  # noqa: PLC0415
    from deployer.pipelines import CodePipeline  # noqa: PLC0415
    from deployer.secrets import Secrets  # noqa: PLC0415
    from deployer.stacks import CloudFormation  # noqa: PLC0415
    from notifier.notes import Notes  # noqa: PLC0415

    settings = load(Settings, os.environ)
    # boto3 would wait a minute for an answer: one call that hangs is not to use up the invocation.
    config = Config(connect_timeout=3, read_timeout=15, retries={"mode": "standard", "max_attempts": 4})
    secrets = Secrets(boto3.client("ssm", config=config))
    connections = pool()
    names = Names(settings.github_token_parameter, settings.github_app_id_parameter, settings.github_app_key_parameter)
    token = chosen(secrets, names, settings.github_api_url, Permissions(NEEDED, WISHED), connections)
    github = GitHub(settings.github_api_url, token, connections)
    dynamodb = boto3.client("dynamodb", config=config)

    @functools.cache
    def slack() -> Channel:
        from deployer.slack import Slack  # noqa: PLC0415 - costs 100 ms

        return Slack(settings.slack_api_url, lambda: secrets.get(settings.slack_token_parameter))

    memory = Table(dynamodb, settings.environments_table)
    pipelines = CodePipeline(boto3.client("codepipeline", config=config))
    notes = Notes(dynamodb, settings.environments_table)
    stacks = CloudFormation(boto3.client("cloudformation", config=config))
    reasons = Reasons(Builds(boto3.client("codebuild", config=config), boto3.client("logs", config=config)), stacks)
    addresses = Addresses(stacks, settings.environment_url)
    deployments = GitHubDeployments(settings.github_api_url, token, connections)
    deployed = Deployed(memory, deployments, notes, reasons, addresses, pipelines)
    channels = Channels(settings.slack_channel, settings.slack_channels, settings.slack_development)
    function = Function.of(
        Commits(memory, github, notes, reasons),
        Threads(memory, Authors(github), notes, reasons, slack, channels, addresses),
        Observer(pipelines, os.environ.get("AWS_REGION", "")),
        deployed if settings.deployments == ON else None,
    )
    return function, hider(boto3.client("sqs", config=config))


@traced("notifier")
def handler(event: Any, context: Any) -> Any:
    """AWS Lambda's entry point."""
    function, hidden = _notifier()
    return process(event, functools.partial(receive, function), hidden)
