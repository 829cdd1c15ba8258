"""The ``environments`` table in DynamoDB: environments, who holds which stack and pipeline, what a repository had.

Everything in it can be rebuilt from GitHub, stack tags and CodePipeline. Who holds a stack or a pipeline stands in
items of their own rather than in an index, since an index lags behind and a stack's first event may come sooner.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from deployer.environments import EnvironmentId, parse
from deployer.errors import Transient
from deployer.events import RepositoryName
from deployer.ports import Baseline, Environment, Operation, Outcome
from deployer.stacks import code_of, translated

_PARKED_LENGTH = 8


class Table:
    """Implements ``Memory`` and ``Baselines`` over a boto3 DynamoDB *client*."""

    def __init__(self, client: Any, table: str) -> None:
        self._client, self._table = client, table

    def environment(self, environment: EnvironmentId) -> Environment | None:
        """A consistent read."""
        item = self._get(str(environment))
        return _environment(item) if item else None

    def save(self, environment: Environment) -> Environment:
        """An update that leaves the notifier's attributes alone, conditional on the version."""
        saved = replace(environment, version=environment.version + 1)
        values = _values(saved)
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
        with translated(f"forget {environment.id}"):
            for pointer in pointers:
                if self._get(pointer) == _pointer(pointer, environment.id):
                    self._client.delete_item(TableName=self._table, Key={"id": {"S": pointer}})
            self._client.delete_item(TableName=self._table, Key={"id": {"S": str(environment.id)}})

    def claim(self, kind: str, name: str, environment: EnvironmentId) -> EnvironmentId:
        """Put ``{kind}/{name}`` where it is free; answers with whoever holds it."""
        with translated(f"claim {kind} {name}"):
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item=_pointer(f"{kind}/{name}", environment),
                    ConditionExpression="attribute_not_exists(id)",
                )
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
                holder = self.holder(kind, name)
                if holder is None:
                    raise Transient(f"{kind} {name} was given up meanwhile") from error
                return holder
        return environment

    def holder(self, kind: str, name: str) -> EnvironmentId | None:
        """Whoever holds ``{kind}/{name}``."""
        item = self._get(f"{kind}/{name}")
        return parse(item["environment"]["S"]) if item else None

    # --- Baselines

    def baseline(self, repository: int) -> Baseline | None:
        """What a repository had when it became known."""
        item = self._get(f"repository/{repository}")
        if not item:
            return None
        parked = item["parked"]["B"] if "parked" in item else b""
        return Baseline(
            RepositoryName(repository, item["owner"]["S"], item["name"]["S"]),
            item["default_branch"]["S"],
            int(item["since"]["N"]),
            frozenset(parked[at : at + _PARKED_LENGTH] for at in range(0, len(parked), _PARKED_LENGTH)),
        )

    def record(self, baseline: Baseline) -> Baseline:
        """Write a repository's baseline where there is none; answers with the one that holds."""
        item: dict[str, Any] = {
            "id": {"S": f"repository/{baseline.repository.id}"},
            "owner": {"S": baseline.repository.owner},
            "name": {"S": baseline.repository.name},
            "default_branch": {"S": baseline.default_branch},
            "since": {"N": str(baseline.since)},
        }
        if baseline.parked:
            item["parked"] = {"B": b"".join(sorted(baseline.parked))}
        with translated(f"remember repository {baseline.repository.id}"):
            try:
                self._client.put_item(TableName=self._table, Item=item, ConditionExpression="attribute_not_exists(id)")
            except ClientError as error:
                if code_of(error) != "ConditionalCheckFailedException":
                    raise
                return self.baseline(baseline.repository.id) or baseline
        return baseline

    def _get(self, key: str) -> dict[str, Any] | None:
        with translated(f"read {key}"):
            found = self._client.get_item(TableName=self._table, Key={"id": {"S": key}}, ConsistentRead=True)
        return found.get("Item") or None


def _pointer(key: str, environment: EnvironmentId) -> dict[str, Any]:
    return {"id": {"S": key}, "environment": {"S": str(environment)}}


def _values(environment: Environment) -> dict[str, Any]:
    numbers = {
        "repository_id": environment.repository.id,
        "generation": environment.generation,
        "source_at": environment.source_at,
        "attempt": environment.attempt,
        "version": environment.version,
    }
    texts = {
        "owner": environment.repository.owner,
        "name": environment.repository.name,
        "ref": environment.ref,
        "stack": environment.stack,
        "commit": environment.commit,
        "digest": environment.digest,
        "applied": environment.applied,
        "source": environment.source,
        "operation": str(environment.operation),
        "outcome": str(environment.outcome),
    }
    return {
        **{name: {"N": str(value)} for name, value in numbers.items()},
        **{name: {"S": value} for name, value in texts.items()},
        "accepted": {"BOOL": environment.accepted},
        "present": {"BOOL": environment.present},
        "pipelines": {"L": [{"S": name} for name in environment.pipelines]},
    }


def _environment(item: dict[str, Any]) -> Environment:
    return Environment(
        id=parse(item["id"]["S"]),
        repository=RepositoryName(int(item["repository_id"]["N"]), item["owner"]["S"], item["name"]["S"]),
        ref=item["ref"]["S"],
        stack=item["stack"]["S"],
        generation=int(item["generation"]["N"]),
        commit=item["commit"]["S"],
        present=bool(item["present"]["BOOL"]),
        digest=item["digest"]["S"],
        applied=item["applied"]["S"],
        source=item["source"]["S"],
        source_at=int(item["source_at"]["N"]),
        operation=Operation(item["operation"]["S"]),
        attempt=int(item["attempt"]["N"]),
        accepted=bool(item["accepted"]["BOOL"]),
        outcome=Outcome(item["outcome"]["S"]),
        pipelines=tuple(name["S"] for name in item["pipelines"]["L"]),
        version=int(item["version"]["N"]),
    )
