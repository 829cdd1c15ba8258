"""Reading a job, and choosing among its artifacts."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from deployer.errors import Rejected
from s3deployer.choosing import Choice, bucket_name, choose
from s3deployer.job import Location, Parameters, job_id, parameters, parse

from .jobs import ACCOUNT, SECRET, STORE, event


def test_a_job_is_read() -> None:
    job = parse(event({"Site": "a.zip", "Outputs": "b.zip"}, {"prefix": "docs/"}))
    assert (job.id, job.account) == ("11111111-abcd-1111-abcd-111111abcdef", ACCOUNT)
    assert [(artifact.name, artifact.location) for artifact in job.artifacts] == [
        ("Site", Location(STORE, "a.zip")),
        ("Outputs", Location(STORE, "b.zip")),
    ]
    assert job.parameters == Parameters(prefix="docs")
    assert job.credentials.secret_access_key == SECRET


def test_F87_the_credentials_have_no_repr() -> None:
    job = parse(event({"Site": "a.zip"}))
    assert SECRET not in f"{job!r} {job} {job.credentials} {job.credentials!r}"


@pytest.mark.parametrize(
    "given",
    [None, [], {}, {"Records": []}, {"CodePipeline.job": None}, {"CodePipeline.job": {"id": 7}}],
    ids=["null", "list", "empty", "other-event", "no-job", "no-text"],
)
def test_what_is_no_job_has_no_id(given: object) -> None:
    with pytest.raises(Rejected, match="not a CodePipeline job"):
        job_id(given)


PATHS = [
    ("accountId",),
    ("data",),
    ("data", "inputArtifacts"),
    ("data", "inputArtifacts", 0, "name"),
    ("data", "inputArtifacts", 0, "location"),
    ("data", "inputArtifacts", 0, "location", "s3Location", "objectKey"),
    ("data", "artifactCredentials"),
    ("data", "artifactCredentials", "sessionToken"),
    ("data", "actionConfiguration"),
]


@pytest.mark.parametrize("value", [None, "gone"], ids=["null", "absent"])
@pytest.mark.parametrize("path", PATHS, ids=lambda path: ".".join(map(str, path)))
def test_F87_a_malformed_job_is_refused_without_quoting_it(path: tuple[Any, ...], value: object) -> None:
    given = copy.deepcopy(event({"Site": "a.zip"}))
    *parents, last = path
    parent = given["CodePipeline.job"]
    for step in parents:
        parent = parent[step]
    if value is None:
        parent[last] = None
    else:
        del parent[last]
    with pytest.raises(Rejected) as caught:
        parse(given)
    assert SECRET not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Parameters()),
        ("  ", Parameters()),
        ("{}", Parameters()),
        ('{"bucket": "b"}', Parameters(bucket="b")),
        ('{"prefix": "a/b/"}', Parameters(prefix="a/b")),
        ('{"outputs": "stack.json"}', Parameters(outputs="stack.json")),
    ],
    ids=["none", "blank", "empty", "bucket", "prefix", "outputs"],
)
def test_user_parameters(text: str, expected: Parameters) -> None:
    assert parameters(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("site-bucket", "not JSON"),
        ('["b"]', "JSON object"),
        ('{"buckit": "b", "delete": true}', "unknown buckit, delete"),
        ('{"bucket": 7, "prefix": null}', "bucket, prefix must be text"),
        ('{"prefix": "/abs"}', "plain relative path"),
        ('{"prefix": "a/../b"}', "plain relative path"),
        ('{"prefix": "a//b"}', "plain relative path"),
    ],
)
def test_user_parameters_that_are_refused(text: str, why: str) -> None:
    with pytest.raises(Rejected, match=why):
        parameters(text)


SITE, OUTPUTS = frozenset({"index.html", "a.js"}), frozenset({"outputs.json"})
BOTH = frozenset({"index.html", "outputs.json"})


@pytest.mark.parametrize(
    ("artifacts", "given", "expected"),
    [
        pytest.param({"A": SITE, "B": OUTPUTS}, {}, Choice("A", "B"), id="site-first"),
        pytest.param({"B": OUTPUTS, "A": SITE}, {}, Choice("A", "B"), id="outputs-first"),
        pytest.param({"A": BOTH, "B": OUTPUTS}, {}, Choice("A", "B"), id="the-site-has-such-a-file-too"),
        pytest.param({"A": SITE, "B": BOTH}, {}, Choice("A", "B"), id="outputs-beside-another-file"),
        pytest.param({"A": SITE}, {"bucket": "b"}, Choice("A"), id="a-bucket-by-name"),
        pytest.param({"A": SITE, "B": OUTPUTS}, {"bucket": "b"}, Choice("A"), id="a-bucket-by-name-wins"),
        pytest.param({"A": OUTPUTS}, {"bucket": "b"}, Choice("A"), id="a-site-that-is-called-so"),
        pytest.param(
            {"A": SITE, "B": frozenset({"s.json"})}, {"outputs": "s.json"}, Choice("A", "B"), id="another-file-name"
        ),
    ],
)
def test_artifacts_are_told_apart_by_content(
    artifacts: dict[str, frozenset[str]], given: dict[str, str], expected: Choice
) -> None:
    assert choose(artifacts, Parameters(**given)) == expected


@pytest.mark.parametrize(
    ("artifacts", "given", "why"),
    [
        pytest.param({}, {}, "no input artifact", id="none"),
        pytest.param({"A": SITE}, {}, "no input artifact holds outputs.json", id="no-outputs"),
        pytest.param({"A": OUTPUTS}, {}, "left for the site", id="no-site"),
        pytest.param({"A": SITE, "B": SITE, "C": OUTPUTS}, {}, "A, B may each be", id="two-sites"),
        pytest.param({"A": SITE, "B": OUTPUTS, "C": OUTPUTS}, {}, "more than one.*B, C", id="two-outputs"),
        pytest.param({"A": SITE, "B": SITE}, {"bucket": "b"}, "A, B may each be", id="two-sites-and-a-bucket"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    artifacts: dict[str, frozenset[str]], given: dict[str, str], why: str
) -> None:
    with pytest.raises(Rejected, match=why):
        choose(artifacts, Parameters(**given))


@pytest.mark.parametrize("name", ["Bucket", "BucketName"])
def test_the_bucket_in_the_outputs(name: str) -> None:
    assert bucket_name(json.dumps({name: "site-bucket", "Url": "x"}).encode(), "outputs.json") == "site-bucket"


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b'"x"', b"{}", b'{"Bucket": ""}', b'{"Bucket": 7}'])
def test_outputs_without_a_bucket(text: bytes) -> None:
    with pytest.raises(Rejected, match=r"outputs\.json"):
        bucket_name(text, "outputs.json")
