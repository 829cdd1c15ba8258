"""The options of `deploy` and `remove`: where the installation is, and all that an operator may choose about it.

The choices are those of ``Configuration``, each under its own name with its own words.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from deployer_cli.commands import DEFAULT_DATA, Data, Json, Local, Profile, Region, place_of
from deployer_cli.output import Output
from deployer_deploy.configuration import Configuration

Name = Annotated[str | None, typer.Option(help="The installation's name.", show_default="opolis-deployer")]
OwnStage = Annotated[
    str | None, typer.Option(help="The installation's own stage: prod, or dev beside it.", show_default="prod")
]
_VARIABLE = "DEPLOYER_INSTALLATION"


def installing(*, choices: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give ``command(place, output, …)`` the options of an installation; with ``choices``, of its configuration too."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [each for name, each in signature.parameters.items() if name not in ("place", "output")]
        chosen = _choices() if choices else {}
        common = {**_PLACE, **chosen}

        @functools.wraps(command)
        def run(**options: Any) -> None:
            given = {name: options.pop(name) for name in common}
            usual = Configuration.of(os.environ.get(_VARIABLE) or Configuration().prefix)
            configuration = Configuration(
                name=given["name"] or usual.name,
                stage=given["stage"] or usual.stage,
                **{name: given[name] for name in chosen},
            )
            place = place_of(
                configuration,
                local=given["local"],
                data=given["data"],
                profile=given["profile"],
                region=given["region"],
            )
            command(place=place, output=Output(json=given["json"]), **options)

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in common.items()
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def _choices() -> dict[str, tuple[Any, Any]]:
    kinds = get_type_hints(Configuration)
    return {
        each.name: (
            Annotated[kinds[each.name], typer.Option(help=each.help, rich_help_panel="What to choose")],
            None,
        )
        for each in Configuration.choices()
    }


_PLACE: dict[str, tuple[Any, Any]] = {
    "name": (Name, None),
    "stage": (OwnStage, None),
    "local": (Local, False),
    "data": (Data, DEFAULT_DATA),
    "profile": (Profile, None),
    "region": (Region, None),
    "json": (Json, False),
}
