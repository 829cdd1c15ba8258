"""``deployer webhook add|check``: the webhook of one repository, with the token of whoever asks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import typer

from deployer_cli.checkout import FullName
from deployer_cli.commands import FAILED, commands, placed
from deployer_cli.config.names import GITHUB_HMAC
from deployer_cli.config.parameters import Parameters
from deployer_cli.config.rotate import settled
from deployer_cli.findings import Finding, Verdict, right, show, unknown, wrong
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_cli.webhooks.hooks import Hooks
from deployer_cli.webhooks.settings import MEND, Hook, answered, judge, ours

webhook = commands("What GitHub tells the deployer of a repository. Needs your own token, in GH_TOKEN.")

Named = Annotated[str, typer.Argument(metavar="OWNER/REPO", help="The repository.")]


@webhook.command()
@placed
def add(place: Place, output: Output, repository: Named) -> None:
    """Make a repository's webhook, or mend the one that it has: address, secret, content type, events."""
    name = FullName.parse(repository)
    url = place.endpoint
    secret = place.secrets.get(GITHUB_HMAC)
    hooks = Hooks(place.own_github, name)
    settled(output, Parameters(place.client("ssm")), datetime.now(UTC))
    before = ours(hooks.all(), url)
    hook = hooks.set(before, url, secret) if before else hooks.create(url, secret)
    outcome = "mended" if before and before != hook else "set anew" if before else "made"
    if not output.json:
        output.say(f"webhook {hook.id} of {name} {outcome}: {', '.join(hook.events)} to {url}")
    ping = answered("ping", hooks.ping(hook), str(name))
    if output.json:
        output.emit({"repository": str(name), "id": hook.id, "url": url, "outcome": outcome, "ping": ping.verdict})
    else:
        show(output, [ping])
    if ping.verdict is Verdict.WRONG:
        raise typer.Exit(FAILED)


@webhook.command()
@placed
def check(place: Place, output: Output, repository: Named) -> None:
    """Say what is wrong with a repository's webhook, one by one, and how its deliveries and a ping were answered."""
    name = FullName.parse(repository)
    hooks = Hooks(place.own_github, name)
    hook = ours(hooks.all(), place.endpoint)
    if not show(output, examine(hooks, hook, place.endpoint, str(name))):
        raise typer.Exit(FAILED)


def examine(hooks: Hooks, hook: Hook | None, url: str, repository: str, *, ping: bool = True) -> Iterator[Finding]:
    """Everything about a webhook: its settings, what became of its last deliveries, and a ping."""
    if hook is None:
        yield wrong("webhook", f"{repository} has none that points at {url}", MEND.format(repository=repository))
        return
    yield right("webhook", f"{hook.id} of {repository}")
    yield from judge(hook, url, repository)
    sent = [each for each in hooks.deliveries(hook) if each.event != "ping"]
    # The last one tells how it is today; what failed before it was mended is over.
    yield answered("last delivery", sent[0] if sent else None, repository)
    failed = sum(not 200 <= each.code < 300 for each in sent[1:])
    if failed:
        yield unknown("deliveries before", f"{failed} of {len(sent) - 1} were refused or not answered")
    if ping and hook.active:
        yield answered("ping", hooks.ping(hook), repository)
