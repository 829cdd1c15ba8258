"""What the two cleaners promise, against two AWS that do not know each other: moto as a server, and the laptop engine.

Both are lax where AWS is strict, so the tests do not lean on them there: neither refuses a bucket of another account
(`ExpectedBucketOwner`; the layer's own tests see that it is sent and signed), and moto has no stack that is being
deleted or that fails to be: it is told what to say, and what it can't be told is asked of the engine alone. Nested
stacks are asked of neither: the engine's tell no ParentId, and a deletion that fails in one is passed over.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boto3
import pytest
from moto.backends import get_backend
from moto.server import ThreadedMotoServer

from deployer.cleanups import Outcome, Unfinished
from deployer.custom_resource import Done, Failed, Request, RequestType
from deployer.errors import Rejected
from deployer.stacks import CloudFormation
from deployer_cli.demo.expect import until
from deployer_local.engine import CREDENTIALS, Engine
from s3cleaner.cleaning import S3Cleaner
from s3cleaner.handler import Buckets, session
from stack_cleaner.cleaning import StackCleaner

REGION, PATIENCE = "us-east-1", 60.0
Going = Callable[[str], AbstractContextManager[None]]


@dataclass
class Cloud:
    """An AWS over the wire. ``going``: while the context lasts, the stack of that ARN is being deleted."""

    url: str
    going: Going
    engine: Engine | None = None

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.url)

    def stack(self, resources: dict[str, Any], name: str = "", **more: Any) -> str:
        """Create a stack; answers with its ARN once it is at rest."""
        cloudformation = self.client("cloudformation")
        body = json.dumps({"Resources": resources})
        made = cloudformation.create_stack(StackName=name or unique("s"), TemplateBody=body, **more)["StackId"]
        self.at_rest(made)
        return str(made)

    def at_rest(self, stack_id: str) -> None:
        def check() -> str | None:
            status = str(self.client("cloudformation").describe_stacks(StackName=stack_id)["Stacks"][0]["StackStatus"])
            return status if status.endswith("_IN_PROGRESS") else None

        until("the stack is at rest", check, PATIENCE)


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:8]}"


@contextmanager
def moto() -> Iterator[Cloud]:
    @contextmanager
    def going(stack_id: str) -> Iterator[None]:
        """moto deletes at once; a stack that it is told goes is there for as long as is needed."""
        get_backend("cloudformation")["123456789012"][REGION].get_stack(stack_id).status = "DELETE_IN_PROGRESS"
        yield

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Cloud(f"http://{host}:{port}", going)
    server.stop()


@contextmanager
def laptop(engine: Engine) -> Iterator[Cloud]:
    @contextmanager
    def going(stack_id: str) -> Iterator[None]:
        with engine.hold_stack(lambda operation: operation.stack_id == stack_id) as hold:
            engine.client("cloudformation").delete_stack(StackName=stack_id)
            hold.wait()
            yield

    with engine:
        yield Cloud(engine.aws_url, going, engine)


@pytest.fixture(scope="module", params=["moto", "engine"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with moto() if request.param == "moto" else laptop(Engine(tmp_path_factory.mktemp("engine"))) as cloud:
        yield cloud


@pytest.fixture
def cloud(served: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """With the variables that a function finds."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": served.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    return served


def plenty() -> float:
    return 600.0


def ticks(looks: int) -> Callable[[], float]:
    left = iter([1.0] * looks)
    return lambda: next(left, 0.0)


def deletion(stack_id: str, **properties: str) -> Request:
    return Request(
        type=RequestType.DELETE,
        stack_id=stack_id,
        response_url="https://example.invalid/answer",
        request_id="request-1",
        logical_id="Cleaner",
        resource_type="Custom::Cleaner",
        physical_id="opolis-deployer/Cleaner/01",
        properties=properties,
    )


# --- s3cleaner


def site(name: str) -> dict[str, Any]:
    return {"Site": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}}


class Bucket:
    """A bucket in a stack of its own, and what can be put into it."""

    def __init__(self, cloud: Cloud, *, versioned: bool, locked: bool) -> None:
        self.cloud, self.s3, self.name = cloud, cloud.client("s3"), unique("site")
        self.stack = cloud.stack(site(self.name))
        # What templates say of versions and locks, the two do not all do.
        if locked:
            self.s3.delete_bucket(Bucket=self.name)
            self.s3.create_bucket(Bucket=self.name, ObjectLockEnabledForBucket=True)
        if versioned:
            self.versioning("Enabled")

    def put(self, *keys: str) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: self.s3.put_object(Bucket=self.name, Key=key, Body=b"x"), keys))

    def mark(self, *keys: str) -> None:
        """A delete marker on each."""
        self.s3.delete_objects(Bucket=self.name, Delete={"Objects": [{"Key": key} for key in keys]})

    def versioning(self, status: str) -> None:
        self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": status})

    def upload(self, *keys: str) -> None:
        for key in keys:
            made = self.s3.create_multipart_upload(Bucket=self.name, Key=key)["UploadId"]
            self.s3.upload_part(Bucket=self.name, Key=key, UploadId=made, PartNumber=1, Body=b"x")

    @property
    def left(self) -> list[str]:
        listed = self.s3.list_object_versions(Bucket=self.name)
        uploads = self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [each["Key"] for each in [*listed.get("Versions", []), *listed.get("DeleteMarkers", []), *uploads]]


def clean(bucket: Bucket, caller: str = "", left: Callable[[], float] = plenty) -> Outcome:
    """One look of s3cleaner's, with the clients that the function makes."""
    stacks = CloudFormation(bucket.cloud.client("cloudformation"))
    step = S3Cleaner(stacks, stacks, Buckets(session()).open)
    return step(deletion(caller or bucket.stack, Bucket=bucket.name), {}, left)


def many(bucket: Bucket) -> None:
    bucket.put(*(f"assets/{number:04}.js" for number in range(1_050)))


def versions_and_markers(bucket: Bucket) -> None:
    keys = [f"assets/{number:04}.js" for number in range(260)]
    for _ in range(2):
        bucket.put(*keys)
        bucket.mark(*keys)


def uploads(bucket: Bucket) -> None:
    bucket.upload(*(f"big-{number}" for number in range(12)), "big-0")


def odd(bucket: Bucket) -> None:
    """What S3 takes and a path does not name; and what XML and URLs write in another way."""
    bucket.put(
        "a//b", "dir/", "dir/a", "./x", "/lead", "..", "a b", "ü", "a&b<c>", "  ", "a+b", "a%2Fb", "😀", "k" * 1024
    )


def folders(bucket: Bucket) -> None:
    """Every one of them can be listed by paths, and two of them not be deleted so."""
    bucket.put("dir/", "dir/a", "empty/")


def suspended(bucket: Bucket) -> None:
    """Versions of before, and one that overwrote them after."""
    bucket.put("a", "b")
    bucket.versioning("Enabled")
    bucket.put("a", "a")
    bucket.versioning("Suspended")
    bucket.put("a")
    bucket.mark("b")


@pytest.mark.parametrize(
    ("fill", "versioned"),
    [
        pytest.param(lambda bucket: None, False, id="nothing"),
        pytest.param(many, False, id="F76-objects"),
        pytest.param(versions_and_markers, True, id="F76-versions-and-markers"),
        pytest.param(uploads, False, id="F76-uploads"),
        pytest.param(odd, False, id="F76-odd-keys"),
        pytest.param(odd, True, id="F76-odd-keys-with-versions"),
        pytest.param(folders, False, id="F76-markers-of-folders"),
        pytest.param(suspended, False, id="F76-versioning-suspended"),
    ],
)
def test_a_bucket_is_emptied_so_that_it_can_be_deleted(cloud: Cloud, fill: Any, versioned: bool) -> None:
    bucket = Bucket(cloud, versioned=versioned, locked=False)
    fill(bucket)
    with cloud.going(bucket.stack):
        assert isinstance(clean(bucket), Done)
        assert bucket.left == []
        # S3 itself refuses one that holds anything.
        bucket.s3.delete_bucket(Bucket=bucket.name)
        assert clean(bucket) == Done("the bucket is gone"), "F78"


@pytest.mark.parametrize("versioned", [False, True], ids=["by-path", "by-version"])
def test_an_emptying_goes_on_where_time_was_up(cloud: Cloud, versioned: bool) -> None:
    bucket = Bucket(cloud, versioned=versioned, locked=False)
    bucket.upload("big")
    bucket.put("a", "a", "b")
    with cloud.going(bucket.stack):
        assert clean(bucket, left=ticks(1)) == Unfinished("1 removed so far", after=0)
        assert set(bucket.left) == {"a", "b"}
        assert clean(bucket) == Done("3 removed" if versioned else "2 removed")


def test_F77_what_s3_keeps_is_said_once_and_by_its_key(cloud: Cloud) -> None:
    bucket = Bucket(cloud, versioned=True, locked=True)
    bucket.put("free", "held")
    bucket.s3.put_object_legal_hold(Bucket=bucket.name, Key="held", LegalHold={"Status": "ON"})
    with cloud.going(bucket.stack):
        for _ in range(2):
            with pytest.raises(Rejected, match=r"kept 1 of \d objects; the first is 'held': AccessDenied"):
                clean(bucket)
        assert bucket.left == ["held"]
        bucket.s3.put_object_legal_hold(Bucket=bucket.name, Key="held", LegalHold={"Status": "OFF"})
        assert clean(bucket) == Done("1 removed")


def test_F79_the_bucket_of_another_stack_is_refused(cloud: Cloud) -> None:
    bucket, other = (Bucket(cloud, versioned=False, locked=False) for _ in range(2))
    bucket.put("a")
    with cloud.going(other.stack):
        assert isinstance(clean(bucket, other.stack), Failed)
    assert bucket.left == ["a"]


def test_F80_the_bucket_of_a_stack_that_lives_on_is_left_as_it_is(cloud: Cloud) -> None:
    bucket = Bucket(cloud, versioned=False, locked=False)
    bucket.put("a")
    bucket.upload("b")
    assert isinstance(clean(bucket), Done)
    assert bucket.left == ["a", "b"]


# --- stack_cleaner


class NoEnvironments:
    """A memory that knows nobody."""

    def holder(self, kind: str, name: str) -> None: ...


QUEUE = {"Queue": {"Type": "AWS::SQS::Queue"}}


def delete(cloud: Cloud, parent: str, name: str, request: str = "request-1") -> list[Outcome]:
    """The looks of stack_cleaner's until it answers."""
    stacks = CloudFormation(cloud.client("cloudformation"))
    step = StackCleaner(stacks, stacks, NoEnvironments())
    looks: list[Outcome] = []

    def check() -> str | None:
        state = looks[-1].state if looks and isinstance(looks[-1], Unfinished) else {}
        looks.append(step(replace(deletion(parent, StackName=name), request_id=request), state, plenty))
        return looks[-1].note if isinstance(looks[-1], Unfinished) else None

    until("it is answered", check, PATIENCE)
    return looks


def alive(cloud: Cloud, name: str) -> bool:
    return CloudFormation(cloud.client("cloudformation")).describe(name) is not None


@pytest.fixture
def parent(cloud: Cloud) -> str:
    return cloud.stack(QUEUE, unique("site"))


def child_of(parent: str) -> str:
    return f"{parent.split('/')[1]}-app"


def test_a_child_is_deleted_and_then_answered_for(cloud: Cloud, parent: str) -> None:
    child = cloud.stack(QUEUE, child_of(parent))
    with cloud.going(parent):
        looks = delete(cloud, parent, child_of(parent))
    assert looks[-1] == Done("the stack is gone")
    first = looks[0]
    assert isinstance(first, Unfinished)
    assert first.state["child"] == child
    assert not alive(cloud, child_of(parent))


def test_a_child_of_which_there_is_only_a_change_set_is_deleted(cloud: Cloud, parent: str) -> None:
    cloudformation = cloud.client("cloudformation")
    cloudformation.create_change_set(
        StackName=child_of(parent),
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=json.dumps({"Resources": QUEUE}),
    )
    status = cloudformation.describe_stacks(StackName=child_of(parent))["Stacks"][0]["StackStatus"]
    assert status == "REVIEW_IN_PROGRESS"
    with cloud.going(parent):
        assert delete(cloud, parent, child_of(parent))[-1] == Done("the stack is gone")
    assert not alive(cloud, child_of(parent))


def test_F78_a_child_that_is_not_there_is_gone(cloud: Cloud, parent: str) -> None:
    with cloud.going(parent):
        assert delete(cloud, parent, child_of(parent)) == [Done("the stack is gone")]


def test_F79_a_stack_of_another_name_is_refused(cloud: Cloud, parent: str) -> None:
    other = unique("other")
    cloud.stack(QUEUE, other)
    with cloud.going(parent):
        [answer] = delete(cloud, parent, other)
    assert isinstance(answer, Failed)
    assert alive(cloud, other)


def test_F80_the_child_of_a_stack_that_lives_on_stays(cloud: Cloud, parent: str) -> None:
    cloud.stack(QUEUE, child_of(parent))
    [answer] = delete(cloud, parent, child_of(parent))
    assert isinstance(answer, Done)
    assert alive(cloud, child_of(parent))


def test_F90_a_namesake_made_meanwhile_is_another_stack(cloud: Cloud, parent: str) -> None:
    cloudformation = cloud.client("cloudformation")
    child = cloud.stack(QUEUE, child_of(parent))
    cloudformation.delete_stack(StackName=child)
    until("it is gone", lambda: "there" if alive(cloud, child) else None, PATIENCE)
    cloud.stack(QUEUE, child_of(parent))
    stacks = CloudFormation(cloudformation)
    with cloud.going(parent):
        step = StackCleaner(stacks, stacks, NoEnvironments())
        answer = step(deletion(parent, StackName=child_of(parent)), {"child": child, "asked": "t"}, plenty)
    assert answer == Done("the stack is gone")
    assert alive(cloud, child_of(parent))


# moto's stacks are never busy, never fail and have no protection.
ENGINE = pytest.mark.parametrize("served", ["engine"], indirect=True)


@ENGINE
def test_termination_protection_is_said(cloud: Cloud, parent: str) -> None:
    cloud.stack(QUEUE, child_of(parent), EnableTerminationProtection=True)
    with cloud.going(parent):
        [answer] = delete(cloud, parent, child_of(parent))
        assert isinstance(answer, Failed)
        assert "--no-enable-termination-protection" in answer.reason
        assert alive(cloud, child_of(parent))
        cloud.client("cloudformation").update_termination_protection(
            StackName=child_of(parent), EnableTerminationProtection=False
        )
        assert delete(cloud, parent, child_of(parent))[-1] == Done("the stack is gone")


@ENGINE
def test_a_child_that_rolled_back_is_deleted(cloud: Cloud, parent: str) -> None:
    child = cloud.stack(site("No_Bucket"), child_of(parent))
    found = cloud.client("cloudformation").describe_stacks(StackName=child)["Stacks"][0]
    assert found["StackStatus"] == "ROLLBACK_COMPLETE"
    with cloud.going(parent):
        assert delete(cloud, parent, child_of(parent))[-1] == Done("the stack is gone")


@ENGINE
def test_a_busy_child_is_waited_for(cloud: Cloud, parent: str) -> None:
    assert cloud.engine
    with cloud.engine.hold_stack(lambda operation: operation.stack == child_of(parent)) as hold:
        body = json.dumps({"Resources": QUEUE})
        cloud.client("cloudformation").create_stack(StackName=child_of(parent), TemplateBody=body)
        hold.wait()
        stacks = CloudFormation(cloud.client("cloudformation"))
        with cloud.going(parent):
            look = StackCleaner(stacks, stacks, NoEnvironments())(
                deletion(parent, StackName=child_of(parent)), {}, plenty
            )
            assert isinstance(look, Unfinished)
            assert look.note.endswith("is CREATE_IN_PROGRESS")
            assert "asked" not in look.state
            hold.release()
            assert delete(cloud, parent, child_of(parent))[-1] == Done("the stack is gone")


@ENGINE
def test_a_deletion_that_fails_says_of_what_and_why_and_can_be_asked_for_again(cloud: Cloud, parent: str) -> None:
    s3, name = cloud.client("s3"), unique("full")
    cloud.stack(site(name), child_of(parent))
    s3.put_object(Bucket=name, Key="a", Body=b"x")
    with cloud.going(parent):
        answer = delete(cloud, parent, child_of(parent))[-1]
        assert isinstance(answer, Failed)
        assert ": Site (AWS::S3::Bucket): The bucket you tried to delete is not empty" in answer.reason
        s3.delete_object(Bucket=name, Key="a")
        # What failed for the first request is not taken for the second's own.
        assert delete(cloud, parent, child_of(parent), "request-2")[-1] == Done("the stack is gone")
