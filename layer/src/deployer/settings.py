"""Load a function's settings from its environment, once, reporting all that is wrong together.

Pure: the environment is an argument. Never reads secrets, only the names under which they are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from deployer.errors import Broken


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


S = TypeVar("S", bound=_Dataclass)


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Fill the frozen dataclass ``kind`` of ``str`` fields: field ``artifact_store`` from ``ARTIFACT_STORE``.

    A field with a default may be missing; an empty value counts as missing.

    Raises:
        Broken: naming every variable that is missing.
    """
    values: dict[str, str] = {}
    missing: list[str] = []
    for field in dataclasses.fields(kind):
        variable = field.name.upper()
        value = environ.get(variable, "")
        if value:
            values[field.name] = value
        elif field.default is dataclasses.MISSING:
            missing.append(variable)
    if missing:
        raise Broken(f"environment variables not set: {', '.join(missing)}; the function's template.yaml sets them")
    return kind(**values)
