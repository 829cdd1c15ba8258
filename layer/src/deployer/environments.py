"""Which environment a ref has, what it is called, and how its stack says whose it is.

Pure. Identity rests on GitHub's numeric repository id, so that renaming or transferring a repository changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from deployer.refs import HEADS, Stage, branch_of, stage_of

# The tags by which a stack says whose it is. Nothing in them changes with a commit, which would touch every resource.
OWNER_TAG = "opolis:deployer:environment"
INSTALLATION_TAG = "opolis:deployer:installation"
# How the repository was called when the stack was last changed: so that it is found again, should all be forgotten.
REPOSITORY_TAG = "opolis:deployer:repository"

# Where the artifact store keeps source objects.
SOURCES = "sources/"

# Bucket names that templates derive from the stack's name (`{stack}-app-…`) stay within S3's 63 characters.
MAX_STACK_NAME = 40
_HASH_LENGTH = 10
_REPOSITORY_LENGTH = 14
_MAX_TAG_VALUE = 256


@dataclass(frozen=True, order=True)
class EnvironmentId:
    """One environment: ``branch`` is set for development only."""

    repository: int
    stage: Stage
    branch: str = ""

    def __str__(self) -> str:
        if self.stage is Stage.DEVELOPMENT:
            return f"{self.repository}/{HEADS}{self.branch}"
        return f"{self.repository}/{self.stage}"

    @property
    def label(self) -> str:
        """What people call it: ``feature/login``, ``staging``, ``production``."""
        return self.branch or str(self.stage)

    @property
    def reserved(self) -> bool:
        """Staging and production: never removed because a ref was deleted."""
        return self.stage is not Stage.DEVELOPMENT


def parse(text: str) -> EnvironmentId:
    """Read an id as ``str(EnvironmentId)`` writes it.

    Raises:
        ValueError: where it is not one.
    """
    repository, _, rest = text.partition("/")
    if not (repository.isascii() and repository.isdigit()):
        raise ValueError(f"not an environment id: {text!r}")
    branch = branch_of(rest)
    if branch is not None:
        return EnvironmentId(int(repository), Stage.DEVELOPMENT, branch)
    if rest in (Stage.STAGING, Stage.PRODUCTION):
        return EnvironmentId(int(repository), Stage(rest))
    raise ValueError(f"not an environment id: {text!r}")


def environment_of(repository: int, ref: str, default_branch: str) -> EnvironmentId | None:
    """The environment of a ref, or None where the ref is to be ignored."""
    stage = stage_of(ref, default_branch)
    if stage is None:
        return None
    return EnvironmentId(repository, stage, (branch_of(ref) or "") if stage is Stage.DEVELOPMENT else "")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _digest(environment: EnvironmentId) -> str:
    digest = hashlib.sha256(str(environment).encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest).decode("ascii").lower()[:_HASH_LENGTH]


def stack_names(environment: EnvironmentId, repository_name: str) -> tuple[str, ...]:
    """The names its stack may have, in order of preference; all match ``[a-z][a-z0-9-]{0,39}``.

    A development stack has one, with a hash of repository id and branch. Staging and production have a plain one,
    and the hashed one for the case that another repository of the same name took the plain one first.
    """
    repository = _slug(repository_name) or "repository"
    if not repository[0].isalpha():
        repository = f"r-{repository}"
    digest = _digest(environment)
    if environment.stage is Stage.DEVELOPMENT:
        head = repository[:_REPOSITORY_LENGTH].rstrip("-")
        branch = _slug(environment.branch)[: MAX_STACK_NAME - len(head) - _HASH_LENGTH - 2].rstrip("-")
        return ("-".join(part for part in (head, branch, digest) if part),)
    suffix = f"-{environment.stage}"
    plain = repository[: MAX_STACK_NAME - len(suffix)].rstrip("-") + suffix
    # A reserved name always ends in its stage: by that the roles of other stages are kept from it.
    suffix = f"-{digest}-{environment.stage}"
    return plain, repository[: MAX_STACK_NAME - len(suffix)].rstrip("-") + suffix


def tag_value(environment: EnvironmentId) -> str:
    """The id as a CloudFormation tag value, whose alphabet is letters, digits, space and ``+ - = . _ : / @``.

    Everything else is written ``=XX`` for each UTF-8 byte. A value over 256 characters becomes its SHA-256.
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
    """
    text = "".join(
        chr(byte) if re.fullmatch(r"[A-Za-z0-9._:/@+-]", chr(byte)) else f"={byte:02X}"
        for byte in str(environment).encode("utf-8", "surrogatepass")
    )
    if len(text) <= _MAX_TAG_VALUE:
        return text
    return f"{environment.repository}/sha256:{hashlib.sha256(text.encode('ascii')).hexdigest()}"


def owner_of(tag: str) -> EnvironmentId | None:
    """The environment that an owner's tag names, or None where the tag holds only a hash of it, or is none of ours."""
    data = re.sub(rb"=([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), tag.encode("utf-8", "surrogatepass"))
    try:
        environment = parse(data.decode("utf-8", "surrogatepass"))
    except ValueError:
        return None
    return environment if tag_value(environment) == tag else None


def repository_of(tag: str) -> int | None:
    """The repository's number in an owner's tag, or None where it is none of ours."""
    number = tag.partition("/")[0]
    return int(number) if number.isascii() and number.isdigit() else None


def owner_tags(environment: EnvironmentId, installation: str, repository: str) -> dict[str, str]:
    """The tags that a stack of this environment carries.

    ``installation``: the deployer's prefix. ``repository``: ``owner/name``.
    """
    return {
        OWNER_TAG: tag_value(environment),
        INSTALLATION_TAG: installation,
        REPOSITORY_TAG: repository,
    }


def carries(tags: Mapping[str, str], environment: EnvironmentId, installation: str) -> bool:
    """Whether a stack's tags say that it is this environment's, made by the installation with this prefix."""
    return tags.get(OWNER_TAG) == tag_value(environment) and tags.get(INSTALLATION_TAG) == installation


def source_key(stack_name: str) -> str:
    """The stable key, in the artifact store, of the zip of exactly the commit that is wanted."""
    return f"{SOURCES}{stack_name}.zip"


def ancestors(stack_name: str) -> list[str]:
    """The stack names that one may be named under, itself first: ``a-b-c`` -> ``a-b-c``, ``a-b``, ``a``."""
    parts = stack_name.split("-")
    return ["-".join(parts[:end]) for end in range(len(parts), 0, -1)]
