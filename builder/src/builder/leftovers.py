"""What runs and builds leave beside their stack, removed with it: artifacts in our store, logs of builds.

CloudFormation knows of neither. An artifact is found by its exact key, as its pipeline's history tells it: CodePipeline
cuts a pipeline's name to 20 characters in keys, so that several environments' artifacts lie in one folder. The history
goes with the pipeline, so this comes before the stack's deletion. Never touches another bucket, nor a source object.
Source: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_ListActionExecutions.html
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from botocore.exceptions import ClientError

from builder.situation import build_log
from deployer.buckets import Bucket, Version
from deployer.environments import SOURCES
from deployer.errors import Transient
from deployer.stacks import code_of, translated


class Remains:
    """Implements ``Leftovers`` over boto3's ``codepipeline``, ``s3`` and ``logs``, and the artifact store's name."""

    def __init__(self, codepipeline: Any, s3: Any, logs: Any, store: str) -> None:
        self._codepipeline, self._s3, self._logs, self._store = codepipeline, s3, logs, store

    def clear_artifacts(self, pipeline: str) -> None:
        """Every version of what the pipeline's runs wrote into the store, as CodePipeline remembers for a year."""
        bucket = Bucket(self._s3, self._store)
        with translated(f"artifacts of pipeline {pipeline}"):
            keys = written(self._actions(pipeline), self._store)
            for folder, wanted in groupby(keys, _folder):
                # Listed whole before the first is gone: a listing that shrinks while it is read may skip some.
                for versions in list(self._versions(folder, frozenset(wanted))):
                    bucket.delete(versions)

    def clear_log(self, project: str) -> None:
        """The log group that CodeBuild made for a project."""
        with translated(f"log of build project {project}"):
            try:
                self._logs.delete_log_group(logGroupName=build_log(project))
            except ClientError as error:
                if code_of(error) == "OperationAbortedException":
                    raise Transient(f"somebody else changes the log of {project}") from error
                if code_of(error) != "ResourceNotFoundException":
                    raise

    def _actions(self, pipeline: str) -> Iterator[Mapping[str, Any]]:
        try:
            for page in self._codepipeline.get_paginator("list_action_executions").paginate(pipelineName=pipeline):
                yield from page["actionExecutionDetails"]
        except ClientError as error:
            if code_of(error) != "PipelineNotFoundException":
                raise

    def _versions(self, folder: str, wanted: frozenset[str]) -> Iterator[list[Version]]:
        """The versions and markers of the wanted keys, a page at a time."""
        for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self._store, Prefix=folder):
            entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
            if found := [Version(entry["Key"], entry["VersionId"]) for entry in entries if entry["Key"] in wanted]:
                yield found


def written(actions: Iterable[Mapping[str, Any]], store: str) -> list[str]:
    """The keys in the store that actions wrote, sorted; never a source object's."""
    places = (
        artifact.get("s3location", {})
        for action in actions
        for artifact in action.get("output", {}).get("outputArtifacts", ())
    )
    keys = {str(place.get("key", "")) for place in places if place.get("bucket") == store}
    return sorted((key for key in keys if key and not key.startswith(SOURCES)), key=lambda key: (_folder(key), key))


def _folder(key: str) -> str:
    return key[: key.rfind("/") + 1]
