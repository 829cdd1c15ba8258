"""S3's objects through the fast client, against moto as a server; what moto never answers comes from a scripted one."""

from __future__ import annotations

import base64
import hashlib
import io
import random
import traceback
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deployer.buckets import Changed, Gone
from deployer.errors import Broken, DeployerError, Rejected, Transient
from deployer.objects import BLOCK, PART, Keys, Objects, OddKey

REGION = "us-east-1"
OWNER = "123456789012"  # moto's account
KEYS = Keys("AKEXAMPLE", "secret", "token")


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto: str) -> Any:
    client = boto3.client("s3", region_name=REGION, endpoint_url=moto, aws_access_key_id="x", aws_secret_access_key="x")
    client.create_bucket(Bucket="site-bucket")
    yield client
    versions = client.list_object_versions(Bucket="site-bucket")
    for found in [*versions.get("Versions", ()), *versions.get("DeleteMarkers", ())]:
        client.delete_object(Bucket="site-bucket", Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket="site-bucket")


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, moto: str) -> None:
    """The function's environment; S3 is moto's."""
    for name, value in {"AWS_ACCESS_KEY_ID": "AKOWN", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto)


@pytest.fixture
def site(s3: Any) -> Objects:
    return Objects("site-bucket", OWNER)


@pytest.fixture
def scripted(server: Any, monkeypatch: pytest.MonkeyPatch) -> Objects:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    return Objects("site-bucket", OWNER)


def test_an_object_is_written_with_its_headers(s3: Any, site: Objects) -> None:
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "Content-Disposition": "inline",
        "Content-Encoding": "gzip",
        "Content-Language": "de",
        "built-by": "us",
    }
    etag = site.put("docs/index.html", b"hello", headers)
    found = s3.head_object(Bucket="site-bucket", Key="docs/index.html")
    assert found["ETag"] == etag
    assert found["ContentType"] == "text/html; charset=utf-8"
    assert found["CacheControl"] == "no-cache"
    assert found["ContentDisposition"] == "inline"
    assert found["ContentEncoding"] == "gzip"
    assert found["ContentLanguage"] == "de"
    assert found["Metadata"] == {"built-by": "us"}
    assert site.read("docs/index.html") == b"hello"


@pytest.mark.parametrize(
    "key", ["a b.html", "ü/日本.html", "100%.html", "a#b?.html", "~x", "a%2Fb", "a+b&c=d", "a*b'()!.js", "e\u0301.txt"]
)
def test_a_key_stays_as_it_is(s3: Any, site: Objects, key: str) -> None:
    site.put(key, b"1", {})
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket="site-bucket")["Contents"]] == [key]
    assert list(site.pages()) == [[key]]
    site.delete([key])
    assert list(site.pages()) == []


@pytest.mark.parametrize("key", ["a//b", "./a", "a/../b"])
def test_a_key_that_is_no_path_is_refused(site: Objects, key: str) -> None:
    with pytest.raises(OddKey):
        site.put(key, b"1", {})


def test_a_listing_with_a_key_that_is_no_path_is_refused(s3: Any, site: Objects) -> None:
    s3.put_object(Bucket="site-bucket", Key="a//b", Body=b"")
    with pytest.raises(OddKey):
        list(site.pages())


def test_a_folder_is_listed_alone(site: Objects) -> None:
    for key in ("docs/a", "docs-old/a", "b"):
        site.put(key, b"1", {})
    assert list(site.pages("docs")) == [["docs/a"]]


def test_a_large_object_goes_in_parts(s3: Any, site: Objects) -> None:
    body = bytes(range(256)) * ((PART + 4096) // 256)
    etag = site.upload("big.bin", io.BytesIO(body), {"Content-Type": "application/wasm"})
    found = s3.get_object(Bucket="site-bucket", Key="big.bin")
    assert (found["ETag"], found["ContentType"]) == (etag, "application/wasm")
    assert found["Body"].read() == body
    assert etag.endswith('-2"')


def test_a_large_file_of_an_archive_that_is_itself_read_by_ranges(s3: Any, site: Objects) -> None:
    body = random.Random(1).randbytes(2 * PART + 1)  # noqa: S311 - the same each time
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("big.bin", body)
    s3.put_object(Bucket="site-bucket", Key="site.zip", Body=packed.getvalue())
    reader, _ = site.open("site.zip")
    with zipfile.ZipFile(reader) as archive, archive.open("big.bin") as stream:
        site.upload("big.bin", stream, {})
    assert site.read("big.bin") == body


class Torn(io.RawIOBase):
    """A stream that breaks off after its first part."""

    def __init__(self) -> None:
        super().__init__()
        self.given = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self.given > PART:
            raise zipfile.BadZipFile("Bad CRC-32")
        self.given += size
        return b"x" * size


def test_what_the_stream_raises_comes_through_and_nothing_appears(s3: Any, site: Objects) -> None:
    with pytest.raises(zipfile.BadZipFile, match="CRC"):
        site.upload("big.bin", Torn(), {})  # type: ignore[arg-type]
    assert "Contents" not in s3.list_objects_v2(Bucket="site-bucket")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="site-bucket")


def test_what_is_not_there_is_none(site: Objects) -> None:
    assert site.read("nothing") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda objects: objects.read("a"),
        lambda objects: objects.put("a", b"", {}),
        lambda objects: objects.upload("a", io.BytesIO(b"x"), {}),
        lambda objects: objects.delete(["a"]),
        lambda objects: objects.open("a"),
    ],
)
def test_no_such_bucket(call: Any) -> None:
    with pytest.raises(Gone):
        call(Objects("no-such-bucket"))


def test_every_owned_write_has_the_owner_signed(server: Any, scripted: Objects) -> None:
    """S3 refuses x-amz headers that are not signed, so a listing carries none."""
    bucket = scripted
    server.answer(200, ETag='"e"')
    server.answer(200, b"<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>")
    server.answer(200, b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    bucket.put("a", b"1", {})
    bucket.delete(["a"])
    assert list(bucket.pages()) == []
    for asked in server.asked:
        signed = asked.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
        assert set(signed) >= {name for name in asked.headers if name.startswith("x-amz-")}
    assert [asked.headers.get("x-amz-expected-bucket-owner") for asked in server.asked] == [OWNER, OWNER, None]


class TestReading:
    def test_a_zip_is_read_by_ranges(self, s3: Any, site: Objects) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.txt", b"a" * 3000)
            archive.writestr("b.txt", b"b" * 3000)
        site.put("site.zip", packed.getvalue(), {})
        reader, size = site.open("site.zip", block=1000)
        assert size == len(packed.getvalue())
        with zipfile.ZipFile(reader) as archive:
            assert archive.read("b.txt") == b"b" * 3000
            assert archive.read("a.txt") == b"a" * 3000

    def test_a_small_object_is_one_request(self, server: Any, scripted: Objects) -> None:
        dated = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "ETag": '"e"'}
        server.answer(206, b"0123456789", **dated, **{"Content-Range": "bytes 0-9/10"})
        reader, _ = scripted.open("a")
        assert reader.read() == b"0123456789"
        assert reader.seek(4) == 4
        assert reader.read(3) == b"456"
        assert [asked.headers["range"] for asked in server.asked] == [f"bytes=0-{BLOCK - 1}"]

    def test_as_a_file(self, site: Objects) -> None:
        site.put("a", b"0123456789", {})
        reader, size = site.open("a", block=4)
        assert (reader.seekable(), reader.readable(), size) == (True, True, 10)
        assert reader.read(3) == b"012"
        assert reader.tell() == 3
        assert reader.seek(-4, io.SEEK_END) == 6
        assert reader.read() == b"6789"
        assert reader.read(5) == b""
        reader.seek(2)
        assert reader.seek(1, io.SEEK_CUR) == 3
        assert reader.raw.seek(0, io.SEEK_CUR) == reader.raw.tell()
        assert reader.read(None) == b"3456789"
        with pytest.raises(OSError, match="negative"):
            reader.seek(-1)

    def test_an_empty_object(self, site: Objects) -> None:
        site.put("a", b"", {})
        reader, size = site.open("a")
        assert (reader.read(), size) == (b"", 0)

    def test_another_refusal_of_a_range_is_told(self, server: Any, scripted: Objects) -> None:
        server.answer(400, b"<Error><Code>KeyTooLongError</Code></Error>")
        with pytest.raises(Broken, match="KeyTooLongError"):
            scripted.open("a")

    def test_an_object_replaced_meanwhile_is_noticed(self, site: Objects) -> None:
        site.put("a", b"0123456789", {})
        reader, _ = site.open("a", block=4)
        site.put("a", b"abcdefghij", {})
        assert reader.read(4) == b"0123"
        with pytest.raises(Changed):
            reader.read(4)

    def test_there_is_no_such_object(self, site: Objects) -> None:
        with pytest.raises(Broken, match="no such object"):
            site.open("nothing")

    def test_a_range_that_comes_short(self, server: Any, scripted: Objects) -> None:
        dated = {"Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "ETag": '"e"'}
        server.answer(206, b"0123", **dated, **{"Content-Range": "bytes 0-3/8"})
        server.answer(206, b"", **dated, **{"Content-Range": "bytes 4-7/8"})
        reader, _ = scripted.open("a", block=4)
        reader.seek(4)
        with pytest.raises(Transient, match="came short"):
            reader.read(4)


ANSWERS: list[tuple[str, int, bytes, type[DeployerError], str]] = [
    ("refused", 403, b"<Error><Code>AccessDenied</Code><Message>not you</Message></Error>", Broken, "AccessDenied"),
    ("no body", 403, b"", Broken, "403"),
    ("busy for good", 409, b"<Error><Code>OperationAborted</Code></Error>", Transient, "OperationAborted"),
    (
        "kept by a lock",
        200,
        b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>locked</Message></Error></DeleteResult>",
        Rejected,
        "kept 'a': AccessDenied: locked",
    ),
    (
        "kept for now",
        200,
        b"<DeleteResult><Error><Key>a</Key><Code>SlowDown</Code><Message>busy</Message></Error></DeleteResult>",
        Transient,
        "SlowDown",
    ),
    (
        "kept for another call's sake",
        200,
        b"<DeleteResult><Error><Key>a</Key><Code>OperationAborted</Code><Message>wait</Message></Error></DeleteResult>",
        Transient,
        "OperationAborted",
    ),
]


@pytest.mark.parametrize(("answer", "kind", "says"), [(a[1:3], *a[3:]) for a in ANSWERS], ids=[a[0] for a in ANSWERS])
def test_f77_what_s3_answers_to_a_deletion(
    server: Any, scripted: Objects, answer: tuple[int, bytes], kind: type[DeployerError], says: str
) -> None:
    for _ in range(5):
        server.answer(*answer)
    with pytest.raises(kind, match=says) as caught:
        scripted.delete(["a"])
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    server.answers.clear()


def test_F87_what_s3_quotes_of_the_credentials_goes_no_further(server: Any, scripted: Objects) -> None:
    """An expired token's answer holds the token: it must be in no message and in no traceback."""
    quoted = b"<Error><Code>ExpiredToken</Code><Message>expired</Message><Token-0>CANARY-token</Token-0></Error>"
    server.answer(400, quoted)
    with pytest.raises(Broken, match="ExpiredToken") as caught:
        scripted.put("a", b"1", {})
    assert "CANARY" not in "".join(traceback.format_exception(caught.value))


def test_a_panic_of_the_client_is_an_error_like_others(server: Any, scripted: Objects) -> None:
    """It takes S3's word for it that an error names a key that was asked for."""
    server.answer(
        200, b"<DeleteResult><Error><Key>other</Key><Code>X</Code><Message>y</Message></Error></DeleteResult>"
    )
    with pytest.raises(Broken, match="the client failed"):
        scripted.delete(["a"])


def test_throttling_is_tried_again_and_then_told_as_such(server: Any, scripted: Objects) -> None:
    for _ in range(5):
        server.answer(503, b"<Error><Code>SlowDown</Code></Error>")
    with pytest.raises(Transient, match="SlowDown"):
        scripted.put("a", b"1", {})
    assert len(server.asked) == 5


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Transient, match="did not answer"):
        Objects("site-bucket").read("a")


def test_where_s3_is_and_who_asks_comes_from_the_environment(server: Any, scripted: Objects) -> None:
    server.answer(200, ETag='"e"')
    scripted.put("a", b"1", {})
    assert "Credential=AKOWN/" in server.asked[0].headers["authorization"]
    assert "/us-east-1/s3/aws4_request" in server.asked[0].headers["authorization"]


def test_what_is_written_has_a_checksum(server: Any, scripted: Objects) -> None:
    server.answer(200, ETag='"e"')
    scripted.put("a", b"1", {})
    assert server.asked[0].headers["x-amz-checksum-sha256"] == base64.b64encode(hashlib.sha256(b"1").digest()).decode()


def test_an_artifact_is_read_with_the_keys_that_came_with_it(server: Any, scripted: Objects) -> None:
    server.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    assert Objects("artifacts", keys=KEYS).read("a") is None
    assert "Credential=AKEXAMPLE/" in server.asked[0].headers["authorization"]
    assert server.asked[0].headers["x-amz-security-token"] == "token"


def test_china_has_a_domain_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert "https://s3.cn-north-1.amazonaws.com.cn" in str(Objects("site-bucket")._store.config)


def test_a_mistake_of_ours_is_not_taken_for_a_key(site: Objects) -> None:
    with pytest.raises(ValueError, match="Unexpected input"):
        site.put("a", 7, {})  # type: ignore[arg-type]


def test_keys_are_not_shown() -> None:
    assert repr(KEYS) == "Keys()"
