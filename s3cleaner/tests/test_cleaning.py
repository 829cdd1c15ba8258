"""Which buckets are emptied, and that emptying ends with an empty bucket or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.stub import Stubber
from moto.server import ThreadedMotoServer
from s3cleaner.tests.fake_bucket import FakeBucket

from deployer.buckets import Bucket as S3Bucket
from deployer.buckets import Gone, Upload, Version
from deployer.cleanups import Cleaner
from deployer.custom_resource import Answer, Done, Failed, Request, RequestType
from deployer.errors import Rejected, Transient
from deployer.ports import Stack, StackResource
from deployer.states import GOING, StackPhase, stack_phase
from s3cleaner.cleaning import BUCKET_TYPE, Empty, S3Cleaner, Sight, decide
from s3cleaner.emptying import Contents, empty
from s3cleaner.handler import Buckets, session

STACK_ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/site-staging-app/51af3dc0"
STATUSES = sorted(botocore.session.get_session().get_service_model("cloudformation").shape_for("StackStatus").enum)


def plenty() -> float:
    return 600.0


def request(type_: RequestType = RequestType.DELETE, **properties: object) -> Request:
    return Request(
        type=type_,
        stack_id=STACK_ID,
        response_url="https://example.invalid/answer",
        request_id="request-1",
        logical_id="Cleaner",
        resource_type="Custom::S3Cleaner",
        physical_id="" if type_ is RequestType.CREATE else "opolis-deployer/Cleaner/01",
        properties=properties or {"Bucket": "site-bucket"},
    )


@dataclass
class FakeCloudFormation:
    """One stack with its resources; told to throttle, it throttles."""

    status: str = "DELETE_IN_PROGRESS"
    owned: tuple[StackResource, ...] = (StackResource(BUCKET_TYPE, "Site", "site-bucket"),)
    throttled: bool = False

    def describe(self, name: str) -> Stack | None:
        if self.throttled:
            raise Transient("describe stack: Rate exceeded")
        return Stack(STACK_ID, "site-staging-app", self.status) if self.status and name == STACK_ID else None

    def resources(self, stack_id: str) -> tuple[StackResource, ...]:
        return self.owned if stack_id == STACK_ID else ()


def run(
    cloudformation: FakeCloudFormation, bucket: Any, asked: Request | None = None, left: Callable[[], float] = plenty
) -> object:
    opened: list[tuple[str, str]] = []

    def open_bucket(name: str, owner: str) -> Contents:
        opened.append((name, owner))
        return Contents(bucket, bucket.paths)

    outcome = S3Cleaner(cloudformation, cloudformation, open_bucket)(asked or request(), {}, left)
    assert opened in ([], [("site-bucket", "123456789012")])
    return outcome


class TestDecide:
    @pytest.mark.parametrize("status", STATUSES)
    def test_F80_only_a_stack_that_goes_for_good(self, status: str) -> None:
        decision = decide(Sight("site-bucket", "site-staging-app", status, owned=True))
        if status in ("DELETE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS"):
            assert decision == Empty()
        else:
            assert isinstance(decision, Done)
            assert "left as it is" in decision.reason

    @pytest.mark.parametrize("status", [*STATUSES, ""], ids=[*(f"F79-{status}" for status in STATUSES), "F79-no-stack"])
    def test_somebody_elses_bucket_is_refused(self, status: str) -> None:
        decision = decide(Sight("theirs", "site-staging-app", status, owned=False))
        assert isinstance(decision, Failed)
        assert "theirs" in decision.reason

    def test_F78_a_bucket_that_is_not_there(self) -> None:
        assert isinstance(decide(Sight("b", "s", "DELETE_IN_PROGRESS", owned=False, exists=False)), Done)

    def test_the_statuses_of_a_stack_that_goes_are_known(self) -> None:
        assert {stack_phase(status) for status in GOING} == {StackPhase.BUSY}


class Answers:
    """CloudFormation's mailbox."""

    def __init__(self) -> None:
        self.sent: list[Answer] = []

    def send(self, request: Request, answer: Answer) -> None:
        self.sent.append(answer)


class Queue:
    """The function's own queue."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, body: str, delay: int) -> None:
        self.sent.append(body)

    def hide(self, receipt: str, seconds: int) -> None:
        raise AssertionError("nothing was received")


class Context:
    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.mark.parametrize(
    ("cloudformation", "expected"),
    [
        pytest.param(FakeCloudFormation(owned=()), Failed, id="F79-no-such-resource"),
        pytest.param(
            FakeCloudFormation(owned=(StackResource("AWS::SQS::Queue", "Q", "site-bucket"),)),
            Failed,
            id="F79-resource-of-another-type",
        ),
        pytest.param(
            FakeCloudFormation(owned=(StackResource(BUCKET_TYPE, "site-bucket", "another"),)),
            Failed,
            id="F79-only-the-logical-id",
        ),
        pytest.param(FakeCloudFormation(status=""), Failed, id="F79-no-such-stack"),
        pytest.param(FakeCloudFormation(status="UPDATE_ROLLBACK_IN_PROGRESS"), Done, id="F80-rollback-of-an-update"),
        pytest.param(
            FakeCloudFormation(status="UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), Done, id="F80-removed-from-the-template"
        ),
        pytest.param(FakeCloudFormation(status="UPDATE_IN_PROGRESS"), Done, id="F80-replaced"),
    ],
)
def test_nothing_is_touched(cloudformation: FakeCloudFormation, expected: type) -> None:
    bucket = FakeBucket([Version("a", "1")], [Upload("b", "2")])
    assert isinstance(run(cloudformation, bucket), expected)
    assert (len(bucket.contents), len(bucket.unfinished), bucket.calls) == (1, 1, [])


@pytest.mark.parametrize("type_", [RequestType.CREATE, RequestType.UPDATE])
def test_create_and_update_do_nothing(type_: RequestType) -> None:
    bucket = FakeBucket([Version("a", "1")])
    assert run(FakeCloudFormation(throttled=True), bucket, request(type_)) == Done()
    assert bucket.calls == []


def test_both_spellings_of_the_property() -> None:
    assert run(FakeCloudFormation(), FakeBucket(), request(BucketName="site-bucket")) == Done("0 removed")


def test_a_missing_property_is_said_on_create() -> None:
    with pytest.raises(Rejected, match="Bucket"):
        run(FakeCloudFormation(), FakeBucket(), request(RequestType.CREATE, ServiceToken="arn"))


@pytest.mark.parametrize("type_", list(RequestType))
@pytest.mark.parametrize("name", ["arn:aws:s3:::site-bucket", "https://site-bucket.s3.amazonaws.com", "Site", "ab"])
def test_what_is_no_buckets_name_is_said_at_once(type_: RequestType, name: str) -> None:
    """``!GetAtt Site.Arn`` would create well, and keep its stack from being deleted for an hour."""
    bucket = FakeBucket([Version("a", "1")])
    with pytest.raises(Rejected, match="is no bucket's name; refer to the bucket with !Ref"):
        run(FakeCloudFormation(), bucket, request(type_, Bucket=name))
    assert bucket.calls == []


@pytest.mark.parametrize(
    "owned",
    [(), (StackResource(BUCKET_TYPE, "Site", "site-bucket"),)],
    ids=["F78-gone-and-forgotten", "F78-gone-by-hand"],
)
def test_a_bucket_that_is_gone_is_success(owned: tuple[StackResource, ...]) -> None:
    assert run(FakeCloudFormation(owned=owned), FakeBucket(there=False)) == Done("the bucket is gone")


class TestRefusals:
    def test_F77_errors_in_an_answer_of_200_are_answered_with_failed(self) -> None:
        """From S3's answer to CloudFormation's: nothing in between is a fake but S3 and the mailbox."""
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        kept = [{"Key": "b", "VersionId": "1"}, {"Key": "c", "VersionId": "1"}]
        said = [{"Key": each["Key"], "Code": code} for each, code in zip(kept, ("AccessDenied", "X"), strict=True)]
        with Stubber(client) as s3:
            s3.add_response("list_multipart_uploads", {})
            s3.add_response("get_bucket_versioning", {"Status": "Enabled"})
            s3.add_response("list_object_versions", {"Versions": [{"Key": "a", "VersionId": "1"}, *kept]})
            s3.add_response("delete_objects", {"Deleted": [{"Key": "a", "VersionId": "1"}], "Errors": said})
            cloudformation, answers, queue = FakeCloudFormation(), Answers(), Queue()
            contents = Contents(S3Bucket(client, "site-bucket", "123456789012"), FakeBucket().paths)
            step = S3Cleaner(cloudformation, cloudformation, lambda name, owner: contents)
            assert Cleaner(step, queue, answers)(request().event(), Context()) is None
            s3.assert_no_pending_responses()  # and another call would have been an error
        [answer] = answers.sent
        assert isinstance(answer, Failed)
        assert "2 of 3 objects; the first is 'b': AccessDenied" in answer.reason
        assert queue.sent == [], "it does not come back to try again"

    def test_F88_throttling_is_not_gone(self) -> None:
        with pytest.raises(Transient):
            run(FakeCloudFormation(throttled=True), FakeBucket())


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """moto as a server: one of the two ways in is not boto3's."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield boto3.client("s3")
    server.stop()


def test_the_real_bucket_is_opened_by_both_ways_in(s3: Any) -> None:
    name = "site-bucket-of-two-ways"
    s3.create_bucket(Bucket=name)
    for key in ("a.html", "docs/", "docs/a.html", "a//b", "ü.html"):
        s3.put_object(Bucket=name, Key=key, Body=b"x")
    s3.create_multipart_upload(Bucket=name, Key="big")
    opened = Buckets(session()).open(name, "123456789012")
    assert sorted(version.key for page in opened.bucket.versions() for version in page)[-1] == "ü.html"
    assert empty(opened, plenty) == Done("6 removed")
    s3.delete_bucket(Bucket=name)
    with pytest.raises(Gone):
        empty(opened, plenty)


def test_dates_are_not_read(s3: Any) -> None:
    s3.create_bucket(Bucket="site-bucket-of-dates")
    s3.put_object(Bucket="site-bucket-of-dates", Key="a", Body=b"x")
    [version] = session().client("s3").list_object_versions(Bucket="site-bucket-of-dates")["Versions"]
    assert isinstance(version["LastModified"], str)
