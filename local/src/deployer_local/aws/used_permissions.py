"""Writes down which permissions the roles of functions used, where a folder is named for that; else nothing.

Each process appends to a file of its own, at once, so that a kill loses nothing and many engines can share the folder.
Two uses that the same statements allow, or none does, are written as one.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .permission_checks import Check
from .role_policies import Decision

VARIABLE = "DEPLOYER_USED_PERMISSIONS"
"""The environment variable that names the folder."""


@dataclass(frozen=True)
class Principal:
    """A function and the ARN of its role."""

    function: str
    role: str


class UsedPermissions:
    """`folder`: where to write; None writes nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._written: set[object] = set()
        self._lock = threading.Lock()

    @classmethod
    def named_by(cls, variables: Mapping[str, str]) -> UsedPermissions:
        """Into the folder that `variables` name."""
        named = variables.get(VARIABLE)
        return cls(Path(named) if named else None)

    def note(self, who: Principal, check: Check, decision: Decision, documents: Sequence[str]) -> None:
        """Write down one use; `documents`: the policies that it was held to."""
        if self._folder is None:
            return
        policies = hashlib.sha256("\n".join(documents).encode()).hexdigest()[:16]
        self._write(policies, {"policies": policies, "documents": [json.loads(each) for each in documents]})
        key = (who, check.action, decision, bool(check.resources), policies)
        described = {"function": who.function, "role": who.role, "action": check.action, "resources": check.resources}
        outcome = {"context": dict(check.context), "granted": decision.granted, "allowed": decision.allowed}
        self._write(key, {**described, **outcome, "policies": policies})

    def _write(self, key: object, line: Mapping[str, object]) -> None:
        with self._lock:
            if key in self._written or self._folder is None:
                return
            self._written.add(key)
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
