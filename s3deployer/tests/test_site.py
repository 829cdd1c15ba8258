"""The site over S3: the fast client and boto3 see the same bucket, moto's, over the wire."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from deployer.errors import Rejected
from s3deployer.handler import Distributions, open_artifact, open_site
from s3deployer.job import Artifact, Credentials, Location


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="site-bucket")
    yield client
    server.stop()


def test_what_one_client_writes_the_other_lists_and_removes(s3: Any) -> None:
    site = open_site("site-bucket", "123456789012")
    etags = {
        "index.html": site.put("index.html", b"<h1>", {"Content-Type": "text/html", "Cache-Control": "no-cache"}),
        "a b/ü.bin": site.upload("a b/ü.bin", io.BytesIO(b"x" * 10), {"team": "web"}),
    }
    assert list(site.pages("")) == [etags]
    assert site.read("index.html") == b"<h1>"
    assert site.read("nothing") is None
    found = s3.head_object(Bucket="site-bucket", Key="index.html")
    assert (found["ContentType"], found["CacheControl"]) == ("text/html", "no-cache")
    assert s3.head_object(Bucket="site-bucket", Key="a b/ü.bin")["Metadata"] == {"team": "web"}
    s3.put_object(Bucket="site-bucket", Key="a//b", Body=b"")
    site.delete(["a//b", "index.html"])
    assert [set(page) for page in site.pages("")] == [{"a b/ü.bin"}]


def test_an_artifact_is_read_with_the_jobs_credentials(s3: Any) -> None:
    s3.put_object(Bucket="site-bucket", Key="a.zip", Body=b"0123456789")
    artifact = Artifact("Built", Location("site-bucket", "a.zip"))
    source = open_artifact(artifact, Credentials("AKIAJOB", "secret", "token"))
    assert (source.size, source.file.read()) == (10, b"0123456789")


def distribution(cloudfront: Any) -> str:
    origin = {
        "Id": "site",
        "DomainName": "site-bucket.s3.amazonaws.com",
        "S3OriginConfig": {"OriginAccessIdentity": ""},
    }
    behaviour = {"TargetOriginId": "site", "ViewerProtocolPolicy": "https-only", "MinTTL": 0}
    behaviour["ForwardedValues"] = {"QueryString": False, "Cookies": {"Forward": "none"}}
    config = {"CallerReference": "1", "Comment": "", "Enabled": True, "DefaultCacheBehavior": behaviour}
    config["Origins"] = {"Quantity": 1, "Items": [origin]}
    return str(cloudfront.create_distribution(DistributionConfig=config)["Distribution"]["Id"])


def test_a_distribution_is_invalidated(s3: Any) -> None:
    cloudfront = boto3.client("cloudfront", region_name="us-east-1")
    cdn = distribution(cloudfront)
    Distributions()(cdn, ("/*", "/a"), "job-1")
    [found] = cloudfront.list_invalidations(DistributionId=cdn)["InvalidationList"]["Items"]
    batch = cloudfront.get_invalidation(DistributionId=cdn, Id=found["Id"])["Invalidation"]["InvalidationBatch"]
    assert (batch["CallerReference"], batch["Paths"]["Items"]) == ("job-1", ["/*", "/a"])


def test_one_that_is_refused_says_what_to_do(s3: Any) -> None:
    with pytest.raises(Rejected, match="published, but E2ABSENT12345 was not invalidated"):
        Distributions()("E2ABSENT12345", ("/*",), "job-1")
