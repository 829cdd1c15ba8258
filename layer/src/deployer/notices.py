"""What the builder asks the notifier, in a queue of its own.

Pure: parses at the edge and refuses what does not fit, as ``deployer.events`` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from deployer.events import RepositoryName, repository_in
from deployer.fields import Malformed, number_of, object_of, text_of


@dataclass(frozen=True)
class RunNotice:
    """The builder asks the notifier to make sure that a run's end was told.

    ``forgotten``: with the table it was lost whether it was.
    """

    pipeline: str
    execution: str
    forgotten: bool = False

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"run": asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Announcement:
    """The builder asks the notifier to say something of an environment in Slack, once for each ``key``.

    ``commit``: the one that failed before a run could begin, empty where nothing did; ``at``: when, in milliseconds, 0
    where no later run mends it; ``url``: where that can be followed, or empty.
    """

    environment: str
    key: str
    text: str
    commit: str = ""
    at: int = 0
    url: str = ""

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"announcement": asdict(self)}, sort_keys=True)


@dataclass(frozen=True)
class Removal:
    """The builder tells the notifier that an environment is gone, with all that it deployed until ``generation``.

    ``parts``: those that it had beside itself, as ``deployer.contexts.part_of`` names them.
    """

    environment: str
    repository: RepositoryName
    generation: int
    parts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """The queue message's body."""
        return json.dumps({"removal": asdict(self)}, sort_keys=True)


# What the builder asks the notifier.
Notice = RunNotice | Announcement | Removal


def parse_notice(message: Mapping[str, Any]) -> Notice | None:
    """What the builder asks the notifier, as ``to_json`` writes it, or None for any other message.

    Raises:
        Malformed: naming the field.
    """
    if "run" in message:
        run = object_of(message["run"], "run")
        return RunNotice(text_of(run, "pipeline"), text_of(run, "execution"), run.get("forgotten") is True)
    if "announcement" in message:
        said = object_of(message["announcement"], "announcement")
        return Announcement(
            text_of(said, "environment"),
            text_of(said, "key"),
            text_of(said, "text"),
            commit=text_of(said, "commit", optional=True),
            at=number_of(said, "at") if said.get("at") is not None else 0,
            url=text_of(said, "url", optional=True),
        )
    if "removal" in message:
        gone = object_of(message["removal"], "removal")
        parts = gone.get("parts", [])
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise Malformed("parts: expected a list of texts")
        return Removal(text_of(gone, "environment"), repository_in(gone), number_of(gone, "generation"), tuple(parts))
    return None
