"""Build the website: one page with what is sold."""

from __future__ import annotations

import argparse
import html
import shutil
from pathlib import Path
from string import Template

from shared.catalogue import PRODUCTS
from shared.stamp import commit

HERE = Path(__file__).parent


def page() -> str:
    """The page."""
    rows = "\n".join(f"<li>{html.escape(product.name)}: {product.price}</li>" for product in PRODUCTS)
    return Template((HERE / "page.html").read_text()).substitute(commit=html.escape(commit()), products=rows)


def main() -> None:
    """Write it into a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    output = parser.parse_args().output
    if output.exists():
        shutil.rmtree(output)
    output.mkdir(parents=True)
    (output / "index.html").write_text(page())


if __name__ == "__main__":
    main()
