"""Photographs of the laptop engine's pages, for the documentation: `make look`, and never among the tests.

Lets a branch's life pass on an engine of its own (a push, a pull request, a broken commit and its mend, a release), and
has headless Chromium take the pages of GitHub and Slack as they are then, light and dark.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer_cli.demo.expect import Unmet, until
from deployer_cli.demo.watch import Watcher, contexts
from deployer_cli.demo.worktree import Worktree
from deployer_deploy.tree import Tree
from deployer_local.engine import Engine
from deployer_local.installation import install

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
LARGEST = 200_000
"""Bytes of an image."""
SIZES = {"github": "1180,880", "slack": "1100,860"}
SCHEMES = {scheme: f"--blink-settings=preferredColorScheme={number}" for scheme, number in (("light", 1), ("dark", 0))}
PATIENCE = 90.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
AUTHOR = "ada@example.com"
FEATURE, RELEASE = "feature/hello", "v1.0.0"


def main() -> int:
    """The exit code."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print("make look: Chromium is not there; install it, on Debian by: apt-get install chromium")
        return 1
    with tempfile.TemporaryDirectory(prefix="deployer-look-") as folder:
        try:
            with lived(Path(folder)) as engine:
                for page, size in SIZES.items():
                    for scheme, preference in SCHEMES.items():
                        name = page if scheme == "light" else f"{page}-{scheme}"
                        arguments = (f"--window-size={size}", preference, f"{engine.web_url}/{page}")
                        shoot(browser, Path(folder), IMAGES / f"{name}.png", arguments)
        except Unmet as unmet:
            print(f"make look: {unmet}")
            return 1
    return 0


@contextmanager
def lived(folder: Path) -> Iterator[Engine]:
    """An engine on which all that is to be seen has happened."""
    tree = Tree.here()
    with Engine(folder / "engine") as engine:
        install(engine, tree)
        engine.github.create_repository("acme/site")
        engine.slack.add_user(AUTHOR, "Ada Example")
        watcher = Watcher(engine, "acme/site")
        work = Worktree(folder / "site", tree.root / "examples" / "static-site", engine.git_url("acme/site"))

        first = work.commit("Add the site")
        work.push("HEAD:refs/heads/main")
        until("main is deployed", watcher.reported(first, contexts()), PATIENCE)

        work.switch(FEATURE, create=True)
        work.write("site/pages/index.md", "# Hello\n\nThere is [news](news.html).\n")
        broken = work.commit("Link to the news")
        work.push(f"HEAD:refs/heads/{FEATURE}")
        engine.github.open_pull_request("acme/site", FEATURE, "main", "Say hello on the front page")
        until("the build fails", lambda: failed(watcher, broken), PATIENCE)

        work.write("site/pages/news.md", "# News\n\nBack to [the front page](index.html).\n")
        mended = work.commit("Write the news")
        work.push(f"HEAD:refs/heads/{FEATURE}")
        until(f"{FEATURE} is deployed", watcher.reported(mended, contexts()), PATIENCE)

        work.tag(RELEASE, first)
        work.push(f"refs/tags/{RELEASE}")
        until(f"{RELEASE} is deployed", watcher.reported(first, contexts("production", "production")), PATIENCE)
        until("all of it is said", lambda: None if said(engine) else "some replies are missing", PATIENCE)
        yield engine


def failed(watcher: Watcher, sha: str) -> str | None:
    """What is seen instead of the failed build of a commit."""
    state = watcher.statuses(sha).get("pipeline/Build")
    return None if state == "failure" else f"pipeline/Build is {state}"


def said(engine: Engine) -> bool:
    """Whether Slack has a message of each of the four runs, and a reply of each of their stages."""
    replies = [len(message.replies) for message in engine.slack.messages()]
    return len(replies) >= 4 and sum(replies) >= 14


def shoot(browser: str, folder: Path, image: Path, arguments: tuple[str, ...]) -> None:
    """Take a page's picture. The browser keeps nothing, and speaks to this machine alone."""
    image.parent.mkdir(exist_ok=True)
    subprocess.run(
        [
            *(browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", f"--user-data-dir={folder / 'browser'}"),
            *(f"--screenshot={image}", *arguments),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    length = image.stat().st_size
    print(f"{image.relative_to(IMAGES.parents[1])}: {length // 1000} kB")
    if length > LARGEST:
        raise Unmet(f"{image.name} is at most {LARGEST} bytes", f"it has {length}")


if __name__ == "__main__":
    sys.exit(main())
