"""The function as Lambda calls it, with the real adapters in front of moto."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from deployer.errors import Broken
from listener import handler as subject

SECRET = "a webhook's secret"
PUSH = {
    "ref": "refs/heads/feature/login",
    "after": "a" * 40,
    "repository": {"id": 7, "name": "site", "owner": {"login": "acme"}, "default_branch": "main", "pushed_at": 5},
}


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("_X_AMZN_TRACE_ID", raising=False)
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    with mock_aws():
        boto3.client("ssm").put_parameter(Name="opolis.github.hmac", Value=SECRET, Type="SecureString")
        sqs = boto3.client("sqs")
        url = sqs.create_queue(QueueName="looks.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        monkeypatch.setenv("LOOKS_QUEUE_URL", url)
        monkeypatch.setenv("GITHUB_HMAC_PARAMETER", "opolis.github.hmac")
        monkeypatch.setenv("ALLOWED_REPOSITORIES", "acme/*")
        subject._listener.cache_clear()
        yield sqs, url
        subject._listener.cache_clear()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


def webhook(secret: str = SECRET) -> dict[str, Any]:
    body = json.dumps(PUSH)
    digest = hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-github-event": "push",
        "x-github-delivery": "72d3162e",
        "x-hub-signature-256": f"sha256={digest}",
    }
    return {"version": "2.0", "headers": headers, "body": body, "isBase64Encoded": False}


def test_a_push_becomes_a_message(queue: tuple[Any, str]) -> None:
    sqs, url = queue
    assert subject.handler(webhook(), None)["statusCode"] == 202
    assert subject.handler(webhook("forged"), None)["statusCode"] == 401
    [message] = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert json.loads(message["Body"])["environment"] == "7/refs/heads/feature/login"


def test_F16_what_hangs_is_given_up_on_inside_githubs_ten_seconds(queue: tuple[Any, str]) -> None:
    listener: Any = subject._listener()
    for client in (listener.looks._sqs, listener.verifier._secrets._ssm):
        config = client.meta.config
        tries, pause = config.retries["total_max_attempts"], 1  # s, before a second try at most
        assert tries * (config.connect_timeout + config.read_timeout) + (tries - 1) * pause <= 8


class Away(BaseHTTPRequestHandler):
    """An SQS that answers, and takes nothing."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keeps the test's output clean."""


def test_F16_a_queue_that_is_away_is_answered_with_503_after_two_tries(
    queue: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Away) as server:
        server.asked = 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", f"http://127.0.0.1:{server.server_port}")
            answer = subject.handler(webhook(), None)
        finally:
            server.shutdown()
            thread.join()
        assert answer["statusCode"] == 503
        assert server.asked == 2  # type: ignore[attr-defined]


def test_F16_lambda_gives_up_before_github_does() -> None:
    template = (Path(__file__).parents[1] / "template.yaml").read_text("utf-8")
    [timeout] = re.findall(r"^      Timeout: (\d+)$", template, re.MULTILINE)
    assert int(timeout) < 10


@pytest.mark.parametrize("value", [" ", None], ids=["F2-blank", "F2-unset"])
def test_without_a_secret_nothing_is_queued(queue: tuple[Any, str], value: str | None) -> None:
    ssm = boto3.client("ssm")
    ssm.delete_parameter(Name="opolis.github.hmac")
    if value:
        ssm.put_parameter(Name="opolis.github.hmac", Value=value, Type="SecureString")
    assert [subject.handler(webhook(secret), None)["statusCode"] for secret in (SECRET, "", " ")] == [503] * 3
    assert "Messages" not in queue[0].receive_message(QueueUrl=queue[1])


def test_F18_both_parameters_are_valid_while_the_secret_is_rotated(queue: tuple[Any, str]) -> None:
    ssm = boto3.client("ssm")
    ssm.put_parameter(Name="opolis.github.hmac.previous", Value=SECRET, Type="SecureString")
    ssm.put_parameter(Name="opolis.github.hmac", Value="rotated", Type="SecureString", Overwrite=True)
    answers = [subject.handler(webhook(secret), None)["statusCode"] for secret in ("rotated", SECRET, "forged")]
    assert answers == [202, 202, 401]


@pytest.mark.parametrize("value", ["", None], ids=["empty", "unset"])
def test_F17_an_empty_allow_list_is_not_everybody(
    queue: tuple[Any, str], monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("ALLOWED_REPOSITORIES")
    else:
        monkeypatch.setenv("ALLOWED_REPOSITORIES", value)
    with pytest.raises(Broken, match="ALLOWED_REPOSITORIES"):
        subject.handler(webhook(), None)
