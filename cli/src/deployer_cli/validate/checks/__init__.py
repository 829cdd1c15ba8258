"""The checks, each a pure function of a ``Project``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deployer_cli.validate.checks.artifacts import artifacts
from deployer_cli.validate.checks.builds import builds
from deployer_cli.validate.checks.names import names
from deployer_cli.validate.checks.parameters import parameters
from deployer_cli.validate.checks.roles import roles
from deployer_cli.validate.checks.sources import sources
from deployer_cli.validate.checks.stacks import stacks
from deployer_cli.validate.findings import Finding
from deployer_cli.validate.project import Project

CHECKS: tuple[Callable[[Project], Iterator[Finding]], ...] = (
    parameters,
    sources,
    stacks,
    names,
    roles,
    artifacts,
    builds,
)


def check(project: Project) -> Iterator[Finding]:
    """Everything that is wrong by our own rules."""
    yield from project.unread
    if project.readable:
        for each in CHECKS:
            yield from each(project)
