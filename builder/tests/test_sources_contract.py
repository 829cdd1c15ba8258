"""SourceStore: the in-memory twin and S3, held to one contract."""

from __future__ import annotations

import io
from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws

from builder.sources import Sources
from deployer.errors import Broken, Transient
from deployer.events import RepositoryName
from deployer.ports import SourceStore
from deployer.testing import Forge, Shelf

NAME = RepositoryName(42, "acme", "site")
SHA, KEY = "a" * 40, "sources/site-staging.zip"


@pytest.fixture(params=["in-memory", "s3"])
def store(request: pytest.FixtureRequest) -> Iterator[SourceStore]:
    if request.param == "in-memory":
        yield Shelf()
        return
    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="store")
        s3.put_bucket_versioning(Bucket="store", VersioningConfiguration={"Status": "Enabled"})
        yield Sources(s3, "store")


@pytest.fixture
def archive() -> bytes:
    """GitHub's tarball of one commit."""
    forge = Forge()
    forge.add(NAME).commits[SHA] = {"index.html": b"<p>hello</p>" * 1000}
    with forge.archive(NAME, SHA) as stream:
        return stream.read()


def test_each_generation_has_a_version_of_its_own(store: SourceStore, archive: bytes) -> None:
    versions = {store.put(KEY, io.BytesIO(archive), SHA, generation) for generation in (1, 2, 2)}
    assert len(versions) == 3
    assert all(versions)


def test_the_newest_version_says_which_commit_of_which_generation_it_is(store: SourceStore, archive: bytes) -> None:
    assert store.newest(KEY) is None
    store.put(KEY, io.BytesIO(archive), SHA, 1)
    version = store.put(KEY, io.BytesIO(archive), SHA, 7)
    newest = store.newest(KEY)
    assert newest
    assert (newest.version, newest.commit, newest.generation) == (version, SHA, 7)


def test_an_archive_that_breaks_off_is_to_be_fetched_again(store: SourceStore, archive: bytes) -> None:
    with pytest.raises(Transient):
        store.put(KEY, io.BytesIO(archive[: len(archive) // 2]), SHA, 1)


def test_a_templates_url_names_its_key(store: SourceStore) -> None:
    assert store.put_text(f"{KEY}.template", "Resources: {}").endswith(f"/{KEY}.template")


def test_what_is_not_there_is_removed_without_complaint(store: SourceStore, archive: bytes) -> None:
    store.put(KEY, io.BytesIO(archive), SHA, 1)
    store.delete(KEY)
    store.delete(KEY)


def test_F88_a_source_that_may_not_be_seen_is_not_taken_for_none() -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(s3) as stub:
        stub.add_client_error("head_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Broken):
            Sources(s3, "store").newest(KEY)
