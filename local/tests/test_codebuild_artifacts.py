"""Which files a build hands over, and what becomes of folders, links and modes on the way."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from deployer_local.codebuild.archive import extract, pack
from deployer_local.codebuild.buildspec import Artifacts
from deployer_local.codebuild.selection import NoArtifactsError, select


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a build left: two packages with their outputs, and links in and out of it."""
    source = tmp_path / "src"
    for name in ("one/dist/a.js", "one/dist/sub/b.js", "two/dist/c1.js", "two/dist/c22.js", "top.txt"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    (tmp_path / "secret").write_text("outside")
    (source / "inside").symlink_to("top.txt")
    (source / "outside").symlink_to("../secret")
    (source / "folder").symlink_to("one")
    return source


@pytest.mark.parametrize(
    ("artifacts", "names"),
    [
        pytest.param(Artifacts(("**",), "one/dist"), ["a.js", "sub/b.js"], id="double-star-crosses-folders"),
        pytest.param(Artifacts(("**/*.js",), "./one"), ["dist/a.js", "dist/sub/b.js"], id="here-is-here"),
        pytest.param(Artifacts(("./one/dist/*",)), ["one/dist/a.js"], id="patterns-may-say-here"),
        pytest.param(Artifacts(("c?.js",), "two/dist"), ["c1.js"], id="question-mark-is-one-character"),
        pytest.param(Artifacts(("*.js",), "*/dist"), ["a.js", "c1.js", "c22.js"], id="base-directories-by-pattern"),
        pytest.param(Artifacts(("inside",)), ["inside"], id="a-link-to-a-file-is-the-file"),
        pytest.param(
            Artifacts(("*",), exclude_paths=("top.txt",), enable_symlinks=True),
            ["folder", "inside", "outside"],
            id="links-are-kept-when-asked",
        ),
    ],
)
def test_what_is_chosen(source: Path, artifacts: Artifacts, names: list[str]) -> None:
    assert [name for _, name in select(artifacts, source)] == names


@pytest.mark.parametrize(
    ("artifacts", "words"),
    [
        pytest.param(Artifacts(("*",), "*/build"), "no matching base directory path found for */build", id="no-base"),
        pytest.param(Artifacts(("outside",)), "outside is a link out of the source", id="F83-link-out"),
        pytest.param(Artifacts(("folder",)), "folder is a link to no file; set enable-symlinks", id="link-to-a-folder"),
    ],
)
def test_what_is_refused(source: Path, artifacts: Artifacts, words: str) -> None:
    with pytest.raises(NoArtifactsError) as caught:
        select(artifacts, source)
    assert words in str(caught.value)


def test_a_link_that_is_not_kept_is_packed_as_its_file(source: Path, tmp_path: Path) -> None:
    pack(tmp_path / "out.zip", select(Artifacts(("inside",)), source))
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.read("inside") == b"top.txt"


def test_what_is_packed_comes_out_again(source: Path, tmp_path: Path) -> None:
    (source / "one/dist/a.js").chmod(0o755)
    chosen = select(Artifacts(("**/*",), exclude_paths=("outside",), enable_symlinks=True), source)
    pack(tmp_path / "out.zip", chosen)
    target = tmp_path / "target"
    target.mkdir()
    extract(tmp_path / "out.zip", target)
    assert (target / "one/dist/a.js").stat().st_mode & 0o777 == 0o755
    assert [(target / name).readlink() for name in ("inside", "folder")] == [Path("top.txt"), Path("one")]
    assert (target / "folder/dist/sub/b.js").read_text() == "one/dist/sub/b.js"


def test_an_empty_folder_of_an_archive_is_made(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.mkdir("cache/empty")
    (target := tmp_path / "out").mkdir()
    extract(tmp_path / "in.zip", target)
    assert os.listdir(target / "cache/empty") == []
