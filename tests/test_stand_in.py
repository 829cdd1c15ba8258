"""The S3 that the benchmarks measure against answers as S3 does, as far as its clients ask; and says where it can't."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from benchmarks.racing import Track, track
from benchmarks.stand_in.api import decoded
from benchmarks.stand_in.store import ARTIFACTS, etag_of_parts, md5
from botocore.config import Config
from botocore.exceptions import ClientError

PART = 5 << 20
CONFIG = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Track]:
    with track(tmp_path_factory.mktemp("stand-in")) as found:
        yield found


@pytest.fixture
def s3(stand_in: Track) -> Any:
    stand_in.tell("bucket", name="site")
    return boto3.client(
        "s3",
        region_name="us-east-1",
        endpoint_url=stand_in.endpoint,
        verify=str(stand_in.bundle),
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=CONFIG,
    )


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


@pytest.mark.parametrize("key", ["index.html", "a b/ü+%2F&<日本>.html", "a//b", "dir/"])
def test_an_object_is_what_was_written(stand_in: Track, s3: Any, key: str) -> None:
    stand_in.tell("calls")
    s3.put_object(Bucket="site", Key=key, Body=b"0123456789", ContentType="text/html; charset=utf-8")
    found = s3.get_object(Bucket="site", Key=key)
    assert (found["Body"].read(), found["ContentType"]) == (b"0123456789", "text/html; charset=utf-8")
    assert (found["ETag"], s3.head_object(Bucket="site", Key=key)["ContentLength"]) == (f'"{md5(b"0123456789")}"', 10)
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="site")["Contents"]] == [key]
    assert stand_in.tell("content", bucket="site") == [[key, 10, md5(b"0123456789"), "text/html; charset=utf-8", []]]
    assert stand_in.tell("calls") == {"PutObject": 1, "GetObject": 1, "HeadObject": 1, "ListObjectsV2": 1}


@pytest.mark.parametrize(
    ("asked", "body", "told"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
    ],
)
def test_a_range_is_answered_with_its_bytes(s3: Any, asked: str, body: bytes, told: str) -> None:
    etag = s3.put_object(Bucket="site", Key="a", Body=b"0123456789")["ETag"]
    found = s3.get_object(Bucket="site", Key="a", Range=asked, IfMatch=etag)
    assert (found["Body"].read(), found["ContentRange"]) == (body, told)
    with pytest.raises(ClientError) as error:
        s3.get_object(Bucket="site", Key="a", Range=asked, IfMatch='"another"')
    assert code(error) == "PreconditionFailed"


def test_what_is_not_there_is_refused(s3: Any) -> None:
    s3.put_object(Bucket="site", Key="a", Body=b"1")
    for refused, call in {
        "InvalidRange": lambda: s3.get_object(Bucket="site", Key="a", Range="bytes=1-2"),
        "NoSuchKey": lambda: s3.get_object(Bucket="site", Key="b"),
        "NoSuchBucket": lambda: s3.get_object(Bucket="elsewhere", Key="a"),
        "NoSuchUpload": lambda: s3.abort_multipart_upload(Bucket="site", Key="a", UploadId="u"),
        "NotImplemented": lambda: s3.get_object_tagging(Bucket="site", Key="a"),
    }.items():
        with pytest.raises(ClientError) as error:
            call()
        assert code(error) == refused


def test_an_object_may_lie_in_a_file(stand_in: Track, s3: Any, tmp_path: Any) -> None:
    (tmp_path / "site.zip").write_bytes(b"0123456789")
    stand_in.tell("file", bucket=ARTIFACTS, key="site.zip", file=str(tmp_path / "site.zip"))
    assert s3.get_object(Bucket=ARTIFACTS, Key="site.zip", Range="bytes=2-4")["Body"].read() == b"234"


def test_an_object_may_come_in_parts(stand_in: Track, s3: Any) -> None:
    upload = s3.create_multipart_upload(Bucket="site", Key="film", ContentType="video/mp4")["UploadId"]
    assert [found["UploadId"] for found in s3.list_multipart_uploads(Bucket="site")["Uploads"]] == [upload]
    bodies = [b"a" * PART, b"b"]
    etags = [
        s3.upload_part(Bucket="site", Key="film", UploadId=upload, PartNumber=number, Body=body)["ETag"]
        for number, body in enumerate(bodies, 1)
    ]
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    s3.complete_multipart_upload(Bucket="site", Key="film", UploadId=upload, MultipartUpload={"Parts": parts})
    assert stand_in.tell("content", bucket="site") == [
        ["film", PART + 1, etag_of_parts([md5(body) for body in bodies]), "video/mp4", [PART, 1]]
    ]
    left = s3.create_multipart_upload(Bucket="site", Key="film")["UploadId"]
    s3.abort_multipart_upload(Bucket="site", Key="film", UploadId=left)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="site")


def test_listings_have_pages(stand_in: Track, s3: Any) -> None:
    stand_in.tell("bucket", name="site", keys=25, versions=3, versioned=True)
    pages = list(s3.get_paginator("list_object_versions").paginate(Bucket="site", PaginationConfig={"PageSize": 7}))
    entries = [
        (kind, entry) for page in pages for kind in ("Versions", "DeleteMarkers") for entry in page.get(kind, ())
    ]
    assert len(pages) == 11
    assert len({(entry["Key"], entry["VersionId"]) for _, entry in entries}) == 75
    assert sum(kind == "DeleteMarkers" for kind, _ in entries) == 25
    assert sum(entry["IsLatest"] for _, entry in entries) == 25
    plain = list(s3.get_paginator("list_objects_v2").paginate(Bucket="site", PaginationConfig={"PageSize": 10}))
    keys = [entry["Key"] for page in plain for entry in page["Contents"]]
    assert ([len(page["Contents"]) for page in plain], keys) == ([10, 10, 5], sorted(set(keys)))
    below = s3.list_objects_v2(Bucket="site", Prefix="assets/03/")
    assert [entry["Key"] for entry in below["Contents"]] == ["assets/03/000003.js"]


def test_a_version_is_deleted_for_good_and_an_object_is_hidden(stand_in: Track, s3: Any) -> None:
    stand_in.tell("bucket", name="site", versioned=True)
    assert s3.get_bucket_versioning(Bucket="site")["Status"] == "Enabled"
    s3.put_object(Bucket="site", Key="a", Body=b"1")
    s3.delete_object(Bucket="site", Key="a")
    assert "Contents" not in s3.list_objects_v2(Bucket="site")
    assert stand_in.tell("left", bucket="site") == 2
    found = s3.list_object_versions(Bucket="site")
    both = [{"Key": e["Key"], "VersionId": e["VersionId"]} for e in [*found["Versions"], *found["DeleteMarkers"]]]
    assert len(s3.delete_objects(Bucket="site", Delete={"Objects": both})["Deleted"]) == 2
    assert stand_in.tell("left", bucket="site") == 0


def test_a_bucket_may_be_named_by_the_host(stand_in: Track, s3: Any) -> None:
    s3.put_object(Bucket="site", Key="a/b", Body=b"1")
    context = ssl.create_default_context(cafile=str(stand_in.bundle))
    connection = http.client.HTTPSConnection(stand_in.endpoint.removeprefix("https://"), context=context)
    connection.request("GET", "/a/b", headers={"Host": "site.localhost"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"1")
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"3\r\nabc\r\n2\r\nde\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n",
        b"5;chunk-signature=0a\r\nabcde\r\n0;chunk-signature=0b\r\n\r\n",
    ],
    ids=["with a trailer", "each chunk signed"],
)
def test_the_frames_of_a_body_in_chunks_are_no_part_of_it(sent: bytes) -> None:
    assert decoded(sent) == b"abcde"
