"""What each object is served with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from s3deployer.headers import ASK_AGAIN, FOR_EVER, headers_of
from s3deployer.parameters import Parameters

HASHED = [
    "main.3f2a1b9c.js",
    "static/js/main.8e1c4f2d.chunk.js",
    "css/app.1a2b3c4d5e6f7a8b9c0d.css",
    "logo.5d5d9eefa31e5e13a6610d9fa7a283bb.svg",
    "photo-0a1b2c3d.jpg",
    "assets/index-BkX3_9aZ.js",
    "assets/index-D3kZ-x_1.css",
    "main-5YVXQ2KF.js",
    "chunk-NRZ4XQ2M.min.js",
    "fonts/inter-B6kT3x9Q.woff2",
]
NOT_HASHED = [
    "index.html",
    "about/3f2a1b9c.html",
    "post.3f2a1b9c.html",
    "app.js",
    "sw.js",
    "3f2a1b9c.js",
    "report-20260101.pdf",
    "jquery-3.7.1.min.js",
    "photo-holiday2024.jpg",
    "summer-holiday24.js",
    "vendor-deadbeef.js",
    "bootstrap-abcdefgh.css",
    "img-MyPhoto1.png",
    "release-notes.js",
    "data.json",
    "LICENSE",
    "a-ABCDEFGH.js",
    "x5YVXQ2KF.js",
    "styles-Summer24.css",
    "app-Version2.js",
    "app-VERSION2.js",
    "Inter-Light300.woff2",
    "report.2024dec1.svg",
    "photo_20240501b.png",
    "photo-2024beef.png",
    "menu-3f2a1b9c.pdf",
    "post-5f3a9c1e8b2d4a6f7c8e9d0b.json",
    "post-5f3a9c1e8b2d4a6f7c8e9d0b.png",
    "user-550e8400-e29b-41d4-a716-446655440000.png",
]


@pytest.mark.parametrize("name", HASHED)
def test_what_has_a_hash_in_its_name_is_kept_for_ever(name: str) -> None:
    assert headers_of(name, Parameters())["Cache-Control"] == FOR_EVER == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("name", NOT_HASHED)
def test_everything_else_is_asked_for_again(name: str) -> None:
    assert headers_of(name, Parameters())["Cache-Control"] == ASK_AGAIN == "no-cache"


ROWS: list[tuple[str, str, dict[str, Any], Mapping[str, str]]] = [
    ("the defaults", "a.css", {}, {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "no-cache"}),
    (
        "the first pattern that fits",
        "img/a.png",
        {"cache_control": (("img/*", "max-age=60"), ("*.png", "max-age=1"))},
        {"Content-Type": "image/png", "Cache-Control": "max-age=60"},
    ),
    (
        "a pattern goes over folders",
        "a/b/c.png",
        {"cache_control": (("*.png", "max-age=1"),)},
        {"Content-Type": "image/png", "Cache-Control": "max-age=1"},
    ),
    (
        "two stars are as good as one",
        "assets/x/y.bin",
        {"cache_control": (("assets/**", "max-age=1"),)},
        {"Content-Type": "application/octet-stream", "Cache-Control": "max-age=1"},
    ),
    ("none at all", "a.png", {"cache_control": (("*", ""),)}, {"Content-Type": "image/png"}),
    (
        "case counts",
        "A.PNG",
        {"cache_control": (("*.png", "max-age=1"),)},
        {"Content-Type": "image/png", "Cache-Control": "no-cache"},
    ),
    (
        "all headers that fit, the later ones first",
        "app.js.gz",
        {
            "headers": (
                ("*.js.gz", (("Content-Type", "text/javascript"), ("Content-Encoding", "gzip"))),
                ("*", (("team", "web"), ("Content-Encoding", "br"))),
                ("*.css", (("team", "style"),)),
            )
        },
        {"Content-Type": "text/javascript", "Content-Encoding": "br", "Cache-Control": "no-cache", "team": "web"},
    ),
]


@pytest.mark.parametrize(("name", "given", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_rules(name: str, given: dict[str, Any], expected: Mapping[str, str]) -> None:
    assert headers_of(name, Parameters(**given)) == expected
