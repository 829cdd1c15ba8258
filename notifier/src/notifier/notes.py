"""What has been said of a run already: one DynamoDB item for each run, beside the environments.

A claim is made before something is said and confirmed after it. A later state's claim is never undone by an earlier
one, so that late and doubled events change nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from deployer.stacks import code_of, translated

KEPT = 90 * 24 * 3600


class Notes:
    """Over a boto3 DynamoDB client. A topic is ``github/Build``, ``slack/Build``, …"""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._clock = client, table, clock

    def claim(self, run: str, topic: str, rank: int) -> bool:
        """Whether this is to be said now: nothing of this rank or above has been said of the topic."""
        return self._update(
            run,
            topic,
            "SET #rank = :rank, #done = :false, expires = :expires",
            "attribute_not_exists(#rank) OR #rank < :rank OR (#rank = :rank AND #done = :false)",
            {
                ":rank": {"N": str(rank)},
                ":false": {"BOOL": False},
                ":expires": {"N": str(int(self._clock()) + KEPT)},
            },
        )

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        """Note that it has been said; False where something later was claimed meanwhile and must be said again."""
        return self._update(
            run, topic, "SET #done = :true", "#rank = :rank", {":rank": {"N": str(rank)}, ":true": {"BOOL": True}}
        )

    def claim_message(self, run: str) -> bool:
        """Whether this invocation is the one to post the run's message: Slack has no idempotency key."""
        values = {":true": {"BOOL": True}, ":expires": {"N": str(int(self._clock()) + KEPT)}}
        return self._update(
            run, "message", "SET #done = :true, expires = :expires", "attribute_not_exists(#done)", values
        )

    def message(self, run: str) -> tuple[str, str] | None:
        """The (channel id, ``ts``) of the run's message, or None where it has not been posted."""
        with translated(f"read run/{run}"):
            found = self._client.get_item(TableName=self._table, Key=_key(run), ConsistentRead=True).get("Item", {})
        return (str(found["channel"]["S"]), str(found["ts"]["S"])) if "ts" in found else None

    def posted(self, run: str, channel: str, ts: str) -> None:
        """Keep where the run's message is."""
        with translated(f"note run/{run}"):
            self._client.update_item(
                TableName=self._table,
                Key=_key(run),
                UpdateExpression="SET ts = :ts, channel = :channel",
                ExpressionAttributeValues={":ts": {"S": ts}, ":channel": {"S": channel}},
            )

    def _update(self, run: str, topic: str, expression: str, condition: str, values: dict[str, Any]) -> bool:
        names = {"#rank": f"rank:{topic}", "#done": f"done:{topic}"}
        used = {alias: name for alias, name in names.items() if alias in expression + condition}
        with translated(f"note run/{run}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=_key(run),
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=used,
                    ExpressionAttributeValues=values,
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    return False
                raise
        return True


def _key(run: str) -> dict[str, Any]:
    return {"id": {"S": f"run/{run}"}}
