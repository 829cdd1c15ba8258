"""The order of the objects, and what a file becomes."""

from __future__ import annotations

import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import Rejected
from s3deployer.archive import Entry
from s3deployer.parameters import Parameters
from s3deployer.planning import plan


def entry(name: str, size: int = 1) -> Entry:
    return Entry(name, size, zipfile.ZipInfo(name))


def keys(names: list[str], **given: object) -> list[str]:
    return [put.key for wave in plan([entry(name) for name in names], Parameters(**given)) for put in wave]  # type: ignore[arg-type]


def test_F84_pages_last_and_the_entry_page_last_of_all() -> None:
    names = ["index.html", "z.js", "about/index.html", "imprint.html", "a.css", "OLD.HTM"]
    waves = plan([entry(name) for name in names], Parameters())
    assert [[put.key for put in wave] for wave in waves] == [
        ["z.js", "a.css"],
        ["imprint.html", "OLD.HTM"],
        ["about/index.html"],
        ["index.html"],
    ]


@given(st.lists(st.from_regex(r"[a-c]{1,3}(/[a-c]{1,2})?\.(html|js|css)", fullmatch=True), unique=True, min_size=1))
def test_F84_nothing_is_lost_and_nothing_comes_after_a_page_but_pages(names: list[str]) -> None:
    found = keys(names, prefix="p")
    assert sorted(found) == sorted(f"p/{name}" for name in names)
    pages = [key.endswith(".html") for key in found]
    assert pages == sorted(pages)


@pytest.mark.parametrize(("prefix", "key"), [("", "a.js"), ("docs/v1", "docs/v1/a.js")])
def test_the_prefix(prefix: str, key: str) -> None:
    ((put,),) = plan([entry("a.js")], Parameters(prefix=prefix))
    assert put.key == key
    assert put.headers["Content-Type"] == "text/javascript; charset=utf-8"


def test_rules_are_held_against_the_path_in_the_site() -> None:
    given = Parameters(prefix="docs", strip=1, cache_control=(("img/*", "max-age=60"),))
    ((put,),) = plan([entry("dist/img/a.png")], given)
    assert (put.key, put.headers["Cache-Control"]) == ("docs/img/a.png", "max-age=60")


def test_folders_are_taken_off_and_what_has_no_more_is_left_out() -> None:
    assert keys(["site-1/index.html", "site-1/css/a.css", "README.md"], strip=1) == ["css/a.css", "index.html"]


@pytest.mark.parametrize(
    ("names", "given", "why"),
    [
        pytest.param([], {}, r"no files$", id="an-empty-site"),
        pytest.param(["a.js"], {"strip": 1}, "no files below so many folders", id="nothing-is-left"),
        pytest.param(
            ["a/x.js", "b/x.js"], {"strip": 1}, "'x.js' would be written more than once", id="F83-two-become-one"
        ),
        pytest.param(["a" * 1000], {"prefix": "p" * 100}, "longer than 1024", id="too-long"),
        pytest.param([".deployer/published"], {}, "keeps for itself", id="reserved"),
        pytest.param(["x/.deployer/published"], {}, "keeps for itself", id="reserved-below"),
    ],
)
def test_what_is_refused(names: list[str], given: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        keys(names, **given)
