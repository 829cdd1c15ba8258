"""What has been said already: a DynamoDB item for each run, commit or announcement, beside the environments.

A claim is made before something is said and confirmed after it. Of one topic one invocation speaks at a time, and a
later state is never followed by an earlier one, so that late, doubled and simultaneous events change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deployer.errors import Transient
from deployer.stacks import code_of, translated

KEPT = 90 * 24 * 3600
# Seconds after which a claim whose invocation was killed may be taken over: as long as the function may run.
LEASE = 60


class Notes:
    """Over a boto3 DynamoDB client. A topic is ``github/Build``, ``slack/Build``, …; ``clock``: seconds since 1970."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._clock = client, table, clock

    def claim(self, run: str, topic: str, rank: int) -> bool:
        """Whether this is to be said now: False where this rank, or one above, has been said or is being said.

        Raises:
            Transient: where somebody is saying this, or something before it, right now.
        """
        now = int(self._clock())
        claimed = self._update(
            run,
            topic,
            "SET #rank = :rank, #done = :false, #until = :until, expires = :expires",
            "attribute_not_exists(#rank) OR (#rank < :rank AND (#done = :true OR #until <= :now))"
            " OR (#rank = :rank AND #done = :false AND #until <= :now)",
            {
                ":rank": {"N": str(rank)},
                ":false": {"BOOL": False},
                ":true": {"BOOL": True},
                ":now": {"N": str(now)},
                ":until": {"N": str(now + LEASE)},
                ":expires": {"N": str(now + KEPT)},
            },
        )
        if claimed:
            return True
        item = self._get(run)
        held, done = int(item.get(f"rank:{topic}", {}).get("N", "0")), item.get(f"done:{topic}", {}).get("BOOL", True)
        if held <= rank and not done:
            # If that one was killed, its claim ends after the lease: the queue's own backoff outlasts it by far.
            raise Transient(f"{topic} is being told by another invocation")
        return False

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        """Note that it has been said; False where something later was claimed meanwhile.

        The earlier may have been heard last then: the topic is opened, for the later to be said again.
        """
        values = {":rank": {"N": str(rank)}, ":true": {"BOOL": True}}
        if self._update(run, topic, "SET #done = :true", "#rank = :rank", values):
            return True
        opened = {":rank": {"N": str(rank)}, ":false": {"BOOL": False}, ":none": {"N": "0"}}
        self._update(run, topic, "SET #done = :false, #until = :none", "#rank > :rank", opened)
        return False

    def release(self, run: str, topic: str, rank: int) -> None:
        """Give a claim back: it could not be said."""
        values = {":rank": {"N": str(rank)}, ":false": {"BOOL": False}, ":none": {"N": "0"}}
        self._update(run, topic, "SET #until = :none", "#rank = :rank AND #done = :false", values)

    def message(self, run: str) -> tuple[str, str] | None:
        """The (channel id, ``ts``) of the run's message, or None where it has not been posted."""
        item = self._get(run)
        return (str(item["channel"]["S"]), str(item["ts"]["S"])) if "ts" in item else None

    def posted(self, run: str, channel: str, ts: str) -> None:
        """Keep where the run's message is."""
        self._write(run, "SET ts = :ts, channel = :channel", {":ts": {"S": ts}, ":channel": {"S": channel}})

    def note(self, run: str, name: str, text: str) -> None:
        """Keep what was said, or made: the item is there, since it was claimed before."""
        names = {"#note": f"note:{name}"}
        self._write(run, "SET #note = :text", {":text": {"S": text}}, ExpressionAttributeNames=names)

    def noted(self, run: str, name: str) -> str:
        """What was kept; empty where nothing was."""
        return str(self._get(run).get(f"note:{name}", {}).get("S", ""))

    def health(self, environment: str) -> str:
        """How an environment fares, as it was noted; empty where nothing is known."""
        item = self._get(_health(environment))
        return str(item["health"]["S"]) if "health" in item else ""

    def note_health(self, environment: str, before: str, after: str) -> bool:
        """Note how an environment fares; False where it is not noted to fare as ``before`` any more."""
        values = {":after": {"S": after}, ":expires": {"N": str(int(self._clock()) + KEPT)}}
        if before:
            values[":before"] = {"S": before}
        return self._write(
            _health(environment),
            "SET health = :after, expires = :expires",
            values,
            ConditionExpression="health = :before" if before else "attribute_not_exists(health)",
        )

    def _get(self, run: str) -> dict[str, Any]:
        with translated(f"read run/{run}"):
            found = self._client.get_item(TableName=self._table, Key=_key(run), ConsistentRead=True)
        return dict(found.get("Item") or {})

    def _update(self, run: str, topic: str, expression: str, condition: str, values: dict[str, Any]) -> bool:
        names = {"#rank": f"rank:{topic}", "#done": f"done:{topic}", "#until": f"until:{topic}"}
        used = {alias: name for alias, name in names.items() if alias in expression + condition}
        return self._write(run, expression, values, ConditionExpression=condition, ExpressionAttributeNames=used)

    def _write(self, run: str, expression: str, values: dict[str, Any], **more: Any) -> bool:
        """UpdateItem; whether its condition held, if there is one."""
        with translated(f"note run/{run}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(run),
                    UpdateExpression=expression,
                    ExpressionAttributeValues=values,
                    **more,
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _health(environment: str) -> str:
    return f"health/{environment}"


def _key(run: str) -> dict[str, Any]:
    return {"id": {"S": f"run/{run}"}}
