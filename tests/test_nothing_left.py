"""After a branch is deleted, the account is as it was before the branch: everything in it is listed twice.

What stays is history that goes by itself: AWS's own of stacks and builds that are gone, items with an expiry, and what
the deployer's functions log.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.account import WAITING, contents, mentions
from tests.sites import PATIENCE, Site

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import Unmet, until
from deployer_cli.demo.watch import contexts
from deployer_local.engine import Engine

MENDED, BARE, HASTY = "feature/mended", "feature/bare", "feature/hasty"
# "When you delete a project, its builds are not deleted"; CodeBuild forgets them after a year.
# https://docs.aws.amazon.com/codebuild/latest/APIReference/API_DeleteProject.html
HISTORY = "codebuild: build "


@dataclass
class Listed:
    """What was in the account, and the stacks that the branches had."""

    before: set[str]
    during: set[str]
    after: set[str]
    stacks: list[str]


class Branches:
    """A repository whose staging stands, and the branches of one life each."""

    def __init__(self, site: Site) -> None:
        self.site, self.engine = site, site.engine

    def push(self, branch: str, title: str, link: str = "about.html") -> str:
        """Push a page; answers with the commit."""
        self.site.page(title, link)
        commit = self.site.tree.commit(title)
        self.site.tree.push(f"HEAD:refs/heads/{branch}")
        return commit

    def start(self, branch: str) -> None:
        self.site.tree.switch("main")
        self.site.tree.switch(branch, create=True)

    def stack(self, branch: str) -> str:
        """The name of the branch's stack, empty where it has none."""
        found = self.site.watch.stack(EnvironmentId(self.site.repository.id, Stage.DEVELOPMENT, branch))
        return str(found["StackName"]) if found else ""

    def gone(self) -> str | None:
        """A check: only the stacks of staging are there."""
        pages = self.engine.client("cloudformation").get_paginator("describe_stacks").paginate()
        names = [stack["StackName"] for page in pages for stack in page["Stacks"]]
        return ", ".join(name for name in names if name.startswith("site-feature")) or None

    def quiet(self) -> set[str]:
        """What is in the account once no message waits."""
        listed: set[str] = set()

        def check() -> str | None:
            nonlocal listed
            listed = contents(self.engine.client)
            return next((line for line in sorted(listed) if WAITING in line), None)

        until("no message waits", check, PATIENCE)
        return listed

    def as_before(self, before: set[str]) -> set[str]:
        """What is in the account when it is as it was before."""
        listed: set[str] = set()
        # Listed only then: what goes while it is listed is an error of some API.
        until("the stacks are gone", self.gone, PATIENCE)

        def check() -> str | None:
            nonlocal listed
            listed = contents(self.engine.client)
            return ", ".join([*strangers(listed, before), *sorted(before - listed)]) or None

        with suppress(Unmet):  # what is not as before, the test shows
            until("it is as before", check, PATIENCE / 4)
        return listed


def strangers(listed: set[str], before: set[str]) -> list[str]:
    return sorted(line for line in listed - before if not line.startswith(HISTORY))


def without_its_log(template: Path) -> None:
    """As most templates are: CodeBuild makes the log group, with what its role allows it."""
    found: dict[str, Any] = json.loads(template.read_text())
    resources = found["Resources"]
    del resources["BuildLog"]
    del resources["BuildProject"]["Properties"]["LogsConfig"]
    [statement, *_] = resources["BuildRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    statement["Action"].append("logs:CreateLogGroup")
    statement["Resource"] = {
        "Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/codebuild/*"
    }
    template.write_text(json.dumps(found, indent=2))


@pytest.fixture(scope="module")
def listed(installed: Engine, tmp_path_factory: pytest.TempPathFactory) -> Listed:
    branches = Branches(Site(installed, tmp_path_factory.mktemp("work") / "site"))
    site = branches.site
    until("staging is green", site.watch.reported(branches.push("main", "One"), contexts()), PATIENCE)
    before = branches.quiet()

    branches.start(MENDED)
    bad = branches.push(MENDED, "Broken", "nowhere.html")
    branches.start(BARE)
    without_its_log(site.tree.path / "deploy" / "pipeline.json")
    bare = branches.push(BARE, "Bare")
    until("the build fails", failed(site, bad), PATIENCE)
    site.tree.switch(MENDED)
    mended = branches.push(MENDED, "Mended")
    for commit in (bare, mended):
        until(f"{commit} is green", site.watch.reported(commit, contexts()), PATIENCE)
    branches.start(HASTY)
    branches.push(HASTY, "Hasty")
    until("its stack is begun", lambda: None if branches.stack(HASTY) else "not yet", PATIENCE)
    stacks = [branches.stack(branch) for branch in (MENDED, BARE, HASTY)]
    during = contents(installed.client)

    for branch in (MENDED, BARE, HASTY):
        site.tree.delete(branch)
    return Listed(before, during, branches.as_before(before), stacks)


def failed(site: Site, commit: str) -> Any:
    return lambda: None if site.watch.statuses(commit).get("pipeline/Build") == "failure" else "not yet"


def test_nothing_of_a_deleted_branch_is_left(listed: Listed) -> None:
    assert strangers(listed.after, listed.before) == []
    assert sorted(listed.before - listed.after) == []


@pytest.mark.parametrize(
    "kind",
    [
        *("cloudformation: stack", "s3: bucket", "s3: Versions", "iam: role", "iam: policy of role", "logs: group"),
        *("dynamodb: item", "codepipeline: pipelines", "codebuild: project", "codebuild: build"),
    ],
)
def test_it_was_there(listed: Listed, kind: str) -> None:
    """A listing that shows nothing would prove nothing."""
    assert [line for line in listed.during - listed.before if line.startswith(kind)]


def test_what_a_failed_build_uploaded_was_there(listed: Listed) -> None:
    """Two of its builds uploaded a page, and one of them failed."""
    folder = f"/{listed.stacks[0][:20]}/Site/"
    assert len([line for line in listed.during if folder in line]) == 2


def test_a_log_that_codebuild_made_by_itself_was_there(listed: Listed) -> None:
    assert f"logs: group /aws/codebuild/{listed.stacks[1]}-build" in listed.during


def test_no_service_remembers_it(listed: Listed, installed: Engine) -> None:
    """Everything that the emulated AWS keeps, listed or not: its state on disk, its objects, its workers' files."""
    # The history of deleted stacks, which CloudFormation keeps for 90 days; and lines that the functions logged.
    history = {"state/cloudformation.json", "state/cloudwatch_logs.json", "emulator.log"}

    def check() -> str | None:
        found = {file for name in listed.stacks for file in mentions(installed.data / "aws", name)} - history
        return ", ".join(sorted(found)) or None

    until("no service remembers it", check, PATIENCE)
    found = installed.client("cloudformation").get_paginator("list_stacks").paginate()
    summaries = [stack for page in found for stack in page["StackSummaries"]]
    assert {each["StackStatus"] for each in summaries if each["StackName"].startswith(tuple(listed.stacks))} == {
        "DELETE_COMPLETE"
    }
