"""What the ``environments`` table holds, as DynamoDB items and as values.

Pure. An item's ``kind`` is what the index ``kinds`` finds it by: ``environment/{repository}``, ``parked/{repository}``,
``repository``. Pointers have none: they are only ever read by their name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from deployer.environments import EnvironmentId, parse
from deployer.events import RepositoryName
from deployer.ports import Baseline, Environment, Operation, Outcome, Parked

KINDS = "kinds"
REPOSITORY = "repository"
# Of each ref in a repository's baseline.
MARK_LENGTH = 12


def environments_of(repository: int) -> str:
    """The kind of a repository's environments."""
    return f"environment/{repository}"


def parked_of(repository: int) -> str:
    """The kind of a repository's parked refs."""
    return f"parked/{repository}"


def pointer(key: str, environment: EnvironmentId) -> dict[str, Any]:
    """Who holds a name."""
    return {"id": {"S": key}, "environment": {"S": str(environment)}}


def environment_values(environment: Environment) -> dict[str, Any]:
    """All but the item's key."""
    numbers = {
        "repository_id": environment.repository.id,
        "generation": environment.generation,
        "source_at": environment.source_at,
        "attempt": environment.attempt,
        "touched": environment.touched,
        "pushed": environment.pushed,
        "announced": environment.announced,
        "starting": environment.starting,
        "checked": environment.checked,
        "version": environment.version,
    }
    texts = {
        "kind": environments_of(environment.id.repository),
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
        "said": environment.said,
        "request": environment.request,
        "highest": environment.highest,
        "slot": environment.slot,
    }
    truths = {
        "accepted": environment.accepted,
        "present": environment.present,
        "settled": environment.settled,
    }
    return {
        **{name: {"N": str(value)} for name, value in numbers.items()},
        **{name: {"S": value} for name, value in texts.items()},
        **{name: {"BOOL": value} for name, value in truths.items()},
        "pipelines": {"L": [{"S": name} for name in environment.pipelines]},
        "superseded": {"L": [{"S": sha} for sha in environment.superseded]},
        "warnings": {"L": [{"S": text} for text in environment.warnings]},
    }


def environment(item: Mapping[str, Any]) -> Environment:
    """An environment's item. What an older version of the deployer did not write is as if nothing was known of it."""
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
        said=_text(item, "said"),
        warnings=_texts(item, "warnings"),
        superseded=_texts(item, "superseded"),
        touched=_number(item, "touched"),
        pushed=_number(item, "pushed"),
        announced=_number(item, "announced"),
        starting=_number(item, "starting"),
        request=_text(item, "request"),
        highest=_text(item, "highest"),
        slot=_text(item, "slot"),
        checked=_number(item, "checked"),
        settled=bool(item.get("settled", {}).get("BOOL", False)),
        version=int(item["version"]["N"]),
    )


def baseline_item(baseline: Baseline) -> dict[str, Any]:
    """A repository's item."""
    item: dict[str, Any] = {
        "id": {"S": f"{REPOSITORY}/{baseline.repository.id}"},
        "kind": {"S": REPOSITORY},
        "owner": {"S": baseline.repository.owner},
        "name": {"S": baseline.repository.name},
        "default_branch": {"S": baseline.default_branch},
        "since": {"N": str(baseline.since)},
        "validators": {"S": validators_text(baseline.validators)},
    }
    if baseline.parked:
        item["parked"] = {"B": marks(baseline.parked)}
    return item


def marks(parked: frozenset[bytes]) -> bytes:
    """The marks of a baseline as one attribute."""
    return b"".join(sorted(parked))


def baseline(item: Mapping[str, Any]) -> Baseline:
    """What is remembered of a repository."""
    parked = item["parked"]["B"] if "parked" in item else b""
    return Baseline(
        RepositoryName(int(item["id"]["S"].removeprefix(f"{REPOSITORY}/")), item["owner"]["S"], item["name"]["S"]),
        item["default_branch"]["S"],
        int(item["since"]["N"]),
        frozenset(parked[at : at + MARK_LENGTH] for at in range(0, len(parked), MARK_LENGTH)),
        json.loads(_text(item, "validators") or "{}"),
    )


def validators_text(validators: Mapping[str, str]) -> str:
    """Validators as one attribute."""
    return json.dumps(dict(validators), sort_keys=True)


def parked_key(environment: EnvironmentId) -> str:
    """The key of a parked ref's item."""
    return f"parked/{environment}"


def parked_item(parked: Parked) -> dict[str, Any]:
    """A parked ref's item."""
    return {
        **pointer(parked_key(parked.environment), parked.environment),
        "kind": {"S": parked_of(parked.environment.repository)},
        "ref": {"S": parked.ref},
        "object": {"S": parked.object},
        "since": {"N": str(parked.since)},
        "reason": {"S": parked.reason},
        "retired": {"BOOL": parked.retired},
    }


def parked(item: Mapping[str, Any]) -> Parked:
    """A parked ref."""
    return Parked(
        parse(item["environment"]["S"]),
        item["ref"]["S"],
        item["object"]["S"],
        int(item["since"]["N"]),
        item["reason"]["S"],
        bool(item["retired"]["BOOL"]),
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    return str(item.get(name, {}).get("S", ""))


def _texts(item: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(each["S"]) for each in item.get(name, {}).get("L", ()))


def _number(item: Mapping[str, Any], name: str) -> int:
    return int(item.get(name, {}).get("N", "0"))
