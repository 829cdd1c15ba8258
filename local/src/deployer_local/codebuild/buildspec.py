"""Reads buildspec 0.2 into typed values.

Pure: no process, no network, no environment. Every error names the line and what was expected there. What is valid
but not honoured by this engine is collected in ``remarks``, one line each, for the build's log; what cannot be left
out without changing the result (secrets, secondary artifacts, Windows shells) is refused.

Source: https://docs.aws.amazon.com/codebuild/latest/userguide/build-spec-ref.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import yaml

PHASES = ("install", "pre_build", "build", "post_build")


class BuildspecError(Exception):
    """The buildspec cannot be run; the message names the line (counted from 1) and what was expected."""


class OnFailure(StrEnum):
    """What follows a failed phase."""

    ABORT = "ABORT"
    CONTINUE = "CONTINUE"


@dataclass(frozen=True)
class Phase:
    """One of the four phases; ``on_failure`` None means CodeBuild's own default for that phase."""

    name: str
    commands: tuple[str, ...] = ()
    finally_commands: tuple[str, ...] = ()
    on_failure: OnFailure | None = None


@dataclass(frozen=True)
class Artifacts:
    """What the build hands over: patterns relative to ``base_directory``, itself relative to the source."""

    files: tuple[str, ...]
    base_directory: str = "."
    exclude_paths: tuple[str, ...] = ()
    discard_paths: bool = False
    enable_symlinks: bool = False


@dataclass(frozen=True)
class Buildspec:
    """A parsed buildspec. ``parameter_store`` maps a variable to the name of its SSM parameter."""

    phases: tuple[Phase, ...]
    shell: str = "sh"
    variables: Mapping[str, str] = field(default_factory=dict)
    parameter_store: Mapping[str, str] = field(default_factory=dict)
    exported: tuple[str, ...] = ()
    artifacts: Artifacts | None = None
    remarks: tuple[str, ...] = field(default=())


def parse(text: str) -> Buildspec:
    """Parse a buildspec given as YAML or JSON; raises BuildspecError."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        message = f"line {line}: expected YAML, found: {error.problem}"
        raise BuildspecError(message) from error
    if root is None:
        raise BuildspecError("line 1: expected a mapping with version and phases, found nothing")
    return _Reader().buildspec(root)


class _Reader:
    """Walks the node tree, so that line numbers survive."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        self._key_lines: dict[int, int] = {}

    def buildspec(self, root: yaml.Node) -> Buildspec:
        top = dict(self._pairs(root, "the buildspec"))
        self._version(root, top)
        if "phases" not in top:
            raise self._wrong(root, "the buildspec", "phases")
        for key in ("cache", "reports", "batch", "proxy", "run-as"):
            if key in top:
                self._not_honoured(top[key], key)
        self._only(root, top, {"version", "phases", "env", "artifacts", "cache", "reports", "batch", "proxy", "run-as"})
        shell, variables, parameters, exported = self._env(top.get("env"))
        return Buildspec(
            phases=self._phases(top["phases"]),
            shell=shell,
            variables=MappingProxyType(variables),
            parameter_store=MappingProxyType(parameters),
            exported=exported,
            artifacts=self._artifacts(top["artifacts"]) if "artifacts" in top else None,
            remarks=tuple(self.remarks),
        )

    def _version(self, root: yaml.Node, top: dict[str, yaml.Node]) -> None:
        if "version" not in top:
            raise self._wrong(root, "the buildspec", "version: 0.2")
        version = self._text(top["version"], "version")
        if version != "0.2":
            raise self._wrong(
                top["version"], "version", f"0.2 (0.1 runs each command in its own shell), found {version}"
            )

    def _env(self, node: yaml.Node | None) -> tuple[str, dict[str, str], dict[str, str], tuple[str, ...]]:
        env = dict(self._pairs(node, "env")) if node is not None else {}
        shell = self._text(env["shell"], "env.shell") if "shell" in env else "sh"
        if shell not in {"bash", "sh", "/bin/sh"}:
            raise self._wrong(env["shell"], "env.shell", f"bash or /bin/sh, found {shell}")
        if "secrets-manager" in env:
            raise self._wrong(
                env["secrets-manager"], "env.secrets-manager", "env.parameter-store: no Secrets Manager here"
            )
        if "git-credential-helper" in env:
            self._not_honoured(env["git-credential-helper"], "env.git-credential-helper")
        if node is not None:
            known = {"shell", "variables", "parameter-store", "exported-variables", "git-credential-helper"}
            self._only(node, env, known | {"secrets-manager"})
        return (
            "bash" if shell == "bash" else "sh",
            self._strings_by_name(env.get("variables"), "env.variables"),
            self._strings_by_name(env.get("parameter-store"), "env.parameter-store"),
            self._list(env["exported-variables"], "env.exported-variables") if "exported-variables" in env else (),
        )

    def _phases(self, node: yaml.Node) -> tuple[Phase, ...]:
        found = dict(self._pairs(node, "phases"))
        self._only(node, found, set(PHASES))
        if not found:
            raise self._wrong(node, "phases", f"at least one of {', '.join(PHASES)}")
        return tuple(self._phase(name, found[name]) for name in PHASES if name in found)

    def _phase(self, name: str, node: yaml.Node) -> Phase:
        where = f"phases.{name}"
        keys = dict(self._pairs(node, where))
        for key in ("run-as", "runtime-versions"):
            if key in keys:
                self._not_honoured(keys[key], f"{where}.{key}")
        self._only(node, keys, {"commands", "finally", "on-failure", "run-as", "runtime-versions"})
        on_failure: OnFailure | None = None
        if "on-failure" in keys:
            value = self._text(keys["on-failure"], f"{where}.on-failure")
            if value not in set(OnFailure):
                raise self._wrong(keys["on-failure"], f"{where}.on-failure", f"ABORT or CONTINUE, found {value}")
            on_failure = OnFailure(value)
        return Phase(
            name,
            self._list(keys["commands"], f"{where}.commands") if "commands" in keys else (),
            self._list(keys["finally"], f"{where}.finally") if "finally" in keys else (),
            on_failure,
        )

    def _artifacts(self, node: yaml.Node) -> Artifacts:
        keys = dict(self._pairs(node, "artifacts"))
        if "secondary-artifacts" in keys:
            raise self._wrong(keys["secondary-artifacts"], "artifacts.secondary-artifacts", "one output artifact only")
        for key in ("name", "s3-prefix"):
            if key in keys:
                self._not_honoured(keys[key], f"artifacts.{key}")
        flags = {"discard-paths", "enable-symlinks"}
        self._only(node, keys, {"files", "base-directory", "exclude-paths", "name", "s3-prefix"} | flags)
        if "files" not in keys:
            raise self._wrong(node, "artifacts", "files")
        return Artifacts(
            files=self._list(keys["files"], "artifacts.files"),
            base_directory=self._text(keys["base-directory"], "artifacts.base-directory")
            if "base-directory" in keys
            else ".",
            exclude_paths=self._list(keys["exclude-paths"], "artifacts.exclude-paths")
            if "exclude-paths" in keys
            else (),
            discard_paths=self._flag(keys.get("discard-paths"), "artifacts.discard-paths"),
            enable_symlinks=self._flag(keys.get("enable-symlinks"), "artifacts.enable-symlinks"),
        )

    def _pairs(self, node: yaml.Node, where: str) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            raise self._wrong(node, where, f"a mapping, found {_kind(node)}")
        seen: set[str] = set()
        for key, value in node.value:
            name = self._text(key, f"a key of {where}")
            if name in seen:
                raise self._wrong(key, where, f"each key once, found {name} again")
            seen.add(name)
            self._key_lines[id(value)] = key.start_mark.line + 1
            yield name, value

    def _strings_by_name(self, node: yaml.Node | None, where: str) -> dict[str, str]:
        if node is None or _empty(node):
            return {}
        return {name: self._text(value, f"{where}.{name}") for name, value in self._pairs(node, where)}

    def _list(self, node: yaml.Node, where: str) -> tuple[str, ...]:
        if _empty(node):
            return ()
        if isinstance(node, yaml.ScalarNode):
            return (self._text(node, where),)
        if not isinstance(node, yaml.SequenceNode):
            raise self._wrong(node, where, f"a list of strings, found {_kind(node)}")
        return tuple(self._text(item, where) for item in node.value)

    def _text(self, node: yaml.Node, where: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            hint = " (quote a command that contains ': ')" if isinstance(node, yaml.MappingNode) else ""
            raise self._wrong(node, where, f"a string, found {_kind(node)}{hint}")
        return str(node.value)

    def _flag(self, node: yaml.Node | None, where: str) -> bool:
        if node is None:
            return False
        value = self._text(node, where).lower()
        if value not in {"yes", "true", "no", "false"}:
            raise self._wrong(node, where, f"yes or no, found {value}")
        return value in {"yes", "true"}

    def _only(self, node: yaml.Node, found: Mapping[str, yaml.Node], known: set[str]) -> None:
        for key, value in found.items():
            if key not in known:
                raise self._wrong(value, key, f"one of {', '.join(sorted(known))}")

    def _not_honoured(self, node: yaml.Node, what: str) -> None:
        self.remarks.append(f"buildspec line {self._line(node)}: {what} is not honoured by this engine")

    def _line(self, node: yaml.Node) -> int:
        """Where the key of ``node`` is, or the node itself when it has none; counted from 1."""
        return self._key_lines.get(id(node), node.start_mark.line + 1)

    def _wrong(self, node: yaml.Node, where: str, expected: str) -> BuildspecError:
        return BuildspecError(f"line {self._line(node)}: {where}: expected {expected}")


def _empty(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else f"'{node.value}'"
