"""Build the site: render every page, give assets names that change with their content, refuse broken links."""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import os
import re
import shutil
import sys
from pathlib import Path
from string import Template

HERE = Path(__file__).parent


def commit() -> str:
    """The commit being built, as the source archive says it."""
    file = HERE / ".deployer" / "commit.json"
    return json.loads(file.read_text())["commit"] if file.exists() else "a working copy"


def render(text: str) -> tuple[str, str]:
    """A page's title and body: the first line is the title, blocks are paragraphs, ``[text](page)`` is a link."""
    title, _, rest = text.partition("\n")
    blocks = [html.escape(block.strip(), quote=False) for block in rest.split("\n\n") if block.strip()]
    body = "\n".join(f"<p>{block}</p>" for block in blocks)
    return title.lstrip("# ").strip(), re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r'<a href="\2">\1</a>', body)


def copy_assets(source: Path, output: Path) -> dict[str, str]:
    """Copy assets under names that carry a hash of their content; answers with name -> new path."""
    names = {}
    for asset in sorted(path for path in source.iterdir() if path.is_file()):
        digest = hashlib.sha256(asset.read_bytes()).hexdigest()[:10]
        target = output / "assets" / f"{asset.stem}.{digest}{asset.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(asset, target)
        names[asset.name] = f"assets/{target.name}"
    return names


def broken_links(output: Path) -> list[str]:
    """Every relative link that leads nowhere, as ``page: target``."""
    found = []
    for page in sorted(output.glob("*.html")):
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
            if "://" not in target and not target.startswith("#") and not (output / target).exists():
                found.append(f"{page.name}: {target}")
    return found


def build(site: Path, output: Path, branch: str, stage: str) -> list[str]:
    """Build into ``output``; answers with the names of the pages."""
    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    assets = copy_assets(site / "assets", output)
    layout = Template((site / "layout.html").read_text())
    pages = sorted((site / "pages").glob("*.md"))
    for page in pages:
        title, body = render(page.read_text())
        facts = {"branch": branch, "stage": stage, "commit": commit(), "title": title}
        text = layout.substitute(
            {name: html.escape(value) for name, value in facts.items()}, body=body, style=assets["style.css"]
        )
        (output / f"{page.stem}.html").write_text(text)
    return [page.stem for page in pages]


def main() -> int:
    """Build, and fail where a link leads nowhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=HERE / "public")
    output = parser.parse_args().output
    pages = build(HERE / "site", output, os.environ.get("BRANCH", "local"), os.environ.get("STAGE", "local"))
    print(f"built {len(pages)} pages: {', '.join(pages)}")
    broken = broken_links(output)
    for link in broken:
        print(f"broken link in {link}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
