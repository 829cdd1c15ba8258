"""``deployer config rotate``: the webhook's secret, in SSM and on GitHub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from deployer.errors import DeployerError, Rejected
from deployer_cli.checkout import FullName
from deployer_cli.commands import FAILED, placed
from deployer_cli.config.names import FORMER_HMAC, GITHUB_HMAC, full_name
from deployer_cli.config.parameters import Parameters
from deployer_cli.config.rotation import Vault, begin, ends, settles_in
from deployer_cli.findings import Finding, Verdict, right, show, unknown, wrong
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_cli.webhooks.hooks import Hooks
from deployer_cli.webhooks.settings import answered

Sleep = Callable[[float], None]


@placed
def rotate(
    place: Place,
    output: Output,
    name: Annotated[
        str, typer.Argument(help="Which secret: the webhook's alone is made by the deployer.")
    ] = GITHUB_HMAC,
    repo: Annotated[
        list[str] | None, typer.Option(help="OWNER/REPO: also the webhook of this one; known repositories are.")
    ] = None,
    finish: Annotated[bool, typer.Option("--finish", help="End the former secret now, instead of in a day.")] = False,
) -> None:
    """Give the webhooks another secret, without a delivery that is refused.

    The former secret stays valid for a day. Needs your own token for GitHub, in GH_TOKEN.
    """
    if full_name(name) != GITHUB_HMAC:
        raise Rejected(f"{full_name(name)} is not made here: get another one, then `deployer config set {name}`")
    parameters = Parameters(place.client("ssm"))
    if finish:
        ended = parameters.delete(FORMER_HMAC)
        output.note(
            "the former secret has ended; listeners forget it within five minutes" if ended else "there is none"
        )
        return
    url, github, known = place.endpoint, place.own_github, _repositories(place, repo or [])
    begun = begin(parameters, datetime.now(UTC))
    output.note(f"{GITHUB_HMAC} is new" if begun.anew else "going on with the rotation that is under way")
    settle(output, begun.settles_in)
    found = list(told(((each, Hooks(github, each)) for each in known), url, begun.secret))
    fine = show(output, found)
    said = f"the former secret is valid until {begun.until:%Y-%m-%d %H:%M %Z}"
    output.note(f"{said}; `deployer config rotate --finish` ends it")
    if place.engine:  # pragma: no branch - a rotation on AWS is seen nowhere here
        output.note("the engine's own webhook, of all its repositories, takes it when `deployer local up` starts next")
    if not fine:
        raise typer.Exit(FAILED)


def settle(output: Output, seconds: float, sleep: Sleep = time.sleep) -> None:
    """Wait until every listener takes the current secret."""
    if seconds > 0:
        output.note(f"waiting {seconds:.0f} s, until every listener takes it")
        sleep(seconds)


def settled(output: Output, vault: Vault, now: datetime, sleep: Sleep = time.sleep) -> None:
    """Wait where the webhook's secret was changed a moment ago: GitHub must not sign with it before it is taken."""
    current = vault.describe(GITHUB_HMAC)
    if current and ends(vault.describe(FORMER_HMAC), now):
        settle(output, settles_in(current, now), sleep)


def told(repositories: Iterable[tuple[FullName, Hooks]], url: str, secret: str) -> Iterator[Finding]:
    """Have GitHub sign with the secret in each repository, and see that it is believed."""
    for name, hooks in repositories:
        subject = f"webhook of {name}"
        again = f"mend that, then `deployer config rotate --repo {name}` goes on"
        try:
            here = [hook for hook in hooks.all() if hook.url == url]
            if not here:
                yield unknown(subject, "there is none of its own; an organisation's has to be set by hand")
                continue
            ping = answered("ping", hooks.ping(hooks.set(here[0], url, secret)), str(name))
        except DeployerError as error:
            yield wrong(subject, str(error), again)
            continue
        yield right(subject, ping.said) if ping.verdict is not Verdict.WRONG else wrong(subject, ping.said, again)


def _repositories(place: Place, named: Iterable[str]) -> list[FullName]:
    """Those that the deployer knows, and those that were named."""
    known = [FullName(each.repository.owner, each.repository.name) for each in place.memory.repositories()]
    return list(dict.fromkeys([*known, *map(FullName.parse, named)]))
