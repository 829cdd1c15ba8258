"""Jobs from their event to their result."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from hypothesis import given
from hypothesis import strategies as st

from deployer import deadline
from deployer.errors import Broken, Rejected, Transient
from s3deployer.deploying import MAX_MESSAGE, S3Deployer, Source
from s3deployer.handler import JobResults
from s3deployer.job import Artifact, Credentials, Job, Progress
from s3deployer.receipt import is_receipt

from .jobs import OUTPUTS, SECRET, SITE, STORE, damaged, event, linked, zipped
from .sites import FakeSite

JOB_ID = "11111111-abcd-1111-abcd-111111abcdef"
ARTIFACTS = {"Site": "site.zip", "Outputs": "outputs.zip"}
CDN = "E2EXAMPLE12345"


@dataclass
class World:
    """Artifacts, sites, what is proven, CodePipeline's mailbox, and CloudFront's."""

    proven: str = "site-bucket"
    problem: Exception | None = None
    artifacts: dict[str, bytes] = field(default_factory=dict)
    sites: dict[str, FakeSite] = field(
        default_factory=lambda: {"site-bucket": FakeSite(), "victims-bucket": FakeSite()}
    )
    successes: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    continued: list[tuple[str, str, int, str]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    invalidated: list[tuple[str, Sequence[str], str]] = field(default_factory=list)
    remaining: Callable[[], float] = lambda: 900.0
    ring: Callable[[], None] | None = None
    opened_with: list[Credentials] = field(default_factory=list)

    def open_artifact(self, artifact: Artifact, credentials: Credentials) -> Source:
        self.opened_with.append(credentials)
        if (artifact.location.bucket, artifact.location.key in self.artifacts) != (STORE, True):
            raise Broken(f"reading {artifact.location.key}: there is no such object")
        content = self.artifacts[artifact.location.key]
        return Source(io.BytesIO(content), len(content))

    def open_site(self, name: str, owner: str) -> FakeSite:
        return self.sites[name]

    def show(self, bucket: str, job: Job) -> str:
        if self.problem:
            raise self.problem
        if bucket != self.proven:
            raise Rejected(f"bucket {bucket} is refused: it belongs to somebody else")
        return "site-staging"

    def show_distribution(self, distribution: str, environment: str) -> None:
        if (distribution, environment) != (CDN, "site-staging"):
            raise Rejected(f"distribution {distribution} is refused: it belongs to somebody else")

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        self.invalidated.append((distribution, paths, reference))

    def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
        self.successes.append((job, summary, variables))

    def goes_on(self, job: str, summary: str, percent: int, token: str) -> None:
        self.continued.append((job, summary, percent, token))

    def failed(self, job: str, message: str) -> None:
        self.failures.append((job, message))

    def get_remaining_time_in_millis(self) -> int:
        return int(self.remaining() * 1000)

    @contextmanager
    def alarm(self, seconds: float, action: Callable[[], None]) -> Iterator[None]:
        self.ring = action
        yield

    def put(self, key: str, content: bytes) -> None:
        self.artifacts[key] = content

    def objects(self, bucket: str = "site-bucket") -> dict[str, bytes]:
        return {key: body for key, body in self.sites[bucket].objects.items() if not is_receipt(key)}

    def run(self, given: Mapping[str, Any]) -> None:
        deployer = S3Deployer(self.open_artifact, self.open_site, self, self, self.invalidate, self.alarm, at_once=2)
        deployer(given, self)


def filled(made: World) -> World:
    made.put("site.zip", zipped({"css/": b"", **SITE}))
    made.put("outputs.zip", zipped(OUTPUTS))
    return made


@pytest.fixture
def world() -> World:
    return filled(World())


def test_a_site_is_published(world: World) -> None:
    world.run(event(ARTIFACTS))
    size = sum(map(len, SITE.values()))
    assert world.objects() == SITE  # F88b: the directory css/ made no object
    assert world.successes == [
        (
            JOB_ID,
            f"5 uploaded ({size} bytes), 0 unchanged, 0 deleted in site-bucket",
            {"bucket": "site-bucket", "uploaded": "5", "unchanged": "0", "deleted": "0", "bytes": str(size)},
        )
    ]
    assert world.failures == []
    assert world.sites["site-bucket"].headers["app.js"]["Content-Type"] == "text/javascript; charset=utf-8"
    assert {given.secret_access_key for given in world.opened_with} == {SECRET}


def test_it_can_be_done_again(world: World) -> None:
    world.run(event(ARTIFACTS))
    world.run(event(ARTIFACTS))
    assert world.objects() == SITE
    assert world.successes[1][2] == {
        "bucket": "site-bucket",
        "uploaded": "0",
        "unchanged": "5",
        "deleted": "0",
        "bytes": "0",
    }


@pytest.mark.parametrize(
    ("artifacts", "parameters", "prefix"),
    [
        (ARTIFACTS, {"prefix": "docs"}, "docs/"),
        ({"Site": "site.zip"}, {"bucket": "site-bucket"}, ""),
        ({"Outputs": "outputs.zip", "Site": "site.zip"}, None, ""),
    ],
    ids=["prefix", "bucket-by-name", "artifacts-in-another-order"],
)
def test_ways_to_say_where(
    world: World, artifacts: dict[str, str], parameters: dict[str, str] | None, prefix: str
) -> None:
    world.run(event(artifacts, parameters))
    assert world.objects() == {prefix + key: body for key, body in SITE.items()}


@pytest.mark.parametrize(
    ("site", "why"),
    [
        pytest.param(damaged(), "'app.js' is damaged", id="F82-crc"),
        pytest.param(zipped(SITE)[:-30], "no readable zip", id="F82-cut-off"),
        pytest.param(b"", "no readable zip", id="F82-empty"),
        pytest.param(zipped({"index.html": b"", "big": bytes(50 << 20)}), "times its size", id="F83-bomb"),
        pytest.param(zipped({"index.html": b"", "../x": b""}), "leaves the archive", id="F83-traversal"),
        pytest.param(zipped({"index.html": b"", "/x": b""}), "absolute", id="F83-absolute"),
        pytest.param(linked("x", "index.html"), "symbolic link", id="F83-link"),
        pytest.param(zipped({"css/": b""}), "no files", id="nothing-to-publish"),
    ],
)
def test_nothing_is_written_before_the_whole_archive_is_checked(world: World, site: bytes, why: str) -> None:
    world.put("site.zip", site)
    world.run(event(ARTIFACTS))
    ((job, message),) = world.failures
    assert job == JOB_ID
    assert why in message
    assert world.objects() == {}
    assert world.successes == []


@pytest.mark.parametrize(
    "parameters",
    [None, {"bucket": "victims-bucket"}],
    ids=["F86-in-the-outputs", "F86-in-the-parameters"],
)
def test_somebody_elses_bucket_is_refused_before_the_first_put(world: World, parameters: dict[str, str] | None) -> None:
    world.put("outputs.zip", zipped({"outputs.json": json.dumps({"Bucket": "victims-bucket"}).encode()}))
    world.sites["victims-bucket"].objects["index.html"] = b"theirs"
    world.run(event(ARTIFACTS, parameters))
    ((job, message),) = world.failures
    assert job == JOB_ID
    assert "victims-bucket is refused" in message
    assert world.objects("victims-bucket") == {"index.html": b"theirs"}
    assert world.objects() == {}
    assert world.successes == []


def test_the_bucket_of_the_artifacts_is_no_site(world: World) -> None:
    world.proven = STORE
    world.run(event({"Site": "site.zip"}, {"bucket": STORE, "delete": True}))
    ((_, message),) = world.failures
    assert message == f"bucket {STORE} is refused: the pipeline's artifacts are in it"


@pytest.mark.parametrize("cdn", [CDN, "E2VICTIM12345"], ids=["ours", "F86-somebody-elses"])
def test_a_distribution_is_proven_before_the_first_put(world: World, cdn: str) -> None:
    world.put("outputs.zip", zipped({"outputs.json": json.dumps({"Bucket": "site-bucket", "Cdn": cdn}).encode()}))
    world.run(event(ARTIFACTS, {"invalidate": "Cdn"}))
    if cdn == CDN:
        assert world.invalidated == [(CDN, ("/*",), JOB_ID)]
        assert world.successes[0][1].endswith(f"; {CDN} invalidated")
    else:
        assert "E2VICTIM12345 is refused" in world.failures[0][1]
        assert (world.invalidated, world.objects()) == ([], {})


def test_longer_than_one_invocation(world: World) -> None:
    looks = iter([900.0] * 8)
    world.remaining = lambda: next(looks, 20.0)
    world.run(event(ARTIFACTS))
    [(job, summary, percent, token)] = world.continued
    assert (job, summary, percent) == (JOB_ID, "2 of at most 5 objects uploaded so far", 40)
    assert sorted(world.objects()) == ["app.js", "css/site.css"]
    assert (world.successes, world.failures) == ([], [])
    world.remaining = lambda: 900.0
    again = event(ARTIFACTS)
    again["CodePipeline.job"]["data"]["continuationToken"] = token
    world.run(again)
    assert world.objects() == SITE
    assert world.successes[0][2]["uploaded"] == "5"
    assert Progress.of(token).uploaded == 2


class Failing(World):
    """Every call that a job makes is counted, and the one numbered ``fails_at`` raises ``problem``."""

    def __init__(self, fails_at: int, problem: Exception) -> None:
        super().__init__()
        self.made: list[str] = []
        self._fails_at, self._problem, self._lock = fails_at, problem, threading.Lock()

    def call(self, name: str) -> None:
        with self._lock:
            self.made.append(name)
            failing = len(self.made) == self._fails_at + 1
        if failing:
            raise self._problem

    def open_artifact(self, artifact: Artifact, credentials: Credentials) -> Source:
        self.call(f"read {artifact.name}")
        return super().open_artifact(artifact, credentials)

    def show(self, bucket: str, job: Job) -> str:
        self.call("prove")
        return super().show(bucket, job)

    def show_distribution(self, distribution: str, environment: str) -> None:
        self.call("prove it, too")
        super().show_distribution(distribution, environment)

    def invalidate(self, distribution: str, paths: Sequence[str], reference: str) -> None:
        self.call("invalidate")
        super().invalidate(distribution, paths, reference)

    def open_site(self, name: str, owner: str) -> FakeSite:
        self.call("open")
        return Counted(self.call)


class Counted(FakeSite):
    """A site with something to delete; each call is told first."""

    def __init__(self, call: Callable[[str], None]) -> None:
        super().__init__()
        self._call = call
        self.objects["stale.js"] = b""

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
        self._call(f"put {key}")
        return super().put(key, body, headers)

    def read(self, key: str) -> bytes | None:
        self._call("receipt")
        return super().read(key)

    def pages(self, prefix: str) -> Iterator[Mapping[str, str]]:
        self._call("list")
        return super().pages(prefix)

    def delete(self, keys: Sequence[str]) -> None:
        self._call("delete")
        super().delete(keys)


def raising(problem: Exception | None) -> Callable[..., Any]:
    def call(*_: object) -> Any:
        assert problem is not None
        raise problem

    return call


class TestAResultIsAlwaysPosted:
    @pytest.mark.parametrize(
        ("problem", "message"),
        [
            pytest.param(Rejected("not yours"), "not yours", id="F81-rejected"),
            pytest.param(Transient("Rate exceeded"), "Rate exceeded", id="F81-transient"),
            pytest.param(Broken("no permission"), "no permission", id="F81-broken"),
            pytest.param(
                ZeroDivisionError(SECRET), "unexpected ZeroDivisionError; the function's log has more", id="F81-bug"
            ),
            pytest.param(Rejected("x" * 9000), "x" * (MAX_MESSAGE - 1) + "…", id="F81-too-long"),
        ],
    )
    def test_whatever_goes_wrong(self, world: World, problem: Exception, message: str) -> None:
        world.problem = problem
        world.run(event(ARTIFACTS))
        assert world.failures == [(JOB_ID, message)]

    @pytest.mark.parametrize(
        "given",
        [
            pytest.param(event({"Site": "no-such.zip"}, {"bucket": "site-bucket"}), id="F81-no-such-artifact"),
            pytest.param(event(ARTIFACTS, "not JSON"), id="F81-user-parameters"),
            pytest.param(event(ARTIFACTS, {"delet": "x"}), id="F81-unknown-parameter"),
            pytest.param(event(ARTIFACTS, data=None), id="F81-malformed"),
            pytest.param(event({}), id="F81-no-artifacts"),
            pytest.param(event({"Site": "site.zip"}), id="F81-no-outputs"),
        ],
    )
    def test_whatever_is_wrong_with_the_job(self, world: World, given: Mapping[str, Any]) -> None:
        world.run(given)
        assert len(world.failures) == 1
        assert world.objects() == {}

    @pytest.mark.parametrize(
        "problem",
        [Rejected("no"), Transient("Rate exceeded"), Broken("no permission"), KeyError(SECRET), MemoryError()],
        ids=lambda problem: f"F81-{type(problem).__name__}",
    )
    def test_at_whichever_call_it_goes_wrong(self, world: World, problem: Exception) -> None:
        """Each call that a job makes fails in turn, from the first to the last."""
        calls = 0
        while True:
            world.failures.clear()
            world.successes.clear()
            failing = filled(Failing(fails_at=calls, problem=problem))
            failing.successes, failing.failures = world.successes, world.failures
            failing.run(event(ARTIFACTS, {"delete": True, "invalidate": CDN}))
            assert len(world.successes) + len(world.failures) == 1
            if world.successes:
                break
            [(job, message)] = world.failures
            assert (job, bool(message), SECRET in message) == (JOB_ID, True, False)
            calls += 1
        # two artifacts, two proofs, the site, its receipt and listing, five objects, the receipt, an invalidation, the
        # receipt again; then the receipt before a deletion, that, another invalidation, and the last receipt
        assert calls == len(failing.made) == 19, failing.made

    @pytest.mark.parametrize("refusal", [Rejected("summary: invalid"), Broken("no permission")], ids=["F81-a", "F81-b"])
    def test_a_success_that_is_not_taken_for_good_is_posted_as_a_failure(
        self, world: World, refusal: Exception
    ) -> None:
        class Refusing(World):
            def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
                raise refusal

        refusing = filled(Refusing())
        refusing.run(event(ARTIFACTS))
        assert refusing.failures == [(JOB_ID, f"published, and CodePipeline did not take the result: {refusal}")]

    @pytest.mark.parametrize("problem", [None, Rejected("not yours")], ids=["F81-success", "F81-failure"])
    def test_a_result_that_is_not_taken_now_fails_the_invocation(self, world: World, problem: Exception | None) -> None:
        """Lambda tries an invocation that failed again, and a job can be done twice."""

        class Deaf(World):
            def succeeded(self, job: str, summary: str, variables: Mapping[str, str]) -> None:
                raise Transient("Rate exceeded")

            def failed(self, job: str, message: str) -> None:
                raise Transient("Rate exceeded")

        with pytest.raises(Transient, match="Rate exceeded"):
            filled(Deaf(problem=problem)).run(event(ARTIFACTS))

    def test_F81_a_last_word_that_is_not_taken_fails_the_invocation(self, world: World) -> None:
        tried = threading.Event()

        class Hanging(World):
            def show(self, bucket: str, job: Job) -> str:
                assert tried.wait(30)
                return super().show(bucket, job)

            def failed(self, job: str, message: str) -> None:
                tried.set()
                raise Transient("Rate exceeded")

        hanging = filled(Hanging())
        hanging.alarm = lambda seconds, action: deadline.alarm(0, action)  # type: ignore[method-assign]
        with pytest.raises(Transient, match="Rate exceeded"):
            hanging.run(event(ARTIFACTS))
        assert hanging.successes == []

    @given(text=st.text(max_size=60), times=st.integers(1, 400))
    def test_F81_a_message_of_any_length_is_taken(self, text: str, times: int) -> None:
        client = boto3.client("codepipeline", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        with Stubber(client) as stub:
            stub.add_response("put_job_failure_result", {}, {"jobId": JOB_ID, "failureDetails": ANY})
            world = World(problem=Rejected(text * times))
            sent: list[str] = []
            client.meta.events.register(
                "provide-client-params.codepipeline.PutJobFailureResult",
                lambda params, **_: sent.append(params["failureDetails"]["message"]),
            )
            world.failed = JobResults(client).failed  # type: ignore[method-assign]
            world.open_artifact = raising(world.problem)  # type: ignore[method-assign]
            world.run(event(ARTIFACTS))
        assert 1 <= len(sent[0].encode("utf-16-le")) // 2 <= MAX_MESSAGE
        assert (text * times).startswith(sent[0].removesuffix("…")) or not text

    def test_F81_the_deadline_nears(self, world: World) -> None:
        world.remaining = lambda: 20.0
        world.run(event(ARTIFACTS))
        assert "time ran out" in world.failures[0][1]

    def test_F81_a_call_that_hangs(self, world: World) -> None:
        class Hanging(World):
            def show(self, bucket: str, job: Job) -> str:
                assert self.ring is not None
                self.ring()
                return super().show(bucket, job)

        hanging = filled(Hanging())
        hanging.run(event(ARTIFACTS))
        assert len(hanging.failures) == 1
        assert "ran out of time" in hanging.failures[0][1]
        assert hanging.successes == []

    def test_what_is_no_job_has_nobody_to_tell(self, world: World) -> None:
        with pytest.raises(Rejected):
            world.run({"Records": []})


@pytest.mark.parametrize(
    "problem", [None, Broken("broken"), ZeroDivisionError(SECRET)], ids=["F87-success", "F87-broken", "F87-bug"]
)
def test_the_event_is_never_logged(world: World, caplog: pytest.LogCaptureFixture, problem: Exception | None) -> None:
    caplog.set_level(logging.INFO)
    world.problem = problem
    world.run(event(ARTIFACTS))
    lines = "\n".join(
        f"{entry.getMessage()} {getattr(entry, 'fields', '')} {entry.exc_text}" for entry in caplog.records
    )
    assert JOB_ID in lines
    assert SECRET not in lines + str(world.failures) + str(world.successes)


class TestJobResults:
    @pytest.fixture
    def stub(self) -> Iterator[Stubber]:
        client = boto3.client("codepipeline", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        with Stubber(client) as stubber:
            yield stubber

    def test_success(self, stub: Stubber) -> None:
        stub.add_response(
            "put_job_success_result",
            {},
            {
                "jobId": JOB_ID,
                "executionDetails": {"summary": "done", "percentComplete": 100},
                "outputVariables": {"uploaded": "5"},
            },
        )
        JobResults(stub.client).succeeded(JOB_ID, "done", {"uploaded": "5"})
        stub.assert_no_pending_responses()

    def test_it_goes_on(self, stub: Stubber) -> None:
        stub.add_response(
            "put_job_success_result",
            {},
            {
                "jobId": JOB_ID,
                "executionDetails": {"summary": "so far", "percentComplete": 40},
                "continuationToken": "{}",
            },
        )
        JobResults(stub.client).goes_on(JOB_ID, "so far", 40, "{}")
        stub.assert_no_pending_responses()

    def test_F81_failure(self, stub: Stubber) -> None:
        stub.add_response(
            "put_job_failure_result",
            {},
            {"jobId": JOB_ID, "failureDetails": {"type": "JobFailed", "message": "no reason known"}},
        )
        JobResults(stub.client).failed(JOB_ID, "")
        stub.assert_no_pending_responses()

    @pytest.mark.parametrize("code", ["InvalidJobStateException", "JobNotFoundException"])
    def test_a_job_that_is_over_is_left_alone(self, stub: Stubber, code: str) -> None:
        stub.add_client_error("put_job_failure_result", code, http_status_code=400)
        JobResults(stub.client).failed(JOB_ID, "x")

    def test_F81_a_result_that_is_not_taken_lets_lambda_try_again(self, stub: Stubber) -> None:
        stub.add_client_error("put_job_success_result", "ThrottlingException", http_status_code=400)
        with pytest.raises(Transient):
            JobResults(stub.client).succeeded(JOB_ID, "done", {})
