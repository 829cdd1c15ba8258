"""What people commit: a template of the branch's own, good or bad in one of the ways that templates are bad."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """How a commit will fare."""

    GOOD = "good"
    INVALID = "invalid"  # no template at all, says the deployer
    BARE = "bare"  # brings no template
    FAILS = "fails"  # CloudFormation can't create or update its stack
    STUCK = "stuck"  # and can't even roll the update back
    BUILD_FAILS = "build fails"  # the stack is fine, its pipeline's run is not
    SKIPPED = "skipped"  # says itself that it is not to be built, where a branch is at it


@dataclass(frozen=True)
class Made:
    """A commit."""

    sha: str
    kind: Kind
    title: str
    files: dict[str, bytes] = field(repr=False)

    @property
    def template(self) -> str:
        """The text that the stack is to have."""
        return self.files["deploy/pipeline.json"].decode()


def make(number: int, kind: Kind, title: str, version: int) -> Made:
    """``title``: two commits of the same title and kind have the same template. ``version``: the pipeline's, 1 or 2."""
    sha = f"{number:08x}{number * 2654435761 % 2**32:08x}{'c' * 24}"
    return Made(
        sha, kind, title, {} if kind is Kind.BARE else {"deploy/pipeline.json": _template(kind, title, version)}
    )


@functools.cache
def _template(kind: Kind, title: str, version: int) -> bytes:
    if kind is Kind.INVALID:
        return b'{"Resources": '
    document = {
        "Description": title,
        "Metadata": {"Kind": kind, "Version": version},
        "Parameters": {"SourceKey": {"Type": "String"}, "Stage": {"Type": "String"}},
        "Resources": {"Pipeline": {"Type": "AWS::CodePipeline::Pipeline", "Properties": {}}},
    }
    return json.dumps(document).encode()


@functools.cache
def metadata(template: str) -> tuple[Kind, int]:
    """The kind of a template, and whether its pipeline is V1 or V2; a stranger's template is good."""
    found = json.loads(template).get("Metadata", {})
    return Kind(found.get("Kind", "good")), int(found.get("Version", 1))
