"""A repository on an installed engine: where to push from, and how to look at it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer_cli.demo.watch import Watcher
from deployer_cli.demo.worktree import Worktree
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine

PATIENCE = 60.0


class Site:
    """One repository, with an example in it: the site, unless another is named."""

    def __init__(
        self, engine: Engine, folder: Path, full_name: str = "acme/site", example: str = "static-site"
    ) -> None:
        self.engine, self.name = engine, full_name
        self.repository = engine.github.create_repository(full_name)
        self.watch = Watcher(engine, full_name)
        self.tree = Worktree(folder, Tree.here().root / "examples" / example, engine.git_url(full_name))

    def page(self, title: str, link: str = "about.html") -> None:
        """Write the front page."""
        self.tree.write("site/pages/index.md", f"# {title}\n\nSee [the other page]({link}).\n")


class Quiet:
    """A narrator that says nothing."""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step."""
        yield

    def held(self, what: str) -> None:
        """Something that holds."""

    def waiting(self, what: str) -> None:
        """Something that is waited for."""
