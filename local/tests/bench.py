"""A CodeBuild over moto's AWS, and buildspecs for it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer_local.codebuild.records import ArtifactPlace, Build, BuildOrder
from deployer_local.codebuild.service import CodeBuild
from deployer_local.codepipeline.testing import BUCKET, REGION, Projects, boto_client, zipped


class Bench:
    """A CodeBuild with one project, ``web``, whose buildspec each test gives."""

    def __init__(self, root: Path) -> None:
        self.root, self.projects = root, Projects()
        self.real: dict[str, Any] = {}
        self.client("s3").create_bucket(Bucket=BUCKET)
        self.project: dict[str, Any] = {
            "name": "web",
            "source": {"type": "CODEPIPELINE"},
            "environment": {"type": "LINUX_CONTAINER", "image": "i", "computeType": "BUILD_GENERAL1_SMALL"},
            "timeoutInMinutes": 5,
        }
        self.projects.known["web"] = self.project
        self.service = CodeBuild(root, self.client, "123456789012", REGION)
        self.order = BuildOrder("web", (ArtifactPlace("In", BUCKET, "in", "v1"),), None, "codepipeline/app")

    def client(self, name: str) -> Any:
        if name == "codebuild":
            return self.projects
        return self.real.get(name) or boto_client(name)

    def build(self, spec: str, files: Mapping[str, str] | None = None, order: BuildOrder | None = None) -> Build:
        source = zipped({"buildspec.yml": spec, **(files or {})}, executable=("run.sh",))
        self.client("s3").put_object(Bucket=BUCKET, Key="in", Body=source)
        order = order or self.order
        return self.service.run(self.service.begin(order), order)

    def newest(self) -> str:
        """The id of the build that was begun last."""
        return str((self.service.handle("ListBuilds", {}) or {})["ids"][0])

    def log(self, build: Build) -> list[str]:
        found = self.client("logs").get_log_events(
            logGroupName="/aws/codebuild/web", logStreamName=build.uuid, startFromHead=True
        )
        return [event["message"].rstrip("\n") for event in found["events"]]

    def output(self, spec: str, files: Mapping[str, str] | None = None) -> list[str]:
        """What the commands themselves wrote."""
        build = self.build(spec, files)
        assert build.status == "SUCCEEDED", build.why
        return [line for line in self.log(build) if not line.startswith("[Container]")]


def spec(*build: str, **phases: list[str]) -> str:
    """A buildspec in JSON, which is YAML."""
    listed = {**{name: {"commands": commands} for name, commands in phases.items()}, "build": {"commands": list(build)}}
    return repr({"version": "0.2", "phases": listed}).replace("'0.2'", "0.2")
