"""Reading a job, and choosing among its artifacts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from deployer.errors import Rejected
from s3deployer.choosing import Choice, bucket_of, choose, distribution_of, outputs_of
from s3deployer.job import Location, Progress, job_id, parse
from s3deployer.parameters import Invalidation, Parameters

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


def test_a_job_that_goes_on() -> None:
    assert parse(event({"Site": "a.zip"})).progress == Progress()
    given = event({"Site": "a.zip"})
    given["CodePipeline.job"]["data"]["continuationToken"] = Progress(3, 400, 1).token()
    assert parse(given).progress == Progress(3, 400, 1)


@pytest.mark.parametrize("token", ["x", "[]", "{}", '{"uploaded": "x", "bytes": 1, "deleted": 0}', 7])
def test_a_token_that_is_none_of_ours_is_refused(token: object) -> None:
    given = event({"Site": "a.zip"})
    given["CodePipeline.job"]["data"]["continuationToken"] = token
    with pytest.raises(Rejected, match="continuation token"):
        parse(given)


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
        pytest.param({"A": SITE, "B": OUTPUTS}, {"bucket": "b"}, Choice("A", "B"), id="a-bucket-by-name-wins"),
        pytest.param({"A": BOTH}, {"bucket": "b"}, Choice("A"), id="a-site-that-has-such-a-file-too"),
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
        pytest.param(
            {"A": OUTPUTS, "B": OUTPUTS}, {"bucket": "b"}, "more than one.*A, B", id="two-outputs-and-a-bucket"
        ),
        pytest.param({"A": OUTPUTS}, {"bucket": "b"}, "left for the site", id="outputs-are-no-site"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(
    artifacts: dict[str, frozenset[str]], given: dict[str, str], why: str
) -> None:
    with pytest.raises(Rejected, match=why):
        choose(artifacts, Parameters(**given))


@pytest.mark.parametrize(
    ("outputs", "given", "expected"),
    [
        pytest.param({"Bucket": "a", "BucketName": "b"}, {}, "a", id="Bucket"),
        pytest.param({"BucketName": "b", "Url": "x"}, {}, "b", id="BucketName"),
        pytest.param({"Bucket": "a", "DocsBucket": "d"}, {"output": "DocsBucket"}, "d", id="named-in-UserParameters"),
        pytest.param({"Bucket": "a"}, {"bucket": "c"}, "c", id="said-in-UserParameters"),
    ],
)
def test_the_bucket(outputs: dict[str, str], given: dict[str, str], expected: str) -> None:
    assert bucket_of(outputs, Parameters(**given)) == expected


@pytest.mark.parametrize(
    ("outputs", "given", "why"),
    [
        pytest.param({}, {}, "no output called Bucket or BucketName", id="none"),
        pytest.param({"Bucket": "a"}, {"output": "DocsBucket"}, "no output called DocsBucket;", id="not-the-named-one"),
    ],
)
def test_outputs_without_the_bucket(outputs: dict[str, str], given: dict[str, str], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        bucket_of(outputs, Parameters(**given))


@pytest.mark.parametrize("text", [b"", b"\xff", b"[]", b'"x"'])
def test_what_is_no_outputs_file(text: bytes) -> None:
    with pytest.raises(Rejected, match=r"outputs\.json"):
        outputs_of(text, "outputs.json")


def test_outputs_that_are_empty_or_no_text_are_none() -> None:
    assert outputs_of(b'{"Bucket": "", "Count": 7, "Url": "x"}', "outputs.json") == {"Url": "x"}


@pytest.mark.parametrize(
    ("outputs", "given", "expected"),
    [
        pytest.param({"DistributionId": "E2EXAMPLE12345"}, None, "", id="not-asked-for"),
        pytest.param({"DistributionId": "E2EXAMPLE12345"}, "DistributionId", "E2EXAMPLE12345", id="an-output"),
        pytest.param({}, "E2EXAMPLE12345", "E2EXAMPLE12345", id="an-id"),
    ],
)
def test_the_distribution(outputs: dict[str, str], given: str | None, expected: str) -> None:
    assert distribution_of(outputs, Parameters(invalidate=Invalidation(given) if given else None)) == expected


@pytest.mark.parametrize("outputs", [{}, {"Cdn": "https://d111111abcdef8.cloudfront.net"}], ids=["none", "its-url"])
def test_what_is_no_distribution_is_refused(outputs: dict[str, str]) -> None:
    with pytest.raises(Rejected, match=r"neither an output in outputs\.json nor a distribution's id"):
        distribution_of(outputs, Parameters(invalidate=Invalidation("Cdn")))
