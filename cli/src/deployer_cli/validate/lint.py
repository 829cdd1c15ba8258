"""cfn-lint over the templates that a pipeline refers to; its rules keep their ids.

cfn-lint is slow to import and to run, so it is imported only here, and what it said of a text is kept: a hook that
runs with every commit asks it only about what has changed.
"""

from __future__ import annotations

import gc
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from deployer.errors import Rejected
from deployer_cli.validate.document import Document
from deployer_cli.validate.findings import Finding, Place, Severity

# Line, column, rule and message of each.
Said = list[tuple[int, int, str, str]]


def ask(text: str) -> Said:
    """What cfn-lint says of a template. Raises ``Rejected`` where its own settings are no settings."""
    with _uncollected():
        # Imported here: it takes a second or two.
        from cfnlint.decode import decode_str  # noqa: PLC0415
        from cfnlint.exceptions import CfnLintExitException  # noqa: PLC0415

        template, found = decode_str(text)
        try:
            found = found or list(_runner().validate_template(template))
        except CfnLintExitException as error:
            raise Rejected(f"cfn-lint: {error}") from error
    return [(it.linenumber, it.columnnumber, it.rule.id, " ".join(it.message.split())) for it in found]


@cache
def _runner() -> Any:
    """cfn-lint with its rules, which take longer to load than a template to lint."""
    from cfnlint.config import ConfigMixIn  # noqa: PLC0415
    from cfnlint.helpers import REGION_PRIMARY  # noqa: PLC0415
    from cfnlint.runner import Runner  # noqa: PLC0415

    return Runner(ConfigMixIn(regions=[REGION_PRIMARY]))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for garbage: a tenth of the time, and what is made here is kept until the end."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        (gc.enable if enabled else gc.disable)()


@dataclass(frozen=True)
class Kept:
    """What was said before, in files below ``folder``; ``linter``: asked about what is new."""

    folder: Path
    linter: Callable[[str], Said] = ask

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Kept:
        """Where this machine keeps what can be made anew.

        https://specifications.freedesktop.org/basedir-spec/latest/
        """
        base = variables.get("XDG_CACHE_HOME") or str(Path(variables.get("HOME", "/tmp"), ".cache"))  # noqa: S108
        return cls(Path(base, "opolis-deployer", "cfn-lint"))

    def __call__(self, text: str) -> Said:
        """What cfn-lint says of a text, by the version that is installed."""
        known = (version("cfn-lint"), *_settings(), text)
        file = self.folder / hashlib.sha256("\0".join(known).encode()).hexdigest()
        try:
            return [(line, column, rule, said) for line, column, rule, said in json.loads(file.read_text())]
        except (OSError, ValueError):
            said = self.linter(text)
        self._keep(file, json.dumps(said))
        return said

    def _keep(self, file: Path, text: str) -> None:
        part = file.with_name(f"{file.name}.{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part.write_text(text)
            part.replace(file)
        except OSError:
            return  # nowhere to keep it: it is asked again


def _settings() -> Iterator[str]:
    """What cfn-lint is told by its own files, here and at home."""
    for folder in (Path.home(), Path.cwd()):
        for file in sorted(folder.glob(".cfnlintrc*")):
            yield file.read_text(errors="replace")


def lint(templates: Iterable[Document], linter: Callable[[str], Said]) -> Iterator[Finding]:
    """What cfn-lint finds in them."""
    for document in templates:
        for line, column, rule, message in linter(document.text):
            severity = Severity.ERROR if rule.startswith("E") else Severity.WARNING
            yield Finding(Place(document.path, line, column), severity, rule, message)
