"""Where the parts lie: each function's source and manifest, the layer, the lock.

A part is named as in its stack (``stack-cleaner``); its folder and package are named as Python wants it
(``stack_cleaner``). Nothing here reads or writes a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from deployer.errors import Broken

CORE = "core"
LAYER = "layer"
FUNCTIONS = ("listener", "builder", "notifier", "s3deployer", "s3cleaner", "stack-cleaner")
PARTS = (CORE, LAYER, *FUNCTIONS)


@dataclass(frozen=True)
class Tree:
    """A checkout of the project.

    ``root``: the folder with ``listener/``, ``layer/`` and so on.
    ``sources``: function -> a folder to take its package from instead of ``{function}/src``.
    """

    root: Path
    sources: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def here(cls) -> Tree:
        """The checkout that this package lies in. Raises ``Broken`` where it was installed without one."""
        return cls.at(Path(__file__).resolve().parents[3])

    @classmethod
    def at(cls, root: Path) -> Tree:
        """The checkout at ``root``. Raises ``Broken`` if that's none."""
        tree = cls(root.resolve())
        missing = [str(path) for part in PARTS if not (path := tree.manifest(part)).is_file()]
        if missing:
            raise Broken(f"{root} is no checkout of the deployer, it lacks {', '.join(missing)}")
        return tree

    def with_source(self, function: str, folder: Path) -> Tree:
        """The same tree, but with the package of ``function`` taken from ``folder`` (which holds the package)."""
        return replace(self, sources={**self.sources, function: folder})

    @staticmethod
    def package(part: str) -> str:
        """The import name of a part's package."""
        return "deployer" if part == LAYER else part.replace("-", "_")

    def manifest(self, part: str) -> Path:
        """The CloudFormation template of a part."""
        if part == CORE:
            return Path(__file__).with_name("core.yaml")
        return self.root / part.replace("-", "_") / "template.yaml"

    def source(self, part: str) -> Path:
        """The folder that holds a part's package."""
        return self.sources.get(part) or self.root / part.replace("-", "_") / "src"

    @property
    def lock(self) -> Path:
        """The layer's third-party packages, pinned with hashes."""
        return self.root / "layer" / "requirements.txt"

    @property
    def build(self) -> Path:
        """Where packages are built and kept; safe to delete."""
        return self.root / "build"
