"""GitHub's tarball repacked as CodePipeline's zip, and put into a versioned bucket."""

from __future__ import annotations

import io
import json
import os
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from builder.archive import repack
from builder.sources import PART, Sources
from deployer.errors import Rejected, Transient

SHA = "c" * 40


def tarball(*members: tuple[str, bytes | str | None, int]) -> io.BytesIO:
    """(name, content or a link's target as text or None for a folder, mode)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content, mode in members:
            info = tarfile.TarInfo(name)
            info.mode = mode
            if content is None:
                info.type = tarfile.DIRTYPE
                archive.addfile(info)
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    packed.seek(0)
    return packed


def zipped(source: io.BytesIO) -> zipfile.ZipFile:
    target = io.BytesIO()
    repack(source, target, SHA)
    return zipfile.ZipFile(target)


def test_names_contents_modes_and_links_are_kept() -> None:
    found = zipped(
        tarball(
            ("acme-site-ccc/", None, 0o755),
            ("acme-site-ccc/run.sh", b"#!/bin/sh\n", 0o755),
            ("acme-site-ccc/a/ü.txt", b"text", 0o644),
            ("acme-site-ccc/link", "a/ü.txt", 0o777),
        )
    )
    assert sorted(found.namelist()) == [".deployer/commit.json", "a/ü.txt", "link", "run.sh"]
    modes = {info.filename: info.external_attr >> 16 for info in found.infolist()}
    assert stat.S_IMODE(modes["run.sh"]) == 0o755
    assert stat.S_IMODE(modes["a/ü.txt"]) == 0o644
    assert stat.S_ISLNK(modes["link"])
    assert found.read("link").decode() == "a/ü.txt"
    assert json.loads(found.read(".deployer/commit.json")) == {"commit": SHA}
    assert found.testzip() is None


def test_the_commit_file_is_ours_even_where_the_repository_has_one() -> None:
    found = zipped(tarball(("top/.deployer/commit.json", b'{"commit": "forged"}', 0o644)))
    assert found.namelist() == [".deployer/commit.json"]
    assert json.loads(found.read(".deployer/commit.json")) == {"commit": SHA}


def test_what_git_cannot_hold_is_left_out() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for kind, name in ((tarfile.FIFOTYPE, "top/pipe"), (tarfile.CHRTYPE, "top/null")):
            info = tarfile.TarInfo(name)
            info.type = kind
            archive.addfile(info)
    packed.seek(0)
    assert zipped(packed).namelist() == [".deployer/commit.json"]


@pytest.mark.parametrize("name", ["top/../../etc/passwd", "/etc/passwd"])
def test_a_name_that_leads_outside_is_refused(name: str) -> None:
    with pytest.raises(Rejected, match="leads outside"):
        zipped(tarball((name, b"x", 0o644)))


@pytest.mark.parametrize("keep", [10, 60])
def test_a_tarball_that_breaks_off_is_tried_again(keep: int) -> None:
    whole = tarball(("top/a", os.urandom(1000), 0o644)).getvalue()
    with pytest.raises(Transient, match="broke off"):
        zipped(io.BytesIO(whole[:keep]))


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="artifacts")
        client.put_bucket_versioning(Bucket="artifacts", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.mark.parametrize("size", [100, PART * 2 + 5], ids=["at-once", "in-parts"])
def test_each_generation_puts_a_version_that_says_its_commit(s3: Any, size: int) -> None:
    content = os.urandom(size)
    sources = Sources(s3, "artifacts")
    first = sources.put("sources/s.zip", tarball(("top/a", content, 0o644)), SHA, 7)
    second = sources.put("sources/s.zip", tarball(("top/a", b"other", 0o644)), "d" * 40, 8)
    assert first != second
    head = s3.head_object(Bucket="artifacts", Key="sources/s.zip", VersionId=first)
    assert head["Metadata"]["codepipeline-artifact-revision-summary"] == SHA
    assert head["Metadata"]["generation"] == "7"
    body = s3.get_object(Bucket="artifacts", Key="sources/s.zip", VersionId=first)["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(body)).read("a") == content


def test_an_upload_that_fails_midway_leaves_nothing_behind(s3: Any) -> None:
    whole = tarball(("top/a", os.urandom(PART * 2), 0o644)).getvalue()
    with pytest.raises(Transient):
        Sources(s3, "artifacts").put("sources/s.zip", io.BytesIO(whole[: PART + PART // 2]), SHA, 1)
    assert s3.list_multipart_uploads(Bucket="artifacts").get("Uploads", []) == []
    assert "Versions" not in s3.list_object_versions(Bucket="artifacts")


def test_removing_a_source_removes_every_version_of_it_alone(s3: Any) -> None:
    sources = Sources(s3, "artifacts")
    for key in ("sources/s.zip", "sources/s.zip", "sources/s.zip.other"):
        sources.put(key, tarball(("top/a", b"x", 0o644)), SHA, 1)
    s3.delete_object(Bucket="artifacts", Key="sources/s.zip")
    sources.delete("sources/s.zip")
    left = s3.list_object_versions(Bucket="artifacts")
    assert [version["Key"] for version in left["Versions"]] == ["sources/s.zip.other"]
    assert "DeleteMarkers" not in left


def test_a_template_gets_a_url_that_cloudformation_can_read(s3: Any) -> None:
    url = Sources(s3, "artifacts").put_text("sources/s.zip.template", "{}")
    assert url == "https://s3.amazonaws.com/artifacts/sources/s.zip.template"
