"""The secrets: there, encrypted, and of the right form; never what they are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from deployer.errors import DeployerError
from deployer_cli.config.names import (
    APP_ID,
    APP_KEY,
    FORMER_HMAC,
    GITHUB_HMAC,
    GITHUB_TOKEN,
    PREFIX,
    SLACK_TOKEN,
    complaint,
)
from deployer_cli.config.parameters import Description, Parameters
from deployer_cli.config.rotation import ends
from deployer_cli.findings import Finding, right, unknown, wrong


def secrets(parameters: Parameters, slack: bool, now: datetime) -> Iterator[Finding]:
    """``slack``: whether the installation tells Slack anything."""
    found = parameters.all(PREFIX)
    app = APP_ID in found or APP_KEY in found
    wanted = [GITHUB_HMAC, *([APP_ID, APP_KEY] if app else [GITHUB_TOKEN]), *([SLACK_TOKEN] if slack else [])]
    for name in wanted:
        yield _secret(parameters, name, found.get(name))
    if until := ends(found.get(FORMER_HMAC), now):
        said = f"the secret before the current one is valid until {until:%Y-%m-%d %H:%M %Z}"
        yield unknown("rotation", said, "where not every webhook has the new one, `deployer config rotate` goes on")


def _secret(parameters: Parameters, name: str, found: Description | None) -> Finding:
    subject, fix = f"secret {name}", f"deployer config set {name}"
    if found is None:
        return wrong(subject, "it was never set", fix)
    if not found.key:
        return wrong(subject, "it is not encrypted", f"aws ssm delete-parameter --name {name}, then `{fix}`")
    try:
        value = parameters.get(name)
    except DeployerError as error:
        return unknown(subject, f"there, but not for you to read: {error}", "")
    if why := complaint(name, value):
        return wrong(subject, why, fix)
    return right(subject, f"there since {found.modified:%Y-%m-%d}, encrypted by {found.key}")
