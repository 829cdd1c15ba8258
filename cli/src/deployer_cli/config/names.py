"""The secrets that the deployer knows: what they are called, and what can't be one.

Pure. A value is only ever judged here, never repeated in what is said about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployer.errors import Rejected

GITHUB_TOKEN = "opolis.github.token"  # noqa: S105 - a name
GITHUB_HMAC = "opolis.github.hmac"
SLACK_TOKEN = "opolis.slack.token"  # noqa: S105 - a name
APP_ID = "opolis.github.app.id"
APP_KEY = "opolis.github.app.key"
# The webhook secret that GitHub may still sign with while it is rotated; the listener knows it by the same name.
FORMER_HMAC = "opolis.github.hmac.previous"

PREFIX = "opolis."
# Standard parameters hold so many characters: https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
LONGEST = 4096
SHORTEST_HMAC = 16

# A key by its id, its ARN, its alias or its alias' ARN:
# https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#key-id
_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}|arn:[a-z-]+:kms:\S+|alias/\S+")
# https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
# What came before those, and may still be valid on an Enterprise server, are 40 hexadecimal digits.
_GITHUB = re.compile(r"(?:gh[pousr]_|github_pat_)\w+|[0-9a-f]{40}", re.ASCII)
# https://docs.slack.dev/authentication/tokens#bot
_SLACK = re.compile(r"xox[be][.-]\S+", re.ASCII)
# An App's number, or its client id: https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app
_APP = re.compile(r"[0-9]{1,18}|Iv[0-9A-Za-z.]{10,40}", re.ASCII)
_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+\n-----END (?:RSA )?PRIVATE KEY-----")


@dataclass(frozen=True)
class Secret:
    """``what``: what it is, for people."""

    name: str
    what: str


KNOWN = (
    Secret(GITHUB_HMAC, "the secret that GitHub signs webhooks with"),
    Secret(GITHUB_TOKEN, "a token of GitHub's: reads repositories, writes statuses and deployments"),
    Secret(APP_ID, "a GitHub App's id, instead of a token"),
    Secret(APP_KEY, "that App's private key, a PEM file"),
    Secret(SLACK_TOKEN, "the bot token of the Slack app"),
)
NAMES = tuple(secret.name for secret in KNOWN)


@dataclass(frozen=True)
class Wish:
    """A secret that is to be set. ``key``: the KMS key that encrypts it; empty for the one that it has already."""

    name: str
    key: str = ""


def is_key(text: str) -> bool:
    """Whether a word names a KMS key."""
    return bool(_KEY.fullmatch(text))


def full_name(text: str) -> str:
    """The known secret that ``text`` means: its name, or a part of it that no other has, such as ``hmac``.

    Raises:
        Rejected: where it means none, or more than one.
    """
    if text in (*NAMES, FORMER_HMAC):
        return text
    parts = text.split(".")
    found = [name for name in NAMES if _within(parts, name.split("."))]
    if len(found) == 1:
        return found[0]
    if found:
        raise Rejected(f"{text} may be {' or '.join(found)}; say which")
    # Not repeated: somebody may have given a value where none belongs.
    raise Rejected(f"there is no secret of that name (and values are never arguments); there are {', '.join(NAMES)}")


def wishes(arguments: Iterable[str]) -> tuple[Wish, ...]:
    """What ``NAME [KEY] NAME [KEY] …`` asks for: a word that names a KMS key belongs to the name before it.

    Raises:
        Rejected: for a key without a name, a name that is none, or one that comes twice.
    """
    found: list[Wish] = []
    for word in arguments:
        if not is_key(word):
            found.append(Wish(full_name(word)))
        elif found and not found[-1].key:
            found[-1] = Wish(found[-1].name, word)
        else:
            raise Rejected(f"{word} names a KMS key, and there is no secret before it")
    return _once(found)


def pairs(arguments: Sequence[str]) -> tuple[Wish, ...]:
    """What ``NAME KEY NAME KEY …`` asks for, where names are anybody's and nothing may be left out.

    Raises:
        Rejected: where a name or a key is without the other.
    """
    if not arguments or len(arguments) % 2:
        raise Rejected("arguments are pairs of NAME and KMS-KEY-ID")
    return _once([Wish(*arguments[at : at + 2]) for at in range(0, len(arguments), 2)])


def values(wished: Sequence[Wish], text: str) -> tuple[str, ...]:
    """The values that came on standard input: all of it for one secret, a line for each of several.

    Raises:
        Rejected: where there are more or fewer lines than secrets.
    """
    if len(wished) == 1:
        return (text.strip(),)
    lines = tuple(line.strip() for line in text.strip("\n").split("\n"))
    if len(lines) != len(wished):
        raise Rejected(
            f"standard input has {len(lines)} line(s) for {len(wished)} secrets; give each a line of its own"
        )
    return lines


def complaint(name: str, value: str) -> str:
    """What is wrong with a value, empty where nothing is; it never has the value in it."""
    text = value.strip()
    if not text:
        return "it is empty"
    if len(text) > LONGEST:
        return f"it has {len(text)} characters; Parameter Store takes {LONGEST}"
    if name == APP_KEY:
        return "" if _PEM.fullmatch(text.replace("\r\n", "\n")) else "it is no private key in PEM, as GitHub gives it"
    if not text.isprintable():
        return "it is not one line of text"
    if name == GITHUB_TOKEN and not _GITHUB.fullmatch(text):
        return "it is no token of GitHub's (ghp_…, github_pat_…)"
    if name == SLACK_TOKEN and not _SLACK.fullmatch(text):
        return "it is no bot token of Slack's (xoxb-…)"
    if name == APP_ID and not _APP.fullmatch(text):
        return "it is no App's id, which is a number"
    if name in (GITHUB_HMAC, FORMER_HMAC) and len(text) < SHORTEST_HMAC:
        return f"it is shorter than {SHORTEST_HMAC} characters; `deployer config random` makes a good one"
    return ""


def _within(parts: Sequence[str], whole: Sequence[str]) -> bool:
    """Whether ``parts`` are next to each other in ``whole``."""
    return any(whole[at : at + len(parts)] == parts for at in range(len(whole)))


def _once(found: Sequence[Wish]) -> tuple[Wish, ...]:
    names = [wish.name for wish in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Rejected(f"{', '.join(twice)} is asked for twice")
    return tuple(found)
