"""The function as Lambda calls it, with the real adapters in front of moto."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Iterator
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
        assert config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout) <= 8


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
