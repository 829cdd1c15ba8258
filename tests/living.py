"""The lives of the examples' environments: pushed, asked over HTTP as anybody would, approved, and gone again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import urllib3
from tests.account import WAITING, contents
from tests.sites import PATIENCE, Site

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import Unmet, until
from deployer_local.engine import Engine

# CodeBuild forgets builds after a year: https://docs.aws.amazon.com/codebuild/latest/APIReference/API_DeleteProject.html
HISTORY = "codebuild: build "


@dataclass
class Kept:
    """What the account had before a branch, with it, and after it."""

    before: set[str] = field(default_factory=set)
    during: set[str] = field(default_factory=set)
    after: set[str] = field(default_factory=set)

    @property
    def left(self) -> list[str]:
        """What the branch left behind."""
        return sorted(line for line in self.after - self.before if not line.startswith(HISTORY))

    @property
    def lost(self) -> list[str]:
        """What went with it and was not its own."""
        return sorted(self.before - self.after)


class Living:
    """The environments of one example's repository."""

    def __init__(self, site: Site) -> None:
        self.site, self.engine, self.watch = site, site.engine, site.watch
        # A site's address leads on to its first page.
        self._http = urllib3.PoolManager(retries=urllib3.Retry(1, connect=0, read=0, redirect=1), timeout=10.0)

    def id(self, name: str) -> EnvironmentId:
        """``staging``, ``production``, or a branch's."""
        number = self.site.repository.id
        if name in ("staging", "production"):
            return EnvironmentId(number, Stage(name))
        return EnvironmentId(number, Stage.DEVELOPMENT, name)

    def stack(self, name: str) -> str:
        """The name of an environment's stack; empty where there is none."""
        return str((self.watch.stack(self.id(name)) or {}).get("StackName", ""))

    def outputs(self, name: str, app: str = "app") -> dict[str, str]:
        """The outputs of one of an environment's app stacks; empty where there is none."""
        stack = self.stack(name)
        return (self.watch.outputs(f"{stack}-{app}") if stack else None) or {}

    def get(self, url: str) -> tuple[int, Any]:
        """GET: the status, and the JSON or the text of the body."""
        answer = self._http.request("GET", url)
        kind = answer.headers.get("content-type", "")
        return answer.status, answer.json() if "json" in kind else answer.data.decode()

    def push(self, ref: str, subject: str) -> str:
        """Commit what has changed and push it; answers with the commit."""
        commit = self.site.tree.commit(subject)
        self.site.tree.push(f"HEAD:refs/heads/{ref}")
        return commit

    def green(self, commit: str, contexts: Iterable[str]) -> None:
        """Wait until these contexts are green on a commit."""
        until(f"{commit} is green", self.watch.reported(commit, tuple(contexts)), PATIENCE)

    def told(self, commit: str, context: str, state: str) -> str:
        """Wait for a status; answers with its description."""
        seen = self._until(f"{context} of {commit} is {state}", lambda: self.watch.statuses(commit).get(context), state)
        assert seen is None
        return self.watch.descriptions(commit)[context]

    def deployed(self, environment: str, commit: str, state: str, url: str = "") -> None:
        """Wait until GitHub shows a commit's deployment in a state, and where it leads."""

        def shown() -> tuple[str | None, str] | None:
            for each in self.engine.github.deployments(self.watch.repository):
                if (each.environment, each.sha) == (environment, commit):
                    return each.state, each.statuses[-1].environment_url if each.statuses else ""
            return None

        self._until(f"GitHub shows {commit} in {environment}", shown, (state, url))

    def answer(self, name: str, stage: str, action: str, status: str) -> None:
        """Approve or reject the run that waits."""
        pipelines, pipeline = self.engine.client("codepipeline"), self.stack(name)
        states = pipelines.get_pipeline_state(name=pipeline)["stageStates"]
        [found] = [each for state in states if state["stageName"] == stage for each in state["actionStates"]]
        pipelines.put_approval_result(
            pipelineName=pipeline,
            stageName=stage,
            actionName=action,
            result={"summary": f"{status} by hand", "status": status},
            token=found["latestExecution"]["token"],
        )

    def listed(self) -> set[str]:
        """What is in the account once no message waits."""
        seen: set[str] = set()

        def check() -> str | None:
            nonlocal seen
            seen = contents(self.engine.client)
            return next((line for line in sorted(seen) if WAITING in line), None)

        until("no message waits", check, PATIENCE)
        return seen

    def delete(self, branch: str, kept: Kept) -> None:
        """Delete a branch, and list what is there once it has settled."""
        stack = self.stack(branch)
        self.site.tree.delete(branch)

        # It goes last; whether its apps' stacks went before, the listing shows.
        until(f"{stack} is gone", lambda: None if self.watch.outputs(stack) is None else "it is there", PATIENCE)

        def settled() -> str | None:
            kept.after = contents(self.engine.client)
            return ", ".join((*kept.left, *kept.lost)) or None

        with suppress(Unmet):  # what is not as before, the test shows
            until("it is as before", settled, PATIENCE / 4)

    def _until(self, what: str, look: Callable[[], Any], wanted: Any) -> None:
        until(what, lambda: None if (seen := look()) == wanted else f"it is {seen}", PATIENCE)


def living(engine: Engine, folder: Any, full_name: str, example: str) -> Living:
    """A repository with an example in it, before its first push."""
    return Living(Site(engine, folder / "work", full_name, example))
