"""The names of commit statuses and of GitHub's environments, and how descriptions begin.

Pure. Production has contexts of its own, because staging and production share the tagged commit. Where another
environment reports on the same commit already, the later one's contexts carry its branch's name in front, as far as
GitHub takes it. Where an environment has several pipelines, each is a part of it, and its stages carry its name.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from deployer.environments import EnvironmentId
from deployer.lengths import FOUR_BYTES
from deployer.ports import Environment, Memory
from deployer.refs import HEADS, TAGS, Stage

_STAGES = frozenset(str(stage) for stage in Stage)
# GitHub takes contexts of 255 characters: with it, a group and a stage's name of 100 have room.
_MAX_CONTEXT = 255
_MAX_LABEL = 140
_DIGEST_LENGTH = 10


def is_shared(memory: Memory, environment: EnvironmentId, commit: str) -> bool:
    """Whether another environment was the first to report on a commit; claims the commit where none was.

    Production has contexts of its own, and leaves the plain ones to whoever comes next.
    """
    if environment.stage is Stage.PRODUCTION:
        return False
    return memory.claim("commit", f"{environment.repository}/{commit}", environment) != environment


def prep_context(environment: EnvironmentId, *, shared: bool) -> str:
    """The context of the preparation: ``build/0-prep``, ``production/0-prep``."""
    return _context(environment, "0-prep", "build", shared=shared)


def part_of(environment: Environment, pipeline: str) -> str:
    """Which of its environment's pipelines one is: empty for the only one, and for the one named as the stack.

    Of several, ``site-staging-api`` is ``api``: a name that is the same on every branch.
    """
    if pipeline == environment.stack or set(environment.pipelines) <= {pipeline}:
        return ""
    return pipeline.removeprefix(f"{environment.stack}-")


def stage_context(environment: EnvironmentId, stage: str, *, shared: bool, part: str = "") -> str:
    """The context of a pipeline's stage: ``pipeline/Build``, ``production/Build``; of a part ``pipeline/api:Build``."""
    # A stage's name has no colon: https://docs.aws.amazon.com/codepipeline/latest/APIReference/API_StageDeclaration.html
    context = _context(environment, f"{part}:{stage}" if part else stage, "pipeline", shared=shared)
    if len(context) <= _MAX_CONTEXT:
        return context
    return f"{context[: _MAX_CONTEXT - _DIGEST_LENGTH - 2]}[{_digest(context)}]"


def own_contexts(environment: EnvironmentId, contexts: Iterable[str], *, shared: bool) -> list[str]:
    """Those of a commit's contexts that are this environment's: its preparation's, and its pipeline's stages'."""
    prep = prep_context(environment, shared=shared)
    stages = stage_context(environment, "", shared=shared)
    # A stage's name has no slash: what has one more is another environment's, whose branch is called like a group.
    return [
        context
        for context in contexts
        if context == prep or (context.startswith(stages) and "/" not in context.removeprefix(stages))
    ]


def _context(environment: EnvironmentId, name: str, group: str, *, shared: bool) -> str:
    if environment.stage is Stage.PRODUCTION:
        return f"production/{name}"
    return f"{environment_name(environment)}/{group}/{name}" if shared else f"{group}/{name}"


def environment_name(environment: EnvironmentId, part: str = "") -> str:
    """What an environment is called on GitHub: ``staging``, ``production``, ``feature/login``; never two the same.

    A branch may be called like another stage: what is said of it must not be taken for that one's. To GitHub, whose
    environments are the same in any case, it would be that also as ``Staging``. A part of it, ``staging (api)``, is
    like no branch either: a ref has no space.
    """
    taken = environment.branch.lower() in _STAGES
    return with_part(_shown(f"{HEADS}{environment.branch}" if taken else environment.label), part)


def with_part(text: str, part: str) -> str:
    """A name of an environment, and which part of it."""
    return f"{text} ({part})" if part else text


def _shown(label: str) -> str:
    """A branch's name as GitHub takes it in a context, where it answers 422 to characters of four bytes in UTF-8.

    Two branches never share one: what stands in for something is in brackets, which no ref has.
    Source: https://git-scm.com/docs/git-check-ref-format
    """
    text = FOUR_BYTES.sub(lambda found: f"[U+{ord(found[0]):X}]", label)
    if len(text) <= _MAX_LABEL:
        return text
    return f"{text[: _MAX_LABEL - _DIGEST_LENGTH - 2]}[{_digest(text)}]"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_DIGEST_LENGTH]


# What AWS puts into its reasons and nobody can use in 140 characters: a stack's whole ARN, the SDK's own postscript.
_STACK_ARN = re.compile(r"(?:Stack:)?arn:[a-z-]+:cloudformation:[^:\s]*:[^:\s]*:stack/([^/\s]+)/[0-9a-f-]+")
_POSTSCRIPT = re.compile(r"\s*\((?:Service: [^()]*|SDK Attempt Count: \d+|RequestToken: [^()]*)\)")


def readable(reason: str) -> str:
    """A reason of AWS's with stacks by their names and without its postscripts."""
    return _POSTSCRIPT.sub("", _STACK_ARN.sub(r"stack \1", reason)).strip()


def ref_of(environment: Environment, commit: str) -> str:
    """The ref that led to a commit of an environment, as far as that is known: only of the one that it has now."""
    return environment.ref if commit == environment.commit else ""


def describe(environment: EnvironmentId, ref: str, text: str) -> str:
    """A description that starts with the environment: ``feature/login: …``, ``production v1.0.0: …``.

    ``ref``: what led to the commit that it is said on; empty where that is not known.
    """
    label = environment.label
    if environment.stage is Stage.PRODUCTION and ref.startswith(TAGS):
        label = f"{label} {ref.removeprefix(TAGS)}"
    if len(label) > 60:
        label = label[:59] + "…"
    return f"{label}: {readable(text)}"
