"""The ``environments`` table in DynamoDB: environments, who holds which stack and pipeline, what a repository had.

Everything in it can be rebuilt from GitHub, stack tags and CodePipeline. Who holds a stack or a pipeline stands in
items of their own rather than in an index, since an index lags behind and a stack's first event may come sooner. The
one index, ``kinds``, serves the sweep, which comes again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from deployer import items
from deployer.environments import EnvironmentId, parse
from deployer.errors import Transient
from deployer.ports import Baseline, Environment, Parked, Repository
from deployer.stacks import code_of, translated

# Which environment reports on a commit first is kept as long as what was said of a run.
_CLAIMS_KEPT = 90 * 24 * 3600


class Table:
    """Implements ``Memory``, ``Parking`` and ``Baselines`` over a boto3 DynamoDB *client*. ``clock``: seconds."""

    def __init__(self, client: Any, table: str, clock: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._clock = client, table, clock

    def environment(self, environment: EnvironmentId) -> Environment | None:
        """A consistent read."""
        item = self._get(str(environment))
        return items.environment(item) if item else None

    def save(self, environment: Environment) -> Environment:
        """An update that leaves the notifier's attributes alone, conditional on the version."""
        saved = replace(environment, version=environment.version + 1)
        values = items.environment_values(saved)
        names = {f"#{name}": name for name in values}
        expression = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        condition = "#version = :before" if environment.version else "attribute_not_exists(id)"
        placeholders = {f":{name}": value for name, value in values.items()}
        if environment.version:
            placeholders[":before"] = {"N": str(environment.version)}
        with translated(f"remember {environment.id}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": str(environment.id)}},
                    UpdateExpression=expression,
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=placeholders,
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    raise Transient(f"{environment.id} was changed meanwhile") from error
                raise
        return saved

    def forget(self, environment: Environment) -> None:
        """Remove the item and the pointers to it."""
        pointers = [f"stack/{environment.stack}", *(f"pipeline/{name}" for name in environment.pipelines)]
        if environment.slot:
            pointers.append(f"slot/{environment.slot}")
        with translated(f"forget {environment.id}"):
            for pointer in pointers:
                self._release(pointer, environment.id)
            self._delete(str(environment.id))

    def claim(self, kind: str, name: str, environment: EnvironmentId) -> EnvironmentId:
        """Put ``{kind}/{name}`` where it is free; answers with whoever holds it. A commit's claim expires."""
        item = items.pointer(f"{kind}/{name}", environment)
        if kind == "commit":
            item["expires"] = {"N": str(int(self._clock()) + _CLAIMS_KEPT)}
        with translated(f"claim {kind} {name}"):
            if self._put_new(item):
                return environment
            holder = self.holder(kind, name)
            if holder is None:
                raise Transient(f"{kind} {name} was given up meanwhile")
            return holder

    def holder(self, kind: str, name: str) -> EnvironmentId | None:
        """Whoever holds ``{kind}/{name}``."""
        item = self._get(f"{kind}/{name}")
        return parse(item["environment"]["S"]) if item else None

    def release(self, kind: str, name: str, environment: EnvironmentId) -> None:
        """Give it up, where the environment holds it."""
        with translated(f"release {kind} {name}"):
            self._release(f"{kind}/{name}", environment)

    def environments(self, repository: int) -> tuple[Environment, ...]:
        """All of a repository's, through the index."""
        return tuple(items.environment(item) for item in self._of_kind(items.environments_of(repository)))

    # --- Parking

    def parked(self, environment: EnvironmentId) -> Parked | None:
        """Whether the environment's ref is parked, and where."""
        item = self._get(items.parked_key(environment))
        return items.parked(item) if item else None

    def park(self, parked: Parked) -> None:
        """Park a ref, instead of where it was parked before."""
        with translated(f"park {parked.environment}"):
            self._client.put_item(TableName=self._table, Item=items.parked_item(parked))

    def unpark(self, environment: EnvironmentId) -> None:
        """Take the ref's parking away, if there is one."""
        with translated(f"unpark {environment}"):
            self._delete(items.parked_key(environment))

    def all_parked(self, repository: int) -> tuple[Parked, ...]:
        """All of a repository's, through the index."""
        return tuple(items.parked(item) for item in self._of_kind(items.parked_of(repository)))

    # --- Baselines

    def baseline(self, repository: int) -> Baseline | None:
        """What a repository had when it became known."""
        item = self._get(f"{items.REPOSITORY}/{repository}")
        return items.baseline(item) if item else None

    def record(self, baseline: Baseline) -> Baseline:
        """Write a repository's baseline where there is none; answers with the one that holds."""
        with translated(f"remember repository {baseline.repository.id}"):
            if self._put_new(items.baseline_item(baseline)):
                return baseline
        return self.baseline(baseline.repository.id) or baseline

    def wake(self, repository: int, sleeper: bytes) -> None:
        """Rewrite the baseline's marks, unless somebody else did meanwhile."""
        known = self.baseline(repository)
        kept = frozenset(mark for mark in known.parked if not mark.startswith(sleeper)) if known else frozenset()
        if known is None or kept == known.parked:
            return
        with translated(f"wake a ref of repository {repository}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": f"{items.REPOSITORY}/{repository}"}},
                    UpdateExpression="SET parked = :kept" if kept else "REMOVE parked",
                    ConditionExpression="parked = :before",
                    ExpressionAttributeValues={
                        ":before": {"B": items.marks(known.parked)},
                        **({":kept": {"B": items.marks(kept)}} if kept else {}),
                    },
                )
            except ClientError as error:
                if code_of(error) == "ConditionalCheckFailedException":
                    raise Transient(f"the baseline of repository {repository} was changed meanwhile") from error
                raise

    def repositories(self) -> tuple[Baseline, ...]:
        """All that are known, through the index."""
        return tuple(items.baseline(item) for item in self._of_kind(items.REPOSITORY))

    def swept(self, repository: Repository, validators: Mapping[str, str]) -> None:
        """Update a repository that is known; one that was forgotten meanwhile stays so."""
        name = repository.name
        with translated(f"remember repository {name.id}"):
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key={"id": {"S": f"{items.REPOSITORY}/{name.id}"}},
                    UpdateExpression="SET #owner = :owner, #name = :name, default_branch = :branch, validators = :seen",
                    ConditionExpression="attribute_exists(id)",
                    ExpressionAttributeNames={"#owner": "owner", "#name": "name"},
                    ExpressionAttributeValues={
                        ":owner": {"S": name.owner},
                        ":name": {"S": name.name},
                        ":branch": {"S": repository.default_branch},
                        ":seen": {"S": items.validators_text(validators)},
                    },
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise

    def _put_new(self, item: dict[str, Any]) -> bool:
        try:
            self._client.put_item(TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(id)")
        except ClientError as error:
            if code_of(error) != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def _release(self, key: str, environment: EnvironmentId) -> None:
        if self._get(key) == items.pointer(key, environment):
            self._delete(key)

    def _delete(self, key: str) -> None:
        self._client.delete_item(TableName=self._table, Key={"id": {"S": key}})

    def _get(self, key: str) -> dict[str, Any] | None:
        with translated(f"read {key}"):
            found = self._client.get_item(TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True)
        return found.get("Item") or None

    def _of_kind(self, kind: str) -> Iterator[dict[str, Any]]:
        with translated(f"list {kind}"):
            for page in self._client.get_paginator("query").paginate(
                TableName=self._table,
                IndexName=items.KINDS,
                KeyConditionExpression="kind = :kind",
                ExpressionAttributeValues={":kind": {"S": kind}},
            ):
                yield from page["Items"]
