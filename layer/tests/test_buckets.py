"""S3 through the adapter, against moto in this process and, for what moto never does, a stub of botocore."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError
from botocore.stub import ANY, Stubber
from moto import mock_aws

from deployer.buckets import Bucket, Changed, Gone, ObjectReader, Upload, Version
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
    found = bucket.versions()
    assert [version.key for version in found] == ["a", "a", "a"]
    bucket.delete(found)
    assert bucket.versions() == []


def test_a_bucket_without_versioning(s3: Any) -> None:
    s3.put_object(Bucket="site-bucket", Key="a", Body=b"1")
    bucket = Bucket(s3, "site-bucket", "123456789012")
    assert bucket.versions() == [Version("a", "null")]
    bucket.delete(bucket.versions())
    s3.delete_bucket(Bucket="site-bucket")


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
    for call in (bucket.versions, bucket.uploads, lambda: bucket.delete([Version("a", "null")])):
        with pytest.raises(Gone):
            call()


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
        Bucket(stub.client, "site-bucket").versions()


def test_no_connection_is_transient() -> None:
    class Unreachable:
        def list_object_versions(self, **_: object) -> None:
            raise ConnectTimeoutError(endpoint_url="https://s3")

    with pytest.raises(Transient, match="ConnectTimeoutError"):
        Bucket(Unreachable(), "site-bucket").versions()


def test_objects_are_written(s3: Any) -> None:
    bucket = Bucket(s3, "site-bucket", "123456789012")
    bucket.put("a/b.css", b"body{}", "text/css; charset=utf-8")
    bucket.upload("big.bin", io.BytesIO(b"x" * (9 << 20)), "application/octet-stream")
    small = s3.get_object(Bucket="site-bucket", Key="a/b.css")
    assert (small["Body"].read(), small["ContentType"]) == (b"body{}", "text/css; charset=utf-8")
    assert s3.head_object(Bucket="site-bucket", Key="big.bin")["ContentLength"] == 9 << 20


class Counting:
    """Passes calls on to a client and remembers the ranges that were asked for."""

    def __init__(self, client: Any) -> None:
        self.client, self.ranges = client, list[str]()

    def get_object(self, **arguments: Any) -> Any:
        self.ranges.append(arguments["Range"])
        return self.client.get_object(**arguments)


class TestObjectReader:
    @pytest.mark.parametrize("block", [1, 7, 64, 1000, 5000], ids=lambda block: f"block-{block}")
    def test_it_reads_like_a_file(self, s3: Any, block: int) -> None:
        content = os.urandom(200)
        s3.put_object(Bucket="site-bucket", Key="x", Body=content)
        reader = ObjectReader(s3, "site-bucket", "x", block=block)
        plain = io.BytesIO(content)
        assert reader.size == 200
        for offset, whence, length in [(0, 0, 3), (-30, 2, 30), (5, 0, -1), (190, 0, 50), (-10, 1, 4), (500, 0, 1)]:
            assert reader.seek(offset, whence) == plain.seek(offset, whence)
            assert reader.read(length) == plain.read(length)
            assert reader.tell() == plain.tell()

    def test_a_zip_is_read_by_ranges_and_only_what_is_asked_for(self, s3: Any) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in "abcdefgh":
                archive.writestr(name, os.urandom(10_000))
        s3.put_object(Bucket="site-bucket", Key="x", Body=packed.getvalue())
        counting = Counting(s3)
        with zipfile.ZipFile(ObjectReader(counting, "site-bucket", "x", block=4096)) as archive:  # type: ignore[arg-type]
            opened = len(counting.ranges)
            assert len(archive.read("e")) == 10_000
        assert opened <= 3
        assert len(counting.ranges) - opened <= 5

    def test_a_small_object_is_one_request(self, s3: Any) -> None:
        s3.put_object(Bucket="site-bucket", Key="x", Body=b"x" * 1000)
        counting = Counting(s3)
        reader = ObjectReader(counting, "site-bucket", "x")
        reader.seek(-1, 2)
        reader.read()
        reader.seek(0)
        assert len(reader.read()) == 1000
        assert len(counting.ranges) == 1

    def test_an_empty_object(self, s3: Any) -> None:
        s3.put_object(Bucket="site-bucket", Key="x", Body=b"")
        reader = ObjectReader(s3, "site-bucket", "x")
        assert (reader.size, reader.read()) == (0, b"")

    def test_an_object_replaced_meanwhile(self, s3: Any) -> None:
        s3.put_object(Bucket="site-bucket", Key="x", Body=b"a" * 100)
        reader = ObjectReader(s3, "site-bucket", "x", block=10)
        s3.put_object(Bucket="site-bucket", Key="x", Body=b"b" * 100)
        reader.seek(50)
        with pytest.raises(Changed):
            reader.read(10)

    def test_a_range_that_comes_short_is_read_again_later_and_never_taken_for_the_end(self, s3: Any) -> None:
        class Short(Counting):
            def get_object(self, **arguments: Any) -> Any:
                answer = super().get_object(**arguments)
                later = len(self.ranges) > 1
                return {**answer, "Body": io.BytesIO(answer["Body"].read()[: 5 if later else None])}

        s3.put_object(Bucket="site-bucket", Key="x", Body=b"a" * 100)
        reader = ObjectReader(Short(s3), "site-bucket", "x", block=10)
        with pytest.raises(Transient, match="site-bucket/x: a range came short"):
            reader.read()

    def test_no_such_object(self, s3: Any) -> None:
        with pytest.raises(Broken, match="NoSuchKey"):
            ObjectReader(s3, "site-bucket", "x")
