"""Tags of pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .errors import ServiceError
from .pages import page
from .records import Pipeline
from .turn import Turn

_MOST = 50


class TagOperations:
    """TagResource, UntagResource, ListTagsForResource."""

    def __init__(self, account: str, region: str) -> None:
        self._start = f"arn:aws:codepipeline:{region}:{account}:"

    def served(self) -> dict[str, Callable[[Turn, dict[str, Any]], dict[str, Any]]]:
        """The operations by name."""
        return {"TagResource": self._tag, "UntagResource": self._untag, "ListTagsForResource": self._list}

    def _tag(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline = self._found(turn, body["resourceArn"])
        given = {tag["key"]: tag["value"] for tag in body["tags"]}
        if any(key.startswith("aws:") for key in given):
            raise ServiceError("InvalidTagsException", "Tag keys must not begin with aws:")
        tags = {**pipeline.tags, **given}
        if len(tags) > _MOST:
            raise ServiceError("TooManyTagsException", f"A pipeline can have at most {_MOST} tags")
        turn.store.put_pipeline(replace(pipeline, tags=tags))
        return {}

    def _untag(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        pipeline = self._found(turn, body["resourceArn"])
        kept = {key: value for key, value in pipeline.tags.items() if key not in body["tagKeys"]}
        turn.store.put_pipeline(replace(pipeline, tags=kept))
        return {}

    def _list(self, turn: Turn, body: dict[str, Any]) -> dict[str, Any]:
        tags = self._found(turn, body["resourceArn"]).tags
        return page("tags", [{"key": key, "value": value} for key, value in sorted(tags.items())], body, 100)

    def _found(self, turn: Turn, arn: str) -> Pipeline:
        if not arn.startswith(self._start):
            raise ServiceError("InvalidArnException", f"The ARN is not one of this account's pipelines: {arn}")
        pipeline = turn.store.pipeline(arn.removeprefix(self._start).partition("/")[0])
        if pipeline is None:
            raise ServiceError("ResourceNotFoundException", f"There is no resource {arn}")
        return pipeline
