"""A million environments that differ by as little as possible: do any two get the same name, or one an illegal one?

Seeded: the same seed makes the same pairs. `python -m benchmarks.names --pairs 1000000`
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from deployer.environments import EnvironmentId, environment_of, source_key, stack_names, tag_value
from deployer.queues import group_id
from deployer.refs import HEADS, TAGS, is_legal

# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html, and short enough for buckets
STACK = re.compile(r"[a-z][a-z0-9-]{0,39}")
# https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
TAG = re.compile(r"[A-Za-z0-9 +\-=._:/@]{1,256}")
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
GROUP = re.compile(r"[!-~]{1,128}")
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html (the safe characters)
KEY = re.compile(r"[a-z0-9./-]{1,1024}")

WORDS = ("app", "web", "x", "main", "master", "staging", "production", "feature", "fix", "v1", "a", "1", "login", "api")
JOINTS = ("-", "/", ".", "_", "--", "-/", "+")
STRANGE = "äöüßéñłøÅ日本語한국어אב٣ⅣK\U0001f680\u0301\u200d\ufe0f´`'\"<>&#%$!@(){}=;,|"


@dataclass(frozen=True)
class Pair:
    """A repository (its number and name) and one of its refs; its default branch is ``main``."""

    number: int
    name: str
    ref: str


def pairs(chosen: int) -> Iterator[Pair]:
    """Without end: each family's pairs stand close together, as those do that could be taken for each other."""
    dice = random.Random(chosen)  # noqa: S311 - no secret
    families: tuple[Callable[[random.Random], Iterator[Pair]], ...] = (
        _same_slug,
        _case,
        _strange,
        _long,
        _split,
        _reserved,
        _owners,
    )
    while True:
        yield from (pair for pair in dice.choice(families)(dice) if is_legal(pair.ref))


def _number(dice: random.Random) -> int:
    return dice.choice((dice.randrange(1, 50), dice.randrange(1, 2**40)))


def _words(dice: random.Random, most: int = 4) -> list[str]:
    return [dice.choice(WORDS) for _ in range(dice.randint(1, most))]


def _repository(dice: random.Random) -> str:
    return "".join(dice.choice("abcXYZ019._-") for _ in range(dice.randint(1, 100)))


def _same_slug(dice: random.Random) -> Iterator[Pair]:
    number, words = _number(dice), [*_words(dice), str(dice.randrange(10**6))]
    for joint in JOINTS:
        yield Pair(number, "site", HEADS + joint.join(words))


def _case(dice: random.Random) -> Iterator[Pair]:
    number, name = _number(dice), "-".join([*_words(dice), format(dice.randrange(16**5), "x")])
    for each in {name, name.upper(), name.title(), name.swapcase(), name.capitalize()}:
        yield Pair(number, "site", HEADS + each)


def _strange(dice: random.Random) -> Iterator[Pair]:
    number, text = _number(dice), "".join(dice.choice(STRANGE) for _ in range(dice.randint(1, 12)))
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield Pair(number, "site", HEADS + unicodedata.normalize(form, text))  # type: ignore[arg-type]
    yield Pair(number, "site", HEADS + chr(dice.randrange(0xD800, 0xE000)) + text)


def _long(dice: random.Random) -> Iterator[Pair]:
    number, filling = _number(dice), dice.choice(("x", "ü", "a/b", "日", "-"))
    start = (str(dice.randrange(10**6)) + filling * 250)[:247]
    for end in ("aaa", "aab", "baa", "a/a", "a-a", "AAA"):
        yield Pair(number, "site", HEADS + start + end)


def _split(dice: random.Random) -> Iterator[Pair]:
    """``app`` + ``web-x`` against ``app-web`` + ``x``, in two repositories."""
    number, words = _number(dice), [*_words(dice), *_words(dice), str(dice.randrange(10**4))]
    for at in range(1, len(words)):
        yield Pair(number + at, "-".join(words[:at]), HEADS + "-".join(words[at:]))
        yield Pair(number, "-".join(words[:at]), HEADS + "-".join(words[at:]))


def _reserved(dice: random.Random) -> Iterator[Pair]:
    number, name = _number(dice), _repository(dice)
    for ref in ("main", "staging", "production", "site-staging", "v1.2.3", "Main", "master", "-"):
        yield Pair(number, name, HEADS + ref)
    yield Pair(number, name, f"{TAGS}v1.2.{dice.randrange(9)}")


def _owners(dice: random.Random) -> Iterator[Pair]:
    number, name, branch = _number(dice), _repository(dice), "/".join(_words(dice))
    for each in range(number, number + 3):
        yield Pair(each, name, HEADS + branch)
        yield Pair(each, name, HEADS + "main")


def _short(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@dataclass
class Count:
    """What was found. ``pairs``: drawn; ``identities``: distinct environments among them."""

    pairs: int = 0
    identities: int = 0
    illegal: list[str] = field(default_factory=list)
    collisions: list[str] = field(default_factory=list)
    _seen: set[bytes] = field(default_factory=set)
    _taken: set[bytes] = field(default_factory=set)
    _kinds: dict[str, re.Pattern[str]] = field(
        default_factory=lambda: {"stack": STACK, "tag": TAG, "key": KEY, "group": GROUP}
    )

    def take(self, pair: Pair) -> None:
        """Name one pair's environment, unless it was named before."""
        self.pairs += 1
        environment = environment_of(pair.number, pair.ref, "main")
        assert environment is not None, pair  # noqa: S101 - all refs that are made here have one
        identity = _short(str(environment))
        if identity in self._seen:
            return
        self._seen.add(identity)
        self.identities += 1
        for kind, name in self._names(environment, pair.name):
            if not self._kinds[kind].fullmatch(name) or (kind == "stack" and name.endswith("-")):
                self.illegal.append(f"{kind} {name!r} of {environment}")
            mark = _short(f"{kind} {name}")
            if mark in self._taken:
                self.collisions.append(f"{kind} {name!r} of {environment}")
            self._taken.add(mark)

    def _names(self, environment: EnvironmentId, repository: str) -> Iterator[tuple[str, str]]:
        *plain, own = stack_names(environment, repository)
        for name in plain:  # two repositories may want the same: the second gets its own
            if not STACK.fullmatch(name):
                self.illegal.append(f"stack {name!r} of {environment}")
        yield "stack", own
        yield "key", source_key(own)
        yield "tag", tag_value(environment)
        yield "group", group_id(str(environment))


def count(wanted: int, drawn: int, chosen: int = 1) -> Count:
    """Name ``wanted`` pairs, ``drawn`` of them found by hypothesis, which knows what breaks text."""
    found = Count()

    @seed(chosen)
    @settings(max_examples=drawn, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(1, 2**40), st.text("abcXYZ019._-", min_size=1, max_size=100), st.text(min_size=1, max_size=250))
    def draw(number: int, name: str, branch: str) -> None:
        if is_legal(HEADS + branch):
            found.take(Pair(number, name, HEADS + branch))

    draw()
    for pair in pairs(chosen):
        if found.pairs >= wanted:
            break
        found.take(pair)
    return found


def main() -> int:
    """Answers with 1 where something was wrong."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--pairs", type=int, default=1_000_000)
    options.add_argument("--drawn", type=int, default=10_000, help="how many of them hypothesis makes")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    started = time.monotonic()
    found = count(asked.pairs, asked.drawn, asked.seed)
    sys.stdout.write(
        f"{found.pairs:,} pairs of repository and ref, {found.identities:,} environments, "
        f"{len(found.collisions)} collisions, {len(found.illegal)} illegal names "
        f"({time.monotonic() - started:.0f} s, seed {asked.seed})\n"
    )
    for each in [*found.collisions, *found.illegal][:20]:
        sys.stdout.write(f"  {each}\n")
    return 1 if found.collisions or found.illegal else 0


if __name__ == "__main__":
    raise SystemExit(main())
