"""A repository with a small pipeline, and its environments as the engine shows them.

Its stack keeps one word, so that a push can change it, and can be told to fail. A run waits for an approval: it ends
when the test says so, and not before anybody knows of it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from deployer.environments import EnvironmentId
from deployer.refs import Stage
from deployer_cli.demo.expect import until
from deployer_cli.demo.watch import Watcher
from deployer_cli.demo.worktree import Worktree
from deployer_local.engine import Engine

PATIENCE = 60.0
PREP = "build/0-prep"
CONTEXTS = (PREP, "pipeline/Source", "pipeline/Approve", "pipeline/Deploy")
# A bucket of a name that S3 refuses.
BROKEN = {"Site": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "Not_Legal"}}}
APPROVAL = {
    "Name": "Approval",
    "ActionTypeId": {"Category": "Approval", "Owner": "AWS", "Provider": "Manual", "Version": "1"},
}
# Deleting a stack that is not there: an action that succeeds at once and leaves nothing.
NOTHING = {
    "Name": "Nothing",
    "ActionTypeId": {"Category": "Deploy", "Owner": "AWS", "Provider": "CloudFormation", "Version": "1"},
    "Configuration": {"ActionMode": "DELETE_ONLY", "StackName": {"Fn::Sub": "${AWS::StackName}-app"}},
}


def template(word: str, *, broken: bool = False) -> str:
    """A branch's template whose stack keeps ``word``."""
    source = {
        "Name": "Commit",
        "ActionTypeId": {"Category": "Source", "Owner": "AWS", "Provider": "S3", "Version": "1"},
        "Configuration": {
            "S3Bucket": {"Ref": "ArtifactStore"},
            "S3ObjectKey": {"Ref": "SourceKey"},
            "PollForSourceChanges": False,
        },
        "OutputArtifacts": [{"Name": "Source"}],
    }
    pipeline = {
        "Type": "AWS::CodePipeline::Pipeline",
        "DependsOn": ["Word"],
        "Properties": {
            "Name": {"Ref": "AWS::StackName"},
            "PipelineType": "V2",
            "RoleArn": {"Ref": "DeployRole"},
            "ArtifactStore": {"Type": "S3", "Location": {"Ref": "ArtifactStore"}},
            "Stages": [
                {"Name": "Source", "Actions": [source]},
                {"Name": "Approve", "Actions": [APPROVAL]},
                {"Name": "Deploy", "Actions": [NOTHING]},
            ],
        },
    }
    kept = {
        "Type": "AWS::SSM::Parameter",
        "Properties": {"Name": {"Fn::Sub": "${AWS::StackName}-word"}, "Type": "String", "Value": word},
    }
    return json.dumps(
        {
            "Parameters": {name: {"Type": "String"} for name in ("ArtifactStore", "SourceKey", "DeployRole")},
            "Resources": {"Word": kept, **(BROKEN if broken else {}), "Pipeline": pipeline},
        },
        indent=2,
    )


class SmallSite:
    """``acme/{name}`` on an engine, with a new work tree in ``folder`` to push it from."""

    def __init__(self, engine: Engine, folder: Path, name: str) -> None:
        self.engine, self.full_name = engine, f"acme/{name}"
        known = [repository.full_name for repository in engine.github.repositories()]
        create = engine.github.repository if self.full_name in known else engine.github.create_repository
        self.repository = create(self.full_name)
        self.watch = Watcher(engine, self.full_name)
        self._approved: set[str] = set()
        example = folder / "example"
        (example / "deploy").mkdir(parents=True)
        self.tree = Worktree(folder / "work", example, engine.git_url(self.full_name))

    def commit(self, word: str, *, broken: bool = False) -> str:
        """Commit a template; answers with the commit."""
        self.tree.write("deploy/pipeline.json", template(word, broken=broken))
        self.tree.write("said.txt", f"{word}\n")
        return self.tree.commit(f"Say {word}")

    def push(self, commit: str, branch: str = "main", *, force: bool = False) -> None:
        """Move a branch to a commit."""
        self.tree.push(f"{'+' if force else ''}{commit}:refs/heads/{branch}")

    def tip(self, branch: str = "main") -> str:
        """Where a branch is."""
        return self.engine.github.refs(self.full_name)[f"refs/heads/{branch}"]

    def id(self, branch: str = "main") -> EnvironmentId:
        """The environment of a branch."""
        if branch == "main":
            return EnvironmentId(self.repository.id, Stage.STAGING)
        return EnvironmentId(self.repository.id, Stage.DEVELOPMENT, branch)

    # --- what there is

    def stack(self, branch: str = "main") -> dict[str, Any]:
        """The environment's stack; empty where there is none."""
        return self.watch.stack(self.id(branch)) or {}

    def word(self, branch: str = "main") -> str:
        """What the stack keeps."""
        found = self.engine.client("ssm").get_parameter(Name=f"{self.stack(branch)['StackName']}-word")
        return str(found["Parameter"]["Value"])

    def runs(self, branch: str = "main") -> list[tuple[str, str]]:
        """Each run as (commit that it read, status), oldest first."""
        stack = self.stack(branch)
        try:
            found = self.engine.client("codepipeline").list_pipeline_executions(
                pipelineName=stack.get("StackName", "-")
            )
        except ClientError as error:
            if "PipelineNotFound" in str(error):
                return []
            raise
        return [
            (next((each["revisionSummary"] for each in run.get("sourceRevisions", [])), ""), run["status"])
            for run in reversed(found["pipelineExecutionSummaries"])
        ]

    def operations(self, branch: str = "main") -> list[str]:
        """What the stack's operations began with, oldest first."""
        stack = self.stack(branch)["StackId"]
        events = self.engine.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        begun = [event["ResourceStatus"] for event in reversed(events) if event["PhysicalResourceId"] == stack]
        return [
            status.removesuffix("_IN_PROGRESS") for status in begun if status.count("_") == 2 and "ING" not in status
        ]

    def knows(self, key: str) -> bool:
        """Whether the deployer's table has an item."""
        found = self.engine.client("dynamodb").get_item(
            TableName="opolis-deployer-prod-environments", Key={"id": {"S": key}}, ConsistentRead=True
        )
        return "Item" in found

    # --- what is waited for

    def green(self, commit: str, branch: str = "main") -> None:
        """Let what waits go on until a commit is on its environment, and said to be."""

        def check() -> str | None:
            self.go_on(branch)
            runs = self.runs(branch)
            if not runs or runs[-1] != (commit, "Succeeded"):
                return f"the runs are {runs}"
            return self.watch.reported(commit, CONTEXTS)()

        until(f"{commit} is green", check, PATIENCE)

    def says(self, commit: str, state: str, context: str = PREP) -> str:
        """Wait for a status; answers with its description."""

        def check() -> str | None:
            seen = self.watch.statuses(commit).get(context)
            return None if seen == state else f"it is {seen}"

        until(f"{context} of {commit} is {state}", check, PATIENCE)
        return self.watch.descriptions(commit)[context]

    def quiet(self) -> None:
        """Wait until every webhook was delivered, every message handled, and no function runs."""
        until("every webhook was delivered", lambda: None if self.engine.github.settle(1) else "not yet", PATIENCE)
        until("nothing is left to be done", lambda: unquiet(self.engine), PATIENCE)

    def gone(self, branch: str) -> None:
        """Wait until nothing of an environment is left; a run that waits for an approval keeps nobody waiting."""

        def check() -> str | None:
            stack = self.stack(branch)
            return (
                f"its stack is {stack['StackStatus']}"
                if stack
                else "remembered"
                if self.knows(str(self.id(branch)))
                else None
            )

        until(f"{branch} is gone", check, PATIENCE)

    def go_on(self, branch: str) -> None:
        """Approve what waits, once it is known whose pipeline it is."""
        stack = self.stack(branch).get("StackName", "")
        if self.knows(f"pipeline/{stack}") and self._token(stack) not in ("", *self._approved):
            try:
                self.approve(branch)
            except ClientError as error:
                if "ApprovalAlreadyCompleted" not in str(error):  # its run was stopped a moment ago
                    raise

    def approve(self, branch: str = "main") -> None:
        """Let the run that waits go on."""
        pipeline = self.stack(branch)["StackName"]
        token = self._token(pipeline)
        self._approved.add(token)
        self.engine.client("codepipeline").put_approval_result(
            pipelineName=pipeline,
            stageName="Approve",
            actionName="Approval",
            result={"summary": "go on", "status": "Approved"},
            token=token,
        )

    def runs_are(self, wanted: list[tuple[str, str]], branch: str = "main") -> None:
        """Wait until the runs are these; one that is in progress waits for its approval."""

        def check() -> str | None:
            runs = self.runs(branch)
            waiting = wanted[-1][1] != "InProgress" or self._token(self.stack(branch).get("StackName", ""))
            return None if runs == wanted and waiting else f"they are {runs}"

        until(f"the runs of {branch} are {wanted}", check, PATIENCE)

    def _token(self, pipeline: str) -> str:
        try:
            stages = self.engine.client("codepipeline").get_pipeline_state(name=pipeline or "-")["stageStates"]
        except ClientError as error:
            if "PipelineNotFound" in str(error):
                return ""
            raise
        actions = [action.get("latestExecution", {}) for stage in stages for action in stage["actionStates"]]
        return next((str(each["token"]) for each in actions if each.get("token")), "")


def unquiet(engine: Engine) -> str | None:
    """A message that is not handled, or a function that runs; None where nothing moves."""
    sqs = engine.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for url in sqs.list_queues()["QueueUrls"]:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if any(int(counts[name]) for name in names):
            return f"messages in {url.rpartition('/')[2]}"
    running = [invocation.function for invocation in engine.invocations if not invocation.ended]
    return f"{running} run" if running else None
