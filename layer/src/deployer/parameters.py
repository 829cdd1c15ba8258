"""Match the parameters that a branch sets with those that its template declares.

Pure. Names what is missing, undeclared or reserved before CloudFormation is asked; never looks anything up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

from deployer.environments import source_key
from deployer.errors import Rejected
from deployer.events import RepositoryName
from deployer.refs import Stage

TOKEN_PARAMETER = "RepoToken"  # noqa: S105 - the parameter's name
# What the deployer provides; a repository that sets one of these is refused.
RESERVED = frozenset(
    {
        "ArtifactStore",
        "RepoOwner",
        "RepoName",
        "RepoBranch",
        "Stage",
        "SourceKey",
        TOKEN_PARAMETER,
        "ConnectionArn",
        "DeployerPrefix",
        "PermissionsBoundary",
        "DeployRole",
    }
)

Declared = Mapping[str, Mapping[str, Any]]
Provided = Mapping[str, Callable[[], str]]


def offered(
    repository: RepositoryName,
    branch: str,
    stage: Stage,
    stack: str,
    *,
    artifact_store: str,
    connection: str,
    prefix: str,
    boundary: str,
    role: str,
    token: Callable[[], str],
) -> Provided:
    """What the deployer provides. ``role``: the stage's; ``token``: read only where a template asks for it."""
    values = {
        "ArtifactStore": artifact_store,
        "RepoOwner": repository.owner,
        "RepoName": repository.name,
        "RepoBranch": branch,
        "Stage": str(stage),
        "SourceKey": source_key(stack),
        "ConnectionArn": connection,
        "DeployerPrefix": prefix,
        "PermissionsBoundary": boundary,
        "DeployRole": role,
    }
    return {TOKEN_PARAMETER: token, **{name: partial(str, value) for name, value in values.items()}}


def reserved(given: Collection[str]) -> list[str]:
    """Those that are the deployer's to set."""
    return sorted(RESERVED.intersection(given))


def undeclared(declared: Declared, given: Collection[str]) -> list[str]:
    """Those that the template does not know."""
    return sorted(set(given) - declared.keys() - RESERVED)


def missing(declared: Declared, given: Collection[str]) -> list[str]:
    """Those that the template asks for and nobody gives."""
    return sorted(name for name, body in declared.items() if name not in given and "Default" not in body)


def hidden(declaration: Mapping[str, Any]) -> bool:
    """Whether CloudFormation keeps a parameter's value from whoever looks at the stack."""
    return str(declaration.get("NoEcho", "")).lower() == "true"


def resolve(declared: Declared, given: Mapping[str, str], provided: Provided) -> dict[str, str]:
    """The parameters to send: what the branch sets, and of what the deployer provides all that is declared.

    ``provided`` is called only for what the template declares: no token is read for one that does not ask.

    Raises:
        Rejected: naming every parameter that is reserved, undeclared or missing.
    """
    problems = []
    if names := reserved(given):
        problems.append(f"set by the deployer, not by the repository: {', '.join(names)}")
    if names := undeclared(declared, given):
        problems.append(f"not declared in the template: {', '.join(names)}")
    values = {name: make() for name, make in provided.items() if name in declared and name != TOKEN_PARAMETER}
    if TOKEN_PARAMETER in declared and TOKEN_PARAMETER in provided:
        if hidden(declared[TOKEN_PARAMETER]):
            values[TOKEN_PARAMETER] = provided[TOKEN_PARAMETER]()
        else:
            problems.append(f"{TOKEN_PARAMETER} must be declared with NoEcho: true")
    values = {name: value for name, value in values.items() if value} | dict(given)
    names = [name for name in missing(declared, values) if not (name == TOKEN_PARAMETER and problems)]
    if names:
        problems.append(f"without a value: {', '.join(names)}")
    if problems:
        raise Rejected(f"parameters {'; '.join(problems)}")
    return values
