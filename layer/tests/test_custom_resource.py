"""The custom-resource protocol: reading requests, the answer's bytes, and delivering it over HTTP."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from deployer.custom_resource import (
    _RETRIES,
    MAX_ANSWER,
    Done,
    Failed,
    Request,
    RequestType,
    Responder,
    answer_body,
    created_by_us,
    parse,
    physical_id,
)
from deployer.errors import Broken, Rejected, Transient

STACK = "arn:aws:cloudformation:us-east-1:123456789012:stack/site-staging/51af3dc0-da77-11e4-872e-1234567db123"


def event(**changes: Any) -> dict[str, Any]:
    """A Create as CloudFormation sends it, changed; None removes a field."""
    given_event: dict[str, Any] = {
        "RequestType": "Create",
        "RequestId": "8f1b2c3d-0000-4000-8000-000000000001",
        "ResponseURL": "https://cloudformation-custom-resource-response.s3.amazonaws.com/x?X-Amz-Signature=hush",
        "ResourceType": "Custom::S3Cleaner",
        "LogicalResourceId": "Cleaner",
        "StackId": STACK,
        "ResourceProperties": {"ServiceToken": "arn:aws:lambda:…", "Bucket": "site-bucket"},
        **changes,
    }
    return {key: value for key, value in given_event.items() if value is not None}


CREATE = parse(event())
CREATED = physical_id(CREATE, Done())
UPDATE = parse(event(RequestType="Update", PhysicalResourceId=CREATED, OldResourceProperties={"Bucket": "old"}))
DELETE = parse(event(RequestType="Delete", PhysicalResourceId=CREATED))


def test_a_request_is_read() -> None:
    assert UPDATE.type is RequestType.UPDATE
    assert UPDATE.stack_name == "site-staging"
    assert UPDATE.account == "123456789012"
    assert UPDATE.old_properties == {"Bucket": "old"}
    assert UPDATE.text("BucketName", "Bucket") == "site-bucket"


@pytest.mark.parametrize("request_", [CREATE, UPDATE, DELETE], ids=["create", "update", "delete"])
def test_a_request_survives_the_queue(request_: Request) -> None:
    assert parse(json.loads(json.dumps(request_.event()))) == request_


@pytest.mark.parametrize(
    "given_event",
    [
        None,
        [],
        "Create",
        event(RequestType="Destroy"),
        event(StackId="site-staging"),
        event(StackId=7),
        event(ResponseURL=None),
        event(ResponseURL="file:///etc/passwd"),
        event(RequestId=""),
        event(LogicalResourceId=None),
        event(ResourceProperties=["Bucket"]),
    ],
    ids=[
        "null",
        "list",
        "text",
        "unknown-type",
        "stack-name-for-arn",
        "number-for-arn",
        "no-url",
        "file-url",
        "empty-request-id",
        "no-logical-id",
        "list-of-properties",
    ],
)
def test_what_is_no_request_is_refused_without_quoting_it(given_event: object) -> None:
    with pytest.raises(Rejected) as caught:
        parse(given_event)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("given_value", "seconds"),
    [(None, 3600.0), ("120", 120.0), (90, 90.0), ("0", 1.0), ("99999", 3600.0), ("soon", 3600.0)],
    ids=["absent", "text", "number", "zero", "too-long", "no-number"],
)
def test_service_timeout(given_value: object, seconds: float) -> None:
    properties = {} if given_value is None else {"ServiceTimeout": given_value}
    assert replace(CREATE, properties=properties).timeout == seconds


@pytest.mark.parametrize("value", [None, "", 7, ["a"]], ids=["absent", "empty", "number", "list"])
def test_a_property_must_be_text(value: object) -> None:
    with pytest.raises(Rejected, match="Bucket"):
        replace(CREATE, properties={} if value is None else {"Bucket": value}).text("Bucket", "BucketName")


class TestPhysicalId:
    def test_a_repeated_create_chooses_the_same(self) -> None:
        assert physical_id(CREATE, Done()) == physical_id(parse(event(RequestId="another")), Done())

    def test_two_resources_differ(self) -> None:
        other = replace(CREATE, logical_id="Other")
        assert physical_id(CREATE, Done()) != physical_id(other, Done())

    @pytest.mark.parametrize(
        "answer",
        [pytest.param(Done(), id="F71-update-keeps-physical-id"), pytest.param(Failed("x"), id="F71-even-failing")],
    )
    @pytest.mark.parametrize("request_", [UPDATE, DELETE], ids=["update", "delete"])
    def test_it_is_kept(self, request_: Request, answer: Done | Failed) -> None:
        assert json.loads(answer_body(request_, answer))["PhysicalResourceId"] == CREATED

    @pytest.mark.parametrize(
        ("identifier", "ours"),
        [
            pytest.param(CREATED, True, id="created"),
            pytest.param(physical_id(CREATE, Failed("no bucket given")), False, id="F75-our-failed-create"),
            pytest.param("site-staging-Cleaner-1KQ7ZP0RWX2T", False, id="F75-made-up-by-cloudformation"),
            pytest.param("", False, id="F75-none"),
        ],
    )
    def test_what_was_never_created_is_known(self, identifier: str, ours: bool) -> None:
        assert created_by_us(replace(DELETE, physical_id=identifier)) is ours


class TestAnswer:
    def test_success(self) -> None:
        assert json.loads(answer_body(DELETE, Done("3 removed"))) == {
            "Status": "SUCCESS",
            "PhysicalResourceId": CREATED,
            "StackId": STACK,
            "RequestId": DELETE.request_id,
            "LogicalResourceId": "Cleaner",
        }

    def test_a_failure_has_a_reason_even_where_none_is_known(self) -> None:
        assert json.loads(answer_body(DELETE, Failed("")))["Reason"]

    @pytest.mark.parametrize(
        "reason",
        ["x" * 10_000, "ä" * 10_000, "🪣" * 10_000, '"' * 10_000, "\x01" * 10_000, "\ud800" * 10_000],
        ids=[f"F74-{kind}" for kind in ("ascii", "two-bytes", "four-bytes", "quotes", "control", "surrogates")],
    )
    def test_the_reason_is_cut_and_nothing_else(self, reason: str) -> None:
        body = answer_body(DELETE, Failed(reason))
        document = json.loads(body)
        assert MAX_ANSWER * 0.9 < len(body) <= MAX_ANSWER
        assert document["PhysicalResourceId"] == CREATED
        assert document["Reason"].endswith("…")

    @given(
        text=st.text(max_size=80) | st.text(st.sampled_from('"\\\n\x01ä🪣\ud800'), max_size=80),
        times=st.integers(1, 300),
        lengths=st.tuples(st.integers(1, 128), st.integers(1, 255), st.integers(0, 1024)),
        kind=st.sampled_from(RequestType),
        value=st.text(max_size=3000),
    )
    def test_F74_it_always_fits_and_only_the_reason_is_cut(
        self, *, text: str, times: int, lengths: tuple[int, int, int], kind: RequestType, value: str
    ) -> None:
        """Names as long as AWS lets them be, in whatever event: they come back as they were."""
        (stack, logical, physical), reason = lengths, text * times
        request = parse(
            event(
                RequestType=kind.value,
                StackId=STACK.replace("site-staging", "s" * stack),
                LogicalResourceId="L" * logical,
                PhysicalResourceId="p" * physical,
                ResourceProperties={"Bucket": value},
            )
        )
        body = answer_body(request, Failed(reason))
        document = json.loads(body)
        assert len(body) <= MAX_ANSWER
        kept = document.pop("Reason")
        assert document == {
            "Status": "FAILED",
            "PhysicalResourceId": physical_id(request, Failed(reason)),
            "StackId": request.stack_id,
            "RequestId": request.request_id,
            "LogicalResourceId": request.logical_id,
        }
        assert document["PhysicalResourceId"] == request.physical_id or not physical
        whole = (reason or "no reason known").encode("utf-8", "replace").decode()
        assert kept == whole or (kept.endswith("…") and whole.startswith(kept[:-1]) and len(body) > MAX_ANSWER * 0.9)


class Endpoint:
    """What CloudFormation's bucket is to us: takes PUTs and answers with the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.puts: list[tuple[str, dict[str, str], bytes]] = []
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.puts.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
                status = endpoint.statuses.pop(0) if endpoint.statuses else 200
                if not status:  # hang up
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/answer?X-Amz-Signature=hush"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()
    thread = threading.Thread(target=served.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    served.server.shutdown()
    thread.join()
    served.server.server_close()


def responder() -> Responder:
    """The product's own retries, without their pauses."""
    return Responder(retries=_RETRIES.new(backoff_factor=0))


class TestDelivery:
    def test_F73_the_content_type_is_empty(self, endpoint: Endpoint) -> None:
        responder().send(replace(DELETE, response_url=endpoint.url), Done())
        ((path, headers, body),) = endpoint.puts
        assert path == "/answer?X-Amz-Signature=hush"
        assert headers["content-type"] == ""
        assert json.loads(body)["Status"] == "SUCCESS"

    def test_F73_a_passing_error_is_tried_again(self, endpoint: Endpoint) -> None:
        endpoint.statuses = [503, 500]
        responder().send(replace(DELETE, response_url=endpoint.url), Done())
        assert len(endpoint.puts) == 3

    def test_F73_a_connection_that_breaks_is_tried_again(self, endpoint: Endpoint) -> None:
        endpoint.statuses = [0, 0]
        responder().send(replace(DELETE, response_url=endpoint.url), Done())
        assert len(endpoint.puts) == 3

    def test_F73_pauses_are_short_whatever_the_other_side_asks(self) -> None:
        """An invocation has 8 s for its last word."""
        history = _RETRIES
        waits = []
        for _ in range(_RETRIES.total or 0):
            history = history.increment("PUT", "/", error=ProtocolError("broken"))
            waits.append(history.get_backoff_time())
        assert sum(waits) < 4
        assert not _RETRIES.respect_retry_after_header

    def test_F73_retries_are_bounded(self, endpoint: Endpoint) -> None:
        endpoint.statuses = [503] * 50
        with pytest.raises(Transient, match="503"):
            responder().send(replace(DELETE, response_url=endpoint.url), Done())
        assert len(endpoint.puts) == 5

    @pytest.mark.parametrize("status", [403, 400, 302], ids=["F73-expired", "F73-refused", "F73-redirected"])
    def test_the_status_is_checked(self, endpoint: Endpoint, status: int) -> None:
        endpoint.statuses = [status]
        with pytest.raises(Broken, match=str(status)):
            responder().send(replace(DELETE, response_url=endpoint.url), Done())
        assert len(endpoint.puts) == 1

    def test_the_url_is_told_to_nobody(self, caplog: pytest.LogCaptureFixture) -> None:
        closed = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        closed.server_close()
        request = replace(DELETE, response_url=f"http://127.0.0.1:{closed.server_port}/answer?X-Amz-Signature=hush")
        caplog.set_level(logging.DEBUG)
        with pytest.raises(Transient) as caught:
            responder().send(request, Done())
        assert "Retrying" in caplog.text  # urllib3 does warn, so the next line proves something
        assert "hush" not in caplog.text
        assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r} {request!r}"
