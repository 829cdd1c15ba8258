"""What a push costs the builder, next to what waiting for CloudFormation by polling costs; and what a sweep costs.

`python -m benchmarks.cost`; the times of the calls are in account.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.account import PREFIX, REPOSITORY, TIMES, Account
from benchmarks.printing import Goal, line, say, verdict

from deployer.environments import EnvironmentId, owner_tags
from deployer.events import Tick
from deployer.refs import HEADS, Stage

BILLED, DESCRIBES, TOGETHER = 1.2, 2, 1.2


@dataclass(frozen=True)
class Cost:
    """Of one push: ``billed`` and ``wall`` in seconds, the latter until its preparation is said to be done."""

    billed: float
    wall: float
    describes: int
    calls: int
    invocations: int


def cost(pushes: Callable[[Account], list[str]], prepare: Callable[[Account], None]) -> Cost:
    """What it costs to let the pushes that were made come to their end."""
    account = Account()
    prepare(account)
    account.rest()
    account.tape.calls.clear()
    account.billed.clear()
    account.invocations.clear()
    began, done = account.now, {}
    real = account.forge.post

    def post(status: object) -> None:
        real(status)  # type: ignore[arg-type]
        done[status.sha] = account.now  # type: ignore[attr-defined]

    account.forge.post = post  # type: ignore[method-assign, assignment]
    account.builder = account._builder()
    commits = pushes(account)
    account.rest()
    if not all(account.green(sha) for sha in commits):
        raise AssertionError("a push was not prepared")
    return Cost(
        sum(account.billed.values()) / 1000,
        (max(done[sha] for sha in commits) - began) / 1000,
        account.tape.calls.count("cloudformation.describe"),
        len(account.tape.calls),
        sum(account.invocations.values()),
    )


def at(*branches: str) -> Callable[[Account], None]:
    """Branches that are live, all with the template ``one``."""

    def prepare(account: Account) -> None:
        for number, branch in enumerate(branches):
            account.push(branch, account.commit(100 + number, "one"))

    return prepare


def pushed(template: str, *branches: str) -> Callable[[Account], list[str]]:
    """A push to each branch, all at once."""

    def push(account: Account) -> list[str]:
        commits = [account.commit(200 + number, template) for number in range(len(branches))]
        for branch, sha in zip(branches, commits, strict=True):
            account.push(branch, sha)
        return commits

    return push


def polled(found: Cost, seconds: float) -> Cost:
    """The same push where the function stays and asks every second, at once first, as opolis/deployer did."""
    asked = int(seconds) + 1
    return Cost(found.billed + seconds, found.wall, asked, found.calls - found.describes + asked, 1)


@dataclass(frozen=True)
class Swept:
    """Of one sweep: ``calls`` to AWS and GitHub, and ``looks`` that it asks for."""

    environments: int
    calls: int
    looks: int
    seconds: float


def swept(environments: int, repositories: int = 1, behind: int = 0) -> Swept:
    """A sweep over so many environments at rest, ``behind`` of them a commit behind."""
    account = Account()
    account.push("b0", account.commit(1, "one"))
    account.rest()
    for tick in ("first", "second"):  # the first sees it at rest, the second that all is in place
        sweep(account, tick)
        account.rest()
    _multiply(account, environments, repositories)
    sweep(account, "third")
    account.rest()
    for number in range(behind):
        account.repository.refs[f"{HEADS}b{number}"] = account.commit(10_000_000 + number, "one")
    account.tape.calls.clear()
    began = time.process_time()
    looks = sweep(account, "measured")
    return Swept(environments, len(account.tape.calls), looks, time.process_time() - began)


def sweep(account: Account, tick: str) -> int:
    """A tick and its sweeps; answers with how many looks they ask for."""
    account.builder.tick(Tick(tick), 0)
    while account.shelf.sweeps:
        account.builder.sweep(account.shelf.sweeps.pop(0))
    looks = list(account.shelf.looks)
    account.shelf.looks.clear()
    for look in looks:
        account._look(look, account.now)
    return len(looks)


def _multiply(account: Account, environments: int, repositories: int) -> None:
    """Copies of the one environment there is, on branches and in repositories of their own."""
    [item] = account.shelf.items.values()
    kept, runs = account.cloud.kept[item.stack], account.cloud.executions[item.stack]
    for number in range(1, environments):
        name = replace(REPOSITORY, id=REPOSITORY.id + number % repositories, name=f"site{number % repositories or ''}")
        if name.full_name not in account.forge.repos:
            account.forge.add(name).commits = account.repository.commits
            account.shelf.record(replace(account.shelf.known[REPOSITORY.id], repository=name, validators={}))
        environment, stack = EnvironmentId(name.id, Stage.DEVELOPMENT, f"b{number}"), f"{item.stack}-{number}"
        account.forge.repos[name.full_name].refs[f"{HEADS}b{number}"] = item.commit
        account.shelf.items[environment] = replace(
            item, id=environment, repository=name, ref=f"{HEADS}b{number}", stack=stack, pipelines=(stack,)
        )
        tags = owner_tags(environment, PREFIX, name.full_name)
        here = replace(kept.stack, id=f"{kept.stack.id}-{number}", name=stack, tags=tags)
        account.cloud.kept[stack], account.cloud.executions[stack] = replace(kept, stack=here), runs


# --- what is printed


def row(title: str, found: Cost) -> str:
    """One push."""
    return line(title, f"{found.billed:.2f} s", found.describes, found.calls, f"{found.wall:.1f} s")


def main() -> int:
    """Answers with 1 where a goal is missed."""
    logging.disable(logging.CRITICAL)
    live = ("main", "a", "b", "c")
    first = cost(pushed("one", "new"), at("main"))
    changed = cost(pushed("two", "a"), at(*live))
    same = cost(pushed("one", "a"), at(*live))
    three = cost(pushed("two", "a", "b", "c"), at(*live))
    say("\nA push whose stack takes 60 s, as the builder is billed for it\n")
    say(line("", "billed", "Describes", "calls", "prepared"))
    say(row("a new branch", first))
    say(row("another template", changed))
    say(row("the same template: no stack operation", same))
    say(row("three branches at once, another each", three))
    say(row("another template, polled each second", polled(changed, 60)))
    say("\nA sweep\n")
    say(line("environments", "calls", "looks", "calls each"))
    rested = [swept(number) for number in (100, 1_000, 10_000)]
    apart = swept(10_000, repositories=200)
    behind = [swept(1_000, behind=number) for number in (1, 20)]
    for found in rested:
        say(
            line(f"{found.environments:,} at rest", found.calls, found.looks, f"{found.calls / found.environments:.4f}")
        )
    say(
        line(
            "10,000 at rest in 200 repositories",
            apart.calls,
            apart.looks,
            f"{apart.calls / 10_000:.4f}",
        )
    )
    for found, number in zip(behind, (1, 20), strict=True):
        say(line(f"1,000, {number} of them behind", found.calls, found.looks, ""))
    billed, asked = max(first.billed, changed.billed), max(first.describes, changed.describes)
    ratio, waiting = three.wall / changed.wall, polled(changed, 60).billed / changed.billed
    still = len({found.calls for found in rested}) == 1 and not any(found.looks for found in (*rested, apart))
    held = verdict(
        [
            Goal(f"billed for a push: {billed:.2f} s, at most {BILLED} s", billed <= BILLED),
            Goal(f"DescribeStacks for a push: {asked}, at most {DESCRIBES}", asked <= DESCRIBES),
            Goal(f"three at once: {ratio:.2f} times one, at most {TOGETHER}", ratio <= TOGETHER),
            Goal("an environment at rest costs a sweep no call", still),
        ]
    )
    say(f"\n  Assumed, in milliseconds: {', '.join(f'{name} {took:g}' for name, took in TIMES.items())}.")
    say(f"\n  The function that stays and polls is billed {waiting:.0f} times as much. Ours sleeps; so may you.\n")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
