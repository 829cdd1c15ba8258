"""What the demo does: push, break, mend, release, delete; and what has to hold after each.

Every step acts through Git alone and looks from the outside. The first thing that does not hold ends the demo.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import Check, Unmet, until
from deployer_cli.demo.watch import Watcher, contexts
from deployer_cli.demo.worktree import Worktree
from deployer_local.engine import Engine

REPOSITORY = "acme/site"
FEATURE = "feature/hello"
RELEASE = "v1.0.0"


class Narrator(Protocol):
    """Shows the demo as it happens."""

    def step(self, title: str) -> AbstractContextManager[None]: ...

    def held(self, what: str) -> None: ...

    def waiting(self, what: str) -> None: ...


@dataclass
class Result:
    """One environment as the demo left it. ``seconds``: from ``git push`` to its page being served."""

    id: EnvironmentId
    ref: str
    commit: str
    stack: str | None = None
    url: str | None = None
    statuses: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    own: float = 0.0


class Demo:
    """Runs the scenario against an engine into which the deployer is installed. ``patience``: seconds to wait."""

    def __init__(self, engine: Engine, example: Path, folder: Path, narrator: Narrator, patience: float) -> None:
        self._engine, self._narrator, self._patience = engine, narrator, patience
        self._repository = engine.github.create_repository(REPOSITORY)
        self.watcher = Watcher(engine, REPOSITORY)
        self._tree = Worktree(folder, example, engine.git_url(REPOSITORY))
        self.results: dict[str, Result] = {}
        self._deliveries = len(engine.github.deliveries())

    def run(self) -> None:
        """All steps in order.

        Raises:
            Unmet: at the first thing that does not hold.
        """
        first, main = self._push_main()
        hello = self._push_branch(main)
        self._push_broken(hello)
        self._push_fix(main)
        self._release(first, main)
        self._delete_branch(main)

    # --- the steps

    def _push_main(self) -> tuple[str, str]:
        staging = self._environment(Stage.STAGING)
        with self._narrator.step("Push main, twice"):
            first = self._tree.commit("Add the site")
            self._deploy(staging, "refs/heads/main", first, "main", contexts())
            self._tree.write("site/pages/index.md", "# The second commit of main\n\nSee [about](about.html).\n")
            second = self._tree.commit("Say it better")
            self._deploy(staging, "refs/heads/main", second, "main", contexts())
        return first, second

    def _push_branch(self, main: str) -> str:
        hello, staging = self._environment(Stage.DEVELOPMENT), self._environment(Stage.STAGING)
        with self._narrator.step(f"Push {FEATURE} with another page"):
            self._tree.switch(FEATURE, create=True)
            self._tree.write("site/pages/index.md", "# Hello\n\nAnother page. See [about](about.html).\n")
            commit = self._tree.commit("Say hello")
            self._deploy(hello, f"refs/heads/{FEATURE}", commit, FEATURE, contexts())
            self._staging_still_serves(main)
            self._hold("each is served from its own bucket", self._is_served_from_its_bucket(hello, staging))
        return commit

    def _push_broken(self, before: str) -> None:
        hello = self._environment(Stage.DEVELOPMENT)
        with self._narrator.step(f"Push a commit to {FEATURE} whose build fails"):
            self._tree.write("site/pages/index.md", "# Hello\n\nSee [nothing](nowhere.html).\n")
            broken = self._tree.commit("Link to nowhere")
            self._push(f"HEAD:refs/heads/{FEATURE}")
            self._hold(f"pipeline/Build of {broken[:7]} fails and says why", self._build_failed(broken))
            self._hold("Slack shows the end of the build's log", self._slack_shows("broken link in index.html"))
            self._hold("the old page is still served", self.watcher.serves(hello, before, FEATURE))

    def _push_fix(self, main: str) -> None:
        with self._narrator.step("Push the fix"):
            self._tree.write("site/pages/index.md", "# Hello again\n\nSee [about](about.html).\n")
            fix = self._tree.commit("Mend the link")
            self._deploy(self._environment(Stage.DEVELOPMENT), f"refs/heads/{FEATURE}", fix, FEATURE, contexts())
            self._staging_still_serves(main)

    def _release(self, first: str, main: str) -> None:
        production = self._environment(Stage.PRODUCTION)
        with self._narrator.step(f"Tag {RELEASE} on the first commit of main"):
            self._tree.tag(RELEASE, first)
            self._deploy(production, f"refs/tags/{RELEASE}", first, "main", contexts("production", "production"))
            self._staging_still_serves(main)

    def _delete_branch(self, main: str) -> None:
        hello = self._environment(Stage.DEVELOPMENT)
        with self._narrator.step(f"Delete {FEATURE}"):
            stack, app = self.watcher.stack(hello), self.watcher.app(hello)
            if stack is None or app is None:
                raise Unmet(f"{FEATURE} has a stack to delete", "none")
            name, bucket = stack["StackName"], app["Bucket"]
            self._collect(str(hello))
            self._mark()
            self._tree.delete(FEATURE)
            self._hold("its app's stack is gone", lambda: self._gone("its app's stack is gone", f"{name}-app"))
            self._hold("its bucket is gone", lambda: "it is there" if bucket in self.watcher.buckets() else None)
            self._hold("its stack is gone", lambda: self._gone("its stack is gone", name))
            self._hold("GitHub shows it as removed", lambda: self.watcher.undeployed(hello))
            result = self.results[str(hello)]
            result.stack = result.url = None
            staging, production = self._environment(Stage.STAGING), self._environment(Stage.PRODUCTION)
            self._staging_still_serves(main)
            first = self.results[str(production)].commit
            self._hold(f"production still serves {RELEASE}", self.watcher.serves(production, first, "main"))
        for identity in (staging, production):
            self._collect(str(identity))

    # --- acting and waiting

    def _deploy(self, environment: EnvironmentId, ref: str, sha: str, branch: str, wanted: tuple[str, ...]) -> None:
        """Push and wait until the page is served and every status is green."""
        source = ref if ref.startswith("refs/tags/") else "HEAD"
        started = self._push(f"{source}:{ref}")
        served = self.watcher.serves(environment, sha, branch)
        label = environment.label
        failed = self.watcher.reported(sha, wanted)

        def check() -> str | None:
            failed()
            return served()

        self._hold(f"{label} serves {sha[:7]}", check)
        seconds = time.monotonic() - started
        self._hold(f"its statuses are green: {', '.join(wanted)}", failed)
        stack, app = self.watcher.stack(environment), self.watcher.app(environment)
        if stack is None or app is None:
            raise Unmet(f"{label} has its stacks", "one of them is gone")
        self._hold("its deployment on GitHub leads to the page", self.watcher.deployed(environment, sha))
        own = max(0.0, seconds - self.watcher.build_seconds(stack["StackName"]))
        self._narrator.held(f"from push to page: {seconds:.1f} s, {own:.1f} s of them not the build's own commands")
        url = self._engine.site_url(app["Bucket"])
        self.results[str(environment)] = Result(
            environment, ref, sha, stack["StackName"], url, self._statuses(environment, sha), seconds, own
        )

    def _staging_still_serves(self, main: str) -> None:
        """What happens elsewhere is not to touch staging."""
        staging = self._environment(Stage.STAGING)
        self._hold("staging still serves main", self.watcher.serves(staging, main, "main"))

    def _push(self, *refspecs: str) -> float:
        self._mark()
        started = time.monotonic()
        self._tree.push(*refspecs)
        return started

    def _mark(self) -> None:
        self._deliveries = len(self._engine.github.deliveries())

    def _hold(self, what: str, check: Check) -> None:
        def watched() -> str | None:
            refused = self.watcher.refused_delivery(self._deliveries)
            if refused:
                raise Unmet(what, refused)
            return check()

        self._narrator.waiting(what)
        until(what, watched, self._patience)
        self._narrator.held(what)

    def _environment(self, stage: Stage) -> EnvironmentId:
        return EnvironmentId(self._repository.id, stage, FEATURE if stage is Stage.DEVELOPMENT else "")

    def _collect(self, environment: str) -> None:
        result = self.results[environment]
        result.statuses = self._statuses(result.id, result.commit)

    def _statuses(self, environment: EnvironmentId, sha: str) -> dict[str, str]:
        """The environment's own: staging and production report on the same commit."""
        released = environment.stage is Stage.PRODUCTION
        found = self.watcher.statuses(sha)
        return {name: state for name, state in found.items() if name.startswith("production/") == released}

    # --- checks

    def _build_failed(self, sha: str) -> Check:
        def check() -> str | None:
            state = self.watcher.statuses(sha).get("pipeline/Build")
            if state != "failure":
                return f"pipeline/Build is {state or 'missing'}"
            text = self.watcher.descriptions(sha)["pipeline/Build"]
            return None if "exited with 1" in text else f"its description says: {text}"

        return check

    def _slack_shows(self, line: str) -> Check:
        def check() -> str | None:
            replies = [reply.text for message in self._engine.slack.messages() for reply in message.replies]
            return None if any(line in text for text in replies) else f"none of {len(replies)} replies has it"

        return check

    def _is_served_from_its_bucket(self, *environments: EnvironmentId) -> Check:
        """Delete a page of the first one's bucket: there it is a 404, elsewhere it is not."""

        def check() -> str | None:
            apps = [self.watcher.app(environment) for environment in environments]
            names = [app["Bucket"] for app in apps if app]
            self._engine.client("s3").delete_object(Bucket=names[0], Key="about.html")
            answers = [self.watcher.page(name, "about.html").status for name in names]
            wanted = [404, *[200] * (len(environments) - 1)]
            return None if answers == wanted else f"about.html of {names} answers {answers}"

        return check

    def _gone(self, what: str, name: str) -> str | None:
        stacks = self._engine.client("cloudformation").get_paginator("list_stacks").paginate()
        for stack in (stack for page in stacks for stack in page["StackSummaries"]):
            if stack["StackName"] == name and stack["StackStatus"] != "DELETE_COMPLETE":
                if stack["StackStatus"] == "DELETE_FAILED":
                    raise Unmet(what, f"{name}: {stack.get('StackStatusReason', 'DELETE_FAILED')}")
                return f"it is {stack['StackStatus']}"
        return None
