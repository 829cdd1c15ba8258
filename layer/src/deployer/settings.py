"""Load a function's settings from its environment, once, reporting all that is wrong together.

Pure: the environment is an argument. Never reads secrets, only the names under which they are kept.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from deployer.errors import Broken

READ = "read"
"""In a field's metadata: what makes its value of the variable's text, and raises ValueError with what is wrong."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]


S = TypeVar("S", bound=_Dataclass)


def load(kind: type[S], environ: Mapping[str, str]) -> S:
    """Fill the frozen dataclass ``kind`` of ``str`` and ``int`` fields: ``artifact_store`` from ``ARTIFACT_STORE``.

    A field with a default may be missing; an empty value counts as missing. Numbers are whole and not negative. A
    field of another type says in its metadata (``READ``) how its text is read.

    Raises:
        Broken: naming every variable that is missing, is no number where one is wanted, or can't be read.
    """
    kinds = get_type_hints(kind)
    values: dict[str, Any] = {}
    missing: list[str] = []
    unfit: list[str] = []
    unread: list[str] = []
    for field in dataclasses.fields(kind):
        variable = field.name.upper()
        value = environ.get(variable, "")
        if not value:
            if field.default is dataclasses.MISSING:
                missing.append(variable)
        elif read := field.metadata.get(READ):
            try:
                values[field.name] = read(value)
            except ValueError as error:
                unread.append(f"{variable}: {error}")
        elif kinds[field.name] is not int:
            values[field.name] = value
        elif value.isascii() and value.isdecimal():
            values[field.name] = int(value)
        else:
            unfit.append(variable)
    problems = [
        *([f"not set: {', '.join(missing)}"] if missing else []),
        *([f"no whole number: {', '.join(unfit)}"] if unfit else []),
        *unread,
    ]
    if problems:
        raise Broken(f"environment variables {', '.join(problems)}; the function's template.yaml sets them")
    return kind(**values)
