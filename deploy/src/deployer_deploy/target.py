"""Where to install: an AWS account, or the laptop engine. Endpoints and wheel platform differ, nothing else.

The engine is told apart by its endpoint alone. It gets made-up credentials, so that real ones never go there.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from deployer.errors import Broken
from deployer_deploy.wheels import Platform

_PATIENT = Config(retries={"mode": "standard", "max_attempts": 8})
_QUICK = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class Target:
    """An installation's place.

    ``endpoint_url``: the engine's, None on AWS. ``platform``: what imports the layer, None for what the manifests
    name. ``poll``: seconds between two looks at a stack. ``github_api_url``/``slack_api_url``: None for the real ones
    (or, on an update, for those the stack already has).
    """

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    platform: Platform | None = None
    github_api_url: str | None = None
    slack_api_url: str | None = None
    poll: float = 3.0

    @classmethod
    def aws(cls, region: str | None = None, profile: str | None = None) -> Target:
        """The AWS account of the current credentials or of ``profile``."""
        return cls(region=region, profile=profile)

    @classmethod
    def engine(
        cls,
        endpoint_url: str,
        github_api_url: str | None = None,
        slack_api_url: str | None = None,
        region: str = "us-east-1",
    ) -> Target:
        """A running laptop engine. Raises ``Broken`` for an endpoint that isn't on this machine."""
        if urlsplit(endpoint_url).hostname not in _LOOPBACK:
            raise Broken(f"the laptop engine is on this machine, not at {endpoint_url}")
        return cls(region, None, endpoint_url, Platform.here(), github_api_url, slack_api_url, poll=0.05)

    @property
    def settled_region(self) -> str | None:
        """The region that calls go to; None where none is named. Raises ``Broken`` where there is no such profile."""
        region = self._session.region_name
        return str(region) if region else None

    def client(self, service: str, *, quick: bool = False) -> Any:
        """A boto3 client for ``service``; a ``quick`` one doesn't wait long for what doesn't answer.

        Raises ``Broken`` where there is no such profile, or no region is set.
        """
        try:
            return self._session.client(service, endpoint_url=self.endpoint_url, config=_QUICK if quick else _PATIENT)
        except BotoCoreError as error:
            raise Broken(f"AWS can't be reached as it is configured here: {error}") from error

    @cached_property
    def _session(self) -> Any:
        # One for all clients: each would read AWS's models of its services anew.
        if self.endpoint_url:
            return _engines(self.region)
        try:
            return boto3.Session(region_name=self.region, profile_name=self.profile)
        except BotoCoreError as error:
            raise Broken(f"AWS can't be reached as it is configured here: {error}") from error

    def parameters(self) -> dict[str, str]:
        """The template parameters that follow from the place."""
        urls = {"GitHubApiUrl": self.github_api_url, "SlackApiUrl": self.slack_api_url}
        return {name: url for name, url in urls.items() if url is not None}


@cache
def _engines(region: str | None) -> Any:
    """The session for engines, whose credentials are made up: nothing of this machine is in it."""
    return boto3.Session("test", "test", region_name=region)
