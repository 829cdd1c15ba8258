"""What runs and builds leave beside their stack, removed with it: artifacts in our store, logs of builds.

CloudFormation knows of neither. An artifact is found by its exact key, as its pipeline's history tells it: CodePipeline
cuts a pipeline's name to 20 characters in keys, so that several environments' artifacts lie in one folder. The history
goes with the pipeline, so this comes before the stack's deletion. Never touches another bucket, nor a source object.

A build uploads its artifact even where it failed; the history does not show that one, but the build does. (Only its
primary one: a secondary one lies where the project's template says, which may be anybody's key.)
Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html,
https://docs.aws.amazon.com/codebuild/latest/userguide/view-build-details-phases.html,
https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from botocore.exceptions import ClientError

from deployer.buckets import Bucket, Version
from deployer.environments import SOURCES
from deployer.errors import Transient
from deployer.logs import build_log
from deployer.stacks import code_of, translated

Action = Mapping[str, Any]
"""An ActionExecutionDetail."""
_BUILDS = 100  # what one BatchGetBuilds takes


class Remains:
    """Implements ``Leftovers``. ``client``: makes a boto3 client of a service, not before it is needed."""

    def __init__(self, client: Callable[[str], Any], store: str) -> None:
        self._client, self._store = client, store

    def clear_artifacts(self, pipeline: str) -> None:
        """Every version of what the pipeline's runs wrote into the store, as CodePipeline remembers for a year."""
        with translated(f"artifacts of pipeline {pipeline}"):
            actions = list(self._actions(pipeline))
            places = [*written(actions), *built(self._builds(failed_builds(actions)), pipeline)]
            s3 = self._client("s3")
            bucket = Bucket(s3, self._store)
            for folder, wanted in groupby(ours(places, self._store), _folder):
                # Listed whole before the first is gone: a listing that shrinks while it is read may skip some.
                for versions in list(self._versions(s3, folder, frozenset(wanted))):
                    bucket.delete(versions)

    def clear_log(self, project: str) -> None:
        """The log group that CodeBuild made for a project."""
        with translated(f"log of build project {project}"):
            try:
                self._client("logs").delete_log_group(logGroupName=build_log(project))
            except ClientError as error:
                if code_of(error) == "OperationAbortedException":
                    raise Transient(f"somebody else changes the log of {project}") from error
                if code_of(error) != "ResourceNotFoundException":
                    raise

    def _actions(self, pipeline: str) -> Iterator[Action]:
        pages = self._client("codepipeline").get_paginator("list_action_executions")
        try:
            for page in pages.paginate(pipelineName=pipeline):
                yield from page["actionExecutionDetails"]
        except ClientError as error:
            if code_of(error) != "PipelineNotFoundException":
                raise

    def _builds(self, ids: list[str]) -> Iterator[Mapping[str, Any]]:
        for first in range(0, len(ids), _BUILDS):
            yield from self._client("codebuild").batch_get_builds(ids=ids[first : first + _BUILDS])["builds"]

    def _versions(self, s3: Any, folder: str, wanted: frozenset[str]) -> Iterator[list[Version]]:
        """The versions and markers of the wanted keys, a page at a time."""
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=self._store, Prefix=folder):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if found := [Version(entry["Key"], entry["VersionId"]) for entry in entries if entry["Key"] in wanted]:
                yield found


def written(actions: Iterable[Action]) -> Iterator[tuple[str, str]]:
    """The (bucket, key) of each artifact that actions are known to have written."""
    for action in actions:
        for artifact in action.get("output", {}).get("outputArtifacts", ()):
            place = artifact.get("s3location", {})
            yield str(place.get("bucket", "")), str(place.get("key", ""))


def failed_builds(actions: Iterable[Action]) -> list[str]:
    """The ids of the builds whose artifacts the history does not show."""
    return [
        str(build)
        for action in actions
        if action.get("input", {}).get("actionTypeId", {}).get("provider") == "CodeBuild"
        and not action.get("output", {}).get("outputArtifacts")
        and (build := action.get("output", {}).get("executionResult", {}).get("externalExecutionId"))
    ]


def built(builds: Iterable[Mapping[str, Any]], pipeline: str) -> Iterator[tuple[str, str]]:
    """The (bucket, key) of the artifact of each build that the pipeline started, and so chose the place of."""
    for build in builds:
        if build.get("initiator") == f"codepipeline/{pipeline}":
            bucket, _, key = str(build.get("artifacts", {}).get("location", "")).rpartition(":::")[2].partition("/")
            yield bucket, key


def ours(places: Iterable[tuple[str, str]], store: str) -> list[str]:
    """The keys in the store, each once, a folder's together; never a source object's."""
    keys = {key for bucket, key in places if bucket == store and key and not key.startswith(SOURCES)}
    return sorted(keys, key=lambda key: (_folder(key), key))


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
