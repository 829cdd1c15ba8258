"""``deployer config set|get|list|random``: parsing, and printing; what is asked and decided is beside this module.

A value comes from a hidden prompt or from standard input, and is printed by ``get`` alone.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from deployer.errors import Rejected
from deployer_cli.commands import commands, placed
from deployer_cli.config import rotation
from deployer_cli.config.names import (
    APP_KEY,
    FORMER_HMAC,
    GITHUB_HMAC,
    KNOWN,
    PREFIX,
    Wish,
    complaint,
    full_name,
    values,
    wishes,
)
from deployer_cli.config.parameters import Parameters
from deployer_cli.config.rotate import rotate
from deployer_cli.output import Output
from deployer_cli.place import Place

config = commands("The secrets, in SSM Parameter Store: encrypted there, never shown unless asked for.")


@config.command("set")
@placed
def set_(
    place: Place,
    output: Output,
    arguments: Annotated[
        list[str],
        typer.Argument(metavar="NAME [KMS-KEY-ID] …", help="Which secrets, each with the KMS key that encrypts it."),
    ],
) -> None:
    """Ask for a secret and keep it, over the one that may be there; or read it from standard input.

    NAME may be shortened, as to hmac. Without a key, a new secret has the account's own, and one that is there keeps
    the key that it has. Of several secrets, standard input has each on a line of its own.
    """
    wished = wishes(arguments)
    for wish, value in zip(wished, taken(wished), strict=True):
        if wrong := complaint(wish.name, value):
            raise Rejected(f"{wish.name} is not set: {wrong}")
        keep(Parameters(place.client("ssm")), wish, value)
        output.note(f"{wish.name} is set", "green")
        if wish.name == GITHUB_HMAC:
            output.note("Next: give it to the webhooks: `deployer config rotate`, or `deployer webhook add OWNER/REPO`")
    if output.json:
        output.emit({"set": [wish.name for wish in wished]})


def keep(parameters: Parameters, wish: Wish, value: str) -> None:
    """Write a secret. The webhook's former one stays valid for a while: GitHub goes on signing with it."""
    if wish.name == GITHUB_HMAC:
        rotation.replace(parameters, value, datetime.now(UTC), wish.key)
    else:
        parameters.put(wish.name, value, wish.key)


@config.command()
@placed
def get(
    place: Place,
    output: Output,
    names: Annotated[list[str], typer.Argument(metavar="NAME …", help="Which secrets.")],
) -> None:
    """Print secrets, one a line. They are decrypted: mind where they go."""
    asked = [full_name(name) for name in names]
    parameters = Parameters(place.client("ssm"))
    found = {name: parameters.get(name) for name in asked}
    if output.json:
        output.emit(found)
        return
    for name in asked:
        output.say(found[name])


@config.command("list")
@placed
def list_(place: Place, output: Output) -> None:
    """Which secrets are set, since when and encrypted by which key; never what they are."""
    found = Parameters(place.client("ssm")).all(PREFIX)
    names = [*(secret.name for secret in KNOWN), *sorted(set(found) - {secret.name for secret in KNOWN})]
    what = {secret.name: secret.what for secret in KNOWN} | {FORMER_HMAC: "the webhook secret before that"}
    if output.json:
        output.emit(
            [
                {
                    "name": name,
                    "set": name in found,
                    "modified": found[name].modified.isoformat() if name in found else None,
                    "key": found[name].key if name in found else None,
                }
                for name in names
            ]
        )
        return
    rows = [
        (name, f"{found[name].modified:%Y-%m-%d %H:%M}", found[name].key or "not encrypted", what.get(name, ""))
        if name in found
        else (name, "not set", "", what[name])
        for name in names
    ]
    output.table(("secret", "last set", "key", "what it is"), rows, "")


@config.command("random")
def random_() -> None:
    """Print 64 random hexadecimal digits, such as a webhook secret is made of."""
    Output().say(secrets.token_hex(32))


def taken(wished: Sequence[Wish]) -> tuple[str, ...]:
    """The values that a person types, unseen, or that standard input brings."""
    if not sys.stdin.isatty():
        return values(wished, sys.stdin.read())
    if any(wish.name == APP_KEY for wish in wished):
        raise Rejected(f"{APP_KEY} has many lines: `deployer config set {APP_KEY} < key.pem`")
    return tuple(str(typer.prompt(wish.name, hide_input=True, err=True)) for wish in wished)


config.command("rotate")(rotate)
