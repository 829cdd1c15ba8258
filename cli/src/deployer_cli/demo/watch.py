"""Look at the engine from the outside, as a person would: pages over HTTP, statuses on GitHub, stacks and buckets.

Reads only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import urllib3
from botocore.exceptions import ClientError

from deployer.contexts import environment_name
from deployer.environments import OWNER_TAG, EnvironmentId, tag_value
from deployer_cli.demo.expect import Unmet
from deployer_local.engine import Engine

STAGES = ("Source", "Build", "Deploy", "Release")
_META = re.compile(r'<meta name="(commit|branch)" content="([^"]*)">')


@dataclass(frozen=True)
class Page:
    """What is served: ``commit`` and ``branch`` are what the page says of itself."""

    status: int
    commit: str
    branch: str
    text: str


class Watcher:
    """Watches one repository on a running engine."""

    def __init__(self, engine: Engine, repository: str) -> None:
        self.engine, self.repository = engine, repository
        self._http = urllib3.PoolManager(retries=False, timeout=5.0)

    # --- GitHub

    def statuses(self, sha: str) -> dict[str, str]:
        """Context -> state, the latest of each."""
        return {status.context: status.state for status in self.engine.github.statuses(self.repository, sha)}

    def descriptions(self, sha: str) -> dict[str, str]:
        """Context -> description, the latest of each."""
        found = self.engine.github.statuses(self.repository, sha)
        return {status.context: status.description or "" for status in found}

    def refused_delivery(self, since: int) -> str | None:
        """What became of the first webhook, from number ``since`` on, that was not accepted."""
        for delivery in self.engine.github.deliveries()[since:]:
            if delivery.status_code is not None and not 200 <= delivery.status_code < 300:
                answer = f"answered {delivery.status_code}" if delivery.status_code else "never answered"
                return f"the webhook {delivery.event} was {answer}"
        return None

    def deployed(self, environment: EnvironmentId, sha: str) -> Callable[[], str | None]:
        """A check: GitHub shows the commit as deployed to the environment of that name, and leads to where it is."""

        def check() -> str | None:
            name, app = environment_name(environment), self.app(environment) or {}
            for each in self.engine.github.deployments(self.repository):
                if (each.environment, each.sha) != (name, sha):
                    continue
                if each.state != "success":
                    return f"its deployment is {each.state or 'without a status'}"
                served = each.statuses[-1].environment_url
                return None if served and served == app.get("Url") else f"its deployment leads to {served or 'nowhere'}"
            return f"{sha[:7]} has no deployment to {name}"

        return check

    def undeployed(self, environment: EnvironmentId) -> str | None:
        """A check: GitHub shows nothing as deployed there any more, nor the environment."""
        name = environment_name(environment)
        for each in self.engine.github.deployments(self.repository):
            if each.environment == name and each.state not in ("inactive", "failure", "error"):
                return f"its deployment of {each.sha[:7]} is {each.state or 'without a status'}"
        there = [each.name for each in self.engine.github.environments(self.repository)]
        return f"the environment {name} is there" if name in there else None

    # --- AWS

    def stack(self, environment: EnvironmentId) -> dict[str, Any] | None:
        """The environment's stack, found by its tag."""
        for page in self.engine.client("cloudformation").get_paginator("describe_stacks").paginate():
            for stack in page["Stacks"]:
                tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])}
                if tags.get(OWNER_TAG) == tag_value(environment):
                    return dict(stack)
        return None

    def app(self, environment: EnvironmentId) -> dict[str, str] | None:
        """The outputs of the environment's app stack: ``Url`` and ``Bucket``."""
        stack = self.stack(environment)
        return self.outputs(f"{stack['StackName']}-app") if stack else None

    def outputs(self, stack_name: str) -> dict[str, str] | None:
        """A stack's outputs, or None where there is no such stack."""
        try:
            stacks = self.engine.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", [])}

    def buckets(self) -> set[str]:
        """The names of every bucket there is."""
        return {bucket["Name"] for bucket in self.engine.client("s3").list_buckets()["Buckets"]}

    # --- the site

    def page(self, bucket: str, path: str = "") -> Page:
        """GET one page of a bucket's site."""
        answer = self._http.request("GET", self.engine.site_url(bucket) + path)
        text = answer.data.decode("utf-8", "replace")
        meta = dict(_META.findall(text))
        return Page(answer.status, meta.get("commit", ""), meta.get("branch", ""), text)

    def build_seconds(self, stack_name: str) -> float:
        """How long the commands of the latest build took, by CodeBuild's own account of its phases."""
        codebuild = self.engine.client("codebuild")
        ids = codebuild.list_builds_for_project(projectName=f"{stack_name}-build", sortOrder="DESCENDING")["ids"]
        if not ids:
            return 0.0
        phases = codebuild.batch_get_builds(ids=ids[:1])["builds"][0].get("phases", [])
        commands = [phase for phase in phases if phase["phaseType"] in ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")]
        return sum(_seconds(phase.get("startTime"), phase.get("endTime")) for phase in commands)

    # --- what is expected

    def serves(self, environment: EnvironmentId, sha: str, branch: str) -> Callable[[], str | None]:
        """A check: the environment's own bucket serves the page of this commit and branch."""

        def check() -> str | None:
            app = self.app(environment)
            if not app or "Bucket" not in app:
                return "no app stack with a bucket yet"
            page = self.page(app["Bucket"])
            if page.status != 200:
                return f"{self.engine.site_url(app['Bucket'])} answers {page.status}"
            if (page.commit, page.branch) != (sha, branch):
                return f"the page says commit {page.commit[:7]} of branch {page.branch}"
            return None

        return check

    def reported(self, sha: str, contexts: tuple[str, ...]) -> Callable[[], str | None]:
        """A check: these contexts are all green on a commit; one that failed ends the wait."""

        def check() -> str | None:
            states = self.statuses(sha)
            for context in contexts:
                if states.get(context) in ("failure", "error"):
                    raise Unmet(f"{context} of {sha[:7]} is green", self.descriptions(sha)[context])
            waiting = [f"{context} is {states.get(context, 'missing')}" for context in contexts]
            return "; ".join(text for text in waiting if not text.endswith(" success")) or None

        return check


def contexts(group: str = "pipeline", prep: str = "build") -> tuple[str, ...]:
    """The contexts of a whole run."""
    return (f"{prep}/0-prep", *(f"{group}/{stage}" for stage in STAGES))


def _seconds(start: datetime | None, end: datetime | None) -> float:
    return (end - start).total_seconds() if start and end else 0.0
