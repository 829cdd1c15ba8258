"""S3 through the adapter, against moto in this process and, for what moto never does, a stub of botocore."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from deployer.buckets import PAGE, Bucket, Changed, Gone, Upload, Version
from deployer.errors import Broken, Rejected, Transient

REGION = "us-east-1"


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name=REGION)
        client.create_bucket(Bucket="site-bucket")
        yield client


@pytest.fixture
def stub() -> Iterator[Stubber]:
    client = boto3.client("s3", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stubber:
        yield stubber


def test_objects_versions_and_markers_are_listed_and_deleted(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="site-bucket", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket="site-bucket", Key="a", Body=body)
    s3.delete_object(Bucket="site-bucket", Key="a")
    bucket = Bucket(s3, "site-bucket")
    assert not bucket.never_versioned()
    [found] = bucket.versions()
    assert [version.key for version in found] == ["a", "a", "a"]
    bucket.delete(found)
    assert list(bucket.versions()) == []


def test_a_bucket_without_versioning(s3: Any) -> None:
    s3.put_object(Bucket="site-bucket", Key="a", Body=b"1")
    bucket = Bucket(s3, "site-bucket", "123456789012")
    assert bucket.never_versioned()
    assert list(bucket.versions()) == [[Version("a", "null")]]
    bucket.delete([Version("a", "null")])
    s3.delete_bucket(Bucket="site-bucket")


def test_suspended_versioning_has_left_versions_behind(s3: Any) -> None:
    for status in ("Enabled", "Suspended"):
        s3.put_bucket_versioning(Bucket="site-bucket", VersioningConfiguration={"Status": status})
    assert not Bucket(s3, "site-bucket").never_versioned()


def test_F76_a_listing_goes_on_behind_its_last_version(stub: Stubber) -> None:
    """Even where a page shows nothing, as S3 may answer after many deletions."""
    owned = {"Bucket": "site-bucket", "ExpectedBucketOwner": "123456789012", "MaxKeys": 1000}
    more = {"IsTruncated": True, "NextKeyMarker": "a b", "NextVersionIdMarker": "2"}
    behind = {**owned, "KeyMarker": "a b", "VersionIdMarker": "2"}
    marker = {"DeleteMarkers": [{"Key": "c", "VersionId": "3"}], "IsTruncated": False}
    stub.add_response("list_object_versions", {"Versions": [{"Key": "a b", "VersionId": "1"}], **more}, owned)
    stub.add_response("list_object_versions", more, behind)
    stub.add_response("list_object_versions", marker, behind)
    found = list(Bucket(stub.client, "site-bucket", "123456789012").versions())
    assert found == [[Version("a b", "1")], [Version("c", "3")]]
    stub.assert_no_pending_responses()


def test_uploads(s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="site-bucket", Key="big")["UploadId"]
    bucket = Bucket(s3, "site-bucket")
    assert bucket.uploads() == [Upload("big", upload)]
    bucket.abort(bucket.uploads()[0])
    bucket.abort(Upload("big", upload))  # gone already
    assert bucket.uploads() == []


def test_F78_a_bucket_that_is_gone(s3: Any) -> None:
    bucket = Bucket(s3, "no-such-bucket")
    assert not bucket.exists()
    for call in (lambda: list(bucket.versions()), bucket.uploads, lambda: bucket.delete([Version("a", "null")])):
        with pytest.raises(Gone):
            call()
    with pytest.raises(Gone):
        bucket.never_versioned()


def test_a_bucket_that_is_there(s3: Any) -> None:
    assert Bucket(s3, "site-bucket").exists()


def test_an_upload_that_s3_does_not_let_go_is_said(stub: Stubber) -> None:
    stub.add_client_error("abort_multipart_upload", "AccessDenied", http_status_code=403)
    with pytest.raises(Broken, match="aborting an upload in site-bucket"):
        Bucket(stub.client, "site-bucket").abort(Upload("big", "1"))


@pytest.mark.parametrize(("status", "there"), [(403, True), (301, True), (404, False)])
def test_a_refusal_proves_that_a_bucket_exists(stub: Stubber, status: int, there: bool) -> None:
    stub.add_client_error("head_bucket", str(status), http_status_code=status)
    assert Bucket(stub.client, "theirs").exists() is there


def test_F77_errors_in_an_answer_of_200(stub: Stubber) -> None:
    stub.add_response(
        "delete_objects",
        {"Errors": [{"Key": "kept.html", "Code": "AccessDenied", "Message": "Object Lock"}, {"Key": "b", "Code": "X"}]},
        {"Bucket": "site-bucket", "Delete": ANY, "ExpectedBucketOwner": "123456789012"},
    )
    with pytest.raises(Rejected, match=r"2 of 3.*'kept.html': AccessDenied: Object Lock"):
        Bucket(stub.client, "site-bucket", "123456789012").delete([Version(key, "null") for key in "abc"])


@pytest.mark.parametrize(
    ("codes", "kind", "says"),
    [
        pytest.param(["SlowDown", "InternalError"], Transient, "SlowDown", id="F77-F88-only-busy"),
        pytest.param(["SlowDown", "AccessDenied"], Rejected, "kept 1 of 3 objects; the first is 'b'", id="F77-both"),
    ],
)
def test_what_s3_kept_because_it_was_busy_is_no_refusal(
    stub: Stubber, codes: list[str], kind: type[Exception], says: str
) -> None:
    errors = [{"Key": key, "Code": code} for key, code in zip("abc", codes, strict=False)]
    stub.add_response("delete_objects", {"Errors": errors})
    with pytest.raises(kind, match=says):
        Bucket(stub.client, "site-bucket").delete([Version(key, "null") for key in "abc"])


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, Transient),
        ("InternalError", 500, Transient),
        ("Whatever", 502, Transient),
        ("TooManyRequests", 429, Transient),
        ("AccessDenied", 403, Broken),
        ("PermanentRedirect", 301, Broken),
        ("NoSuchBucket", 404, Gone),
        ("PreconditionFailed", 412, Changed),
    ],
)
def test_errors_say_what_to_do(stub: Stubber, code: str, status: int, kind: type[Exception]) -> None:
    stub.add_client_error("list_object_versions", code, http_status_code=status)
    with pytest.raises(kind, match="listing site-bucket"):
        list(Bucket(stub.client, "site-bucket").versions())


def test_no_connection_is_transient() -> None:
    class Unreachable:
        def list_object_versions(self, **_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://s3")

    with pytest.raises(Transient, match="ConnectTimeoutError"):
        list(Bucket(Unreachable(), "site-bucket").versions())


def test_what_is_there_is_listed_and_removed(s3: Any) -> None:
    keys = [*(f"docs/{n}" for n in range(PAGE)), "docs//odd", "docs/dir/", "other"]
    etags = {key: s3.put_object(Bucket="site-bucket", Key=key, Body=key.encode())["ETag"] for key in keys}
    bucket = Bucket(s3, "site-bucket", "123456789012")
    assert [len(page) for page in bucket.pages()] == [PAGE, 3]
    assert {key: etag for page in bucket.pages() for key, etag in page.items()} == etags
    assert {key for page in bucket.pages("docs/") for key in page} == set(keys) - {"other"}
    bucket.remove(["docs//odd", "docs/dir/"])
    assert {key for page in bucket.pages() for key in page} == set(keys) - {"docs//odd", "docs/dir/"}


def test_what_is_removed_of_a_bucket_with_versions_can_be_had_back(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="site-bucket", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="site-bucket", Key="a", Body=b"1")
    Bucket(s3, "site-bucket").remove(["a"])
    assert list(Bucket(s3, "site-bucket").pages()) == [{}]
    [found] = Bucket(s3, "site-bucket").versions()
    assert len(found) == 2


@pytest.mark.parametrize("name", ["arn:aws:s3:::site-bucket/x", "my site", "https://site-bucket.s3.amazonaws.com"])
def test_what_is_no_buckets_name_is_said_and_not_tried_again(s3: Any, name: str) -> None:
    with pytest.raises(Rejected, match="Invalid bucket name"):
        Bucket(s3, name).exists()
