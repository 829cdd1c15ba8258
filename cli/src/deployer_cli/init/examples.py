"""The examples of the tree, and what of one of them would come into a folder. Reads only, but for ``Start.write``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Rejected
from deployer_cli.validate.brought import Folder
from deployer_deploy.tree import Tree

# The example's own page; a repository has, or wants, one of its own.
PAGE = "README.md"


@dataclass(frozen=True)
class Example:
    """One of them. ``says``: what it is, in a sentence."""

    name: str
    folder: Path
    says: str


def examples(tree: Tree) -> tuple[Example, ...]:
    """Every example of a tree, by name."""
    pages = sorted((tree.root / "examples").glob(f"*/{PAGE}"))
    return tuple(Example(page.parent.name, page.parent, sentence(page.read_text(encoding="utf-8"))) for page in pages)


def sentence(page: str) -> str:
    """The first sentence of a page, its headings left out."""
    paragraph: list[str] = []
    for line in page.splitlines():
        if line.strip() and not line.startswith("#"):
            paragraph.append(line.strip())
        elif paragraph:
            break
    text = " ".join(paragraph)
    end = text.find(". ")
    return text[: end + 1] if end >= 0 else text


def named(name: str, known: tuple[Example, ...]) -> Example:
    """The example of that name. Raises ``Rejected`` where there is none."""
    for each in known:
        if each.name == name:
            return each
    raise Rejected(f"there is no example {name!r}; there are {', '.join(each.name for each in known)}")


@dataclass(frozen=True)
class Start:
    """What an example would bring into a folder. ``new``: what is not there. ``conflicts``: what is, and differs."""

    example: Example
    into: Path
    new: tuple[str, ...]
    conflicts: tuple[str, ...]

    @classmethod
    def of(cls, example: Example, into: Path) -> Start:
        """Compare an example with what is there. Raises ``Rejected`` where that is no folder."""
        if into.exists() and not into.is_dir():
            raise Rejected(f"{into} is no folder")
        new, conflicts = [], []
        for path in sorted(Folder.at(example.folder).files - {PAGE}):
            if any(_in_the_way(into, path)):
                conflicts.append(path)
            elif not (into / path).exists():
                new.append(path)
            elif (into / path).read_bytes() != (example.folder / path).read_bytes():
                conflicts.append(path)
        return cls(example, into, tuple(new), tuple(conflicts))

    def write(self) -> None:
        """Copy what is new."""
        for path in self.new:
            target = self.into / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.example.folder / path, target)


def _in_the_way(into: Path, path: str) -> Iterator[bool]:
    """Whether a file or a link stands where a folder should, or a folder or a link where the file should."""
    target = into / path
    yield target.is_symlink() or target.is_dir()
    for parent in target.relative_to(into).parents:
        at = into / parent
        if at != into:
            yield at.is_symlink() or (at.exists() and not at.is_dir())
