"""What the notifier writes to beside GitHub, in memory: its notes (``notifier.notes``), with leases, and Slack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from deployer.builds import Failure
from deployer.errors import Transient
from deployer.ports import Post
from deployer.testing import Tape
from notifier.notes import LEASE


@dataclass
class _Topic:
    rank: int
    done: bool
    until: int


@dataclass
class Notes:
    """``clock``: milliseconds since the epoch."""

    tape: Tape
    clock: Callable[[], int]
    topics: dict[tuple[str, str], _Topic] = field(default_factory=dict)
    places: dict[str, tuple[str, str]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    healths: dict[str, str] = field(default_factory=dict)

    def forget(self) -> None:
        """They lie in the table, and go with it."""
        self.topics.clear()
        self.places.clear()
        self.texts.clear()
        self.healths.clear()

    def claim(self, run: str, topic: str, rank: int) -> bool:
        """Whether this is to be said now."""
        with self.tape.call("notes.claim"):
            held, now = self.topics.get((run, topic)), self.clock() // 1000
            free = held is None or (
                (held.rank < rank and (held.done or held.until <= now))
                or (held.rank == rank and not held.done and held.until <= now)
            )
            if free:
                self.topics[run, topic] = _Topic(rank, False, now + LEASE)
                return True
            assert held
            if held.rank <= rank and not held.done:
                raise Transient(f"{topic} is being told by another invocation")
            return False

    def confirm(self, run: str, topic: str, rank: int) -> bool:
        """Note that it has been said."""
        with self.tape.call("notes.confirm"):
            held = self.topics.get((run, topic))
            if held and held.rank == rank:
                held.done = True
                return True
            if held and held.rank > rank:
                held.done, held.until = False, 0
            return False

    def release(self, run: str, topic: str, rank: int) -> None:
        """Give a claim back."""
        with self.tape.call("notes.release"):
            held = self.topics.get((run, topic))
            if held and held.rank == rank and not held.done:
                held.until = 0

    def message(self, run: str) -> tuple[str, str] | None:
        """Where the run's message is."""
        with self.tape.call("notes.message"):
            return self.places.get(run)

    def posted(self, run: str, channel: str, ts: str) -> None:
        """Keep where it is."""
        with self.tape.call("notes.posted"):
            self.places[run] = (channel, ts)

    def note(self, run: str, name: str, text: str) -> None:
        """Keep a text."""
        with self.tape.call("notes.note"):
            self.texts[run, name] = text

    def noted(self, run: str, name: str) -> str:
        """A text that was kept."""
        with self.tape.call("notes.noted"):
            return self.texts.get((run, name), "")

    def health(self, environment: str) -> str:
        """How an environment fares."""
        with self.tape.call("notes.health"):
            return self.healths.get(environment, "")

    def note_health(self, environment: str, before: str, after: str) -> bool:
        """Note how an environment fares."""
        with self.tape.call("notes.note_health"):
            if self.healths.get(environment, "") != before:
                return False
            self.healths[environment] = after
            return True


@dataclass
class Slack:
    """A channel."""

    tape: Tape
    posts: int = 0

    def post(self, channel: str, post: Post, thread: str = "") -> tuple[str, str]:
        """A message."""
        with self.tape.call("slack.post"):
            self.posts += 1
            return channel, str(self.posts)

    def update(self, channel: str, ts: str, post: Post) -> None:
        """Change a message."""
        with self.tape.call("slack.update"):
            self.posts += 1

    def person(self, email: str) -> str:
        """Who has an address."""
        with self.tape.call("slack.person"):
            return "U000000001"


@dataclass
class Builds:
    """Why a build failed."""

    tape: Tape

    def failure(self, build_id: str) -> Failure | None:
        """Nobody knows."""
        with self.tape.call("codebuild.failure"):
            return None


@dataclass
class Secrets:
    """One secret."""

    tape: Tape
    value: str

    def get(self, name: str) -> str:
        """The secret."""
        with self.tape.call("ssm.get"):
            return self.value

    def age(self, name: str) -> float:
        """It was written a moment ago."""
        return 0.0

    def forget(self, name: str) -> None:
        """Read it anew next time."""
