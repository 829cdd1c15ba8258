"""Which channel hears of an environment, and of how much; as the operator wrote it.

Pure. A rule is ``pattern=channel`` or ``pattern:stage=channel``: ``acme/site:production=#releases, *=#ci``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from deployer.patterns import allowed
from deployer.refs import Stage

# A channel's name, with or without its #, or its id: https://docs.slack.dev/reference/methods/conversations.rename
_CHANNEL = re.compile(r"[CG][A-Z0-9]{8,}|#?[^\s#@,=:.A-Z]{1,80}")


class Told(StrEnum):
    """What is said of an environment's runs; a thread that was begun goes on until its run has ended for good."""

    ALL = "all"
    FAILURES = "failures"  # and what mended them, and approvals
    NONE = "none"


@dataclass(frozen=True)
class Rule:
    """Environments of these repositories, of one stage or of all (None), are told in this channel."""

    pattern: str
    stage: Stage | None
    channel: str


def rules_of(text: str) -> tuple[Rule, ...]:
    """The rules in a comma list.

    Raises:
        ValueError: with everything that is wrong.
    """
    rules, wrong = list[Rule](), list[str]()
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        left, equals, channel = (piece.strip() for piece in part.partition("="))
        pattern, colon, stage = (piece.strip() for piece in left.partition(":"))
        if not equals or not pattern:
            wrong.append(f"{part!r} is no `pattern=channel`")
        elif not {"/", "*"} & set(pattern):
            wrong.append(f"{pattern!r} takes no `owner/name`")
        elif colon and stage not in list(Stage):
            wrong.append(f"{stage!r} is none of {', '.join(Stage)}")
        elif not _CHANNEL.fullmatch(channel):
            wrong.append(f"{channel!r} is no channel's name or id")
        else:
            rules.append(Rule(pattern, Stage(stage) if colon else None, channel))
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(rules)


def told_of(text: str) -> Told:
    """What is said of development.

    Raises:
        ValueError: where it is none of the words for it.
    """
    if text not in list(Told):
        raise ValueError(f"{text!r} is none of {', '.join(Told)}")
    return Told(text)


@dataclass(frozen=True)
class Voice:
    """Where an environment is told, empty for nowhere; ``quiet``: failures, recoveries and approvals alone."""

    channel: str
    quiet: bool = False


@dataclass(frozen=True)
class Channels:
    """``default``: the channel of what no rule takes, empty for none. The first rule that takes it speaks."""

    default: str = ""
    rules: tuple[Rule, ...] = ()
    development: Told = Told.FAILURES

    def voice(self, repository: str, stage: Stage) -> Voice:
        """How an environment of this repository (``owner/name``, empty where it is not known) is told."""
        told = self.development if stage is Stage.DEVELOPMENT else Told.ALL
        if told is Told.NONE:
            return Voice("")
        found = (
            rule.channel for rule in self.rules if rule.stage in (None, stage) and allowed(repository, (rule.pattern,))
        )
        return Voice(next(found, self.default), told is Told.FAILURES)
