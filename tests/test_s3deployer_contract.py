"""What s3deployer promises, against two S3 that do not know each other: moto as a server, and the laptop engine.

The function as its handler puts it together, over its real clients; only the proof and the job's result, which are
CodePipeline's, are feigned. tests/test_functions.py has those.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deployer.objects import PART
from deployer_local.engine import CREDENTIALS, Engine
from s3deployer import handler
from s3deployer.deploying import S3Deployer
from s3deployer.publishing import IN_MEMORY

ACCOUNT = "123456789012"
STORE, SITE = "artifacts", "site-bucket"


@pytest.fixture(scope="module", params=["moto", "engine"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "engine":
        with Engine(tmp_path_factory.mktemp("engine")) as engine:
            yield engine.aws_url
        return
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@dataclass
class Job:
    """CodePipeline's end of a job, CloudFront's, and the time that is left."""

    s3: Any
    answers: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    told: list[Sequence[str]] = field(default_factory=list)
    looks: float = float("inf")

    def show(self, bucket: str, job: object) -> str:
        assert bucket == SITE
        return "site-staging"

    def show_distribution(self, distribution: str, environment: str) -> None:
        assert (distribution, environment) == ("E2EXAMPLE12345", "site-staging")

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        self.told.append(paths)

    def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
        self.answers.append(("succeeded", variables))

    def goes_on(self, job: str, summary: str, percent: int, token: str) -> None:
        self.answers.append(("goes on", {"token": token}))

    def failed(self, job: str, message: str) -> None:
        self.answers.append(("failed", {"message": message}))

    def get_remaining_time_in_millis(self) -> int:
        self.looks -= 1
        return 900_000 if self.looks > 0 else 0

    def run(self, files: Mapping[str, bytes], token: str = "", **given: Any) -> tuple[str, Mapping[str, str]]:
        """Publish an archive of these files; answers with the result."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, body in files.items():
                archive.writestr(name, body)
        self.s3.put_object(Bucket=STORE, Key="site.zip", Body=packed.getvalue())
        place = {"type": "S3", "s3Location": {"bucketName": STORE, "objectKey": "site.zip"}}
        parameters = json.dumps({"bucket": SITE, **given})
        data: dict[str, Any] = {
            "actionConfiguration": {"configuration": {"FunctionName": "s3deployer", "UserParameters": parameters}},
            "inputArtifacts": [{"name": "Site", "revision": None, "location": place}],
            "outputArtifacts": [],
            "artifactCredentials": {"accessKeyId": "AKIAJOB", "secretAccessKey": "x", "sessionToken": "y"},
        }
        if token:
            data["continuationToken"] = token
        function = S3Deployer(handler.open_artifact, handler.open_site, self, self, self.invalidate, at_once=4)
        function({"CodePipeline.job": {"id": "job-1", "accountId": ACCOUNT, "data": data}}, self)
        return self.answers[-1]

    @property
    def published(self) -> dict[str, bytes]:
        """What is in the site's bucket, but for the receipts."""
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=SITE).get("Contents", ())]
        return {
            key: self.s3.get_object(Bucket=SITE, Key=key)["Body"].read()
            for key in keys
            if not key.endswith(".deployer/published")
        }


@pytest.fixture
def job(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    s3 = boto3.client("s3")
    for bucket in (STORE, SITE):
        s3.create_bucket(Bucket=bucket)
    yield Job(s3)
    for bucket in (STORE, SITE):
        for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            s3.delete_object(Bucket=bucket, Key=each["Key"])
        s3.delete_bucket(Bucket=bucket)


FILES = {
    "index.html": b"<h1>main</h1>",
    "a b/ü & #1?.txt": b"odd",
    "100%.css": b"a{}",
    "app.3f2a1b9c.js": b"1",
}


def counts(uploaded: int, unchanged: int, deleted: int = 0, size: int = 0) -> tuple[str, dict[str, str]]:
    numbers = {"uploaded": uploaded, "unchanged": unchanged, "deleted": deleted, "bytes": size}
    return "succeeded", {"bucket": SITE, **{name: str(number) for name, number in numbers.items()}}


def test_F85_what_is_published_and_how_it_is_served(job: Job) -> None:
    headers = {"*.css": {"x-amz-meta-team": "web", "Content-Language": "de"}}
    assert job.run(FILES, headers=headers) == counts(4, 0, size=sum(map(len, FILES.values())))
    assert job.published == FILES
    found = job.s3.head_object(Bucket=SITE, Key="100%.css")
    assert (found["ContentType"], found["CacheControl"]) == ("text/css; charset=utf-8", "no-cache")
    assert (found["ContentLanguage"], found["Metadata"]) == ("de", {"team": "web"})
    hashed = job.s3.head_object(Bucket=SITE, Key="app.3f2a1b9c.js")
    assert hashed["CacheControl"] == "public, max-age=31536000, immutable"


def test_the_same_again_writes_nothing_and_what_others_did_is_mended(job: Job) -> None:
    job.run(FILES)
    assert job.run(FILES) == counts(0, 4)
    job.s3.put_object(Bucket=SITE, Key="index.html", Body=b"defaced")
    job.s3.delete_object(Bucket=SITE, Key="100%.css")
    assert job.run(FILES) == counts(2, 2, size=16)
    assert job.published == FILES


def test_F88b_large_files_go_in_parts_and_are_known_again(job: Job) -> None:
    chosen = random.Random(7)  # noqa: S311 - the same each time
    files = {"film.mp4": chosen.randbytes(2 * PART + 1), "photo.jpg": chosen.randbytes(IN_MEMORY), "index.html": b""}
    assert job.run(files)[1]["uploaded"] == "3"
    assert job.published == files
    assert job.run(files) == counts(0, 3)


def test_F89b_what_is_stale_is_removed_where_it_is_asked_for(job: Job) -> None:
    job.run(FILES)
    for key in ("docs//odd", "docs/folder/"):
        job.s3.put_object(Bucket=SITE, Key=key, Body=b"")
    fewer = {"index.html": FILES["index.html"]}
    assert job.run(fewer, invalidate="E2EXAMPLE12345") == counts(0, 1)
    assert set(job.published) == {*FILES, "docs//odd", "docs/folder/"}
    assert job.told == [("/*",)]  # it was never told of this site
    assert job.run(fewer, delete=True, invalidate="E2EXAMPLE12345") == counts(0, 1, deleted=5)
    assert job.published == fewer
    assert job.told == [("/*",)] * 2


def test_a_prefix_and_folders_that_are_taken_off(job: Job) -> None:
    job.s3.put_object(Bucket=SITE, Key="other.txt", Body=b"kept")
    job.run({f"site-1/{name}": body for name, body in FILES.items()}, prefix="docs/v1", strip=1, delete=True)
    assert job.published == {"other.txt": b"kept"} | {f"docs/v1/{name}": body for name, body in FILES.items()}


def test_longer_than_an_invocation(job: Job) -> None:
    first = replace(job, looks=8)
    said, more = first.run(FILES)
    assert said == "goes on"
    assert "index.html" not in job.published
    said, more = job.run(FILES, token=more["token"])
    assert (said, more["uploaded"]) == ("succeeded", "4")
    assert job.published == FILES


@pytest.mark.parametrize("name", ["../x", "/x", "a\\b"])
def test_F83_nothing_is_written_of_a_hostile_archive(job: Job, name: str) -> None:
    said, more = job.run({"index.html": b"", name: b""})
    assert said == "failed"
    assert "path" in more["message"]
    assert job.published == {}
