"""Run by the buildspec, with nothing but the standard library's unittest."""

import tempfile
import unittest
from pathlib import Path

import build


class BuildTest(unittest.TestCase):
    def test_a_link_becomes_an_anchor_and_markup_is_escaped(self) -> None:
        title, body = build.render("# One & two\n\nSee [there](about.html) <b>")
        assert title == "One & two"
        assert body == '<p>See <a href="about.html">there</a> &lt;b&gt;</p>'

    def test_a_link_to_a_missing_page_is_found(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "index.html").write_text('<a href="nowhere.html">x</a>')
            assert build.broken_links(Path(folder)) == ["index.html: nowhere.html"]


if __name__ == "__main__":
    unittest.main()
