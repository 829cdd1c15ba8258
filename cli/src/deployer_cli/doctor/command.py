"""``deployer doctor``: the order in which things are looked at, and what is made of a look that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from deployer.errors import DeployerError, Rejected
from deployer.github_wire import Wire, path_of
from deployer_cli.checkout import FullName
from deployer_cli.checkout import repository as of_checkout
from deployer_cli.commands import FAILED, placed
from deployer_cli.config.names import GITHUB_TOKEN, SLACK_TOKEN
from deployer_cli.config.parameters import Parameters
from deployer_cli.doctor import chat, forge, installation
from deployer_cli.doctor.door import endpoint
from deployer_cli.doctor.vault import secrets
from deployer_cli.findings import Finding, Verdict, right, show, unknown, wrong
from deployer_cli.output import Output
from deployer_cli.place import Place
from deployer_cli.webhooks.command import examine
from deployer_cli.webhooks.hooks import Hooks
from deployer_cli.webhooks.settings import ours

_FORBIDDEN = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError")


@placed
def doctor(
    place: Place,
    output: Output,
    repository: Annotated[
        str | None, typer.Argument(metavar="[OWNER/REPO]", help="The repository; that of this checkout by default.")
    ] = None,
) -> None:
    """Look at each thing that can be wrong between GitHub and Slack, and say how to mend it."""
    if not show(output, examined(place, _named(repository))):
        raise typer.Exit(FAILED)


def examined(place: Place, repository: FullName | None) -> Iterator[Finding]:
    """All of it, from the account to Slack. What rests on something that is missing is left out."""
    found = list(looked("credentials", partial(installation.credentials, place)))
    yield from found
    if any(each.verdict is Verdict.WRONG for each in found):
        return
    yield from looked("stacks", partial(installation.stacks, place))
    try:
        _ = place.outputs
    except DeployerError:
        return  # the stacks said so already
    for subject, look in installation.LOOKS.items():
        yield from looked(subject, partial(look, place))
    notifier = _variables(place, "notifier")
    channels = chat.channels_of(notifier)
    yield from looked("secrets", lambda: secrets(Parameters(place.client("ssm")), bool(channels), datetime.now(UTC)))
    yield from looked("endpoint", lambda: endpoint(place))
    yield from looked("token", partial(of_token, place))
    yield from of_repository(place, repository)
    yield from looked("Slack", lambda: of_slack(place, notifier, channels))


def of_token(place: Place) -> Iterator[Finding]:
    """The token, where there is no App: that has one for each repository."""
    if not place.credentials.by_app:
        wire = Wire(place.github_api_url, lambda: place.secrets.get(GITHUB_TOKEN))
        yield from forge.token(wire, datetime.now(UTC))


def of_repository(place: Place, repository: FullName | None) -> Iterator[Finding]:
    """What of one repository may be wrong."""
    if repository is None:
        yield unknown("repository", "none was named", "deployer doctor OWNER/REPO")
        return
    yield from looked("repository", partial(of_its_content, place, repository))
    known = {function: _variables(place, function) for function in ("listener", "builder")}
    yield forge.admission(repository, {function: variables for function, variables in known.items() if variables})
    yield from looked("webhook", partial(of_webhook, place, repository))


def of_its_content(place: Place, repository: FullName) -> Iterator[Finding]:
    """With what the deployer itself has."""
    credentials = place.credentials
    if credentials.by_app:
        credentials.of(path_of(repository.owner, repository.name))
        yield right("GitHub App", f"it is installed on {repository}, and may do what is needed")
    yield from forge.repository(Wire(place.github_api_url, credentials), repository)


def of_webhook(place: Place, repository: FullName) -> Iterator[Finding]:
    """Needs the caller's own token: the deployer's has no business with webhooks."""
    if not place.own_token:
        yield unknown("webhook", "only your own token may look at it", "GH_TOKEN=$(gh auth token) deployer doctor …")
        return
    hooks = Hooks(place.own_github, repository)
    hook = ours(hooks.all(), place.endpoint)
    if hook is None and place.engine:
        yield unknown(
            "webhook", "the engine sends all its repositories' pushes there; this one has no webhook of its own"
        )
        return
    yield from examine(hooks, hook, place.endpoint, str(repository), ping=False)


def of_slack(place: Place, notifier: dict[str, str], channels: tuple[str, ...]) -> Iterator[Finding]:
    """Nothing where Slack is not told anything."""
    if not channels:
        yield right("Slack", "it is not told anything: no channel is named")
        return
    yield from chat.slack(notifier.get("SLACK_API_URL", chat.URL), place.secrets.get(SLACK_TOKEN), channels)


def looked(subject: str, look: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """What was found; that a look itself failed is a finding."""
    try:
        yield from look()
    except ClientError as error:
        code = str(error.response["Error"]["Code"])
        if code in _FORBIDDEN:
            yield unknown(subject, f"these credentials may not look ({error.operation_name})", "ask with others")
        else:
            yield wrong(
                subject,
                f"AWS refused {error.operation_name} ({code})",
                "check the credentials: aws sts get-caller-identity",
            )
    except BotoCoreError as error:
        yield wrong(
            subject,
            f"AWS can't be reached: {error}",
            "aws configure --profile opolis-deployer, or say --profile, --region",
        )
    except DeployerError as error:
        yield wrong(subject, str(error), "mend that first")


def _named(repository: str | None) -> FullName | None:
    try:
        return of_checkout(repository, Path())
    except Rejected:
        if repository:
            raise
        return None


def _variables(place: Place, function: str) -> dict[str, str]:
    """What a function was told, empty where it is not there."""
    try:
        found = place.client("lambda").get_function_configuration(FunctionName=place.configuration.stack(function))
    except ClientError:
        return {}
    return dict(found.get("Environment", {}).get("Variables", {}))
